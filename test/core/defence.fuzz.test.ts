/**
 * The plan, followed by a defender that is there at random moments, against a layer of this test's own that
 * refuses whatever the rules do not allow, and a peer that posts what hurts most.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as Defence from '../../src/core/defence.js'
import type { Lane } from '../../src/core/lane.js'
import { filler } from '../vectors/reference.js'

const period = 1_000n
const us = 0

type World = {
  readonly posted: number
  readonly answers: readonly { readonly at: number; readonly version: number }[]
  readonly newest: number
  readonly hasPending: boolean
  readonly visits: readonly number[]
  readonly claims: readonly number[]
  /** What a stranger redeems before us. */
  readonly stranger: readonly number[]
}

const world: fc.Arbitrary<World> = fc.record({
  newest: fc.integer({ min: 0, max: 6 }),
  hasPending: fc.boolean(),
  posted: fc.nat(7),
  answers: fc.array(fc.record({ at: fc.integer({ min: 0, max: 1_000 }), version: fc.nat(7) }), {
    maxLength: 3,
  }),
  visits: fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 6 }),
  claims: fc.array(fc.nat(120), { minLength: 4, maxLength: 4 }),
  stranger: fc.array(fc.nat(120), { minLength: 4, maxLength: 4 }),
})

/** Lanes of a version: of the four, two pay us. Folds move on with the version. */
const lanesOf = (version: number): Lane[] =>
  [0, 1, 2, 3].map((id) => ({
    id: BigInt(id),
    payer: id % 2 === 0 ? 1 : 0,
    payee: id % 2 === 0 ? us : 1,
    asset: 0,
    folded: BigInt(version * 3),
    reserved: BigInt(100 - version * 3),
    sessionKey: '0x0000000000000000000000000000000000000001',
  }))

const known = (version: number): Defence.Known => ({
  version: BigInt(version),
  kind: 0,
  root: filler(`version ${version}`),
  lanes: lanesOf(version),
})

/** The adjudicator, as the rules have it and no more. */
class Layer {
  version: number
  frozen = false
  readonly claims = [0, 0, 0, 0]
  readonly swept = [false, false, false, false]

  constructor(posted: number) {
    this.version = posted
  }

  view(): Defence.View {
    const root = filler(`version ${this.version}`)
    return {
      status: 'challenged',
      challenge: {
        version: BigInt(this.version),
        root,
        posted: 0n,
        statesUntil: period,
        redeemUntil: 2n * period,
        paid: this.frozen,
      },
    }
  }

  answer(time: bigint, version: number): void {
    if (time > period || version <= this.version) throw new Error('refused answer')
    this.version = version
  }

  redeem(time: bigint, lane: number, claim: number): void {
    if (time <= period || time > 2n * period) throw new Error('refused redemption')
    this.claims[lane] = Math.max(this.claims[lane] ?? 0, claim)
  }

  freeze(time: bigint): void {
    if (time <= period || this.frozen) throw new Error('refused freeze')
    this.frozen = true
  }

  sweep(time: bigint, lane: number): void {
    if (time <= 2n * period || this.swept[lane]) throw new Error('refused sweep')
    this.swept[lane] = true
  }
}

/** Everything that the layer pays on a lane. */
const paid = (version: number, claim: number): number =>
  Math.max(0, Math.min(claim - version * 3, 100 - version * 3))

function play({ posted, answers, newest, hasPending, visits, claims, stranger }: World): void {
  const highest = hasPending ? newest + 1 : newest
  const layer = new Layer(Math.min(posted, highest))
  const holding: Defence.Holding = {
    seat: us,
    newest: known(newest),
    others: hasPending ? [known(newest + 1)] : [],
    claim: (lane) => (lane % 2n === 0n ? BigInt(claims[Number(lane)] ?? 0) : 0n),
  }
  const settled = (lane: bigint): Defence.Settled => ({
    claim: BigInt(layer.claims[Number(lane)] ?? 0),
    swept: layer.swept[Number(lane)] ?? false,
  })
  const act = (time: bigint): void => {
    const plan = Defence.next(layer.view(), time, holding, settled)
    expect(Defence.next(layer.view(), time, holding, settled)).toEqual(plan)
    for (const action of plan.actions) {
      if (action.type === 'answer') layer.answer(time, newest)
      else if (action.type === 'redeem')
        layer.redeem(time, Number(action.lane), claims[Number(action.lane)] ?? 0)
      else if (action.type === 'freeze') layer.freeze(time)
      else if (action.type === 'sweep') layer.sweep(time, Number(action.lane))
      else throw new Error(`nothing asks for ${action.type}`)
    }
    // What was done is done: nothing is due twice.
    expect(Defence.next(layer.view(), time, holding, settled).actions).toEqual([])
    if (plan.until !== undefined) expect(plan.until).toBeGreaterThan(time)
  }
  // Once in each window, as the promise presumes; and after.
  const moments = [...visits, 1_000, 2_000, 2_500].map((at) => ({ at, run: () => act(BigInt(at)) }))
  const peer = answers
    .filter(({ version }) => version <= highest)
    .map(({ at, version }) => ({
      at,
      run: () => {
        if (version > layer.version) layer.answer(BigInt(at), version)
      },
    }))
  const others = stranger.map((claim, lane) => ({
    at: 1_500,
    run: () => layer.redeem(1_500n, lane, claim),
  }))
  for (const { run } of [...moments, ...peer, ...others].sort((a, b) => a.at - b.at)) run()

  expect(layer.version).toBeGreaterThanOrEqual(newest)
  expect(layer.frozen).toBe(true)
  for (const lane of [0, 2])
    expect(paid(layer.version, layer.claims[lane] ?? 0)).toBeGreaterThanOrEqual(
      paid(layer.version, claims[lane] ?? 0),
    )
  for (const lane of [0, 1, 2, 3]) {
    const rest = 100 - layer.version * 3 - paid(layer.version, layer.claims[lane] ?? 0)
    expect(layer.swept[lane]).toBe(rest > 0)
  }
}

it('whoever visits once in each window loses nothing, and asks for nothing that is refused', () => {
  fc.assert(fc.property(world, play))
})

it('is total: no view, time or holding makes it throw', () => {
  const uint = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  const small = fc.bigInt({ min: 0n, max: 5n })
  const time = fc.oneof(uint, small)
  const view = fc.option(
    fc.record({
      status: fc.constantFrom('funding', 'live', 'challenged', 'frozen', 'closed', 'dead'),
      challenge: fc.option(
        fc.record({
          version: small,
          posted: small,
          root: small.map((n) => filler(`version ${n}`)),
          statesUntil: time,
          redeemUntil: time,
          paid: fc.boolean(),
        }),
        { nil: undefined },
      ),
    }) as fc.Arbitrary<Defence.View>,
    { nil: undefined },
  )
  const state = fc
    .record({ version: fc.nat(5), kind: fc.constantFrom(0, 1, 2) })
    .map(({ version, kind }) => ({ ...known(version), kind: kind as 0 | 1 | 2 }))
  fc.assert(
    fc.property(
      view,
      time,
      state,
      fc.option(state, { nil: undefined }),
      time,
      time,
      fc.boolean(),
      small,
      (seen, now, newest, pending, mine, theirs, swept, gainMin) => {
        const holding = {
          seat: us,
          newest,
          others: pending === undefined ? [] : [pending],
          claim: () => mine,
        }
        const { actions, until } = Defence.next(
          seen,
          now,
          holding,
          () => ({ claim: theirs, swept }),
          () => gainMin,
        )
        if (seen?.challenge === undefined) expect(actions).toEqual([])
        if (until !== undefined) expect(until).toBeGreaterThan(now)
      },
    ),
  )
})
