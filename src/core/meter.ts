/**
 * The meter of one lane, on the payee's side: what is owed for what was acknowledged, and how far the
 * provider may send on credit. Debt belongs to the lane and survives streams, reconnects and restarts.
 *
 * Exposure counts what was *granted*, not what was acknowledged: a consumer that takes bytes and never
 * acknowledges them uses up its window all the same. A grant is durable before a byte of it is sent.
 */
import * as Amount from './amount.js'
import type { Hex } from './bytes.js'
import { SluiceError } from './errors.js'
import { limits } from './limits.js'
import * as Price from './price.js'

/** One purchase of one resource; it outlives the streams that carry it. */
export type Purchase = {
  readonly id: Hex
  readonly quote: Hex
  readonly price: Price.Price
  readonly quantum: bigint
  /** Highest offset the consumer called durable. */
  readonly acknowledged: bigint
  /** Offset up to which bytes may have been sent. */
  readonly granted: bigint
  /** Offset up to which earlier streams may have sent; what they took is not given back by a later one. */
  readonly sent: bigint
  /** Streams opened since `acknowledged` last passed a multiple of the quantum. */
  readonly restarts: number
  /** Drained, paid and receipted: nothing more is sent. */
  readonly finished: boolean
}

export type Meter = {
  /** Owed for finished purchases that are no longer remembered one by one. */
  readonly forgotten: bigint
  readonly purchases: readonly Purchase[]
}

/** The most anyone may owe us beyond what they have paid, in quanta. */
export const window = { first: 1n, last: 64n, peer: 256n } as const

export const empty: Meter = { forgotten: 0n, purchases: [] }

export const find = (meter: Meter, id: Hex): Purchase | undefined =>
  meter.purchases[sums(meter).places.get(id) ?? -1]

const cost = (purchase: Purchase, offset: bigint): bigint => Price.owed(purchase.price, offset)

/** What a meter adds up to, owed for what was acknowledged and for what was granted, and where each purchase is. */
type Sums = {
  readonly owed: bigint
  readonly committed: bigint
  readonly places: ReadonlyMap<Hex, number>
}

/**
 * Meters never change, and a change of one purchase changes the sums by what it costs: were all of a thousand added
 * up anew, each acknowledgement of a byte, ten on the wire, would keep a provider for forty microseconds.
 */
const added = new WeakMap<Meter, Sums>()

function sums(meter: Meter): Sums {
  const before = added.get(meter)
  if (before !== undefined) return before
  let [owed, committed] = [meter.forgotten, meter.forgotten]
  for (const purchase of meter.purchases) {
    owed += cost(purchase, purchase.acknowledged)
    committed += cost(purchase, purchase.granted)
  }
  const places = new Map(meter.purchases.map(({ id }, at) => [id, at]))
  const found = { owed, committed, places }
  added.set(meter, found)
  return found
}

/** Owed for all acknowledged offsets, each purchase rounded up once. */
export const owed = (meter: Meter): bigint => sums(meter).owed

/** Owed if all that was granted is acknowledged, less what is paid; never below zero. */
export const exposure = (meter: Meter, accepted: bigint): bigint =>
  Amount.larger(0n, committed(meter) - accepted)

const committed = (meter: Meter): bigint => sums(meter).committed

/**
 * The credit window, in money: one quantum at first, growing by every quantum paid on this lane, to 64.
 */
export function credit(quantumPrice: bigint, accepted: bigint): bigint {
  const quanta = Amount.clamp(window.first + accepted / quantumPrice, window.first, window.last)
  return quanta * quantumPrice
}

/**
 * The meter with a stream of `id` opened (or resumed) at `offset`, which acknowledges everything below it.
 * @throws MeterError `OFFSET_PAID`, `OFFSET_BEYOND_CREDIT`, `QUOTE_CHANGED`, `RESTART_LIMIT`, `PURCHASE_LIMIT`,
 * `PURCHASE_FINISHED`
 */
export function open(
  meter: Meter,
  start: Pick<Purchase, 'id' | 'quote' | 'price' | 'quantum'>,
  offset: bigint,
): Meter {
  const known = find(meter, start.id)
  if (known === undefined) {
    if (offset !== 0n)
      throw new MeterError('OFFSET_BEYOND_CREDIT', 'a new purchase begins at offset 0')
    const none = { acknowledged: 0n, granted: 0n, sent: 0n, restarts: 0, finished: false }
    const { forgotten, purchases } = room(meter)
    return { forgotten, purchases: [...purchases, { ...start, ...none }] }
  }
  if (known.quote !== start.quote)
    throw new MeterError(
      'QUOTE_CHANGED',
      'the quote changed since the purchase began; begin a new purchase',
    )
  if (known.finished) {
    if (offset === known.acknowledged) return meter
    throw new MeterError(
      'PURCHASE_FINISHED',
      'this purchase was delivered and paid; begin a new one',
    )
  }
  if (offset < known.acknowledged)
    throw new MeterError(
      'OFFSET_PAID',
      `bytes below ${known.acknowledged} were acknowledged before; begin a new purchase to get them again`,
    )
  const restarts = advances(known, offset) ? 0 : known.restarts + 1
  if (restarts > limits.restartsMax)
    throw new MeterError(
      'RESTART_LIMIT',
      'this purchase was resumed too often without any progress',
    )
  const sent = known.granted
  return replace(acknowledge(meter, start.id, offset), start.id, { restarts, sent })
}

/**
 * Room for one more purchase: the oldest finished one is forgotten, its cost kept. One that was sent more
 * than it acknowledged is remembered: forgetting it would forgive what it took.
 */
function room(meter: Meter): Meter {
  if (meter.purchases.length < limits.purchasesPerLaneMax) return meter
  const oldest = meter.purchases.find((p) => p.finished && p.granted <= p.acknowledged)
  if (oldest === undefined)
    throw new MeterError(
      'PURCHASE_LIMIT',
      'too many unfinished purchases on this lane; finish one first',
    )
  return {
    forgotten: meter.forgotten + cost(oldest, oldest.acknowledged),
    purchases: meter.purchases.filter((purchase) => purchase !== oldest),
  }
}

/**
 * The consumer calls everything below `offset` durable.
 * @throws MeterError `OFFSET_BEYOND_CREDIT` when it lies beyond what was granted
 */
export function acknowledge(meter: Meter, id: Hex, offset: bigint): Meter {
  const purchase = find(meter, id)
  if (purchase === undefined || offset > purchase.granted)
    throw new MeterError('OFFSET_BEYOND_CREDIT', `offset ${offset} was never sent`)
  if (offset <= purchase.acknowledged) return meter
  const progress = advances(purchase, offset) ? { restarts: 0 } : {}
  return replace(meter, id, { acknowledged: offset, ...progress })
}

/**
 * Whether `offset` is progress that earns new restarts. Each lets a whole window be sent again for nothing, so
 * a byte more does not; a quantum more does.
 */
const advances = ({ acknowledged, quantum }: Purchase, offset: bigint): boolean =>
  offset / quantum > acknowledged / quantum

/** What bounds a grant besides the lane's own window. */
export type Bounds = {
  readonly accepted: bigint
  /** Price of the dearest quantum among the streams that share the lane: a cheap one must not starve. */
  readonly quantumPrice?: bigint
  /** The lane can never pay more than this. */
  readonly capacity: bigint
  /** Exposure of the peer's other lanes, in the same asset. */
  readonly peerExposure: bigint
  /** Lanes of the peer that carry streams, this one among them: they share what it may owe. */
  readonly lanes?: number
  /** Exposure the owner still allows this lane over all peers; undefined: no limit of the owner's. */
  readonly ownerAllows: bigint | undefined
  /** The part of `peerExposure` that nothing will ever pay, and what the owner allows over all peers. */
  readonly writtenOff?: bigint
  readonly ownerMax?: bigint | undefined
}

/**
 * The offset up to which `id` may send now. `sharers` active streams split the room, yet each may take a
 * whole quantum where there is one. What rounding up has paid for already is never held back.
 */
export function grantable(meter: Meter, id: Hex, bounds: Bounds, sharers: number): bigint {
  const purchase = find(meter, id)
  if (purchase === undefined || purchase.finished) return 0n
  const { accepted, capacity } = bounds
  const quantumPrice = cost(purchase, purchase.quantum)
  const dearest = Amount.larger(quantumPrice, bounds.quantumPrice ?? 0n)
  const own = Amount.min(credit(dearest, accepted), laneShare(dearest, bounds))
  const allowed = Amount.min(own, shared(dearest, bounds))
  const ceiling = Amount.min(accepted + Amount.larger(0n, allowed), capacity)
  const free = Amount.larger(0n, ceiling - committed(meter))
  const share = Amount.min(free, Amount.larger(free / BigInt(sharers), quantumPrice))
  return Price.affordable(purchase.price, cost(purchase, purchase.granted) + share)
}

/** What the peer and the owner leave to the lane, whatever its own window. */
function shared(quantumPrice: bigint, { peerExposure, ownerAllows }: Bounds): bigint {
  const left = window.peer * quantumPrice - peerExposure
  return ownerAllows === undefined ? left : Amount.min(left, ownerAllows)
}

/**
 * What one of the peer's lanes may owe, so that a quiet one cannot keep all of the peer's credit from the
 * others; at least a quantum.
 */
export const laneShare = (quantumPrice: bigint, { lanes = 1 }: Pick<Bounds, 'lanes'>): bigint =>
  Amount.larger(1n, window.peer / BigInt(Math.max(1, lanes))) * quantumPrice

/** Whether what others owe leaves the lane less than its own window and share. */
export const isHeldBack = (bounds: Bounds): boolean => {
  const { accepted, quantumPrice = 0n } = bounds
  if (quantumPrice === 0n) return false
  const own = Amount.min(credit(quantumPrice, accepted), laneShare(quantumPrice, bounds))
  return shared(quantumPrice, bounds) < own
}

/**
 * Whether the lane can never pay for `id` up to `offset`, even when all that others were granted and did not
 * acknowledge is given back.
 */
export function isBeyond(meter: Meter, id: Hex, offset: bigint, capacity: bigint): boolean {
  const purchase = find(meter, id)
  if (purchase === undefined) return true
  const others = owed(meter) - cost(purchase, purchase.acknowledged)
  return others + cost(purchase, offset) > capacity
}

/**
 * Whether `id` will never be granted the step from `from` to `offset`, even once all others have paid: the peer
 * left too much unpaid for good, or the owner allows less than it costs.
 */
export function isRefused(
  meter: Meter,
  id: Hex,
  { from, offset }: { readonly from: bigint; readonly offset: bigint },
  bounds: Bounds,
): boolean {
  const purchase = find(meter, id)
  if (purchase === undefined) return true
  const dearest = Amount.larger(cost(purchase, purchase.quantum), bounds.quantumPrice ?? 0n)
  const { writtenOff = 0n, ownerMax } = bounds
  const peerMax = Amount.larger(0n, window.peer * dearest - writtenOff)
  const step = cost(purchase, offset) - cost(purchase, from)
  return step > (ownerMax === undefined ? peerMax : Amount.min(peerMax, ownerMax))
}

/** The meter with `amount` more owed, for purchases that a lost disk took with it. */
export const restore = (meter: Meter, amount: bigint): Meter => ({
  ...meter,
  forgotten: meter.forgotten + amount,
})

/** What must be paid before `id` can be finished: it and every finished purchase, to the unit. */
export const due = (meter: Meter, id: Hex): bigint =>
  meter.purchases.reduce(
    (sum, p) => (p.finished || p.id === id ? sum + cost(p, p.acknowledged) : sum),
    meter.forgotten,
  )

/** The meter with `id` granted up to `offset`; a grant never falls here. */
export function grant(meter: Meter, id: Hex, offset: bigint): Meter {
  const purchase = find(meter, id)
  return purchase === undefined || offset <= purchase.granted
    ? meter
    : replace(meter, id, { granted: offset })
}

/** The stream ended after sending up to `sent`: what no stream sent of the grant is free again. */
export function release(meter: Meter, id: Hex, sent: bigint): Meter {
  const purchase = find(meter, id)
  if (purchase === undefined || purchase.finished || purchase.granted <= sent) return meter
  const taken = Amount.larger(purchase.sent, purchase.acknowledged)
  return replace(meter, id, { granted: Amount.larger(sent, taken) })
}

/** The purchase is drained: everything sent was acknowledged. */
export const finish = (meter: Meter, id: Hex): Meter => replace(meter, id, { finished: true })

/** How a stream ends: cut off, drained before the end of its purchase by a provider that stopped, or drained for good. */
export type Ending = 'cut' | 'paused' | 'finished'

/**
 * The meter after a stream of `id` that ended so. Where it was paused all that was sent is acknowledged, so whoever
 * comes back for the rest does not come once too often.
 */
export function end(meter: Meter, id: Hex, ending: Ending): Meter {
  if (ending === 'finished') return finish(meter, id)
  if (ending === 'cut') return meter
  const { restarts = 0 } = find(meter, id) ?? {}
  return replace(meter, id, { restarts: Math.max(0, restarts - 1) })
}

/** Whether no purchase is to be resumed. */
export const isFinished = ({ purchases }: Meter): boolean =>
  purchases.every(({ finished }) => finished)

function replace(meter: Meter, id: Hex, change: Partial<Purchase>): Meter {
  const { owed, committed, places } = sums(meter)
  const at = places.get(id)
  const old = at === undefined ? undefined : meter.purchases[at]
  if (at === undefined || old === undefined) return meter
  const purchase = { ...old, ...change }
  const next = { ...meter, purchases: meter.purchases.with(at, purchase) }
  added.set(next, {
    owed: owed + cost(purchase, purchase.acknowledged) - cost(old, old.acknowledged),
    committed: committed + cost(purchase, purchase.granted) - cost(old, old.granted),
    places,
  })
  return next
}

/** A stream that asks for what was never offered, or too often. */
export class MeterError extends SluiceError {
  constructor(
    code:
      | 'OFFSET_PAID'
      | 'OFFSET_BEYOND_CREDIT'
      | 'QUOTE_CHANGED'
      | 'RESTART_LIMIT'
      | 'PURCHASE_LIMIT'
      | 'PURCHASE_FINISHED',
    message: string,
  ) {
    super(code, `${message[0]?.toUpperCase()}${message.slice(1)}.`)
    this.name = 'MeterError'
  }
}
