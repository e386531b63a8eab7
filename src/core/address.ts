/**
 * Addresses as people write them: the hex digits in one case, or in both as EIP-55 has it, where the case of each
 * letter is a checksum. Inside they are compared as text, so each has one spelling there, the lower one.
 */
import type { Address } from './bytes.js'
import { SluiceError } from './errors.js'
import * as Hash from './hash.js'

/** @throws AddressError `BAD_ADDRESS` */
export function parseAddress(text: string): Address {
  const [, digits = ''] = /^0x([0-9a-fA-F]{40})$/.exec(text) ?? []
  if (digits === '') throw new AddressError(`${JSON.stringify(text)} is not 0x and 40 hex digits`)
  const lower = digits.toLowerCase()
  if (digits !== lower && digits !== digits.toUpperCase() && digits !== checksummed(lower))
    throw new AddressError(`${text} does not match its own checksum, so some of it is mistyped`)
  return `0x${lower}`
}

/** A letter is a capital where the digit at its place in the hash of the whole is 8 or more. */
function checksummed(lower: string): string {
  const hash = Hash.keccak256(new TextEncoder().encode(lower))
  return [...lower]
    .map((digit, at) => {
      const byte = hash[at >> 1] ?? 0
      return (at % 2 === 0 ? byte >> 4 : byte & 15) >= 8 ? digit.toUpperCase() : digit
    })
    .join('')
}

/** Text that is no address. */
export class AddressError extends SluiceError {
  constructor(why: string) {
    super('BAD_ADDRESS', `This is no address: ${why}. Copy it again from where it came.`)
    this.name = 'AddressError'
  }
}
