/**
 * Applies tick frames to the lane table: loops and bounds, no maths. A frame applies whole or not at
 * all, and no batch costs more hashes than its frames may rise.
 *
 * Frames are taken in windows: all are judged by what the table holds, then the chains of those that
 * passed are walked four at a time, then what proved true is written. A second frame of a lane waits for
 * the next window, so frames of one lane apply in order.
 */
import {
  chunkLanes, digitsMax, frameEntrySize, frameEpochAt, frameHeadSize, frameMaskAt, frameStepsMax,
} from '../src/crypto/kernel-layout'
import * as Verdict from '../src/crypto/verdict'
import { isHost } from './layout'
import * as Table from './table'
import * as Walk from './walk'

const HEAD_SIZE: usize = frameHeadSize
const ENTRY_SIZE: usize = frameEntrySize
const DIGITS_MAX: u32 = digitsMax
const STEPS_MAX: u32 = frameStepsMax

/** Frames of a window. */
const WINDOW: u32 = 64

/** Where the frames of a window begin that await their proof; 0 for one that does not. */
const PENDING: usize = memory.data(<i32>(WINDOW * 4), 16)

/** The walks of a window. */
const WALKS: usize = memory.data(<i32>(WINDOW * DIGITS_MAX * 24), 16)

/**
 * Applies the frames that lie end to end in `size` bytes at `frames`, as come in on `connection`, and
 * writes a verdict for each. Returns how many: at most one for each smallest frame, and one more.
 * The table at `table` has `capacity` lanes.
 */
export function apply(
  table: usize, capacity: u32, connection: u32, frames: usize, size: usize, verdicts: usize,
): u32 {
  assert(isHost(table, <usize>(capacity / chunkLanes) * Table.chunkSize()))
  assert(isHost(frames, size))
  assert(isHost(verdicts, size / (HEAD_SIZE + ENTRY_SIZE) + 1))

  const end = frames + size
  let at = frames
  let verdict = verdicts
  while (at < end) {
    let walks = WALKS
    let count: u32 = 0
    for (; at < end && count < WINDOW; count++) {
      store<u32>(PENDING + count * 4, 0)
      const malformed = shape(at, end)
      if (malformed != Verdict.ok) {
        store<u8>(verdict + count, malformed)
        at = end
        continue
      }
      const next = at + sizeOf(at)
      const handle = bswap(load<u32>(at))
      if (handle >= capacity) {
        store<u8>(verdict + count, Verdict.unknownLane)
        at = next
        continue
      }
      const chunk = Table.chunkOf(table, handle)
      const slot = Table.slotOf(handle)
      if (Table.isBusy(chunk, slot)) break
      const judged = judge(chunk, slot, at, connection)
      store<u8>(verdict + count, judged)
      if (judged == Verdict.ok) {
        Table.setBusy(chunk, slot, true)
        store<u32>(PENDING + count * 4, at)
        walks = enlist(chunk, slot, at, count, walks)
      }
      at = next
    }
    verify(walks, verdict)
    settle(table, count, verdict)
    verdict += count
  }
  return <u32>(verdict - verdicts)
}

// @ts-ignore: decorator
@inline function sizeOf(at: usize): usize {
  return HEAD_SIZE + popcnt<usize>(load<u8>(at, frameMaskAt)) * ENTRY_SIZE
}

/** Whether a whole frame is at `at`, as far as that can be told from its bytes alone. */
function shape(at: usize, end: usize): u32 {
  if (end - at < HEAD_SIZE) return Verdict.trailing
  const mask: u32 = load<u8>(at, frameMaskAt)
  if (mask == 0 || mask >> DIGITS_MAX != 0) return Verdict.badDigit
  return end - at < sizeOf(at) ? Verdict.truncated : Verdict.ok
}

/** All that can be said of a frame before anything is hashed. */
function judge(chunk: usize, slot: usize, at: usize, connection: u32): u32 {
  const owner = Table.connection(chunk, slot)
  if (owner == 0) return Verdict.unknownLane
  if (owner != connection) return Verdict.foreignConnection
  const epoch = bswap(load<u32>(at, frameEpochAt))
  if (epoch != Table.epoch(chunk, slot)) return epoch > Table.epoch(chunk, slot) ? Verdict.earlyEpoch : Verdict.stale
  const mask: u32 = load<u8>(at, frameMaskAt)
  const digits = Table.digits(chunk, slot)
  if (mask >> digits != 0) return Verdict.badDigit

  const length = Table.length(chunk, slot)
  const radix = Table.radix(chunk, slot)
  let steps: u32 = 0
  let sum: u64 = 0
  let weight: u64 = 1
  let entry = at + HEAD_SIZE
  for (let digit: u32 = 0; digit < digits; digit++, weight *= radix) {
    let index = Table.index(chunk, slot, digit)
    if ((mask >> digit) & 1) {
      const shown = indexAt(entry)
      if (shown > length) return Verdict.badIndex
      if (shown > index) {
        steps += shown - index
        index = shown
      }
      entry += ENTRY_SIZE
    }
    sum += index * weight
  }
  if (steps == 0) return Verdict.stale
  if (steps > STEPS_MAX) return Verdict.tooManySteps
  return sum > Table.limit(chunk, slot) ? Verdict.overLimit : Verdict.ok
}

/** Adds a walk for each digit that a frame raises, and returns where the walks end now. */
function enlist(chunk: usize, slot: usize, at: usize, frame: u32, walks: usize): usize {
  let entry = at + HEAD_SIZE
  for (let mask: u32 = load<u8>(at, frameMaskAt); mask != 0; mask &= mask - 1, entry += ENTRY_SIZE) {
    const digit = ctz(mask)
    const held = Table.index(chunk, slot, digit)
    const index = indexAt(entry)
    if (index <= held) continue
    // Fetches what the walk will read, while nothing waits for it.
    load<u8>(Table.head(chunk, slot))
    load<u8>(Table.node(chunk, slot, digit))
    store<u32>(walks, Table.head(chunk, slot), Walk.HEAD)
    store<u32>(walks, Table.epoch(chunk, slot), Walk.EPOCH)
    store<u32>(walks, (digit << 16) | index, Walk.PLACE)
    store<u32>(walks, entry + 2, Walk.SOURCE)
    store<u32>(walks, Table.node(chunk, slot, digit), Walk.HELD)
    store<u16>(walks, index - held, Walk.STEPS)
    store<u16>(walks, frame, Walk.FRAME)
    walks += Walk.WALK_SIZE
  }
  return walks
}

/** Takes all walks up to `end`, four at a time; whose node is not reached, its frame is refused. */
function verify(end: usize, verdicts: usize): void {
  let walk = WALKS
  if (ASC_FEATURE_SIMD) {
    for (; walk + Walk.WALK_SIZE < end; walk += 4 * Walk.WALK_SIZE) verify4(walk, end - Walk.WALK_SIZE, verdicts)
  }
  for (; walk < end; walk += Walk.WALK_SIZE) verify1(walk, verdicts)
}

function verify1(walk: usize, verdicts: usize): void {
  Walk.take(walk)
  for (let steps: u32 = load<u16>(walk, Walk.STEPS); steps > 0; steps--) Walk.step()
  if (!Walk.isAt(load<u32>(walk, Walk.HELD))) refuse(walk, verdicts)
}

/**
 * Four walks at once, as many steps as the longest has, so that four cost no more than one of that length
 * could; each is judged when its own steps are done. Beyond `last` there are none: it stands in for them.
 */
function verify4(w0: usize, last: usize, verdicts: usize): void {
  const w1 = w0 + Walk.WALK_SIZE, w2 = min(w1 + Walk.WALK_SIZE, last), w3 = min(w1 + 2 * Walk.WALK_SIZE, last)
  const s0: u32 = load<u16>(w0, Walk.STEPS), s1: u32 = load<u16>(w1, Walk.STEPS)
  const s2: u32 = load<u16>(w2, Walk.STEPS), s3: u32 = load<u16>(w3, Walk.STEPS)
  const longest = max(max(s0, s1), max(s2, s3))
  let wrong: u32 = 0
  Walk.take4(w0, w1, w2, w3)
  for (let done: u32 = 1; done <= longest; done++) {
    Walk.step4()
    const ready = <u32>(s0 == done) | <u32>(s1 == done) << 1 | <u32>(s2 == done) << 2 | <u32>(s3 == done) << 3
    if (ready != 0)
      wrong |= ready & Walk.differ4(
        load<u32>(w0, Walk.HELD), load<u32>(w1, Walk.HELD), load<u32>(w2, Walk.HELD), load<u32>(w3, Walk.HELD))
  }
  if (wrong & 1) refuse(w0, verdicts)
  if (wrong & 2) refuse(w1, verdicts)
  if (wrong & 4) refuse(w2, verdicts)
  if (wrong & 8) refuse(w3, verdicts)
}

// @ts-ignore: decorator
@inline function refuse(walk: usize, verdicts: usize): void {
  store<u8>(verdicts + load<u16>(walk, Walk.FRAME), Verdict.wrongNode)
}

/** Writes what proved true into the table, and frees the lanes for their next frames. */
function settle(table: usize, count: u32, verdicts: usize): void {
  for (let frame: u32 = 0; frame < count; frame++) {
    const at = <usize>load<u32>(PENDING + frame * 4)
    if (at == 0) continue
    const handle = bswap(load<u32>(at))
    const chunk = Table.chunkOf(table, handle)
    const slot = Table.slotOf(handle)
    Table.setBusy(chunk, slot, false)
    if (load<u8>(verdicts + frame) != Verdict.ok) continue
    let entry = at + HEAD_SIZE
    for (let mask: u32 = load<u8>(at, frameMaskAt); mask != 0; mask &= mask - 1, entry += ENTRY_SIZE) {
      const digit = ctz(mask)
      const index = indexAt(entry)
      if (index > Table.index(chunk, slot, digit)) Table.rise(chunk, slot, digit, index, entry + 2)
    }
  }
}

// @ts-ignore: decorator
@inline function indexAt(entry: usize): u32 { return (<u32>load<u8>(entry) << 8) | load<u8>(entry, 1) }
