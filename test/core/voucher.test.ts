import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Voucher from '../../src/core/voucher.js'
import { join } from '../vectors/reference.js'
import * as Arbitrary from './support/arbitraries.js'
import * as Payer from './support/payer.js'

const badVoucher = expect.objectContaining({ code: 'BAD_VOUCHER' })
const { voucher } = Payer.issue({
  epoch: 1,
  base: 7n,
  unit: 2n,
  digits: 3,
  radix: 10,
  length: 9,
}).signed

it('proves its base and what is revealed, without borrow or carry', () => {
  expect(Voucher.claim(voucher, [0, 0, 0])).toBe(7n)
  expect(Voucher.claim(voucher, [9, 1, 2])).toBe(7n + 2n * 219n)
  expect(Voucher.maximum(voucher)).toBe(7n + 2n * 999n)
})

describe('a voucher in its one form', () => {
  it('is accepted', () => {
    fc.assert(
      fc.property(Arbitrary.voucher, (voucher) => {
        expect(Voucher.check(voucher)).toBe(voucher)
      }),
    )
  })

  const plain = { ...voucher, unit: 0n, digits: 0, radix: 0, length: 0, anchors: [] }
  it.each<[string, Voucher.Voucher]>([
    ['epoch 0', { ...voucher, epoch: 0 }],
    ['an epoch beyond 32 bits', { ...voucher, epoch: 2 ** 32 }],
    ['five digits', { ...voucher, digits: 5, anchors: Array(5).fill(voucher.context) }],
    ['an anchor missing', { ...voucher, anchors: voucher.anchors.slice(1) }],
    ['an anchor too many', { ...voucher, anchors: [...voucher.anchors, voucher.context] }],
    ['no unit', { ...voucher, unit: 0n }],
    ['a unit beyond 128 bits', { ...voucher, unit: 2n ** 128n }],
    ['no length', { ...voucher, length: 0 }],
    ['too many steps', { ...voucher, length: 342 }],
    ['no radix', { ...voucher, radix: 0 }],
    ['a radix beyond 16 bits', { ...voucher, radix: 2 ** 16 }],
    ['one digit and a radix', { ...voucher, digits: 1, anchors: voucher.anchors.slice(2) }],
    ['no digits, but a unit', { ...plain, unit: 1n }],
    ['no digits, but a radix', { ...plain, radix: 1 }],
    ['no digits, but a length', { ...plain, length: 1 }],
    ['a promise beyond all amounts', { ...voucher, base: 2n ** 256n - 1n }],
  ])('has not %s', (_, voucher) => {
    expect(() => Voucher.check(voucher)).toThrow(badVoucher)
  })
})

describe('its bytes', () => {
  it('come back as they went, and are as many as its digits say', () => {
    fc.assert(
      fc.property(Arbitrary.signed, (signed) => {
        const bytes = Voucher.encode(signed)
        expect(bytes).toHaveLength(Voucher.sizeOf(signed.voucher.digits))
        expect(Voucher.decode(bytes)).toEqual(signed)
      }),
    )
  })

  it('are neither more nor less than that', () => {
    const bytes = Voucher.encode({ voucher, signature: new Uint8Array(65) })
    for (const other of [bytes.slice(1), bytes.slice(0, -1), join(bytes, Uint8Array.of(0))])
      expect(() => Voucher.decode(other)).toThrow(badVoucher)
  })

  it('are no view of what they were read from', () => {
    const bytes = Voucher.encode({ voucher, signature: new Uint8Array(65) })
    const read = Voucher.decode(bytes)
    bytes.fill(0xff)
    expect(read.voucher).toEqual(voucher)
  })

  it('of anything else are refused, and what is not refused is canonical', () => {
    const mutated = fc
      .tuple(Arbitrary.signed, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
      .map(([signed, changes]) => {
        const bytes = Voucher.encode(signed)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        return bytes
      })
    const cut = fc
      .tuple(Arbitrary.signed, fc.nat())
      .map(([signed, at]) => Voucher.encode(signed).slice(0, at % Voucher.sizeOf(4)))
    const junk = fc.uint8Array({ maxLength: 400 })
    fc.assert(
      fc.property(fc.oneof(mutated, cut, junk), (bytes) => {
        try {
          expect(Voucher.encode(Voucher.decode(bytes))).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(Voucher.VoucherError)
        }
      }),
    )
  })
})
