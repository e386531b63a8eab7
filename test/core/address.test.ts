import fc from 'fast-check'
import { getAddress } from 'viem'
import { expect, it } from 'vitest'
import { parseAddress } from '../../src/core/address.js'

const refused = expect.objectContaining({ name: 'AddressError', code: 'BAD_ADDRESS' })
const digits = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString('hex'))

it('takes an address in any case that says nothing else, and has one spelling for it', () => {
  fc.assert(
    fc.property(digits, (lower) => {
      for (const text of [`0x${lower}`, `0x${lower.toUpperCase()}`, getAddress(`0x${lower}`)])
        expect(parseAddress(text)).toBe(`0x${lower}`)
    }),
  )
})

it('refuses a checksum that any letter breaks', () => {
  fc.assert(
    fc.property(digits, fc.nat(39), (lower, at) => {
      const text = getAddress(`0x${lower}`)
      const letter = text.charAt(2 + at)
      const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
      const wrong = text.slice(0, 2 + at) + other + text.slice(3 + at)
      const body = wrong.slice(2)
      fc.pre(letter !== other && body !== body.toLowerCase() && body !== body.toUpperCase())
      expect(() => parseAddress(wrong)).toThrow(refused)
    }),
  )
})

it.each([
  '',
  '0x',
  'native',
  `0x${'1'.repeat(39)}`,
  `0x${'1'.repeat(41)}`,
  `0X${'1'.repeat(40)}`,
  `0x${'g'.repeat(40)}`,
])('refuses %j', (text) => {
  expect(() => parseAddress(text)).toThrow(refused)
})
