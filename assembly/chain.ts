/**
 * Hash chains: node[i-1] = sha256(tweak(i) | node[i]), 23 + 32 bytes, exactly one block.
 * A node is a secret until it is revealed, so no call leaves one behind in the scratch.
 */
import { BLOCK, BLOCK_SIZE, isHost, NODE, NODE_SIZE, POSITION_SIZE } from './layout'
import * as Sha256 from './sha256'

/** Bits of the message: tweak and node. */
const MESSAGE_BITS: u32 = (23 + 32) * 8

/**
 * Writes the chain whose deepest node, node[length], is at `source`: length + 1 nodes at `target`,
 * node[0], the anchor, first. `source` may lie in the chain's own last place.
 */
export function generate(position: usize, source: usize, length: u32, target: usize): void {
  assert(length <= 0xffff)
  assert(isHost(position, POSITION_SIZE))
  assert(isHost(source, NODE_SIZE))
  assert(isHost(target, (<usize>length + 1) * NODE_SIZE))

  const digit = begin(position, source)
  let at = target + <usize>length * NODE_SIZE
  storeNode(at)
  for (let index = length; index > 0; index--) {
    step(digit, index)
    at -= NODE_SIZE
    storeNode(at)
  }
  wipe()
}

/** Walks `steps` down from node[index] at `source` and writes node[index - steps] at `target`. */
export function walk(position: usize, index: u32, source: usize, steps: u32, target: usize): void {
  assert(index <= 0xffff && steps <= index)
  assert(isHost(position, POSITION_SIZE))
  assert(isHost(source, NODE_SIZE))
  assert(isHost(target, NODE_SIZE))

  const digit = begin(position, source)
  for (const end = index - steps; index > end; index--) step(digit, index)
  storeNode(target)
  wipe()
}

/** Takes the node in, writes the words that every block of the chain shares, returns the digit. */
function begin(position: usize, node: usize): u32 {
  for (let i: usize = 0; i < NODE_SIZE; i += 4) store<u32>(NODE + i, bswap(load<u32>(node + i)))
  for (let i: usize = 0; i < 20; i += 4) store<u32>(BLOCK + i, bswap(load<u32>(position + i)))
  store<u32>(BLOCK, 0, 56)
  store<u32>(BLOCK, MESSAGE_BITS, 60)
  return load<u8>(position, 20)
}

/**
 * NODE goes from node[index] to node[index - 1]. Digit and index are bytes 20 to 22 of the block, so
 * the node lies one byte off its words: each takes three bytes of one node word and one of the next.
 */
function step(digit: u32, index: u32): void {
  let left = (digit << 16) | index
  for (let i: usize = 0; i < NODE_SIZE; i += 4) {
    const right = load<u32>(NODE + i)
    store<u32>(BLOCK + i, (left << 8) | (right >>> 24), 20)
    left = right
  }
  store<u32>(BLOCK, (left << 8) | 0x80, 52)
  Sha256.digest(BLOCK, NODE)
}

function storeNode(target: usize): void {
  for (let i: usize = 0; i < NODE_SIZE; i += 4) store<u32>(target + i, bswap(load<u32>(NODE + i)))
}

function wipe(): void {
  memory.fill(NODE, 0, NODE_SIZE)
  memory.fill(BLOCK, 0, BLOCK_SIZE)
}
