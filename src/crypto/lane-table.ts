/**
 * The lane table of a payee: what it knows of every lane, in the kernel's memory, and tick frames applied
 * to it a batch at a time. It counts steps and never money; what a step is worth stays in `core/claim.ts`.
 */
import { assert, SluiceError } from '../core/errors.js'
import type { Kernel } from './kernel.js'
import * as Layout from './kernel-layout.js'

/** Where a lane's ticks may come from: its tweak (`Chain.laneTweak`), and a connection's number, not 0. */
export type LaneSettings = { readonly connection: number; readonly tweak: Uint8Array }

/** What the lane's newest voucher allows. `anchors` has one for each digit. */
export type LaneVoucher = {
  readonly epoch: number
  readonly length: number
  readonly radix: number
  readonly anchors: readonly Uint8Array[]
  /** Units the lane can still pay: the largest Σ index · radix^digit, rounded down. */
  readonly limit: bigint
}

/** What a lane has accepted: per digit the deepest index and its node, and steps over its life. */
export type LaneProgress = {
  readonly indices: readonly number[]
  readonly nodes: readonly Uint8Array[]
  readonly steps: bigint
}

export type LaneTable = {
  /**
   * A lane's handle, its number in tick frames. Handles of closed lanes are given out again.
   * @throws LaneTableError `LANE_TABLE_FULL`
   */
  open(settings: LaneSettings): number
  /**
   * The ticks of older epochs are stale from now on. The caller has checked the voucher, and what it holds
   * of it already: nothing but the anchors, unless told.
   */
  renew(handle: number, voucher: LaneVoucher, held?: Omit<LaneProgress, 'steps'>): void
  /** Frames end to end, as they came in on `connection`: a byte of `verdict.ts` for each. */
  apply(bytes: Uint8Array, connection: number): Uint8Array
  read(handle: number): LaneProgress
  close(handle: number): void
}

/** Bytes that one `apply` takes. */
export const batchBytesMax = 262_144

const pageSize = 65_536
const nodeSize = 32
const verdictsMax = Math.ceil(batchBytesMax / (Layout.frameHeadSize + Layout.frameEntrySize)) + 1

/** A table of its own in `kernel`, whose memory nothing else may use. It grows only in `open`. */
export function from(kernel: Kernel): LaneTable {
  const scratch = kernel.heapBase()
  const frames = scratch + 256
  const verdicts = frames + batchBytesMax
  const table = Math.ceil((verdicts + verdictsMax) / pageSize) * pageSize
  const chunkSize = kernel.chunkSize()
  const open: boolean[] = []
  const free: number[] = []
  let capacity = 0
  reserve(table)

  function reserve(end: number): void {
    const missing = end - kernel.memory.buffer.byteLength
    if (missing <= 0) return
    try {
      kernel.memory.grow(Math.ceil(missing / pageSize))
    } catch (cause) {
      throw new LaneTableError({ cause })
    }
  }

  /** Made anew each time: growth takes the old one away. */
  const memory = (): Uint8Array => new Uint8Array(kernel.memory.buffer)

  function check(handle: number): void {
    assert(open[handle] === true, 'a lane of the table is used that is not open')
  }

  return {
    open({ connection, tweak }) {
      assert(within(connection, 1, 0xffff_ffff), 'a connection is numbered from 1')
      assert(tweak.length === 16, 'a lane tweak has 16 bytes')
      const handle = free.pop() ?? open.length
      if (handle === capacity) {
        if (capacity >= Layout.lanesMax) throw new LaneTableError()
        reserve(table + (capacity / Layout.chunkLanes + 1) * chunkSize)
        capacity += Layout.chunkLanes
      }
      memory().set(tweak, scratch)
      kernel.openLane(table, handle, connection, scratch)
      open[handle] = true
      return handle
    },

    renew(handle, { epoch, length, radix, anchors, limit }, held) {
      check(handle)
      assert(within(epoch, 0, 0xffff_ffff), 'an epoch is a 32-bit number')
      assert(anchors.length <= Layout.digitsMax, 'a voucher has at most 4 digits')
      assert(within(length * anchors.length, 0, Layout.chainStepsMax), 'its chains are too long')
      assert(within(radix, 0, 0xffff), 'a radix is a 16-bit number')
      assert(limit >= 0n, 'a lane cannot hold less than nothing')
      const bytes = memory()
      let indices = 0n
      anchors.forEach((anchor, digit) => {
        const { [digit]: node = anchor } = held?.nodes ?? []
        const { [digit]: index = 0 } = held?.indices ?? []
        assert(node.length === nodeSize, 'a node has 32 bytes')
        assert(within(index, 0, length), 'a lane holds no index beyond its voucher')
        bytes.set(node, scratch + digit * nodeSize)
        indices |= BigInt(index) << BigInt(16 * digit)
      })
      const most = limit < limitMax ? limit : limitMax
      const digits = anchors.length
      kernel.renewLane(table, handle, epoch, digits, length, radix, most, indices, scratch)
    },

    apply(bytes, connection) {
      assert(bytes.length <= batchBytesMax, 'a batch of ticks is too long')
      memory().set(bytes, frames)
      const count = kernel.apply(table, capacity, connection, frames, bytes.length, verdicts)
      return memory().slice(verdicts, verdicts + count)
    },

    read(handle) {
      check(handle)
      kernel.readLane(table, handle, scratch)
      const bytes = memory().slice(scratch, scratch + Layout.laneSize)
      const view = new DataView(bytes.buffer)
      const digits = Array.from({ length: Layout.digitsMax }, (_, digit) => digit)
      return {
        steps: view.getBigUint64(0, true),
        indices: digits.map((digit) => view.getUint16(Layout.laneIndicesAt + digit * 2, true)),
        nodes: digits.map((digit) => {
          const at = Layout.laneNodesAt + digit * nodeSize
          return bytes.slice(at, at + nodeSize)
        }),
      }
    },

    close(handle) {
      check(handle)
      kernel.closeLane(table, handle)
      open[handle] = false
      free.push(handle)
    },
  }
}

/** More than any voucher's digits can sum up to. */
const limitMax = (1n << 63n) - 1n

const within = (value: number, low: number, high: number): boolean =>
  Number.isInteger(value) && value >= low && value <= high

/** No more lanes fit the table. */
export class LaneTableError extends SluiceError {
  constructor(options: { cause?: unknown } = {}) {
    super(
      'LANE_TABLE_FULL',
      'No more lanes fit in memory: close some, or pay over another node.',
      options,
    )
    this.name = 'LaneTableError'
  }
}
