/**
 * Owners: what people do with their nodes. A buyer opens channels, buys, resumes, breaks off and closes; a seller
 * offers and now and then closes; some post a state instead of asking, and put money in or take it out meanwhile.
 * They know only what a program over the public API could know, and take every typed error for weather.
 */
import { type Hex, toHex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import type { Lane } from '../core/lane.js'
import type { Node } from '../engine/node.js'
import type { Chance } from './chance.js'
import type { Own, Person } from './person.js'
import type { Time } from './time.js'
import type { Trace } from './trace.js'
import { isRight, offerOf, type Ware } from './wares.js'
import type { Witness } from './witness.js'

export type OwnerPorts = {
  readonly time: Time
  readonly chance: Chance
  readonly trace: Trace
  readonly witness: Witness
  /** Owners still do new things. */
  readonly isBusy: () => boolean
  /** Of a buyer's commands, the share that close a channel. */
  readonly closing: number
  /** Some close by force, and some of those think better of it. */
  readonly isQuarrelsome: boolean
  /** Money goes into channels and out of them while they live. */
  readonly isRestless: boolean
  /** Addresses of all, where they have channels together. */
  readonly club: readonly string[]
}

/** What a seller has, under its name. */
export type Shop = {
  readonly seller: string
  readonly address: string
  readonly wares: readonly Ware[]
}

/** A purchase that may be resumed; the owner's own notes survive its node. */
type Bought = { readonly ware: Ware; readonly shop: Shop; readonly purchase: Hex }

/** Milliseconds after which a person gives a command up. */
const patienceMs = [5_000, 60_000] as const
const pauseMs = [10, 4_000] as const

/** A seller's life. */
export function sell(
  ports: OwnerPorts,
  wares: readonly Ware[],
): (person: Person, own: Own) => void {
  return (person, own) => {
    for (const ware of wares) {
      const receipts = own.node.serve(ware.name, offerOf(ware, own.sleep))
      void drain(receipts)
    }
    void repeat(ports, person, own, 10_000, async (signal) => {
      if (ports.chance.hit(0.5)) return tend(ports, person, own.node, signal)
      const [channel] = own.node.channels().filter(({ phase }) => phase === 'live')
      if (channel === undefined || !ports.chance.hit(0.3)) return 'nothing'
      await own.node.close(channel.id, { signal })
      return `close ${short(channel)}`
    })
  }
}

/** What seller and buyer alike do with a channel beside paying: force it, resize it, fold it, close a lane of it. */
async function tend(
  { chance, isQuarrelsome, isRestless }: OwnerPorts,
  person: Person,
  node: Node,
  signal: AbortSignal,
): Promise<string> {
  const open = node.channels().filter(({ phase }) => phase === 'live' || phase === 'challenged')
  if (open.length === 0) return 'nothing'
  const channel = chance.pick(open as [Channel, ...Channel[]])
  const amount = BigInt(chance.between(1, 5_000))
  if (channel.phase === 'challenged') {
    if (!chance.hit(0.3)) return 'nothing'
    await node.resume(channel.id, { signal })
    return `resume ${short(channel)}`
  }
  const what = chance.next()
  if (isQuarrelsome && what < 0.3) {
    // An owner who has put back a backup waits for the others first: nobody knows better what was forgotten.
    if (person.disk.wasRestored && person.tower === undefined) return 'nothing'
    await node.challenge(channel.id)
    return `challenge ${short(channel)}`
  }
  if (!isRestless) return 'nothing'
  const lanes = channel.complete?.body.lanes ?? []
  if (what < 0.5) await node.topUp(channel.id, { amount, signal })
  else if (what < 0.7) await node.withdraw(channel.id, { amount, signal })
  else if (what < 0.85 || lanes.length === 0) await node.fold(channel.id, { signal })
  else await node.closeLane(channel.id, { lane: chance.pick(lanes as [Lane]).id, signal })
  return `resize ${short(channel)}`
}

const short = ({ id }: Channel): string => id.slice(0, 10)

async function drain(receipts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of receipts);
}

/** A buyer's life. */
export function buy(
  ports: OwnerPorts,
  shops: readonly [Shop, ...Shop[]],
): (person: Person, own: Own) => void {
  const { chance, witness, club, closing } = ports
  let unfinished: readonly Bought[] = []
  const purchase = async (
    person: Person,
    { node }: Own,
    { ware, shop, purchase: id }: Bought,
    signal: AbortSignal,
  ): Promise<string> => {
    const manual = chance.hit(0.3)
    const budget = BigInt(chance.between(1, 60_000))
    const bought = await node.consume(shop.address, ware.name, {
      purchase: id,
      signal,
      acknowledge: manual ? 'manual' : 'auto',
      ...(ware.size === undefined ? { budget } : {}),
    })
    let pieces = chance.between(1, 40)
    let from = bought.position
    for await (const data of bought) {
      if (!isRight(ware, from, data) && witness.subject(shop.seller).honest)
        witness.fail('delivery', `${person.name} got other bytes at ${from} of ${ware.name}`)
      from = bought.position
      if (manual && chance.hit(0.8)) bought.acknowledge(bought.position)
      pieces -= 1
      if (pieces > 0) continue
      if (chance.hit(0.4)) {
        if (manual) await bought.stop()
        break
      }
      if (chance.hit(0.3)) bought.abort()
      pieces = 20
    }
    if (manual) bought.acknowledge(bought.position)
    await bought.receipt
    unfinished = unfinished.filter((each) => each.purchase !== id)
    return `bought ${ware.name} to ${bought.acknowledged}`
  }
  return (person, own) => {
    const { node } = own
    void repeat(ports, person, own, undefined, async (signal) => {
      const shop = chance.pick(shops)
      const what = chance.next()
      if (chance.hit(closing)) {
        const [channel] = node.channels().filter(({ phase }) => phase === 'live')
        if (channel === undefined) return 'nothing'
        await node.close(channel.id, { signal })
        return `close ${short(channel)}`
      }
      if (what < 0.14) return tend(ports, person, node, signal)
      if (what < 0.2 && club.length > 2) return meet(ports, person, node, signal)
      if (what < 0.26) {
        await node.quote(shop.address, chance.pick(shop.wares as [Ware]).name, { signal })
        return 'quote'
      }
      const [old] = unfinished
      if (old !== undefined && chance.hit(0.6)) return purchase(person, own, old, signal)
      const ware = chance.pick(shop.wares as [Ware, ...Ware[]])
      await node.open(shop.address, { deposit: BigInt(chance.between(1_000, 300_000)), signal })
      const id = toHex(chance.bytes(32))
      const fresh = { ware, shop, purchase: id }
      unfinished = [...unfinished, fresh].slice(-4)
      return purchase(person, own, fresh, signal)
    })
  }
}

/** A channel with everybody, or a lane in it to somebody. */
async function meet(
  { chance, club }: OwnerPorts,
  person: Person,
  node: Node,
  signal: AbortSignal,
): Promise<string> {
  const others = club.filter((address) => address !== person.address)
  const joint = node
    .channels()
    .find(({ phase, parameters }) => phase === 'live' && parameters.seats.length > 2)
  if (joint === undefined) {
    const deposits = club.map((_, at) => [at === 0 ? BigInt(chance.between(5_000, 200_000)) : 0n])
    await node.open(others, { deposits, signal })
    return 'meet'
  }
  const seats = joint.parameters.seats.length
  const payee = (joint.seat + chance.between(1, seats - 1)) % seats
  const lane = await node.openLane(joint.id, {
    payee,
    amount: BigInt(chance.between(1_000, 40_000)),
    signal,
  })
  return `lane ${lane} to seat ${payee}`
}

/** One command after another while the node lives and owners are busy, with pauses between. */
async function repeat(
  { time, chance, trace, isBusy }: OwnerPorts,
  person: Person,
  { sleep, life }: Own,
  everyMs: number | undefined,
  command: (signal: AbortSignal) => Promise<string>,
): Promise<void> {
  while (life.alive) {
    await sleep(everyMs ?? chance.between(...pauseMs))
    if (!isBusy()) continue
    const signal = time.deadline(chance.between(...patienceMs))
    trace.input(`${person.name} commands`)
    try {
      const done = await command(signal)
      if (life.alive) trace.note(`${person.name} ${done}`)
    } catch (error) {
      if (life.alive) trace.note(`${person.name} failed ${person.failed(error)}`)
    }
  }
}
