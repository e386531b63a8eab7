import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Amount from '../../src/core/amount.js'

const amount = fc.bigInt({ min: 0n, max: Amount.max })
const range = expect.objectContaining({ code: 'AMOUNT_RANGE' })
const syntax = expect.objectContaining({ code: 'AMOUNT_SYNTAX' })

describe('arithmetic', () => {
  it('is exact, or refused where it leaves the range', () => {
    const exact = (compute: () => bigint, result: bigint) =>
      result < 0n || result > Amount.max
        ? expect(compute).toThrow(range)
        : expect(compute()).toBe(result)
    fc.assert(
      fc.property(amount, amount, (a, b) => {
        exact(() => Amount.add(a, b), a + b)
        exact(() => Amount.subtract(a, b), a - b)
        exact(() => Amount.sum([a, b, a]), a + b + a)
      }),
    )
  })

  it('rounds a quotient up', () => {
    expect(Amount.divideUp(0n, 7n)).toBe(0n)
    fc.assert(
      fc.property(amount, fc.bigInt({ min: 1n, max: 2n ** 96n }), (a, b) => {
        const up = Amount.divideUp(a, b)
        expect(up * b).toBeGreaterThanOrEqual(a)
        expect((up - 1n) * b).toBeLessThan(a)
      }),
    )
  })

  it('clamps', () => {
    expect([-5n, 3n, 9n].map((value) => Amount.clamp(value, 1n, 4n))).toEqual([1n, 3n, 4n])
  })
})

describe('text', () => {
  it('is whole base units in decimal', () => {
    fc.assert(
      fc.property(amount, (a) => {
        expect(Amount.parse(a.toString())).toBe(a)
      }),
    )
  })

  it.each(['', ' 1', '1 ', '01', '-1', '+1', '1.5', '1e3', '0x10', '1_000', '٣', '9'.repeat(79)])(
    '"%s" is none',
    (text) => expect(() => Amount.parse(text)).toThrow(syntax),
  )

  it('stays in range', () => {
    expect(() => Amount.parse((Amount.max + 1n).toString())).toThrow(range)
  })
})

describe('bytes', () => {
  it('are 32, big-endian', () => {
    fc.assert(
      fc.property(amount, (a) => {
        expect(Amount.decode(Amount.encode(a))).toBe(a)
      }),
    )
    expect(Amount.encode(258n).slice(-2)).toEqual(Uint8Array.of(1, 2))
  })

  it('are refused in any other number', () => {
    for (const size of [0, 31, 33])
      expect(() => Amount.decode(new Uint8Array(size))).toThrow(syntax)
    expect(() => Amount.encode(-1n)).toThrow(range)
    expect(() => Amount.encode(Amount.max + 1n)).toThrow(range)
  })
})
