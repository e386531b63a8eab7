/**
 * Hash chains: node[i-1] = sha256(tweak(i) | node[i]), 23 + 32 bytes, exactly one block.
 * A node is a secret until it is revealed, so no call leaves one behind in the scratch.
 */
import {
  BLOCK, BLOCK_WORDS, isHost, NODE, NODE_SIZE, NODE_WORDS, PLACE, POSITION_SIZE, WORD,
} from './layout'
import * as Sha256 from './sha256'
import * as Sha256x4 from './sha256x4'
import * as Words from './words'

/** Bits of the message: tweak and node. */
const MESSAGE_BITS: u32 = (23 + 32) * 8

/**
 * Writes the chain whose deepest node, node[length], is at `source`: length + 1 nodes at `target`,
 * node[0], the anchor, first. `source` may lie in the chain's own last place.
 */
export function generate(position: usize, source: usize, length: u32, target: usize): void {
  pebbles(position, source, length, 1, target)
}

/**
 * Of the same chain only every `spacing`-th node from the anchor on: node[0], node[spacing],
 * node[2 * spacing] and so on, as far as the chain goes. From the pebble, or seed, next above it any
 * node is fewer than `spacing` steps away.
 */
export function pebbles(position: usize, source: usize, length: u32, spacing: u32, target: usize): void {
  assert(length <= 0xffff && spacing > 0)
  assert(isHost(position, POSITION_SIZE))
  assert(isHost(source, NODE_SIZE))
  assert(isHost(target, (<usize>(length / spacing) + 1) * NODE_SIZE))

  begin(0, position, length, source)
  let at = target + <usize>(length / spacing) * NODE_SIZE
  for (let left = length % spacing, index = length; ; left = spacing) {
    for (const end = index - left; index > end; index--) step()
    give(0, at)
    if (index == 0) break
    at -= NODE_SIZE
  }
  wipe()
}

/** Walks `steps` down from node[index] at `source` and writes node[index - steps] at `target`. */
export function walk(position: usize, index: u32, source: usize, steps: u32, target: usize): void {
  assert(index <= 0xffff && steps <= index)
  assert(isHost(position, POSITION_SIZE))
  assert(isHost(source, NODE_SIZE))
  assert(isHost(target, NODE_SIZE))

  begin(0, position, index, source)
  for (; steps > 0; steps--) step()
  give(0, target)
  wipe()
}

/**
 * `walk` of four chains at once: four positions, four u32 indices (little-endian), four nodes and their
 * target, each end to end.
 */
export function walk4(positions: usize, indices: usize, source: usize, steps: u32, target: usize): void {
  assert(isHost(positions, 4 * POSITION_SIZE))
  assert(isHost(indices, 4 * 4))
  assert(isHost(source, 4 * NODE_SIZE))
  assert(isHost(target, 4 * NODE_SIZE))

  for (let lane: usize = 0; lane < 4; lane++) {
    const index = load<u32>(indices + lane * 4)
    assert(index <= 0xffff && steps <= index)
    begin(lane, positions + lane * POSITION_SIZE, index, source + lane * NODE_SIZE)
  }
  for (; steps > 0; steps--) step4()
  for (let lane: usize = 0; lane < 4; lane++) give(lane, target + lane * NODE_SIZE)
  wipe()
}

/** Puts node[index] of the chain at `position` into a lane of the scratch. */
function begin(lane: usize, position: usize, index: u32, node: usize): void {
  const place = (<u32>load<u8>(position, 20) << 16) | index
  take(lane, position, bswap(load<u32>(position, 16)), place, node)
}

/**
 * Puts a node into a lane of the scratch, and what the blocks above it are made of: lane tweak (16
 * bytes), epoch, and digit << 16 | index.
 */
export function take(lane: usize, tweak: usize, epoch: u32, place: u32, node: usize): void {
  const block = BLOCK + lane * 4
  Words.spread(tweak, block)
  store<u32>(block, epoch, 4 * WORD)
  store<u32>(block, 0, 14 * WORD)
  store<u32>(block, MESSAGE_BITS, 15 * WORD)
  store<u32>(PLACE + lane * 4, place)
  const words = NODE + lane * 4
  Words.spread(node, words)
  Words.spread(node + 16, words + 4 * WORD)
}

/** Writes the node of a lane. */
export function give(lane: usize, target: usize): void {
  const words = NODE + lane * 4
  Words.gather(words, target)
  Words.gather(words + 4 * WORD, target + 16)
}

/** Whether the node of a lane is the one at `node`. */
export function equals(lane: usize, node: usize): bool {
  const words = NODE + lane * 4
  return (Words.differ(words, node) | Words.differ(words + 4 * WORD, node + 16)) == 0
}

/**
 * A lane goes from node[index] to node[index - 1]. Digit and index are bytes 20 to 22 of the block, so
 * the node lies one byte off its words: each takes three bytes of one node word and one of the next.
 */
export function step(lane: usize = 0): void {
  const place = PLACE + lane * 4
  const words = NODE + lane * 4
  const block = BLOCK + lane * 4
  let left = load<u32>(place)
  store<u32>(place, left - 1)
  for (let i: usize = 0; i < 8; i++) {
    const right = load<u32>(words + i * WORD)
    store<u32>(block + i * WORD, (left << 8) | (right >>> 24), 5 * WORD)
    left = right
  }
  store<u32>(block, (left << 8) | 0x80, 13 * WORD)
  Sha256.compress(Sha256.H, block, words)
}

/** `step` of all four lanes. */
export function step4(): void {
  if (ASC_FEATURE_SIMD) {
    let left = v128.load(PLACE)
    v128.store(PLACE, i32x4.sub(left, i32x4.splat(1)))
    for (let i: usize = 0; i < 8; i++) {
      const right = v128.load(NODE + i * WORD)
      v128.store(BLOCK + i * WORD, v128.or(i32x4.shl(left, 8), i32x4.shr_u(right, 24)), 5 * WORD)
      left = right
    }
    v128.store(BLOCK, v128.or(i32x4.shl(left, 8), i32x4.splat(0x80)), 13 * WORD)
    Sha256x4.compress(Sha256.H, BLOCK, NODE)
  } else {
    for (let lane: usize = 0; lane < 4; lane++) step(lane)
  }
}

function wipe(): void {
  memory.fill(NODE, 0, NODE_WORDS)
  memory.fill(BLOCK, 0, BLOCK_WORDS)
  memory.fill(PLACE, 0, WORD)
}
