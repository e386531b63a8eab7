/**
 * A channel between an honest seller's node and a buyer that is made of raw parts, keeps every state it ever
 * signed, and posts whichever it likes. What the layer did is read from its events and accounts.
 */
import { on } from 'node:events'
import { expect } from 'vitest'
import type { Hex } from '../../../src/core/bytes.js'
import type { Complete } from '../../../src/core/complete.js'
import * as Dispute from '../../../src/core/dispute.js'
import * as State from '../../../src/core/state.js'
import * as Update from '../../../src/core/update.js'
import type { Ledger, LedgerChannel, LedgerEvent } from '../../../src/engine/ports.js'
import type { Person, World } from '../../support/world.js'
import { RawLane } from './raw-lane.js'
import { type RawLink, type RawPeer, rawPeer } from './raw-peer.js'

/** Seconds of each window of a raw peer's channels, and one more. */
export const window = 86_401

export const deposit = 1_000n
export const funds = 1_000_000n

export type Quarrel = {
  readonly world: World
  readonly raw: RawPeer
  readonly ledger: Ledger
  readonly link: RawLink
  readonly lane: RawLane
  readonly id: Hex
  /** States by version, signed by both. */
  readonly states: Complete[]
}

/** A live channel: 600 on lane 0 to the seller, 400 the buyer's balance. Versions 0 and 1. */
export async function quarrel(world: World, seller: Person, name = 'buyer'): Promise<Quarrel> {
  const raw = await rawPeer(world, name, { funds })
  const link = await raw.upgrade(seller.address)
  const states: Complete[] = []
  const opened = raw.changed.until(() => {
    for (const { complete } of raw.channels.values())
      if (complete?.version === 0n) states[0] = complete
    return states.length > 0
  })
  const lane = await raw.open(link, deposit, 600n)
  await opened
  const made = { world, raw, ledger: raw.ledger, link, lane, id: lane.channelId, states }
  keep(made)
  return made
}

const keep = ({ raw, id, states }: Quarrel): void => {
  const { complete } = raw.channel(id)
  if (complete !== undefined) states[Number(complete.version)] = complete
}

/** Both sign another state. */
export async function change(quarrel: Quarrel, ...updates: Update.Update[]): Promise<void> {
  await quarrel.raw.change(quarrel.link, quarrel.id, updates)
  keep(quarrel)
}

/** A lane of 1, which moves no money that counts. */
export const pennyLane = ({ sessionKey }: RawPeer): Update.Update => ({
  type: 'lane-open',
  payer: 0,
  payee: 1,
  asset: 0,
  reserved: 1n,
  sessionKey,
})

/** The seller signs another state, and never hears of it again; the buyer has it whole. */
export async function lose(
  { raw, link, id, states }: Quarrel,
  updates: readonly Update.Update[] = [pennyLane(raw)],
): Promise<void> {
  const { complete } = raw.channel(id)
  if (complete === undefined) throw new Error('the channel is not open')
  link.inbox.length = 0
  raw.onMessage = (_, { type }) => type === 'agree'
  void raw.step(link, id, { type: 'propose', updates })
  const { version, signature = new Uint8Array() } = await link.next('agree')
  const { body, kind } = Update.apply(complete.body, updates)
  const root = State.root(id, body)
  const digest = State.digest(raw.ledger.domain, { channelId: id, version, root, kind })
  states[Number(version)] = { version, kind, body, signatures: [raw.sign(digest), signature] }
}

/** Another state that moves no money: a lane of 1, opened by the buyer. */
export async function advance(quarrel: Quarrel, versions = 1): Promise<void> {
  const { raw } = quarrel
  for (let left = versions; left > 0; left--) await change(quarrel, pennyLane(raw))
}

/** Pays on lane 0 up to `total`; resolves once the seller has it durably. */
export async function pay(quarrel: Quarrel, seller: Person, total: bigint): Promise<void> {
  const { link, lane, id } = quarrel
  const accepted = (async () => {
    for await (const [payment] of on(seller.node.events, 'payment'))
      if (payment.channelId === id && payment.total >= total) return
  })()
  const handle = await link.bind(lane)
  link.pay(RawLane.frame(handle, lane.voucher(total)))
  await accepted
}

/** The buyer posts the state of a version. */
export async function post({ raw, id, states }: Quarrel, version: number): Promise<void> {
  const { ledger } = raw
  const { parameters, seat } = raw.channel(id)
  const complete = states[version]
  if (complete === undefined) throw new Error(`there is no state ${version}`)
  const challenge = { channelId: id, version: complete.version, account: ledger.account }
  const signature = raw.sign(Dispute.digest(ledger.domain, challenge))
  await ledger.challenge(parameters, seat, Dispute.posting(id, complete), signature)
}

/** The buyer shows the state of a version while it is challenged. */
export async function answer({ raw, id, states }: Quarrel, version: number): Promise<void> {
  const complete = states[version]
  if (complete === undefined) throw new Error(`there is no state ${version}`)
  await raw.ledger.answer(raw.channel(id).parameters, Dispute.posting(id, complete))
}

/** From here on somebody's ledger shows a channel as it was first challenged, until it has caught up. */
export function lag(ledger: Ledger): { catchUp(): void } {
  const { channel } = ledger
  let first: LedgerChannel | undefined
  ledger.channel = async (id) => {
    const view = first ?? (await channel(id))
    if (view?.challenge !== undefined) first = view
    return view
  }
  return {
    catchUp() {
      ledger.channel = channel
    },
  }
}

/** Somebody's next look at the ledger is answered late, with what was there before; resolves once it is asked. */
export const delay = (ledger: Ledger, over: Promise<unknown>): Promise<void> =>
  new Promise((asked) => {
    const { channel } = ledger
    ledger.channel = async (id) => {
      ledger.channel = channel
      const view = await channel(id)
      asked()
      await over
      return view
    }
  })

/** Waits for the `count`th event of a type in the channel, and returns it. */
export async function happened(
  { ledger, id }: Pick<Quarrel, 'ledger' | 'id'>,
  type: LedgerEvent['type'],
  count = 1,
): Promise<LedgerEvent> {
  const done = new AbortController()
  let seen = 0
  try {
    for await (const event of ledger.events({ after: 0, signal: done.signal })) {
      if (event.channelId !== id || event.type !== type) continue
      if (++seen === count) return event
    }
    throw new Error(`the ledger ended before any ${type}`)
  } finally {
    done.abort()
  }
}

/** Types of what has happened in the channel so far, in order, from the first challenge on. */
export async function story({ raw, id }: Quarrel): Promise<string[]> {
  const events = raw.world.layer.layer.events(0)
  const types = events.filter((event) => event.channelId === id).map(({ type }) => type)
  const from = types.indexOf('challenged')
  return from < 0 ? [] : types.slice(from)
}

/** What the buyer has when it is all over, bond and all: what it had, less what it paid. */
export async function expectEnds(
  { raw }: Quarrel,
  seller: Person,
  paid: bigint,
  bondLost = 0n,
): Promise<void> {
  expect(await seller.balance()).toBe(paid + bondLost)
  expect(
    await raw.ledger.balance(raw.ledger.account, '0x0000000000000000000000000000000000000000'),
  ).toBe(funds - paid - bondLost)
}
