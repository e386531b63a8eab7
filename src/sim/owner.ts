/**
 * Owners: what people do with their nodes. A buyer opens channels, buys, resumes, breaks off and closes; a seller
 * offers and now and then closes. They know only what a program over the public API could know, and take every
 * typed error for weather.
 */
import { type Hex, toHex } from '../core/bytes.js'
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
    void repeat(ports, person, own, 20_000, async (signal) => {
      const [channel] = own.node.channels().filter(({ phase }) => phase === 'live')
      if (channel === undefined || !ports.chance.hit(0.3)) return 'nothing'
      await own.node.close(channel.id, { signal })
      return `close ${channel.id.slice(0, 10)}`
    })
  }
}

async function drain(receipts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of receipts);
}

/** A buyer's life. */
export function buy(
  ports: OwnerPorts,
  shops: readonly [Shop, ...Shop[]],
): (person: Person, own: Own) => void {
  const { chance, witness } = ports
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
      if (what < 0.12) {
        const [channel] = node.channels().filter(({ phase }) => phase === 'live')
        if (channel === undefined) return 'nothing'
        await node.close(channel.id, { signal })
        return `close ${channel.id.slice(0, 10)}`
      }
      if (what < 0.2) {
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
