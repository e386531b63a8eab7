/**
 * Hash chains at the border: made whole or in part, and walked. A node is a secret until it is revealed, so
 * no call leaves one behind in the scratch.
 */
import { isHost, NODE_SIZE, POSITION_SIZE } from './layout'
import * as Walk from './walk'

/** Four walks at hand, and the heads of their chains. */
const WALKS: usize = memory.data(4 * 24, 16)
const HEADS: usize = memory.data(4 * 64, 16)

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

  Walk.take(plan(0, position, length, source))
  let at = target + <usize>(length / spacing) * NODE_SIZE
  for (let left = length % spacing, index = length; ; left = spacing) {
    for (const end = index - left; index > end; index--) Walk.step()
    Walk.give(at)
    if (index == 0) break
    at -= NODE_SIZE
  }
  Walk.wipe()
  forget()
}

/** Walks `steps` down from node[index] at `source` and writes node[index - steps] at `target`. */
export function walk(position: usize, index: u32, source: usize, steps: u32, target: usize): void {
  assert(index <= 0xffff && steps <= index)
  assert(isHost(position, POSITION_SIZE))
  assert(isHost(source, NODE_SIZE))
  assert(isHost(target, NODE_SIZE))

  Walk.take(plan(0, position, index, source))
  for (; steps > 0; steps--) Walk.step()
  Walk.give(target)
  Walk.wipe()
  forget()
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

  if (ASC_FEATURE_SIMD) {
    for (let i: usize = 0; i < 4; i++) {
      const index = load<u32>(indices + i * 4)
      assert(index <= 0xffff && steps <= index)
      plan(i, positions + i * POSITION_SIZE, index, source + i * NODE_SIZE)
    }
    Walk.take4(WALKS, WALKS + Walk.WALK_SIZE, WALKS + 2 * Walk.WALK_SIZE, WALKS + 3 * Walk.WALK_SIZE)
    for (; steps > 0; steps--) Walk.step4()
    Walk.give4(target)
    Walk.wipe4()
    forget()
  } else {
    for (let i: usize = 0; i < 4; i++)
      walk(positions + i * POSITION_SIZE, load<u32>(indices + i * 4), source + i * NODE_SIZE, steps, target + i * NODE_SIZE)
  }
}

/** Plans a walk from node[index] of the chain at `position`, the node being at `node`. */
function plan(i: usize, position: usize, index: u32, node: usize): usize {
  const walk = WALKS + i * Walk.WALK_SIZE
  const head = HEADS + i * Walk.HEAD_SIZE
  const epoch = bswap(load<u32>(position, 16))
  memory.copy(head, position, 16)
  Walk.begin(head, epoch)
  store<u32>(walk, head, Walk.HEAD)
  store<u32>(walk, epoch, Walk.EPOCH)
  store<u32>(walk, (<u32>load<u8>(position, 20) << 16) | index, Walk.PLACE)
  store<u32>(walk, node, Walk.SOURCE)
  return walk
}

/** Forgets what was planned. */
function forget(): void {
  memory.fill(WALKS, 0, 4 * Walk.WALK_SIZE)
  memory.fill(HEADS, 0, 4 * Walk.HEAD_SIZE)
}
