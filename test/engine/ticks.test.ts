/** Ticks between a connection and its payees: in batches where the engine has a lane table, one by one with noble. */
import { beforeEach, describe, expect, it } from 'vitest'
import { concat, type Hex, toHex } from '../../src/core/bytes.js'
import * as Chain from '../../src/core/chain.js'
import * as Claim from '../../src/core/claim.js'
import type { Lane } from '../../src/core/lane.js'
import { limits } from '../../src/core/limits.js'
import * as Tick from '../../src/core/tick.js'
import * as Voucher from '../../src/core/voucher.js'
import { loadEngine } from '../../src/crypto/load.js'
import { noble } from '../../src/crypto/noble.js'
import { Payee } from '../../src/engine/payee.js'
import { Ticks } from '../../src/engine/ticks.js'
import * as Memory from '../../src/store/memory.js'

const channelId: Hex = `0x${'c7'.repeat(32)}`
const domain = { chainId: 5n, adjudicator: `0x${'ad'.repeat(20)}` } as const
const key = new Uint8Array(32).fill(3)
const sessionKey = noble.secp256k1.publicAddress(key)
const [here, elsewhere] = [1, 2]
const length = 500

/** Nodes of every chain that the tests pay with, by lane, epoch and digit. */
function chain(lane: bigint, epoch: number, digit = 0): (index: number) => Uint8Array {
  const position = { tweak: Chain.laneTweak(channelId, lane), epoch, digit }
  const seed = new Uint8Array(32).fill(Number(lane) * 16 + epoch * 4 + digit)
  const nodes = Chain.generate(position, digit === 0 ? length : 256, seed)
  return (index) => nodes.slice(index * 32, index * 32 + 32)
}

function voucher(lane: bigint, epoch: number, base = 0n): Voucher.Signed {
  const anchors = [chain(lane, epoch)(0)]
  const terms = { unit: 2n, digits: 1, radix: 1, length, anchors, context: new Uint8Array(32) }
  const unsigned = { channelId, lane, epoch, base, ...terms }
  const signature = noble.secp256k1.sign(Voucher.digest(domain, unsigned), key)
  return { voucher: unsigned, signature }
}

const frame = (handle: number, lane: bigint, epoch: number, index: number): Uint8Array =>
  Tick.encode({ handle, epoch, entries: [{ digit: 0, index, node: chain(lane, epoch)(index) }] })

describe.each([
  ['kernel', await loadEngine()],
  ['noble', noble],
] as const)('%s', (_, crypto) => {
  let ticks: Ticks
  let lanes: Lane[]

  function payee(id: bigint, store = Memory.open()): Payee {
    const capacity = () => 0n
    const bounds = () => ({ capacity: 0n, peerExposure: 0n, ownerAllows: undefined })
    const ports = {
      store,
      crypto,
      domain,
      capacity,
      bounds,
      onPaid: () => undefined,
      onExposed: () => undefined,
      onFreed: () => undefined,
      sleep: async () => undefined,
      onStarted: () => undefined,
    }
    return new Payee(ports, channelId, id, () => lanes.find((lane) => lane.id === id))
  }

  beforeEach(() => {
    ticks = new Ticks(crypto)
    const about = { payer: 0, payee: 1, asset: 0, folded: 0n, reserved: 900n, sessionKey }
    lanes = [1n, 2n, 3n].map((id) => ({ id, ...about }))
  })

  it('hands what one read brought to the payees it is for', () => {
    const [first, second] = [payee(1n), payee(2n)]
    const [a, b] = [first, second].map((each) => ticks.bind(here, each))
    if (a === undefined || b === undefined) throw new Error('two lanes')
    expect(ticks.bind(here, first)).toBe(a)
    first.takeVoucher(voucher(1n, 1))
    second.takeVoucher(voucher(2n, 1, 10n))
    ticks.take(here, [
      concat(frame(a, 1n, 1, 1), frame(b, 2n, 1, 256), frame(a, 1n, 1, 3)),
      frame(b, 2n, 1, 300),
    ])
    expect(first).toMatchObject({ held: 6n, ticks: 3 })
    expect(second).toMatchObject({ held: 610n, ticks: 300 })
    expect(first.newest?.nodes).toEqual([chain(1n, 1)(3)])
  })

  it('goes on after a voucher, and takes what is stale without blame', () => {
    const lane = payee(1n)
    const handle = ticks.bind(here, lane)
    lane.takeVoucher(voucher(1n, 1))
    ticks.take(here, [frame(handle, 1n, 1, 5)])
    lane.takeVoucher(voucher(1n, 2, 10n))
    ticks.take(here, [frame(handle, 1n, 1, 6), frame(handle, 1n, 2, 4), frame(handle, 1n, 2, 4)])
    expect(lane).toMatchObject({ held: 18n, ticks: 9 })
    ticks.take(here, [frame(handle, 1n, 2, 3)])
    expect(lane.held).toBe(18n)
  })

  it('knows a handle only on the connection it was given out on', () => {
    const lane = payee(1n)
    const handle = ticks.bind(here, lane)
    lane.takeVoucher(voucher(1n, 1))
    const unknown = expect.objectContaining({ code: 'LANE_UNKNOWN' })
    for (const [connection, number] of [
      [elsewhere, handle],
      [here, handle + 1],
    ] as const)
      expect(() => ticks.take(connection, [frame(number, 1n, 1, 1)])).toThrow(unknown)
    expect(lane.held).toBe(0n)
    ticks.forget(here)
    expect(() => ticks.take(here, [frame(handle, 1n, 1, 1)])).toThrow(unknown)
    expect(() => ticks.payee(here, handle)).toThrow(unknown)
  })

  it('keeps a lane in step that is paid over two connections', () => {
    const lane = payee(1n)
    const [one, two] = [ticks.bind(here, lane), ticks.bind(elsewhere, lane)]
    lane.takeVoucher(voucher(1n, 1))
    ticks.take(here, [frame(one, 1n, 1, 200)])
    ticks.take(elsewhere, [frame(two, 1n, 1, 400)])
    ticks.take(here, [frame(one, 1n, 1, 300), frame(one, 1n, 1, 401)])
    expect(lane).toMatchObject({ held: 802n, ticks: 401 })
  })

  it('takes a lane up where its disk has it', async () => {
    const store = Memory.open()
    const before = payee(1n, store)
    const handle = ticks.bind(here, before)
    before.takeVoucher(voucher(1n, 1))
    for (const index of [200, 400]) ticks.take(here, [frame(handle, 1n, 1, index)])
    await before.received(() => before.accepted === 800n)
    const after = payee(1n, store)
    const again = ticks.bind(elsewhere, after)
    ticks.take(elsewhere, [frame(again, 1n, 1, 410)])
    expect(after).toMatchObject({ held: 820n, ticks: 10 })
  })

  it('takes back what its tower kept, where that proves itself', async () => {
    const lane = payee(1n)
    const kept = { signed: voucher(1n, 1), indices: [300], nodes: [chain(1n, 1)(300)] }
    const { signed } = kept
    const forged = { ...signed, voucher: { ...signed.voucher, base: 100n } }
    await expect(lane.restore({ ...kept, nodes: [chain(1n, 1)(299)] })).rejects.toThrow(
      'not of the chain',
    )
    await expect(lane.restore({ ...kept, signed: forged })).rejects.toThrow('session key')
    expect(lane).toMatchObject({ held: 0n, accepted: 0n })
    await lane.restore(kept)
    expect(lane).toMatchObject({ held: 600n, accepted: 600n })
  })

  it('refuses each offence in words, and changes nothing by it', () => {
    const lane = payee(1n)
    const handle = ticks.bind(here, lane)
    const at = (index: number, epoch = 1, digit = 0): Uint8Array =>
      Tick.encode({
        handle,
        epoch,
        entries: [{ digit, index, node: chain(1n, 1)(index % length) }],
      })
    expect(() => ticks.take(here, [at(1)])).toThrow('no voucher of its epoch')
    lane.takeVoucher(voucher(1n, 1))
    ticks.take(here, [frame(handle, 1n, 1, 200)])
    const offences: readonly (readonly [Uint8Array, string])[] = [
      [at(201, 2), 'no voucher of its epoch'],
      [at(201, 1, 1), 'beyond the voucher'],
      [at(length + 1), 'beyond the voucher'],
      [at(200 + limits.frameStepsMax + 1), 'more than 256 steps'],
      [at(451), 'does not hold that much'],
      [frame(handle, 2n, 1, 201), 'not of the chain'],
      [at(201).slice(0, -1), 'cut short'],
      [concat(at(201), Uint8Array.of(0)), 'cut short'],
    ]
    for (const [bytes, why] of offences) expect(() => ticks.take(here, [bytes])).toThrow(why)
    expect(lane).toMatchObject({ held: 400n, ticks: 200 })
    expect(lane.newest?.nodes.map(toHex)).toEqual([toHex(chain(1n, 1)(200))])
  })

  it('follows the capacity of a lane', () => {
    const lane = payee(1n)
    const handle = ticks.bind(here, lane)
    lane.takeVoucher(voucher(1n, 1))
    ticks.take(here, [frame(handle, 1n, 1, 250)])
    expect(() => ticks.take(here, [frame(handle, 1n, 1, 460)])).toThrow('does not hold that much')
    lanes = lanes.map((each) => ({ ...each, reserved: 1_000n }))
    ticks.take(here, [frame(handle, 1n, 1, 460)])
    expect(lane.held).toBe(920n)
  })

  it('takes no offence at what comes late for a closed lane', () => {
    const [closed, open] = [payee(1n), payee(2n)]
    const [a, b] = [ticks.bind(here, closed), ticks.bind(here, open)]
    for (const [id, each] of [[1n, closed] as const, [2n, open] as const])
      each.takeVoucher(voucher(id, 1))
    lanes = lanes.filter(({ id }) => id !== 1n)
    ticks.take(here, [frame(a, 2n, 1, 1), frame(a, 1n, 1, 1), frame(b, 2n, 1, 1)])
    expect([closed.held, open.held]).toEqual([0n, 2n])
  })

  it('bounds the handles of a connection', () => {
    const [lane] = lanes
    if (lane === undefined) throw new Error('there is a lane')
    lanes = Array.from({ length: limits.handlesMax }, (_, id) => ({ ...lane, id: BigInt(id) }))
    for (const { id } of lanes) ticks.bind(here, payee(id))
    const one = payee(9_999n)
    expect(() => ticks.bind(here, one)).toThrow(expect.objectContaining({ code: 'LANE_LIMIT' }))
    ticks.bind(elsewhere, one)
    // A lane that is closed makes room for another.
    lanes.pop()
    ticks.bind(here, one)
  })
})

it('a claim is never lowered by what an engine says', () => {
  const signed = voucher(1n, 1)
  const claim: Claim.Claim = { signed, indices: [5], nodes: [chain(1n, 1)(5)] }
  expect(Claim.raise(claim, [5, 0], [chain(1n, 1)(5)])).toBe(claim)
  expect(() => Claim.raise(claim, [4], [chain(1n, 1)(4)])).toThrow('never falls')
})
