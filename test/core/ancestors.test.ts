/** Defects of the systems before this one, each as what it would be here: refused, or survived. */
import { describe, expect, it } from 'vitest'
import * as Channel from '../../src/core/channel.js'
import * as Claim from '../../src/core/claim.js'
import * as Counted from '../../src/core/counted.js'
import * as Dispute from '../../src/core/dispute.js'
import type { Message } from '../../src/core/message.js'
import * as Meter from '../../src/core/meter.js'
import * as Parameters from '../../src/core/parameters.js'
import * as Price from '../../src/core/price.js'
import * as State from '../../src/core/state.js'
import type { Update } from '../../src/core/update.js'
import * as World from './support/channel-world.js'
import * as Payer from './support/payer.js'
import * as Signatures from './support/signatures.js'

const shape = { unit: 0n, digits: 0, radix: 0, length: 0 }
const voucher = (base: bigint, epoch = 1): Payer.Issued => Payer.issue({ ...shape, epoch, base })
const renew = (
  claim: Claim.Claim | undefined,
  { signed }: Payer.Issued,
  lane = Payer.laneOf(2_000n),
) => Claim.renew(Payer.channelId, lane, claim, signed, Payer.session)
const refused = (code: string) => expect.objectContaining({ code })

function liveWorld(): World.World {
  const world = World.create()
  World.begin(world)
  World.heal(world)
  return world
}

const channelOf = (world: World.World, side: World.Side): Channel.Channel => {
  const channel = world.channels[side]
  if (channel === undefined) throw new Error(`side ${side} has no channel`)
  return channel
}

const laneOpen: Update = {
  type: 'lane-open',
  payer: 0,
  payee: 1,
  asset: 0,
  reserved: 500n,
  sessionKey: World.signers[0] ?? '0x',
}

const change = (world: World.World, side: World.Side, ...updates: Update[]): void => {
  World.input(world, side, { type: 'propose', updates })
  World.settle(world)
}

/** What side 1 makes of a message of side 0. */
const told = (world: World.World, message: Message): Channel.Step =>
  Channel.step(World.contextOf(world, 1), channelOf(world, 1), {
    type: 'message',
    from: 0,
    message,
  })

describe('states', () => {
  it('are not moved on by a proof that nobody signed: version and money stay', () => {
    const world = liveWorld()
    const { id, complete } = channelOf(world, 0)
    if (complete === undefined) throw new Error('the channel is not live')
    for (const version of [1n, 7n, 2n ** 64n - 1n]) {
      const raised = { ...complete, version }
      const messages: Message[] = [
        { type: 'sync', channelId: id, complete: raised, dropped: 0, refused: 0 },
        { type: 'complete', channelId: id, version, signatures: complete.signatures },
        { type: 'refuse', channelId: id, version, attempt: 9, code: 'CANCEL', message: 'no' },
        { type: 'drop', channelId: id, version, attempt: 9 },
      ]
      for (const message of messages)
        expect(told(world, message).channel.complete).toBe(channelOf(world, 1).complete)
    }
  })

  it('of a channel are not opened in the name of somebody who did not sign', () => {
    const world = World.create()
    const { channel } = Channel.propose(World.contextOf(world, 0), World.parameters, 0)
    const digest = State.digest(World.domain, {
      channelId: channel.id,
      version: 0n,
      kind: 0,
      root: State.root(channel.id, State.opening(World.parameters)),
    })
    const signature = Signatures.sign(Signatures.addressOf('mallory'), digest)
    const open = {
      type: 'open',
      parameters: World.parameters,
      seat: 0,
      addresses: [],
      signature,
    } as const
    expect(() => Channel.accept(World.contextOf(world, 1), open, 1)).toThrow(
      refused('BAD_SIGNATURE'),
    )
  })

  it('of another chain are worth nothing here, though every key signed them', () => {
    const world = liveWorld()
    const { id } = channelOf(world, 0)
    const body = State.opening(World.parameters)
    const state = { channelId: id, version: 1n, kind: 0, root: State.root(id, body) } as const
    const elsewhere = State.digest({ ...World.domain, chainId: 8n }, state)
    const signatures = World.signers.slice(0, 2).map((key) => Signatures.sign(key, elsewhere))
    const complete = { version: 1n, kind: 0, body, signatures } as const
    const step = told(world, { type: 'sync', channelId: id, complete, dropped: 0, refused: 0 })
    expect(step.effects).toMatchObject([{ type: 'refused', code: 'BAD_SIGNATURE' }])
    expect(Parameters.id({ ...World.domain, chainId: 8n }, World.parameters)).not.toBe(id)
  })

  it('fold no less than the payee can prove', () => {
    const world = liveWorld()
    change(world, 0, laneOpen)
    world.promised.set(0n, 120n)
    world.accepted.set(0n, 120n)
    change(world, 0, { type: 'fold', lane: 0n, claim: 1n })
    expect(channelOf(world, 1).complete?.body.lanes).toMatchObject([{ folded: 0n }])
    change(world, 0, { type: 'lane-close', lane: 0n, claim: 119n }, { type: 'final' })
    expect(channelOf(world, 1).phase).toBe('live')
  })

  it('whose last signature was lost confiscate nothing: the channel goes on, and a posting of it is no fraud', () => {
    const world = liveWorld()
    World.input(world, 0, { type: 'propose', updates: [laneOpen] })
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    World.act(world, { type: 'deliver', side: 0, at: 0 })
    World.act(world, { type: 'lose', side: 1, at: 0 })
    const [ahead, behind] = [channelOf(world, 0), channelOf(world, 1)]
    expect([ahead.complete?.version, behind.complete?.version]).toEqual([1n, 0n])
    // Whoever signed and does not hold it complete counts the smaller of both …
    expect(Counted.balance(behind)).toBe(400n)
    expect(Counted.payable(behind, 0n)).toBe(0n)
    // … may post what it holds …
    expect(Dispute.isFraud(0n, 1n)).toBe(false)
    // … and has the signature with the next word.
    World.reconnect(world, false)
    World.settle(world)
    expect(channelOf(world, 1).complete).toEqual(ahead.complete)
  })
})

describe('vouchers', () => {
  it('that no collateral backs are refused', () => {
    expect(() => renew(undefined, voucher(2_001n))).toThrow(refused('BAD_VOUCHER'))
    expect(Claim.amount(renew(undefined, voucher(2_000n)))).toBe(2_000n)
  })

  it('of 1 do not stand for the 2,000 that are proven already', () => {
    const held = renew(undefined, voucher(2_000n))
    expect(() => renew(held, voucher(1n, 2))).toThrow(refused('BAD_VOUCHER'))
  })

  it('of an older epoch change nothing, and of the held one with another content are refused', () => {
    const held = renew(undefined, voucher(50n, 3))
    expect(renew(held, voucher(2_000n, 2))).toBe(held)
    expect(() => renew(held, voucher(51n, 3))).toThrow(refused('BAD_VOUCHER'))
  })

  it('of a lane that was closed are worth nothing on its successor with the same key', () => {
    const world = liveWorld()
    change(world, 0, laneOpen)
    change(world, 0, { type: 'lane-close', lane: 0n, claim: 0n }, laneOpen)
    const [lane] = channelOf(world, 1).complete?.body.lanes ?? []
    expect(lane).toMatchObject({ id: 1n, sessionKey: World.signers[0] })
    const successor = { ...Payer.laneOf(2_000n), id: 6n }
    expect(() => renew(undefined, voucher(10n), successor)).toThrow(refused('BAD_VOUCHER'))
  })

  it('that are replayed buy no service: the claim, and with it the credit, stays', () => {
    const price = Price.parse('1/B')
    const first = voucher(100n)
    const held = renew(undefined, first)
    const id = Signatures.channelIdOf('purchase')
    const purchase = { id, quote: id, price, quantum: 100n }
    const grantable = (claim: Claim.Claim): bigint => {
      const bounds = {
        accepted: Claim.amount(claim),
        quantumPrice: 100n,
        capacity: 2_000n,
        peerExposure: 0n,
        ownerAllows: undefined,
      }
      return Meter.grantable(Meter.open(Meter.empty, purchase, 0n), id, bounds, 1)
    }
    expect(renew(held, first)).toBe(held)
    expect(grantable(renew(held, first))).toBe(grantable(held))
  })
})
