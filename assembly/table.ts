/**
 * The lane table: what a payee knows of each lane, in host memory, chunk after chunk, each a struct of
 * arrays. Amounts stay with the host; of them only `limit` is here, in units of the voucher.
 */
import { chunkLanes, digitsMax, laneIndicesAt, laneNodesAt, laneSize } from '../src/crypto/kernel-layout'
import { isHost, NODE_SIZE } from './layout'
import * as Walk from './walk'

const LANES: usize = chunkLanes
const DIGITS_MAX: usize = digitsMax

// The arrays of a chunk, the widest elements first, so that all are aligned.
/** Deepest node per digit. */
const NODES: usize = 0
/** What all blocks of the lane's chains have in common; see walk.ts. */
const HEADS: usize = NODES + LANES * DIGITS_MAX * NODE_SIZE
/** Largest sum of index * radix^digit that the lane can pay, u64. */
const LIMITS: usize = HEADS + LANES * Walk.HEAD_SIZE
/** Steps accepted over the lane's life, u64. */
const STEPS: usize = LIMITS + LANES * 8
/** Deepest index per digit, u16. */
const INDICES: usize = STEPS + LANES * 8
/** The connection that the handle was given out on, u32; 0 for a lane that is closed. */
const CONNECTIONS: usize = INDICES + LANES * DIGITS_MAX * 2
/** Of the newest voucher: epoch u32, radix u16, length u16, digits u8. */
const EPOCHS: usize = CONNECTIONS + LANES * 4
const RADIXES: usize = EPOCHS + LANES * 4
const LENGTHS: usize = RADIXES + LANES * 2
const DIGITS: usize = LENGTHS + LANES * 2
/** Whether a frame of the lane awaits its verdict; zero between calls. */
const BUSY: usize = DIGITS + LANES
const CHUNK_SIZE: usize = BUSY + LANES

/** Bytes that a chunk of lanes takes. */
export function chunkSize(): usize {
  return CHUNK_SIZE
}

/** Where the chunk of a lane begins, and the lane's place in it. */
// @ts-ignore: decorator
@inline export function chunkOf(table: usize, handle: u32): usize { return table + <usize>handle / LANES * CHUNK_SIZE }
// @ts-ignore: decorator
@inline export function slotOf(handle: u32): usize { return <usize>handle % LANES }

// @ts-ignore: decorator
@inline export function connection(chunk: usize, slot: usize): u32 { return load<u32>(chunk + slot * 4, CONNECTIONS) }
// @ts-ignore: decorator
@inline export function epoch(chunk: usize, slot: usize): u32 { return load<u32>(chunk + slot * 4, EPOCHS) }
// @ts-ignore: decorator
@inline export function digits(chunk: usize, slot: usize): u32 { return load<u8>(chunk + slot, DIGITS) }
// @ts-ignore: decorator
@inline export function length(chunk: usize, slot: usize): u32 { return load<u16>(chunk + slot * 2, LENGTHS) }
// @ts-ignore: decorator
@inline export function radix(chunk: usize, slot: usize): u64 { return load<u16>(chunk + slot * 2, RADIXES) }
// @ts-ignore: decorator
@inline export function limit(chunk: usize, slot: usize): u64 { return load<u64>(chunk + slot * 8, LIMITS) }
// @ts-ignore: decorator
@inline export function head(chunk: usize, slot: usize): usize { return chunk + HEADS + slot * Walk.HEAD_SIZE }
// @ts-ignore: decorator
@inline export function index(chunk: usize, slot: usize, digit: u32): u32 { return load<u16>(chunk + (slot * DIGITS_MAX + digit) * 2, INDICES) }
// @ts-ignore: decorator
@inline export function node(chunk: usize, slot: usize, digit: u32): usize { return chunk + NODES + (slot * DIGITS_MAX + digit) * NODE_SIZE }
// @ts-ignore: decorator
@inline export function isBusy(chunk: usize, slot: usize): bool { return load<u8>(chunk + slot, BUSY) != 0 }
// @ts-ignore: decorator
@inline export function setBusy(chunk: usize, slot: usize, busy: bool): void { store<u8>(chunk + slot, busy, BUSY) }

/** A digit rises to `index`; its node is at `source`. */
export function rise(chunk: usize, slot: usize, digit: u32, index: u32, source: usize): void {
  const held = chunk + (slot * DIGITS_MAX + digit) * 2
  const steps = chunk + slot * 8
  store<u64>(steps, load<u64>(steps, STEPS) + (index - load<u16>(held, INDICES)), STEPS)
  store<u16>(held, index, INDICES)
  const target = node(chunk, slot, digit)
  for (let i: usize = 0; i < NODE_SIZE; i += 8) store<u64>(target + i, load<u64>(source + i))
}

/** A lane begins: no voucher, nothing accepted. `connection` is not 0; the tweak is 16 bytes. */
export function openLane(table: usize, handle: u32, connection: u32, tweak: usize): void {
  assert(connection != 0)
  assert(isHost(tweak, 16))

  closeLane(table, handle)
  const chunk = chunkOf(table, handle)
  const slot = slotOf(handle)
  store<u32>(chunk + slot * 4, connection, CONNECTIONS)
  memory.copy(head(chunk, slot), tweak, 16)
}

/**
 * A voucher came, or a lane is taken up again: from now on its epoch alone counts, from these indices, four
 * u16, and the nodes of them, 32 bytes a digit. Of a new voucher they are 0 and the anchors.
 */
export function renewLane(
  table: usize, handle: u32, epoch: u32, digits: u32, length: u32, radix: u32, limit: u64, indices: u64, nodes: usize,
): void {
  assert(<usize>digits <= DIGITS_MAX && length <= 0xffff && radix <= 0xffff)
  assert(isHost(nodes, <usize>digits * NODE_SIZE))

  const chunk = chunkOf(table, handle)
  const slot = slotOf(handle)
  Walk.begin(head(chunk, slot), epoch)
  store<u32>(chunk + slot * 4, epoch, EPOCHS)
  store<u8>(chunk + slot, digits, DIGITS)
  store<u16>(chunk + slot * 2, length, LENGTHS)
  store<u16>(chunk + slot * 2, radix, RADIXES)
  store<u64>(chunk + slot * 8, limit, LIMITS)
  store<u64>(chunk + slot * 8, indices, INDICES)
  memory.fill(node(chunk, slot, 0), 0, DIGITS_MAX * NODE_SIZE)
  memory.copy(node(chunk, slot, 0), nodes, <usize>digits * NODE_SIZE)
}

/** Forgets all of a lane. Its handle may be given out again. */
export function closeLane(table: usize, handle: u32): void {
  const chunk = chunkOf(table, handle)
  const slot = slotOf(handle)
  assert(isHost(chunk, CHUNK_SIZE))

  store<u32>(chunk + slot * 4, 0, CONNECTIONS)
  store<u64>(chunk + slot * 8, 0, STEPS)
  memory.fill(head(chunk, slot), 0, Walk.HEAD_SIZE)
  renewLane(table, handle, 0, 0, 0, 0, 0, 0, __heap_base)
}

/** Writes what a lane has accepted, as the shared layout says. */
export function readLane(table: usize, handle: u32, target: usize): void {
  assert(isHost(target, laneSize))

  const chunk = chunkOf(table, handle)
  const slot = slotOf(handle)
  store<u64>(target, load<u64>(chunk + slot * 8, STEPS))
  store<u64>(target, load<u64>(chunk + slot * 8, INDICES), laneIndicesAt)
  memory.copy(target + laneNodesAt, node(chunk, slot, 0), DIGITS_MAX * NODE_SIZE)
}
