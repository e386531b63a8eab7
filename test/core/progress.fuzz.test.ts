/** Payer and payee of one lane together, on rules alone: does the money always keep the data moving? */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as Amount from '../../src/core/amount.js'
import { type Hex, toHex, zeroAddress } from '../../src/core/bytes.js'
import type * as Lane from '../../src/core/lane.js'
import * as Meter from '../../src/core/meter.js'
import * as Price from '../../src/core/price.js'
import * as Promised from '../../src/core/promise.js'
import * as Quote from '../../src/core/quote.js'
import { filler } from '../vectors/reference.js'
import * as Payer from './support/payer.js'

type Wanted = {
  readonly quote: Quote.Quote & { readonly size: bigint }
  /** The round in which it begins. */
  readonly begins: number
  /** The consumer acknowledges multiples of this, as a film is acknowledged by whole frames. */
  readonly piece: bigint
  /** The source falls silent here, and goes on only when nothing else can. */
  readonly pause: bigint
}

type Running = Wanted & { readonly id: Hex }

const anchor = (): Uint8Array => filler('anchor')

/** How the engine wants to be paid: the finest of the units, the tightest of the slacks. */
function termsOf(
  meter: Meter.Meter,
  running: readonly Running[],
  promised: bigint,
): Promised.Terms {
  let expected = Meter.owed(meter)
  const all = running.map(({ id, quote }) => {
    const acknowledged = Meter.find(meter, id)?.acknowledged ?? 0n
    const done = acknowledged === quote.size
    expected += Price.owed(quote.price, quote.size) - Price.owed(quote.price, acknowledged)
    const terms = Promised.termsOf(quote, Meter.credit(Quote.quantumPrice(quote), promised))
    // A stream that drains wants its exact price.
    return { unit: terms.unit, slack: done ? 0n : terms.slack }
  })
  return {
    unit: all.map(({ unit }) => unit).reduce(Amount.min, 2n ** 128n - 1n),
    slack: all.map(({ slack }) => slack).reduce(Amount.min, 2n ** 128n),
    expected,
  }
}

/** Raises the promise as far as it goes at once. */
function pay(
  lane: Lane.Lane,
  meter: Meter.Meter,
  running: readonly Running[],
  before: Promised.Promised | undefined,
): Promised.Promised | undefined {
  const terms = termsOf(meter, running, Promised.amount(before))
  const move = Promised.next(lane, before, Meter.owed(meter), terms)
  if (move === undefined) return before
  if (move.type === 'tick') return before && { ...before, index: move.index }
  const voucher = Promised.draft(Payer.channelId, lane.id, before, move, anchor, filler('context'))
  return { signed: { voucher, signature: new Uint8Array(65) }, index: 0 }
}

/** Runs all that is wanted; returns what is left undone when nothing moves any more. */
function run(wanted: readonly Wanted[], capacity: bigint) {
  const lane = Payer.laneOf(capacity)
  const waiting = wanted.map((each, at) => ({ ...each, id: toHex(filler(`purchase ${at}`)) }))
  let running: Running[] = []
  let meter = Meter.empty
  let promised: Promised.Promised | undefined
  let paused = true
  for (let round = 0; ; round++) {
    const before = { meter, promised }
    for (const { id, quote, begins } of waiting)
      if (begins === round)
        meter = Meter.open(meter, { id, quote: toHex(Quote.hash(quote)), ...quote }, 0n)
    running.push(...waiting.filter(({ begins }) => begins === round))
    const bounds = {
      accepted: Promised.amount(promised),
      quantumPrice: running.map(({ quote }) => Quote.quantumPrice(quote)).reduce(Amount.larger, 0n),
      capacity,
      peerExposure: 0n,
      ownerAllows: undefined,
    }
    const wants = ({ id, quote, pause }: Running): boolean =>
      (Meter.find(meter, id)?.acknowledged ?? 0n) < (paused ? pause : quote.size)
    const hungry = running.filter(wants)
    for (const [at, { id }] of hungry.entries()) {
      const offset = Meter.grantable(meter, id, bounds, hungry.length - at)
      meter = Meter.grant(meter, id, offset)
    }
    for (const { id, quote, piece, pause } of running) {
      const limit = paused ? pause : quote.size
      const granted = Amount.min(Meter.find(meter, id)?.granted ?? 0n, limit)
      const whole = granted === limit ? granted : granted - (granted % piece)
      meter = Meter.acknowledge(meter, id, whole)
      // Whoever waits for its source, or for the rest of a piece, gives back what it cannot use.
      meter = Meter.release(meter, id, whole)
    }
    promised = pay(lane, meter, running, promised)
    const accepted = Promised.amount(promised)
    for (const { id, quote } of running)
      if (Meter.find(meter, id)?.acknowledged === quote.size && accepted >= Meter.due(meter, id))
        meter = Meter.finish(meter, id)
    running = running.filter(({ id }) => Meter.find(meter, id)?.finished === false)
    const [first, ...others] = running
    running = first === undefined ? [] : [...others, first]
    const late = waiting.some(({ begins }) => begins > round)
    const moved = JSON.stringify(before, text) !== JSON.stringify({ meter, promised }, text)
    if (moved || late) continue
    if (!paused || running.some(wants)) return { meter, running, accepted }
    paused = false
  }
}

const text = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString() : value

const price = fc.oneof(
  fc
    .constantFrom('1/B', '1/GiB', '7/3000B', '3/2item', '5/s', '3/KiB', '7/3s', '1/min')
    .map(Price.parse),
  fc.record({
    amount: fc.bigInt({ min: 1n, max: 200n }),
    per: fc.bigInt({ min: 1n, max: 200n }),
    unit: fc.constantFrom<Price.Unit>('byte', 'second', 'item'),
  }),
)

const wanted: fc.Arbitrary<Wanted> = price.chain((price) => {
  const natural = Price.quantum(price)
  return fc
    .record({
      quote: fc.record({
        resource: fc.constant('film'),
        price: fc.constant(price),
        asset: fc.constant(zeroAddress),
        // A provider may sell by more than the natural quantum.
        quantum: fc.bigInt({ min: natural, max: natural * 3n }),
        size: fc.oneof(
          fc.bigInt({ min: 0n, max: natural * 100n }),
          fc.bigInt({ min: 0n, max: natural * 3n }),
        ),
        sha256: fc.constant(undefined),
      }),
      begins: fc.nat(20),
      piece:
        price.unit === 'second'
          ? fc.oneof(fc.constant(natural), fc.bigInt({ min: 1n, max: natural }))
          : fc.constant(1n),
      percent: fc.oneof(fc.constant(100), fc.nat(100)),
    })
    .map(({ percent, ...wanted }) => ({
      ...wanted,
      pause: (wanted.quote.size * BigInt(percent)) / 100n,
    }))
})

const costOf = ({ quote }: Wanted): bigint => Price.owed(quote.price, quote.size)

it('every purchase is delivered and paid to the unit, whatever shares its lane', () => {
  fc.assert(
    fc.property(fc.array(wanted, { minLength: 1, maxLength: 5 }), (wanted) => {
      const cost = wanted.map(costOf).reduce((x, y) => x + y)
      const { meter, running, accepted } = run(wanted, 10n ** 15n)
      expect(running).toEqual([])
      expect(Meter.owed(meter)).toBe(cost)
      expect(accepted).toBe(cost)
    }),
  )
})

it('a lane that cannot pay for all is used to its end', () => {
  const one = wanted.filter(({ piece }) => piece === 1n)
  fc.assert(
    fc.property(one, fc.integer({ min: 1, max: 99 }), (wanted, percent) => {
      const capacity = (costOf(wanted) * BigInt(percent)) / 100n
      const { meter, accepted } = run([wanted], capacity)
      const [purchase] = meter.purchases
      expect(accepted).toBeLessThanOrEqual(capacity)
      expect(purchase?.acknowledged).toBe(
        Amount.min(Price.affordable(wanted.quote.price, capacity), wanted.quote.size),
      )
    }),
  )
})
