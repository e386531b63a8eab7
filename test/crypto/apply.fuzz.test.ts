/** Tick frames against the lane table: the kernel's must be the core's, whatever comes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import '../support/fuzz.js'
import * as Tick from '../../src/core/tick.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as Layout from '../../src/crypto/kernel-layout.js'
import * as LaneTable from '../../src/crypto/lane-table.js'
import * as Oracle from './oracle.js'
import * as TableOracle from './table-oracle.js'

/** Everything of a lane, secrets included: its chains of two epochs, one after the other. */
type World = {
  readonly connection: number
  readonly tweak: Uint8Array
  readonly vouchers: readonly (LaneTable.LaneVoucher & { readonly chains: readonly Uint8Array[] })[]
}

const connectionOf = (handle: number): number => (handle < 2 ? 1 : 2)

const bytes = (seed: number, size: number): Uint8Array =>
  Oracle.walk({ tweak: new Uint8Array(16), epoch: seed, digit: 0 }, 1, 1, new Uint8Array(32)).slice(
    0,
    size,
  )

const voucher = fc.record({
  digits: fc.nat(4),
  length: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(256, 1_024)),
  radix: fc.oneof(fc.constantFrom(1, 4, 0xffff), fc.integer({ min: 1, max: 0xffff })),
  limit: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(1n << 59n, 1n << 64n) },
    { weight: 1, arbitrary: fc.bigInt(0n, 2_000n) },
  ),
})

const worlds = fc
  .array(
    fc.record({ connection: fc.integer({ min: 1, max: 2 }), vouchers: fc.tuple(voucher, voucher) }),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((all) =>
    all.map(({ connection, vouchers }, lane): World => {
      const tweak = bytes(1_000 + lane, 16)
      return {
        connection,
        tweak,
        vouchers: vouchers.map(({ digits, length: wanted, radix, limit }, i) => {
          const epoch = 7 + i
          const length = digits === 0 ? 0 : Math.min(wanted, Math.floor(1_024 / digits))
          const chains = Array.from({ length: digits }, (_, digit) =>
            Oracle.generate({ tweak, epoch, digit }, length, bytes(lane * 8 + i * 4 + digit, 32)),
          )
          const anchors = chains.map((chain) => chain.slice(0, 32))
          return { epoch, length, radix, limit, anchors, chains }
        }),
      }
    }),
  )

/** Numbers that are reduced to what the world has: mostly right, one in a few wrong somewhere. */
const frame = fc.record({
  lane: fc.nat(),
  mask: fc.integer({ min: 1, max: 15 }),
  rises: fc.tuple(fc.nat(60), fc.nat(60), fc.nat(60), fc.nat(60)),
  flaw: fc.oneof(
    { weight: 6, arbitrary: fc.constant('none' as const) },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        'handle',
        'epoch up',
        'epoch down',
        'digit',
        'index',
        'far',
        'stale',
        'node',
        'other chain',
        'next node',
      ),
    },
  ),
})
type FrameChoice = typeof frame extends fc.Arbitrary<infer T> ? T : never

const batch = fc.record({
  connection: fc.integer({ min: 1, max: 2 }),
  frames: fc.array(frame, { maxLength: 12 }),
  cut: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(60)),
  extra: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(12)),
})

const step = fc.oneof(
  { weight: 6, arbitrary: batch },
  { weight: 1, arbitrary: fc.record({ renew: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ reopen: fc.nat() }) },
)

/** A frame as chosen, for the state that `indices` say the lane is in. */
function encode(
  { lane, mask, rises, flaw }: FrameChoice,
  world: readonly World[],
  epochs: readonly number[],
  indices: (handle: number) => number[],
): Uint8Array {
  const handle = lane % world.length
  const at = Math.max(0, epochs[handle] ?? 0)
  const held = world[handle]?.vouchers[at]
  const digits = held?.chains.length ?? 0
  const possible = flaw === 'digit' || digits === 0 ? mask : mask & ((1 << digits) - 1) || 1
  const known = indices(handle)
  const entries = [0, 1, 2, 3]
    .filter((digit) => (possible >> digit) & 1)
    .map((digit) => {
      const chain = held?.chains[digit]
      const length = held?.length ?? 0
      const rise = flaw === 'far' ? 200 : flaw === 'stale' ? -1 : (rises[digit] ?? 0)
      const wanted = Math.max(0, (known[digit] ?? 0) + rise)
      const index = flaw === 'index' ? length + 1 : Math.min(wanted, length)
      const from = flaw === 'other chain' ? world[0]?.vouchers[1]?.chains[0] : chain
      const place = flaw === 'next node' ? index + 1 : index
      const node = from?.slice(place * 32, place * 32 + 32)
      const real = node?.length === 32 ? node : new Uint8Array(32)
      return { digit, index, node: flaw === 'node' ? real.with(31, (real[31] ?? 0) ^ 1) : real }
    })
  const epoch = (held?.epoch ?? 1) + (flaw === 'epoch up' ? 1 : flaw === 'epoch down' ? -1 : 0)
  return Tick.encode({ handle: flaw === 'handle' ? 0xffff_0000 + handle : handle, epoch, entries })
}

describe.each(Oracle.builds)('%s', async (build) => {
  it('gives the verdicts and the progress that the core gives', async () => {
    const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
    const ours = LaneTable.from(kernel)
    fc.assert(
      fc.property(worlds, fc.array(step, { maxLength: 8 }), (world, steps) => {
        const theirs = TableOracle.create()
        const handles = world.map((each) => ours.open(each))
        // Handles are given out again in the opposite order of closing, so from 0 up here.
        expect(world.map((each) => theirs.open(each))).toEqual(handles)
        try {
          const epochs = world.map(() => -1)
          const renew = (lane: number): void => {
            const next = world[lane]?.vouchers[(epochs[lane] ?? 0) + 1]
            if (next === undefined) return
            epochs[lane] = (epochs[lane] ?? 0) + 1
            for (const table of [ours, theirs]) table.renew(lane, next)
          }
          const same = (): void => {
            for (const handle of handles) expect(ours.read(handle)).toEqual(theirs.read(handle))
          }
          world.forEach((_, lane) => {
            if (lane % 4 !== 3) renew(lane)
          })
          for (const each of steps) {
            if ('renew' in each) renew(each.renew % world.length)
            else if ('reopen' in each) {
              const lane = each.reopen % world.length
              const settings = world[lane]
              if (settings === undefined) throw new Error('no such lane')
              for (const table of [ours, theirs]) {
                table.close(lane)
                expect(table.open(settings)).toBe(lane)
              }
              epochs[lane] = -1
            } else {
              // Later frames of a lane rise from where earlier ones of the batch will have got it.
              const risen = new Map<number, number[]>()
              const frames = each.frames.map((choice) => {
                const bytes = encode(choice, world, epochs, (handle) => {
                  return risen.get(handle) ?? [...theirs.read(handle).indices]
                })
                const [frame] = Tick.decodeAll(bytes)
                if (choice.flaw === 'none' && frame !== undefined) {
                  const indices = risen.get(frame.handle) ?? [...theirs.read(frame.handle).indices]
                  for (const { digit, index } of frame.entries) indices[digit] = index
                  risen.set(frame.handle, indices)
                }
                return bytes
              })
              const whole = Buffer.concat([...frames, new Uint8Array(each.extra)])
              const sent = whole.subarray(0, Math.max(0, whole.length - each.cut))
              const verdicts = ours.apply(sent, each.connection)
              expect(verdicts).toEqual(theirs.apply(sent, each.connection))
            }
            same()
          }
        } finally {
          for (const handle of [...handles].reverse()) ours.close(handle)
        }
      }),
    )
  })

  it('writes its verdicts and the lanes it raises, and nothing else, at any alignment', async () => {
    const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
    const table = Math.ceil(kernel.heapBase() / 65_536) * 65_536
    const guarded = table + kernel.chunkSize()
    // A page before the chunk of lanes, where frames and verdicts lie among junk, and one behind it.
    kernel.memory.grow(2 + Math.ceil((guarded - kernel.memory.buffer.byteLength) / 65_536))
    const memory = () => new Uint8Array(kernel.memory.buffer)
    const tweak = bytes(77, 16)
    const chain = Oracle.generate({ tweak, epoch: 3, digit: 0 }, 40, bytes(78, 32))
    const nodeOf = (index: number) => chain.slice(index * 32, index * 32 + 32)
    const scratch = guarded + 64
    memory().set(tweak, scratch)
    memory().set(nodeOf(0), scratch + 16)
    const target = scratch + 64
    const laneOf = (handle: number): Uint8Array => {
      kernel.readLane(table, handle, target)
      return memory().slice(target, target + Layout.laneSize)
    }
    for (const handle of [0, 1, 2, 3]) kernel.openLane(table, handle, 1, scratch)
    for (const handle of [0, 1, 2, 3]) kernel.closeLane(table, handle)
    const closed = memory().slice(table, guarded)
    fc.assert(
      fc.property(
        fc.array(fc.record({ handle: fc.nat(5), index: fc.nat(42), honest: fc.boolean() }), {
          maxLength: 90,
        }),
        fc.nat(255),
        fc.nat(15),
        fc.nat(15),
        (choices, junk, odd, oddToo) => {
          for (const handle of [0, 1, 2, 3]) {
            kernel.openLane(table, handle, connectionOf(handle), scratch)
            kernel.renewLane(table, handle, 3, 1, 40, 1, 1n << 60n, 0n, scratch + 16)
          }
          const sent = choices.map(({ handle, index, honest }) => {
            const node = nodeOf(honest ? index : index + 1)
            const entries = [{ digit: 0, index, node: node.length === 32 ? node : nodeOf(0) }]
            return Tick.encode({ handle, epoch: 3, entries })
          })
          const frames = Buffer.concat(sent)
          memory().fill(junk, guarded + 1_024)
          const at = guarded + 1_024 + odd
          memory().set(frames, at)
          const verdicts = at + frames.length + 1 + oddToo
          const [others, before] = [[2, 3].map(laneOf), memory().slice()]
          const count = kernel.apply(table, Layout.chunkLanes, 1, at, frames.length, verdicts)
          expect(count).toBe(choices.length)
          const after = memory().slice()
          for (const [from, to] of [
            [kernel.heapBase(), table],
            [guarded, verdicts],
            [verdicts + count, after.length],
          ] as const)
            expect(Buffer.compare(after.subarray(from, to), before.subarray(from, to))).toBe(0)
          // Of the chunk itself nothing but what lanes 0 and 1 show; 2 and 3 are of another connection.
          expect([2, 3].map(laneOf)).toEqual(others)
          for (const handle of [0, 1, 2, 3]) kernel.closeLane(table, handle)
          expect(Buffer.compare(memory().subarray(table, guarded), closed)).toBe(0)
        },
      ),
    )
  })

  it('never claims more than was revealed, whatever is mixed', async () => {
    const table = LaneTable.from(await Kernel.instantiate(Oracle.wasmOf(build)))
    const attempt = fc.record({
      handle: fc.nat(4),
      epoch: fc.nat(1),
      entries: fc.array(
        fc.record({
          lane: fc.nat(4),
          at: fc.nat(1),
          digit: fc.nat(3),
          index: fc.nat(30),
          as: fc.nat(30),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      honest: fc.boolean(),
    })
    fc.assert(
      fc.property(
        worlds,
        fc.array(fc.nat(25), { minLength: 40, maxLength: 40 }),
        fc.array(attempt, { maxLength: 60 }),
        (world, reveal, attempts) => {
          const revealed = (lane: number, at: number, digit: number): number =>
            Math.min(reveal[lane * 8 + at * 4 + digit] ?? 0, world[lane]?.vouchers[at]?.length ?? 0)
          const handles = world.map((each) => table.open(each))
          for (const at of [0, 1]) {
            for (const [lane, handle] of handles.entries()) {
              const voucher = world[lane]?.vouchers[at]
              if (voucher !== undefined) table.renew(handle, voucher)
            }
            for (const { handle, epoch, entries, honest } of attempts) {
              const lane = handle % world.length
              const frame = Tick.encode({
                handle: handles[lane] ?? 0,
                epoch: 7 + epoch,
                entries: entries.map(({ lane: from, at, digit, index, as }, i) => {
                  const source = honest ? lane : from % world.length
                  const which = honest ? i : digit
                  const chain = world[source]?.vouchers[honest ? epoch : at]?.chains[which]
                  const known = Math.min(index, revealed(source, honest ? epoch : at, which))
                  const node = chain?.slice(known * 32, known * 32 + 32) ?? new Uint8Array(32)
                  return { digit: i, index: honest ? known : as, node }
                }),
              })
              table.apply(frame, world[lane]?.connection ?? 0)
            }
            for (const [lane, handle] of handles.entries())
              table.read(handle).indices.forEach((index, digit) => {
                expect(index).toBeLessThanOrEqual(revealed(lane, at, digit))
              })
          }
          for (const handle of handles) table.close(handle)
        },
      ),
    )
  })
})
