import { beforeEach, describe, expect, it } from 'vitest'
import { InvariantError } from '../../src/core/errors.js'
import { limits } from '../../src/core/limits.js'
import * as Tick from '../../src/core/tick.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as Layout from '../../src/crypto/kernel-layout.js'
import * as LaneTable from '../../src/crypto/lane-table.js'
import * as Verdict from '../../src/crypto/verdict.js'
import * as Oracle from './oracle.js'

const tweak = new Uint8Array(16).fill(9)
const connection = 3
const epoch = 5
const length = 500
const seed = new Uint8Array(32).fill(1)
const limit = 1n << 62n

const chains = [0, 1].map((digit) => Oracle.generate({ tweak, epoch, digit }, length, seed))
const nodeOf = (digit: number, index: number): Uint8Array =>
  chains[digit]?.slice(index * 32, index * 32 + 32) ?? new Uint8Array(32)
const anchors = [nodeOf(0, 0), nodeOf(1, 0)]
const voucher = { epoch, length, radix: 4, anchors, limit }

const entry = (digit: number, index: number): Tick.Entry => ({
  digit,
  index,
  node: nodeOf(digit, index),
})
const frame = (handle: number, ...entries: readonly Tick.Entry[]): Uint8Array =>
  Tick.encode({ handle, epoch, entries })

it('kernel and protocol have the same sizes and limits', () => {
  expect(Layout).toMatchObject({
    frameEpochAt: Tick.layout.epoch[0],
    frameMaskAt: Tick.layout.mask[0],
    frameHeadSize: Tick.headSize,
    frameEntrySize: Tick.entrySize,
    digitsMax: limits.digitsMax,
    chainStepsMax: limits.chainStepsMax,
    frameStepsMax: limits.frameStepsMax,
  })
  expect(Tick.layout.handle[0]).toBe(0)
  expect(LaneTable.batchBytesMax).toBeGreaterThanOrEqual(limits.payBytesMax)
})

describe.each(Oracle.builds)('%s', (build) => {
  let table: LaneTable.LaneTable
  let lane: number

  beforeEach(async () => {
    table = LaneTable.from(await Kernel.instantiate(Oracle.wasmOf(build)))
    lane = table.open({ connection, tweak })
    table.renew(lane, voucher)
  })

  it('applies a frame, and counts its steps over vouchers', () => {
    expect([...table.apply(frame(lane, entry(0, 2), entry(1, 3)), connection)]).toEqual([0])
    const { indices, nodes, steps } = table.read(lane)
    expect(indices).toEqual([2, 3, 0, 0])
    expect(nodes.slice(0, 2)).toEqual([nodeOf(0, 2), nodeOf(1, 3)])
    expect(steps).toBe(5n)
    table.renew(lane, { ...voucher, epoch: 6 })
    expect(table.read(lane)).toMatchObject({ indices: [0, 0, 0, 0], steps: 5n })
  })

  const held = { digit: 0, index: 10, node: nodeOf(0, 10) }
  const wrong = { ...entry(1, 4), node: nodeOf(1, 5) }
  const mask = (bits: number): Uint8Array => frame(0, entry(0, 11)).with(8, bits)

  it.each<[string, number, (handle: number) => Uint8Array, number?]>([
    ['that is cut', Verdict.truncated, (at) => frame(at, entry(0, 11), entry(1, 1)).slice(0, -1)],
    ['without its node', Verdict.truncated, (at) => frame(at, entry(0, 11)).slice(0, 9)],
    ['that is less than a head', Verdict.trailing, (at) => frame(at, entry(0, 11)).slice(0, 8)],
    ['with no digit', Verdict.badDigit, () => mask(0)],
    ['with a fifth digit', Verdict.badDigit, () => mask(0x10)],
    ['with a digit beyond the voucher', Verdict.badDigit, (at) => frame(at, entry(2, 1))],
    [
      'with one digit fresh and one beyond',
      Verdict.badDigit,
      (at) => frame(at, entry(0, 11), entry(2, 1)),
    ],
    ['for no lane', Verdict.unknownLane, () => frame(77, entry(0, 11))],
    ['for no lane of the table', Verdict.unknownLane, () => frame(0xffff_ffff, entry(0, 11))],
    ['from another connection', Verdict.foreignConnection, (at) => frame(at, entry(0, 11)), 4],
    [
      'of a later epoch',
      Verdict.earlyEpoch,
      (handle) => Tick.encode({ handle, epoch: 6, entries: [entry(0, 11)] }),
    ],
    [
      'of an earlier epoch',
      Verdict.stale,
      (handle) => Tick.encode({ handle, epoch: 4, entries: [entry(0, 11)] }),
    ],
    ['beyond the chain', Verdict.badIndex, (at) => frame(at, { ...held, index: length + 1 })],
    ['that shows what is held', Verdict.stale, (at) => frame(at, held)],
    ['that shows less than is held', Verdict.stale, (at) => frame(at, entry(0, 3))],
    ['that rises too far', Verdict.tooManySteps, (at) => frame(at, entry(0, 267))],
    [
      'whose digits rise too far together',
      Verdict.tooManySteps,
      (at) => frame(at, entry(0, 138), entry(1, 129)),
    ],
    ['with another index’s node', Verdict.wrongNode, (at) => frame(at, wrong)],
    [
      'with another digit’s node',
      Verdict.wrongNode,
      (at) => frame(at, { ...entry(1, 1), node: nodeOf(0, 1) }),
    ],
    [
      'right in one digit, wrong in another',
      Verdict.wrongNode,
      (at) => frame(at, entry(0, 11), wrong),
    ],
    [
      'stale in one digit, wrong in another',
      Verdict.wrongNode,
      (at) => frame(at, entry(0, 3), wrong),
    ],
  ])('a frame %s gets its verdict and changes nothing', (_, verdict, make, from = connection) => {
    table.apply(frame(lane, entry(0, 10)), connection)
    const before = table.read(lane)
    expect([...table.apply(make(lane), from)]).toEqual([verdict])
    expect(table.read(lane)).toEqual(before)
  })

  it('a frame stale in one digit applies in the other', () => {
    table.apply(frame(lane, entry(0, 10)), connection)
    expect([...table.apply(frame(lane, entry(0, 3), entry(1, 4)), connection)]).toEqual([0])
    expect(table.read(lane).indices).toEqual([10, 4, 0, 0])
  })

  it('a frame may prove all that the lane holds, and no unit more', () => {
    table.renew(lane, { ...voucher, limit: 5n + 4n * 2n })
    const over = frame(lane, entry(0, 6), entry(1, 2))
    const all = frame(lane, entry(0, 5), entry(1, 2))
    expect([...table.apply(over, connection)]).toEqual([Verdict.overLimit])
    expect([...table.apply(all, connection)]).toEqual([Verdict.ok])
    expect([...table.apply(over, connection)]).toEqual([Verdict.overLimit])
  })

  it('a frame may rise 256 steps', () => {
    const most = frame(lane, entry(0, 127), entry(1, 129))
    expect([...table.apply(most, connection)]).toEqual([Verdict.ok])
  })

  it('frames of one lane apply in order, and good ones around a bad one', () => {
    const bad = { ...entry(0, 3), node: nodeOf(0, 4) }
    const frames = [entry(0, 2), bad, entry(0, 1), entry(0, 258), entry(0, 259), entry(0, 400)]
    const verdicts = table.apply(Buffer.concat(frames.map((each) => frame(lane, each))), connection)
    expect([...verdicts]).toEqual([0, Verdict.wrongNode, Verdict.stale, 0, 0, 0])
    expect(table.read(lane).indices).toEqual([400, 0, 0, 0])
  })

  it('what follows a frame of unknown size is not read', () => {
    const after = frame(lane, entry(0, 2))
    const batch = Buffer.concat([frame(lane, entry(0, 1)), mask(0), after])
    expect([...table.apply(batch, connection)]).toEqual([Verdict.ok, Verdict.badDigit])
    expect(table.read(lane).indices).toEqual([1, 0, 0, 0])
  })

  it('keeps lanes apart over many chunks and windows', () => {
    const lanes = [lane]
    while (lanes.length < Layout.chunkLanes + 70) {
      const opened = table.open({ connection, tweak })
      table.renew(opened, voucher)
      lanes.push(opened)
    }
    expect(new Set(lanes).size).toBe(lanes.length)
    const some = lanes.filter((each) => each % 2 === 0 || each > 4_000)
    const indexOf = (handle: number): number => 1 + (handle % 7)
    const forged = (handle: number): boolean => handle % 11 === 0
    const batch = Buffer.concat(
      some.map((handle) =>
        frame(handle, {
          ...entry(0, indexOf(handle)),
          node: nodeOf(0, indexOf(handle) + (forged(handle) ? 1 : 0)),
        }),
      ),
    )
    const verdicts = table.apply(batch, connection)
    expect([...verdicts]).toEqual(some.map((each) => (forged(each) ? Verdict.wrongNode : 0)))
    for (const handle of lanes) {
      const index = some.includes(handle) && !forged(handle) ? indexOf(handle) : 0
      const read = table.read(handle)
      expect([read.indices[0], read.steps]).toEqual([index, BigInt(index)])
      expect(read.nodes[0]).toEqual(nodeOf(0, index))
    }
  })

  it('a closed lane is unknown, and whoever gets its handle starts anew', () => {
    table.apply(frame(lane, entry(0, 2)), connection)
    table.close(lane)
    expect([...table.apply(frame(lane, entry(0, 3)), connection)]).toEqual([Verdict.unknownLane])
    expect(() => table.read(lane)).toThrow(InvariantError)
    expect(() => table.close(lane)).toThrow(InvariantError)
    expect(table.open({ connection: 4, tweak })).toBe(lane)
    const empty = new Uint8Array(32)
    expect(table.read(lane)).toEqual({
      indices: [0, 0, 0, 0],
      nodes: [empty, empty, empty, empty],
      steps: 0n,
    })
    expect([...table.apply(frame(lane, entry(0, 3)), connection)]).toEqual([
      Verdict.foreignConnection,
    ])
  })

  it('takes a lane up where it was left', () => {
    const held = { indices: [300, 7, 0, 0], nodes: [nodeOf(0, 300), nodeOf(1, 7)] }
    table.renew(lane, voucher, held)
    expect([...table.apply(frame(lane, entry(0, 300), entry(1, 6)), connection)]).toEqual([
      Verdict.stale,
    ])
    expect([...table.apply(frame(lane, entry(0, 310), entry(1, 8)), connection)]).toEqual([0])
    expect(table.read(lane)).toMatchObject({ indices: [310, 8, 0, 0], steps: 11n })
    const beyond = { ...held, indices: [length + 1, 0, 0, 0] }
    expect(() => table.renew(lane, voucher, beyond)).toThrow(InvariantError)
  })

  it('refuses what no checked voucher and no connection can have', () => {
    const calls = [
      () => table.open({ connection: 0, tweak }),
      () => table.open({ connection, tweak: new Uint8Array(15) }),
      () => table.renew(lane + 1, voucher),
      () => table.renew(lane, { ...voucher, length: 513 }),
      () => table.renew(lane, { ...voucher, anchors: [new Uint8Array(31)] }),
      () => table.renew(lane, { ...voucher, radix: 0x1_0000 }),
      () => table.renew(lane, { ...voucher, limit: -1n }),
      () => table.apply(new Uint8Array(LaneTable.batchBytesMax + 1), connection),
    ]
    for (const call of calls) expect(call).toThrow(InvariantError)
  })

  it('takes a full batch without growing', async () => {
    const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
    const full = LaneTable.from(kernel)
    const handle = full.open({ connection, tweak })
    full.renew(handle, voucher)
    const before = kernel.memory.buffer.byteLength
    const count = Math.floor(LaneTable.batchBytesMax / 43)
    const one = frame(handle, entry(0, 1))
    const batch = new Uint8Array(LaneTable.batchBytesMax).map((_, i) => one[i % 43] ?? 0)
    const verdicts = full.apply(batch, connection)
    expect(verdicts.length).toBe(count + 1)
    expect(verdicts.slice(0, 2)).toEqual(Uint8Array.of(Verdict.ok, Verdict.stale))
    expect(kernel.memory.buffer.byteLength).toBe(before)
  })
})

it('holds a million lanes, and refuses more', async () => {
  const table = LaneTable.from(await Kernel.instantiate())
  let last = 0
  for (let i = 0; i < Layout.lanesMax; i++) last = table.open({ connection, tweak })
  table.renew(last, voucher)
  expect([...table.apply(frame(last, entry(0, 1)), connection)]).toEqual([Verdict.ok])
  expect(() => table.open({ connection, tweak })).toThrow(
    expect.objectContaining({ code: 'LANE_TABLE_FULL' }),
  )
  table.close(0)
  expect(table.open({ connection, tweak })).toBe(0)
})
