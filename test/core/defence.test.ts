import { describe, expect, it } from 'vitest'
import * as Defence from '../../src/core/defence.js'
import type { Lane } from '../../src/core/lane.js'
import { filler } from '../vectors/reference.js'

const root = (version: number): Uint8Array => filler(`root ${version}`)

const laneOf = (id: bigint, reserved: bigint, payee = 1, folded = 0n): Lane => ({
  id,
  payer: 1 - payee,
  payee,
  asset: 0,
  folded,
  reserved,
  sessionKey: '0x0000000000000000000000000000000000000001',
})

const known = (version: number, kind: 0 | 1 | 2 = 0, lanes: Lane[] = []): Defence.Known => ({
  version: BigInt(version),
  kind,
  root: root(version),
  lanes,
})

const view = (version: number, paid = false): Defence.View => ({
  status: 'challenged',
  challenge: {
    version: BigInt(version),
    root: root(version),
    posted: BigInt(version),
    statesUntil: 100n,
    redeemUntil: 200n,
    paid,
  },
})

const holding = (
  newest: Defence.Known,
  { others = [], claims = {} }: { others?: Defence.Known[]; claims?: Record<string, bigint> } = {},
): Defence.Holding => ({
  seat: 1,
  newest,
  others,
  claim: (lane) => claims[String(lane)] ?? 0n,
})

const nothing = (): Defence.Settled => ({ claim: 0n, swept: false })
const actions = (plan: Defence.Plan): string[] =>
  plan.actions.map((action) => action.type + ('lane' in action ? ` ${action.lane}` : ''))

describe('while states may come', () => {
  it.each([
    [0, 'answer'],
    [1, 'close'],
    [2, 'resume'],
  ] as const)('an older posting meets our newest state of kind %i by %s', (kind, action) => {
    const plan = Defence.next(view(4), 100n, holding(known(5, kind)), nothing)
    expect(plan).toMatchObject({ actions: [{ type: action }], until: 101n })
  })

  it('nothing is said against our newest state, nor against one that only the peer holds', () => {
    for (const posted of [5, 6])
      expect(Defence.next(view(posted), 1n, holding(known(5)), nothing)).toMatchObject({
        actions: [],
        until: 101n,
        isLost: false,
      })
  })

  it('a state of kind resume ends the challenge even where it was shown as an answer', () => {
    const shown = view(5)
    const challenge = shown.challenge && { ...shown.challenge, posted: 3n }
    const plan = Defence.next({ ...shown, challenge }, 1n, holding(known(5, 2)), nothing)
    expect(actions(plan)).toEqual(['resume'])
    expect(actions(Defence.next(shown, 1n, holding(known(5, 2)), nothing))).toEqual([])
  })

  it('nothing is due in a channel that is not disputed', () => {
    for (const status of ['live', 'funding', 'closed', 'dead'] as const)
      expect(
        Defence.next({ status, challenge: undefined }, 1n, holding(known(5)), nothing).actions,
      ).toEqual([])
    expect(Defence.next(undefined, 1n, holding(known(5)), nothing).actions).toEqual([])
  })
})

describe('after the states window', () => {
  const lanes = [laneOf(0n, 50n), laneOf(1n, 500n), laneOf(2n, 40n, 0), laneOf(3n, 9n)]
  const claims = { 0: 20n, 1: 900n, 3: 0n }

  it('redeems the dearest lane first, then has the balances paid, and comes back to sweep', () => {
    const plan = Defence.next(view(5), 101n, holding(known(5, 0, lanes), { claims }), nothing)
    expect(actions(plan)).toEqual(['redeem 1', 'redeem 0', 'freeze'])
    expect(plan.actions[0]).toMatchObject({ gain: 500n })
    expect(plan).toMatchObject({ until: 201n, isSettled: false })
  })

  it('redeems to the last second and not after', () => {
    const held = holding(known(5, 0, lanes), { claims })
    expect(actions(Defence.next(view(5), 200n, held, nothing))).toContain('redeem 1')
    const late = Defence.next(view(5, true), 201n, held, nothing)
    expect(actions(late)).toEqual(['sweep 0', 'sweep 1', 'sweep 2', 'sweep 3'])
  })

  it('redeems only what the layer has not paid, and nothing that gains less than the limit', () => {
    const held = holding(known(5, 0, lanes), { claims })
    const paid = (lane: bigint): Defence.Settled => ({
      claim: [15n, 900n][Number(lane)] ?? 0n,
      swept: false,
    })
    expect(Defence.next(view(5, true), 150n, held, paid).actions).toEqual([
      { type: 'redeem', lane: 0n, gain: 5n },
    ])
    expect(Defence.next(view(5, true), 150n, held, paid, () => 6n).actions).toEqual([])
  })

  it('is at ease where the layer has paid more than our own claim', () => {
    const held = holding(known(5, 0, [laneOf(0n, 50n)]), { claims: { 0: 20n } })
    const more = (): Defence.Settled => ({ claim: 45n, swept: false })
    expect(Defence.next(view(5, true), 150n, held, more)).toMatchObject({
      actions: [],
      isSettled: true,
    })
  })

  it('settles by the state that only the peer held complete, if we signed it', () => {
    const pending = known(6, 0, [laneOf(7n, 30n)])
    const plan = Defence.next(
      view(6),
      150n,
      holding(known(5, 0, lanes), { others: [pending], claims: { 7: 8n } }),
      nothing,
    )
    expect(actions(plan)).toEqual(['redeem 7', 'freeze'])
  })

  it('says when the layer settles by a state that it does not know', () => {
    expect(Defence.next(view(9), 150n, holding(known(5)), nothing)).toEqual({
      actions: [],
      until: undefined,
      isSettled: false,
      isLost: true,
    })
  })

  it('a payee is settled once paid; a payer only once its rest came back', () => {
    const as = (seat: number): Defence.Holding => ({
      ...holding(known(5, 0, [laneOf(0n, 50n)])),
      seat,
    })
    const redeemed = (): Defence.Settled => ({ claim: 20n, swept: false })
    const swept = (): Defence.Settled => ({ claim: 20n, swept: true })
    expect(Defence.next(view(5, true), 150n, as(1), redeemed).isSettled).toBe(true)
    expect(Defence.next(view(5, true), 150n, as(0), redeemed).isSettled).toBe(false)
    expect(Defence.next(view(5, true), 201n, as(0), swept).isSettled).toBe(true)
    expect(Defence.next(view(5), 201n, as(0), swept).isSettled).toBe(false)
  })
})
