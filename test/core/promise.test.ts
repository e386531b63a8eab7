import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { zeroAddress } from '../../src/core/bytes.js'
import * as Claim from '../../src/core/claim.js'
import * as Lane from '../../src/core/lane.js'
import { limits } from '../../src/core/limits.js'
import * as Price from '../../src/core/price.js'
import * as Promised from '../../src/core/promise.js'
import { filler } from '../vectors/reference.js'
import * as Payer from './support/payer.js'

const context = filler('context')

/** Both ends of a lane: what the payer promised, and what the payee could take of it. */
type Ends = {
  readonly promised: Promised.Promised | undefined
  readonly claim: Claim.Claim | undefined
}

const issued = new Map<string, Payer.Issued>()

/** The chain of one epoch; made once, however many worlds use it. */
function chainOf(epoch: number, length: number): Payer.Issued {
  const key = `${epoch} ${length}`
  const shape = { epoch, base: 0n, unit: 1n, digits: 1, radix: 1, length }
  const known = issued.get(key) ?? Payer.issue(shape)
  issued.set(key, known)
  return known
}

/** Makes a move as the engine does: a voucher is signed, a tick is split into frames. */
function make(lane: Lane.Lane, { promised, claim }: Ends, move: Promised.Move): Ends {
  if (move.type === 'voucher') {
    const anchor = (epoch: number, length: number): Uint8Array =>
      chainOf(epoch, length).nodes[0]?.[0] ?? filler('')
    const voucher = Promised.draft(Payer.channelId, lane.id, promised, move, anchor, context)
    const signed = { voucher, signature: new Uint8Array(65) }
    const renewed = Claim.renew(Payer.channelId, lane, claim, signed, Payer.session)
    return { promised: { signed, index: 0 }, claim: renewed }
  }
  if (promised === undefined) throw new Error('a tick without a voucher')
  const { epoch, length } = promised.signed.voucher
  const chain = chainOf(epoch, length)
  let taken = claim
  let at = promised.index
  while (at < move.index) {
    at = Math.min(at + limits.frameStepsMax, move.index)
    taken = Claim.advance(lane, chain.tweak, taken, Payer.reveal(chain, [at]), Payer.walk)
  }
  return { promised: { ...promised, index: move.index }, claim: taken }
}

const lane = Payer.laneOf(50_000n)
const start: Ends = { promised: undefined, claim: undefined }

/** Raises the promise to `owed` until there is nothing to do. */
function raise(ends: Ends, owed: bigint, terms: Promised.Terms, on = lane): Ends {
  let now = ends
  for (let moves = 0; moves < 3; moves++) {
    const move = Promised.next(on, now.promised, owed, terms)
    if (move === undefined) return now
    now = make(on, now, move)
  }
  throw new Error('a promise that takes more than two moves')
}

const terms = fc.record({
  unit: fc.bigInt({ min: 1n, max: 40n }),
  slack: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 60n })),
  expected: fc.option(fc.bigInt({ min: 0n, max: 60_000n }), { nil: undefined }),
})
const rises = fc.array(
  fc.tuple(
    fc.oneof(fc.bigInt({ min: 0n, max: 200n }), fc.bigInt({ min: 0n, max: 30_000n })),
    terms,
  ),
  { maxLength: 25 },
)

it('a promise never falls, never exceeds what is owed or the lane holds, and the payee can prove it', () => {
  fc.assert(
    fc.property(rises, (rises) => {
      let ends = start
      let owed = 0n
      for (const [by, terms] of rises) {
        owed += by
        const before = Promised.amount(ends.promised)
        ends = raise(ends, owed, terms)
        const after = Promised.amount(ends.promised)
        expect(after).toBeGreaterThanOrEqual(before)
        expect(after).toBeLessThanOrEqual(owed)
        expect(after).toBeLessThanOrEqual(Lane.capacity(lane))
        expect(Claim.amount(ends.claim)).toBe(after)
        const target = owed < Lane.capacity(lane) ? owed : Lane.capacity(lane)
        expect(target - after).toBeLessThanOrEqual(terms.slack)
      }
    }),
  )
})

describe('the next move', () => {
  const exact = { unit: 10n, slack: 0n, expected: undefined }
  const loose = { unit: 10n, slack: 30n, expected: undefined }

  it('is none when nothing is owed', () => {
    expect(Promised.next(lane, undefined, 0n, exact)).toBeUndefined()
    const ends = raise(start, 25n, exact)
    expect(Promised.next(lane, ends.promised, 25n, exact)).toBeUndefined()
  })

  it('is a voucher first, whose chain is as long as it may be', () => {
    expect(Promised.next(lane, undefined, 25n, exact)).toEqual({
      type: 'voucher',
      base: 25n,
      unit: 10n,
      length: limits.chainStepsMax,
    })
  })

  it('is a tick while the chain reaches', () => {
    const { promised } = raise(start, 25n, exact)
    expect(Promised.next(lane, promised, 45n, exact)).toEqual({ type: 'tick', index: 2 })
    expect(Promised.next(lane, promised, 49n, loose)).toEqual({ type: 'tick', index: 2 })
  })

  it('is a voucher for an exact rest, and where the chain ends', () => {
    const { promised } = raise(start, 25n, exact)
    expect(Promised.next(lane, promised, 49n, exact)).toMatchObject({ type: 'voucher', base: 49n })
    // Whatever the slack allows: a tick behind is more than a tick could not express.
    for (const behind of [10n, 31n]) {
      const far = 25n + 10n * BigInt(limits.chainStepsMax) + behind
      const move = Promised.next(lane, promised, far, loose)
      expect(move).toMatchObject({ type: 'voucher', base: far })
    }
  })

  it('waits for a whole tick where the slack allows', () => {
    const { promised } = raise(start, 25n, exact)
    expect(Promised.next(lane, promised, 34n, loose)).toBeUndefined()
    expect(Promised.next(lane, undefined, 9n, loose)).toBeUndefined()
    expect(Promised.next(lane, undefined, 9n, { ...loose, slack: 8n })).toMatchObject({ base: 9n })
  })

  it('makes no chain longer than what is expected, or the lane, can use', () => {
    const move = (expected: bigint | undefined, on = lane) =>
      Promised.next(on, undefined, 25n, { ...exact, expected })
    expect(move(65n)).toMatchObject({ length: 4 })
    expect(move(34n)).toMatchObject({ length: 0 })
    expect(move(0n)).toMatchObject({ length: 0 })
    expect(move(undefined, Payer.laneOf(59n))).toMatchObject({ length: 3 })
  })

  it('promises no more than the lane holds', () => {
    const poor = Payer.laneOf(20n)
    const { promised } = raise(start, 25n, exact, poor)
    expect(Promised.amount(promised)).toBe(20n)
    expect(Promised.next(poor, promised, 100n, exact)).toBeUndefined()
  })
})

describe('what the payee shows', () => {
  const exact = { unit: 10n, slack: 0n, expected: undefined }
  const old = raise(start, 25n, exact)
  const newer = raise(old, 55n, exact)
  const newest = raise(newer, 58n, exact)

  it('is adopted where it is newer: a later epoch, or deeper in the same', () => {
    expect(Promised.adopt(undefined, newer.claim)).toEqual(newer.promised)
    expect(Promised.adopt(old.promised, newer.claim)).toEqual(newer.promised)
    expect(Promised.adopt(newer.promised, newest.claim)).toEqual(newest.promised)
  })

  it('changes nothing where it is older, or nothing', () => {
    expect(Promised.adopt(newest.promised, newer.claim)).toBe(newest.promised)
    expect(Promised.adopt(newer.promised, old.claim)).toBe(newer.promised)
    expect(Promised.adopt(newer.promised, undefined)).toBe(newer.promised)
  })
})

it('a stream leaves room in its window for the next piece', () => {
  const quote = (text: string, quantum?: bigint) => {
    const price = Price.parse(text)
    const size = undefined
    const asset = zeroAddress
    return {
      resource: 'r',
      price,
      asset,
      quantum: quantum ?? Price.quantum(price),
      size,
      sha256: size,
    }
  }
  // 65,536 bytes at 3/KiB are 192: ticks of 96, and half a quantum of room.
  expect(Promised.termsOf(quote('3/KiB'), 192n)).toEqual({ unit: 96n, slack: 96n })
  expect(Promised.termsOf(quote('3/KiB'), 64n * 192n)).toEqual({
    unit: 96n,
    slack: 63n * 192n + 96n,
  })
  // A gibibyte costs 1: no tick is smaller than that, and no room can be less.
  expect(Promised.termsOf(quote('1/GiB'), 1n)).toEqual({ unit: 1n, slack: 0n })
  // A second cannot be sent by halves.
  expect(Promised.termsOf(quote('5/s'), 5n)).toEqual({ unit: 2n, slack: 0n })
  expect(Promised.termsOf(quote('5/s'), 15n)).toEqual({ unit: 2n, slack: 10n })
})
