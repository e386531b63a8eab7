import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import * as Claim from '../../src/core/claim.js'
import { SluiceError } from '../../src/core/errors.js'
import type { Lane } from '../../src/core/lane.js'
import type * as Tick from '../../src/core/tick.js'
import * as Voucher from '../../src/core/voucher.js'
import { filler } from '../vectors/reference.js'
import * as Payer from './support/payer.js'
import { addressOf, channelIdOf } from './support/signatures.js'

const lane = Payer.laneOf(100_000n)
const plain = (epoch: number, base: bigint): Payer.Shape => ({
  epoch,
  base,
  unit: 0n,
  digits: 0,
  radix: 0,
  length: 0,
})
const chained = (epoch: number, base: bigint): Payer.Shape => ({
  epoch,
  base,
  unit: 3n,
  digits: 1,
  radix: 1,
  length: 600,
})

const badVoucher = expect.objectContaining({ code: 'BAD_VOUCHER' })
const badTick = expect.objectContaining({ code: 'BAD_TICK' })

const renew = (
  claim: Claim.Claim | undefined,
  { signed }: Payer.Issued,
  on: { lane?: Lane; signer?: typeof Payer.session } = {},
): Claim.Claim =>
  Claim.renew(Payer.channelId, on.lane ?? lane, claim, signed, on.signer ?? Payer.session)

const advance = (claim: Claim.Claim | undefined, frame: Tick.Frame, on = lane): Claim.Claim =>
  Claim.advance(on, Payer.issue(plain(1, 0n)).tweak, claim, frame, Payer.walk)

describe('a voucher', () => {
  it('raises the claim to its base', () => {
    const claim = renew(undefined, Payer.issue(plain(1, 70n)))
    expect(Claim.amount(undefined)).toBe(0n)
    expect(Claim.amount(claim)).toBe(70n)
    expect(Claim.amount(renew(claim, Payer.issue(chained(2, 90n))))).toBe(90n)
  })

  it('that is repeated, or older, changes nothing', () => {
    const [first, second] = [Payer.issue(chained(1, 10n)), Payer.issue(chained(2, 20n))]
    const claim = advance(renew(undefined, second), Payer.reveal(second, [4]))
    expect(renew(claim, second)).toBe(claim)
    expect(renew(claim, first)).toBe(claim)
  })

  it.each<[string, Payer.Issued, { lane?: Lane; signer?: typeof Payer.session }?]>([
    ['of another channel', Payer.issue(plain(1, 5n), { channel: channelIdOf('other') })],
    ['of another lane', Payer.issue(plain(1, 5n), { lane: 6n })],
    ['that another key signed', Payer.issue(plain(1, 5n)), { signer: addressOf('mallory') }],
    ['of more than the lane holds', Payer.issue(plain(1, 100_001n))],
    ['of epoch 0', Payer.issue(plain(0, 5n))],
    ['with a radix but no digits', Payer.issue({ ...plain(1, 5n), radix: 1 })],
  ])('%s is refused', (_, issued, on) => {
    expect(() => renew(undefined, issued, on)).toThrow(badVoucher)
  })

  it('of less than is proven already is refused', () => {
    const first = Payer.issue(chained(1, 10n))
    const claim = advance(renew(undefined, first), Payer.reveal(first, [7]))
    expect(() => renew(claim, Payer.issue(plain(2, 30n)))).toThrow(badVoucher)
    expect(Claim.amount(renew(claim, Payer.issue(plain(2, 31n))))).toBe(31n)
  })

  it('of an epoch that had another content is refused', () => {
    const claim = renew(undefined, Payer.issue(plain(1, 5n)))
    expect(() => renew(claim, Payer.issue(plain(1, 6n)))).toThrow(badVoucher)
  })

  it('is backed by what was folded too', () => {
    const folded = { ...lane, folded: 60n, reserved: 40n }
    expect(Claim.amount(renew(undefined, Payer.issue(plain(1, 100n)), { lane: folded }))).toBe(100n)
    expect(() => renew(undefined, Payer.issue(plain(1, 101n)), { lane: folded })).toThrow(
      badVoucher,
    )
  })
})

describe('a tick', () => {
  const issued = Payer.issue(chained(3, 10n))
  let claim: Claim.Claim
  beforeEach(() => {
    claim = advance(renew(undefined, issued), Payer.reveal(issued, [100]))
  })

  it('raises the claim by its steps', () => {
    expect(Claim.amount(claim)).toBe(310n)
    expect(Claim.amount(advance(claim, Payer.reveal(issued, [356])))).toBe(1_078n)
  })

  it('that is stale is no offence, whatever its node', () => {
    expect(Claim.amount(advance(claim, Payer.reveal(issued, [99])))).toBe(310n)
    expect(Claim.amount(advance(claim, Payer.reveal(issued, [0])))).toBe(310n)
    const forged = { handle: 0, epoch: 3, entries: [{ digit: 0, index: 100, node: filler('x') }] }
    expect(Claim.amount(advance(claim, forged))).toBe(310n)
    const older = Payer.issue(chained(2, 5n))
    expect(advance(claim, Payer.reveal(older, [500]))).toBe(claim)
  })

  it('rises 256 steps at most', () => {
    expect(() => advance(claim, Payer.reveal(issued, [357]))).toThrow(badTick)
  })

  it('goes no further than the lane can pay, nor than its chain', () => {
    const poor = { ...lane, reserved: 313n }
    expect(Claim.amount(advance(claim, Payer.reveal(issued, [101]), poor))).toBe(313n)
    expect(() => advance(claim, Payer.reveal(issued, [102]), poor)).toThrow(badTick)
    const end = advance(advance(claim, Payer.reveal(issued, [350])), Payer.reveal(issued, [600]))
    const beyond = { handle: 0, epoch: 3, entries: [{ digit: 0, index: 601, node: filler('x') }] }
    expect(() => advance(end, beyond)).toThrow(badTick)
  })

  it('needs the voucher of its epoch', () => {
    expect(() => advance(undefined, Payer.reveal(issued, [1]))).toThrow(badTick)
    expect(() => advance(claim, Payer.reveal(Payer.issue(chained(4, 0n)), [1]))).toThrow(badTick)
    const withoutChain = renew(undefined, Payer.issue(plain(3, 10n)))
    expect(() => advance(withoutChain, Payer.reveal(issued, [1]))).toThrow(badTick)
  })

  it.each<[string, Uint8Array | undefined]>([
    ['forged', filler('forged')],
    ['of another index', issued.nodes[0]?.[102]],
    ['of another lane', Payer.issue(chained(3, 10n), { lane: 6n }).nodes[0]?.[101]],
    [
      'of another channel',
      Payer.issue(chained(3, 10n), { channel: channelIdOf('x') }).nodes[0]?.[101],
    ],
    ['of another epoch', Payer.issue(chained(4, 10n)).nodes[0]?.[101]],
    ['cut short', issued.nodes[0]?.[101]?.slice(1)],
  ])('with a node %s is refused', (_, node = new Uint8Array()) => {
    const frame = { handle: 0, epoch: 3, entries: [{ digit: 0, index: 101, node }] }
    expect(() => advance(claim, frame)).toThrow(badTick)
  })
})

describe('a tick of several digits', () => {
  const shape = { epoch: 1, base: 7n, unit: 2n, digits: 4, radix: 10, length: 200 }
  const issued = Payer.issue(shape)
  const held = advance(renew(undefined, issued), Payer.reveal(issued, [1, 2, 3, 4]))

  it('weighs each by its place', () => {
    expect(Claim.amount(held)).toBe(7n + 2n * 4_321n)
    expect(Claim.amount(advance(held, Payer.reveal(issued, [undefined, 5])))).toBe(7n + 2n * 4_351n)
  })

  it('skips what is stale, and takes the rest', () => {
    const next = advance(held, Payer.reveal(issued, [0, 9, 1, 4]))
    expect(next.indices).toEqual([1, 9, 3, 4])
  })

  it('applies whole or not at all', () => {
    const [good] = Payer.reveal(issued, [9]).entries
    const bad = { digit: 2, index: 8, node: issued.nodes[1]?.[8] ?? filler('') }
    const frame = { handle: 0, epoch: 1, entries: good === undefined ? [bad] : [good, bad] }
    expect(() => advance(held, frame)).toThrow(badTick)
    expect(held.indices).toEqual([1, 2, 3, 4])
  })

  it('counts its steps over all digits', () => {
    expect(() => advance(held, Payer.reveal(issued, [101, 102, 60]))).toThrow(badTick)
    expect(advance(held, Payer.reveal(issued, [101, 102, 59])).indices).toEqual([101, 102, 59, 4])
  })

  it('beyond the digits of the voucher is refused', () => {
    const two = renew(undefined, Payer.issue({ ...shape, digits: 2 }))
    const frame = { handle: 0, epoch: 1, entries: [{ digit: 2, index: 1, node: filler('') }] }
    expect(() => advance(two, frame)).toThrow(badTick)
  })
})

describe('whatever of the payer arrives, and however often', () => {
  /** What a payer said in order, and its promise after each. */
  type Said = { readonly what: Payer.Issued | Tick.Frame; readonly promise: bigint }

  const shapes = fc.array(
    fc.record({
      gap: fc.bigInt({ min: 0n, max: 50n }),
      unit: fc.bigInt({ min: 1n, max: 9n }),
      digits: fc.integer({ min: 0, max: 4 }),
      radix: fc.integer({ min: 1, max: 5 }),
      rises: fc.array(fc.array(fc.option(fc.nat(6), { nil: undefined }), { maxLength: 4 }), {
        maxLength: 6,
      }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  const length = 24

  const speech = shapes.map((shapes) => {
    const said: Said[] = []
    let promise = 0n
    for (const [at, { gap, unit, digits, radix, rises }] of shapes.entries()) {
      const epoch = at + 1
      const base = promise + gap
      const shape =
        digits === 0
          ? plain(epoch, base)
          : { epoch, base, unit, digits, radix: digits === 1 ? 1 : radix, length }
      const issued = Payer.issue(shape)
      promise = base
      said.push({ what: issued, promise })
      let indices: number[] = Array(shape.digits).fill(0)
      for (const rise of rises) {
        const next = indices.map((index, digit) => Math.min(length, index + (rise[digit] ?? 0)))
        const shown = next.map((index, digit) => (rise[digit] === undefined ? undefined : index))
        indices = next
        if (shown.every((index) => index === undefined)) continue
        promise = Voucher.claim(issued.signed.voucher, indices)
        said.push({ what: Payer.reveal(issued, shown), promise })
      }
    }
    return said
  })

  const hear = (claim: Claim.Claim | undefined, { what }: Said): Claim.Claim | undefined => {
    try {
      return 'signed' in what ? renew(claim, what) : advance(claim, what)
    } catch (error) {
      expect(error).toBeInstanceOf(SluiceError)
      return claim
    }
  }

  it('in order, the claim is what was promised', () => {
    fc.assert(
      fc.property(speech, (said) => {
        let claim: Claim.Claim | undefined
        for (const each of said) {
          claim = hear(claim, each)
          expect(Claim.amount(claim)).toBe(each.promise)
        }
      }),
    )
  })

  it('in any order, the claim never falls, and is never more than was revealed', () => {
    fc.assert(
      fc.property(speech, fc.array(fc.nat(), { maxLength: 40 }), (said, picks) => {
        let claim: Claim.Claim | undefined
        let revealed = 0n
        for (const pick of picks) {
          const each = said[pick % said.length]
          if (each === undefined) continue
          const before = Claim.amount(claim)
          claim = hear(claim, each)
          if (each.promise > revealed) revealed = each.promise
          expect(Claim.amount(claim)).toBeGreaterThanOrEqual(before)
          expect(Claim.amount(claim)).toBeLessThanOrEqual(revealed)
        }
      }),
    )
  })
})
