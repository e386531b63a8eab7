import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { limits } from '../../src/core/limits.js'
import * as State from '../../src/core/state.js'
import * as Update from '../../src/core/update.js'
import { parameters, signers } from './support/channel-world.js'

const opening = State.opening(parameters)
const sessionKey = signers[0] ?? '0x'
const laneOpen = (reserved: bigint, payer = 0): Update.Update => ({
  type: 'lane-open',
  payer,
  payee: 1 - payer,
  asset: 0,
  reserved,
  sessionKey,
})
const fold = (lane: bigint, claim: bigint): Update.Update => ({ type: 'fold', lane, claim })
const laneClose = (lane: bigint, claim: bigint): Update.Update => ({
  type: 'lane-close',
  lane,
  claim,
})
const final: Update.Update = { type: 'final' }

const apply = (...updates: Update.Update[]) => Update.apply(opening, updates)
const balances = (body: State.Body): bigint[] => body.outcome.balances.flat()
const badUpdate = expect.objectContaining({ code: 'BAD_UPDATE' })

describe('a lane', () => {
  it('takes its reserve from the payer', () => {
    const { body, kind } = apply(laneOpen(300n), laneOpen(50n, 1))
    expect(balances(body)).toEqual([700n, 350n])
    expect(body.lanes).toMatchObject([
      { id: 0n, payer: 0, payee: 1, folded: 0n, reserved: 300n },
      { id: 1n, payer: 1, payee: 0, folded: 0n, reserved: 50n },
    ])
    expect(body.outcome.nextLane).toBe(2n)
    expect(kind).toBe(0)
  })

  it('folds what is claimed to the payee, once', () => {
    const { body } = apply(laneOpen(300n), fold(0n, 120n), fold(0n, 120n), fold(0n, 121n))
    expect(balances(body)).toEqual([700n, 521n])
    expect(body.lanes).toMatchObject([{ folded: 121n, reserved: 179n }])
  })

  it('closes with a last fold, and gives the rest back', () => {
    const { body } = apply(laneOpen(300n), fold(0n, 100n), laneClose(0n, 120n))
    expect(balances(body)).toEqual([880n, 520n])
    expect(body.lanes).toEqual([])
  })

  it('has an id that is never used again', () => {
    const { body } = apply(laneOpen(1n), laneClose(0n, 0n), laneOpen(1n))
    expect(body.lanes).toMatchObject([{ id: 1n }])
  })
})

it('a final state has no lanes', () => {
  expect(apply(laneOpen(10n), laneClose(0n, 4n), final)).toMatchObject({ kind: 1 })
  expect(apply(final).kind).toBe(1)
})

describe('refused is', () => {
  it.each<[string, Update.Update[]]>([
    ['nothing', []],
    ['more than the payer has', [laneOpen(1_001n)]],
    ['a negative reserve', [laneOpen(10n), laneOpen(-5n)]],
    ['a seat that is none', [laneOpen(1n, 2)]],
    ['a seat below zero', [laneOpen(1n, -1)]],
    ['a lane to oneself', [{ ...laneOpen(1n), payee: 0 } as Update.Update]],
    ['an asset that is none', [{ ...laneOpen(1n), asset: 1 } as Update.Update]],
    ['a fold of no lane', [fold(0n, 0n)]],
    ['a fold beyond the reserve', [laneOpen(10n), fold(0n, 11n)]],
    ['a fold below the last one', [laneOpen(10n), fold(0n, 5n), fold(0n, 4n)]],
    ['a lane closed twice', [laneOpen(10n), laneClose(0n, 0n), laneClose(0n, 0n)]],
    ['the end of a channel with lanes', [laneOpen(10n), final]],
    ['a top-up of nothing', [{ type: 'top-up', seat: 0, asset: 0, amount: 0n }]],
    ['a withdrawal of nothing', [{ type: 'withdraw', seat: 0, asset: 0, amount: 0n }]],
    ['anything after the end', [final, laneOpen(10n)]],
    ['the end twice', [final, final]],
    ['too much at once', Array(limits.lanesMax + 2).fill(fold(0n, 0n))],
    ['more lanes than a channel holds', Array(limits.lanesMax + 1).fill(laneOpen(0n))],
  ])('%s', (_, updates) => {
    expect(() => apply(...updates)).toThrow(badUpdate)
  })
})

it('any sequence applies whole and conserves money, or is refused', () => {
  const amount = fc.oneof(fc.bigInt({ min: 0n, max: 60n }), fc.bigInt({ min: -5n, max: 1_200n }))
  const lane = fc.bigInt({ min: 0n, max: 4n })
  const update = fc.oneof(
    fc.tuple(amount, fc.nat(1)).map(([reserved, payer]) => laneOpen(reserved, payer)),
    fc.tuple(lane, amount).map(([id, claim]) => fold(id, claim)),
    fc.tuple(lane, amount).map(([id, claim]) => laneClose(id, claim)),
  )
  fc.assert(
    fc.property(fc.array(fc.array(update, { minLength: 1, maxLength: 3 })), (all) => {
      let body = opening
      for (const updates of all) {
        const before = body
        try {
          body = Update.apply(body, updates).body
        } catch (error) {
          expect(error).toBeInstanceOf(Update.UpdateError)
        }
        State.checkShape(parameters, body)
        for (const { id, folded } of before.lanes) {
          const after = body.lanes.find((lane) => lane.id === id)
          expect(after?.folded ?? folded).toBeGreaterThanOrEqual(Number(folded))
        }
      }
    }),
  )
})
