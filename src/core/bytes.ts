/**
 * Byte strings: fixed-width big-endian integers, hex and comparison.
 * Every encoder refuses a value that does not fit; nothing is ever truncated.
 */
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { SluiceError } from './errors.js'

/** `0x`-prefixed lower-case hex. */
export type Hex = `0x${string}`
/** 20-byte account or contract address as lower-case hex. */
export type Address = Hex

export const concat = concatBytes

/** Bytes of all zeroes; 32 unless told. */
export const zeroes = (size = 32): Uint8Array => new Uint8Array(size)

/** The null address: the native coin where an asset is meant. */
export const zeroAddress: Address = `0x${'00'.repeat(20)}`

/** Lower-case `0x` hex of `bytes`. */
export const toHex = (bytes: Uint8Array): Hex => `0x${bytesToHex(bytes)}`

/**
 * Bytes of a hex string, `size` of them where given.
 * @throws BytesError `BAD_HEX`
 */
export function fromHex(hex: string, size?: number): Uint8Array {
  if (!/^0x([0-9a-fA-F]{2})*$/.test(hex))
    throw new BytesError('BAD_HEX', 'expected 0x and hex pairs')
  const bytes = hexToBytes(hex.slice(2))
  if (size !== undefined && bytes.length !== size)
    throw new BytesError('BAD_HEX', `expected ${size} bytes of hex, got ${bytes.length}`)
  return bytes
}

/**
 * `value` as `size` big-endian bytes.
 * @throws BytesError `OUT_OF_RANGE` when negative or too wide
 */
export function uint(value: bigint | number, size: number): Uint8Array {
  let rest = BigInt(value)
  if (rest < 0n || rest >> BigInt(size * 8) !== 0n)
    throw new BytesError(
      'OUT_OF_RANGE',
      `${value} does not fit an unsigned ${size * 8}-bit integer`,
    )
  const bytes = new Uint8Array(size)
  for (let at = size - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

/** Big-endian unsigned integer held by `bytes`. */
export function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(toHex(bytes))
}

/** Whether two byte strings are the same. Not constant time: never for secrets. */
export function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

/** Hex that is not hex, or a number too wide for its field. */
export class BytesError extends SluiceError {
  constructor(code: 'BAD_HEX' | 'OUT_OF_RANGE', message: string) {
    super(code, message)
    this.name = 'BytesError'
  }
}
