import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Bytes from '../../src/core/bytes.js'

it('integers are big-endian and come back as they went', () => {
  expect(Bytes.uint(0x0102_03n, 4)).toEqual(Uint8Array.of(0, 1, 2, 3))
  expect(Bytes.toBigInt(new Uint8Array())).toBe(0n)
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (value) => {
      const bytes = Bytes.uint(value, 32)
      expect(Bytes.toBigInt(bytes)).toBe(value)
      expect(Buffer.from(bytes).toString('hex')).toBe(value.toString(16).padStart(64, '0'))
    }),
  )
})

it.each([
  { value: 256n, size: 1 },
  { value: -1n, size: 1 },
  { value: 2n ** 64n, size: 8 },
  { value: 2n ** 56n, size: 7 },
  { value: 2n ** 53n, size: 2 },
  { value: 1n, size: 0 },
  { value: 1.5, size: 8 },
  { value: Number.NaN, size: 8 },
])('$value does not fit $size bytes', ({ value, size }) => {
  expect(() => Bytes.uint(value, size)).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }))
})

describe('hex', () => {
  it('comes back as it went, and is lower-case', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(Bytes.toHex(bytes)).toBe(`0x${Buffer.from(bytes).toString('hex')}`)
        expect(Bytes.fromHex(Bytes.toHex(bytes))).toEqual(bytes)
      }),
    )
  })

  it.each(['', '0', '0x0', '0xzz', '00', '0x00 ', 'x00'])('"%s" is none', (hex) => {
    expect(() => Bytes.fromHex(hex)).toThrow(expect.objectContaining({ code: 'BAD_HEX' }))
  })

  it('has the size it should have', () => {
    expect(() => Bytes.fromHex('0x0000', 1)).toThrow(expect.objectContaining({ code: 'BAD_HEX' }))
  })
})

it('equal bytes are equal, and nothing else is', () => {
  const bytes = fc.uint8Array({ maxLength: 3 })
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(Bytes.equals(a, b)).toBe(Buffer.compare(a, b) === 0)
    }),
  )
})
