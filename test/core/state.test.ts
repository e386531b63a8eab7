import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../../src/core/bytes.js'
import * as Complete from '../../src/core/complete.js'
import { SluiceError } from '../../src/core/errors.js'
import * as Lane from '../../src/core/lane.js'
import * as State from '../../src/core/state.js'
import { join, tagged, treeRoot, uint, unhex } from '../vectors/reference.js'
import * as Arbitrary from './support/arbitraries.js'
import { domain, parameters } from './support/channel-world.js'
import { channelIdOf } from './support/signatures.js'

const channelId = channelIdOf('states')
const lane: Lane.Lane = {
  id: 2n,
  payer: 0,
  payee: 1,
  asset: 0,
  folded: 30n,
  reserved: 100n,
  sessionKey: `0x${'5e'.repeat(20)}`,
}

/** 1,000 + 400 came in, 20 went out; a lane holds 100, a pot 10. */
const body: State.Body = {
  outcome: {
    balances: [[800n], [470n]],
    deposited: [[1_000n], [400n]],
    withdrawn: [[0n], [20n]],
    pots: [[0n], [10n]],
    nextLane: 3n,
  },
  lanes: [lane],
}

const withOutcome = (change: Partial<State.Outcome>): State.Body => ({
  ...body,
  outcome: { ...body.outcome, ...change },
})

describe('a root', () => {
  it('commits to the outcome and every lane, as the protocol lays them out', () => {
    fc.assert(
      fc.property(Arbitrary.body, Arbitrary.id, ({ outcome, lanes }, channelId) => {
        const tables = [outcome.balances, outcome.deposited, outcome.withdrawn, outcome.pots]
        const cells = outcome.balances.flatMap((row, seat) =>
          row.flatMap((_, asset) => tables.map((table) => uint(table[seat]?.[asset] ?? 0n, 32))),
        )
        const sizes = [outcome.balances.length, outcome.balances[0]?.length ?? 0]
        const head = [...sizes.map((size) => uint(size, 1)), uint(outcome.nextLane, 8)]
        const leaves = lanes.map((lane) => {
          const small = [uint(lane.payer, 1), uint(lane.payee, 1), uint(lane.asset, 1)]
          const money = [uint(lane.folded, 32), uint(lane.reserved, 32)]
          const encoded = join(uint(lane.id, 8), ...small, ...money, unhex(lane.sessionKey))
          expect(encoded).toHaveLength(95)
          const key = tagged('lane', unhex(channelId), uint(lane.id, 8))
          return [key, tagged('value', encoded)] as const
        })
        const outcomeHash = tagged('outcome', ...head, ...cells)
        const none = new Uint8Array(32)
        expect(State.root(channelId, { outcome, lanes })).toEqual(
          tagged('root', outcomeHash, treeRoot(leaves), none, none),
        )
      }),
    )
  })

  it('does not depend on the order of lanes', () => {
    const lanes = [lane, { ...lane, id: 0n }, { ...lane, id: 1n }]
    expect(State.root(channelId, { ...body, lanes })).toEqual(
      State.root(channelId, { ...body, lanes: lanes.toReversed() }),
    )
  })

  it('is another one for any other body', () => {
    const others: State.Body[] = [
      withOutcome({ nextLane: 4n }),
      withOutcome({ balances: [[801n], [470n]] }),
      withOutcome({ pots: [[10n], [0n]] }),
      { ...body, lanes: [] },
      { ...body, lanes: [{ ...lane, folded: 31n }] },
      { ...body, lanes: [{ ...lane, sessionKey: `0x${'5f'.repeat(20)}` }] },
    ]
    const roots = [body, ...others].map((each) => State.root(channelId, each).join())
    expect(new Set(roots).size).toBe(roots.length)
  })
})

it('the key of a lane is of its channel', () => {
  expect(Lane.key(channelId, 2n)).toEqual(tagged('lane', fromHex(channelId), uint(2, 8)))
  expect(Lane.key(channelId, 2n)).not.toEqual(Lane.key(channelIdOf('other'), 2n))
})

it('a lane can pay what was folded and what is reserved', () => {
  expect(Lane.capacity(lane)).toBe(130n)
})

it('what is signed is of one channel, version and kind, whatever was signed of the same body before', () => {
  const root = State.root(channelId, body)
  const made: [bigint, State.Kind][] = [
    [4n, 0],
    [4n, 1],
    [4n, 2],
    [5n, 2],
    [4n, 0],
  ]
  for (const [version, kind] of made)
    expect(Complete.digest(domain, channelId, { version, kind, body })).toEqual(
      State.digest(domain, { channelId, version, kind, root }),
    )
})

describe('money is conserved', () => {
  it('when balances, reserves and pots are what was deposited and not withdrawn', () => {
    State.checkConserved(body)
  })

  it.each<[string, State.Body]>([
    ['a unit more in a balance', withOutcome({ balances: [[801n], [470n]] })],
    ['a unit less in a balance', withOutcome({ balances: [[799n], [470n]] })],
    ['a unit more in a reserve', { ...body, lanes: [{ ...lane, reserved: 101n }] }],
    ['a lane forgotten', { ...body, lanes: [] }],
    ['a pot forgotten', withOutcome({ pots: [[0n], [0n]] })],
    ['a deposit invented', withOutcome({ deposited: [[1_001n], [400n]] })],
    ['a withdrawal forgotten', withOutcome({ withdrawn: [[0n], [0n]] })],
    ['more withdrawn than deposited', withOutcome({ withdrawn: [[2_000n], [20n]] })],
    ['amounts that overflow', withOutcome({ balances: [[2n ** 256n - 1n], [470n]] })],
  ])('and not with %s', (_, body) => {
    expect(() => State.checkConserved(body)).toThrow(SluiceError)
  })

  it('asset by asset', () => {
    const two = (a: bigint, b: bigint): State.Table => [[a, b]]
    const outcome = { pots: two(0n, 0n), withdrawn: two(0n, 0n), nextLane: 0n }
    const swapped = { ...outcome, balances: two(5n, 7n), deposited: two(7n, 5n) }
    expect(() => State.checkConserved({ outcome: swapped, lanes: [] })).toThrow(
      expect.objectContaining({ code: 'BAD_STATE' }),
    )
  })
})

describe('a body that a peer sent', () => {
  it('may be any that fits', () => {
    State.checkShape(parameters, body)
    State.checkShape(parameters, State.opening(parameters))
  })

  it.each<[string, State.Body]>([
    ['has too few seats', withOutcome({ balances: [[1_270n]] })],
    ['has too many assets', withOutcome({ pots: [[0n, 0n], [10n]] })],
    ['has a lane of no seat', { ...body, lanes: [{ ...lane, payee: 2 }] }],
    ['has a lane of no asset', { ...body, lanes: [{ ...lane, asset: 1 }] }],
    ['has a lane that is still to come', { ...body, lanes: [{ ...lane, id: 3n }] }],
    [
      'has a lane twice',
      {
        ...body,
        lanes: [
          { ...lane, reserved: 50n },
          { ...lane, reserved: 50n },
        ],
      },
    ],
    ['makes money', withOutcome({ balances: [[900n], [470n]] })],
  ])('is refused when it %s', (_, body) => {
    expect(() => State.checkShape(parameters, body)).toThrow(
      expect.objectContaining({ code: 'BAD_STATE' }),
    )
  })
})

describe('a table', () => {
  it('changes in one cell', () => {
    const table: State.Table = [
      [1n, 2n],
      [3n, 4n],
    ]
    expect(State.adjust(table, 1, 0, -3n)).toEqual([
      [1n, 2n],
      [0n, 4n],
    ])
    expect(State.cell(table, 0, 1)).toBe(2n)
  })

  it('holds nothing below zero, and no cells that are not there', () => {
    expect(() => State.adjust([[1n]], 0, 0, -2n)).toThrow(
      expect.objectContaining({ code: 'AMOUNT_RANGE' }),
    )
    expect(() => State.cell([[1n]], 1, 0)).toThrow(expect.objectContaining({ code: 'BAD_STATE' }))
  })
})
