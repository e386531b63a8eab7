/**
 * Walks down hash chains, one or four at a time: node[i-1] = sha256(tweak(i) | node[i]), exactly one block.
 * Digit and index are bytes 20 to 22 of it, so the node lies one byte off its words: each takes three bytes
 * of one node word and one of the next.
 */
import { BLOCK, BLOCK_SIZE, BLOCKS, BLOCKS_SIZE, NODE, NODE_SIZE, NODES, WORD } from './layout'
import * as Sha256 from './sha256'
import * as Sha256x4 from './sha256x4'
import * as Vector from './vector'
import * as Words from './words'

/** Bits of the message: tweak and node. */
const MESSAGE_BITS: u32 = (23 + 32) * 8

/**
 * What all blocks of a chain have in common: the four words of the lane tweak, the state after the first
 * five rounds (those words and the epoch), and of words 16 to 19 of the schedule all but what a node
 * changes. All as bytes, big-endian. With it a step takes 59 rounds, and in vectors the schedule 44 words.
 */
export const HEAD_SIZE: usize = 64
const STATE: usize = 16
const SUMS: usize = 48

/** A walk to take: its chain's head, its epoch, digit << 16 | index of the node, and where the node is. */
export const WALK_SIZE: usize = 24
export const HEAD: usize = 0
export const EPOCH: usize = 4
export const PLACE: usize = 8
export const SOURCE: usize = 12
/** The node that it must reach, in how many steps, and whose verdict byte it decides. */
export const HELD: usize = 16
export const STEPS: usize = 20
export const FRAME: usize = 22

/** Makes the head at `head` whole, whose first 16 bytes, the lane tweak, are there. */
export function begin(head: usize, epoch: u32): void {
  const w0 = bswap(load<u32>(head, 0)), w1 = bswap(load<u32>(head, 4)), w2 = bswap(load<u32>(head, 8)), w3 = bswap(load<u32>(head, 12))
  Sha256.begin(w0, w1, w2, w3, epoch, head + STATE)
  store<u32>(head, Sha256.σ0(w1) + w0, SUMS)
  store<u32>(head, Sha256.σ0(w2) + w1 + Sha256.σ1(MESSAGE_BITS), SUMS + 4)
  store<u32>(head, Sha256.σ0(w3) + w2, SUMS + 8)
  store<u32>(head, Sha256.σ0(epoch) + w3, SUMS + 12)
  for (let i: usize = STATE; i < HEAD_SIZE; i += 16) Words.swap(head + i, head + i)
}

/** The state that all blocks of the chain at hand begin with. */
const EARLY: usize = memory.data(32, 16)
/** Digit and index of the node at hand. */
let place: u32 = 0

/** Takes a node at hand, to walk from it. */
export function take(walk: usize): void {
  const head = <usize>load<u32>(walk, HEAD), source = <usize>load<u32>(walk, SOURCE)
  place = load<u32>(walk, PLACE)
  Words.swap(head, BLOCK)
  store<u32>(BLOCK, load<u32>(walk, EPOCH), 4 * 4)
  store<u32>(BLOCK, 0, 14 * 4)
  store<u32>(BLOCK, MESSAGE_BITS, 15 * 4)
  Words.swap(head + STATE, EARLY)
  Words.swap(head + STATE + 16, EARLY + 16)
  Words.swap(source, NODE)
  Words.swap(source + 16, NODE + 16)
}

/** From node[index] to node[index - 1]. */
export function step(): void {
  let left = place
  place -= 1
  for (let i: usize = 0; i < 8 * 4; i += 4) {
    const right = load<u32>(NODE + i)
    store<u32>(BLOCK + i, (left << 8) | (right >>> 24), 5 * 4)
    left = right
  }
  store<u32>(BLOCK, (left << 8) | 0x80, 13 * 4)
  Sha256.compress(Sha256.H, EARLY, BLOCK, NODE)
}

/** Writes the node at hand. */
export function give(target: usize): void {
  Words.swap(NODE, target)
  Words.swap(NODE + 16, target + 16)
}

/** Whether the node at hand is the one at `node`. */
export function isAt(node: usize): bool {
  let difference: u32 = 0
  for (let i: usize = 0; i < NODE_SIZE; i += 4) difference |= load<u32>(NODE + i) ^ bswap(load<u32>(node + i))
  return difference == 0
}

/** Forgets the node at hand, which may be a secret, and all that was made of it. */
export function wipe(): void {
  memory.fill(NODE, 0, NODE_SIZE)
  memory.fill(BLOCK, 0, BLOCK_SIZE)
  memory.fill(EARLY, 0, 32)
  Sha256.wipe()
}

/** Of four chains: their states and sums. Of four nodes: digits and indices. */
const STATES: usize = memory.data(12 * 16, 16)
const ALL_SUMS: usize = STATES + 8 * WORD
const PLACES: usize = memory.data(16, 16)

/** `take` of four walks. */
export function take4(w0: usize, w1: usize, w2: usize, w3: usize): void {
  v128.store(BLOCKS, all(w0 + EPOCH, w1 + EPOCH, w2 + EPOCH, w3 + EPOCH), 4 * WORD)
  v128.store(BLOCKS, i32x4.splat(0), 14 * WORD)
  v128.store(BLOCKS, i32x4.splat(MESSAGE_BITS), 15 * WORD)
  v128.store(PLACES, all(w0 + PLACE, w1 + PLACE, w2 + PLACE, w3 + PLACE))

  const h0 = <usize>load<u32>(w0, HEAD), h1 = <usize>load<u32>(w1, HEAD), h2 = <usize>load<u32>(w2, HEAD), h3 = <usize>load<u32>(w3, HEAD)
  Sha256x4.spread(h0 + STATE, h1 + STATE, h2 + STATE, h3 + STATE, HEAD_SIZE - STATE, STATES)
  Sha256x4.spread(load<u32>(w0, SOURCE), load<u32>(w1, SOURCE), load<u32>(w2, SOURCE), load<u32>(w3, SOURCE), NODE_SIZE, NODES)
}

/** Four words as one vector. */
// @ts-ignore: decorator
@inline function all(p0: usize, p1: usize, p2: usize, p3: usize): v128 {
  return v128.load32_lane(p3, v128.load32_lane(p2, v128.load32_lane(p1, v128.load32_zero(p0), 1), 2), 3)
}

/** `step` of four nodes. */
export function step4(): void {
  const places = v128.load(PLACES)
  v128.store(PLACES, i32x4.sub(places, i32x4.splat(1)))
  let left = places
  for (let i: usize = 0; i < 8 * WORD; i += WORD) {
    const right = v128.load(NODES + i)
    v128.store(BLOCKS + i, v128.or(i32x4.shl(left, 8), i32x4.shr_u(right, 24)), 5 * WORD)
    left = right
  }
  v128.store(BLOCKS, v128.or(i32x4.shl(left, 8), i32x4.splat(0x80)), 13 * WORD)

  const w16 = i32x4.add(v128.load(BLOCKS,  9 * WORD), v128.load(ALL_SUMS, 0 * WORD))
  const w17 = i32x4.add(v128.load(BLOCKS, 10 * WORD), v128.load(ALL_SUMS, 1 * WORD))
  v128.store(BLOCKS, w16, 16 * WORD)
  v128.store(BLOCKS, w17, 17 * WORD)
  v128.store(BLOCKS, i32x4.add(i32x4.add(v128.load(BLOCKS, 11 * WORD), v128.load(ALL_SUMS, 2 * WORD)), Vector.σ1(w16)), 18 * WORD)
  v128.store(BLOCKS, i32x4.add(i32x4.add(v128.load(BLOCKS, 12 * WORD), v128.load(ALL_SUMS, 3 * WORD)), Vector.σ1(w17)), 19 * WORD)
  Sha256x4.compress(Sha256.H, STATES, BLOCKS, 20, NODES)
}

/** Which of four nodes are not those at `n0` to `n3`: bit i for node i. Of the blocks it spoils only the schedule. */
export function differ4(n0: usize, n1: usize, n2: usize, n3: usize): u32 {
  let difference = i32x4.splat(0)
  const others = BLOCKS + 16 * WORD
  Sha256x4.spread(n0, n1, n2, n3, NODE_SIZE, others)
  for (let i: usize = 0; i < 8 * WORD; i += WORD)
    difference = v128.or(difference, v128.xor(v128.load(others + i), v128.load(NODES + i)))
  return i32x4.bitmask(i32x4.ne(difference, i32x4.splat(0)))
}

/** Writes four nodes, end to end. */
export function give4(target: usize): void {
  Sha256x4.gather(NODES, target)
}

/** `wipe` of four nodes. */
export function wipe4(): void {
  memory.fill(NODES, 0, 4 * NODE_SIZE)
  memory.fill(BLOCKS, 0, BLOCKS_SIZE)
  memory.fill(STATES, 0, 12 * WORD)
  memory.fill(PLACES, 0, WORD)
  Sha256x4.wipe()
}
