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
import * as Chain from './chain'
import { isHost } from './layout'
import * as Table from './table'

const HEAD_SIZE: usize = frameHeadSize
const ENTRY_SIZE: usize = frameEntrySize
const DIGITS_MAX: u32 = digitsMax
const STEPS_MAX: u32 = frameStepsMax

/** Frames of a window. */
const WINDOW: u32 = 64

/** Where the frames of a window begin that await their proof; 0 for one that does not. */
const PENDING: usize = memory.data(<i32>(WINDOW * 4), 16)

/** The walks of a window, each six words. */
const WALK_SIZE: usize = 24
const WALKS: usize = memory.data(<i32>(WINDOW * DIGITS_MAX * 24), 16)
/** Chain.take's arguments. */
const TWEAK: usize = 0
const EPOCH: usize = 4
const PLACE: usize = 8
const SOURCE: usize = 12
/** The node that it must reach, in how many steps, and whose verdict byte it decides. */
const HELD: usize = 16
const STEPS: usize = 20
const FRAME: usize = 22

/** What each lane of the hash walks, 0 if nothing; and the steps it has left. */
const WALKERS: usize = memory.data(16, 16)
const LEFT: usize = memory.data(16, 16)
const IDLE: u32 = 0xffff_ffff

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
    store<u32>(walks, Table.tweak(chunk, slot), TWEAK)
    store<u32>(walks, Table.epoch(chunk, slot), EPOCH)
    store<u32>(walks, (digit << 16) | index, PLACE)
    store<u32>(walks, entry + 2, SOURCE)
    store<u32>(walks, Table.node(chunk, slot, digit), HELD)
    store<u16>(walks, index - held, STEPS)
    store<u16>(walks, frame, FRAME)
    walks += WALK_SIZE
  }
  return walks
}

/** Walks all chains up to `end`, four at a time; whose node is not reached, its frame is refused. */
function verify(end: usize, verdicts: usize): void {
  let next = WALKS
  let running: u32 = 0
  for (let lane: usize = 0; lane < 4; lane++) {
    if (next < end) running++
    next = start(lane, next, end)
  }
  while (running > 0) {
    const steps = min(min(left(0), left(1)), min(left(2), left(3)))
    if (running > 1) {
      for (let i = steps; i > 0; i--) Chain.step4()
    } else {
      for (let lane: usize = 0; lane < 4; lane++)
        if (left(lane) != IDLE) for (let i = steps; i > 0; i--) Chain.step(lane)
    }
    for (let lane: usize = 0; lane < 4; lane++) {
      if (left(lane) == IDLE) continue
      store<u32>(LEFT + lane * 4, left(lane) - steps)
      if (left(lane) > 0) continue
      const walk = <usize>load<u32>(WALKERS + lane * 4)
      if (!Chain.equals(lane, load<u32>(walk, HELD))) store<u8>(verdicts + load<u16>(walk, FRAME), Verdict.wrongNode)
      if (next == end) running--
      next = start(lane, next, end)
    }
  }
}

// @ts-ignore: decorator
@inline function left(lane: usize): u32 { return load<u32>(LEFT + lane * 4) }

/** Gives the walk at `walk`, if there is one, to a lane of the hash; returns where the next one is. */
function start(lane: usize, walk: usize, end: usize): usize {
  if (walk == end) {
    store<u32>(LEFT + lane * 4, IDLE)
    return end
  }
  Chain.take(lane, load<u32>(walk, TWEAK), load<u32>(walk, EPOCH), load<u32>(walk, PLACE), load<u32>(walk, SOURCE))
  store<u32>(WALKERS + lane * 4, walk)
  store<u32>(LEFT + lane * 4, load<u16>(walk, STEPS))
  return walk + WALK_SIZE
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
