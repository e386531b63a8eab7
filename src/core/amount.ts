/**
 * Money: whole base units of one asset as `bigint`, never `number`, checked at every border.
 * No operation here wraps, rounds silently or goes below zero.
 */
import { toBigInt, uint } from './bytes.js'
import { SluiceError } from './errors.js'

/** The largest amount: 2^256 − 1, what an EVM word holds. */
export const max: bigint = 2n ** 256n - 1n

/** Bytes of an amount on the wire and on disk, big-endian. */
export const size = 32

/** @throws AmountError `AMOUNT_RANGE` unless 0 ≤ value ≤ 2^256 − 1 */
export function check(value: bigint): bigint {
  if (value < 0n || value > max)
    throw new AmountError('AMOUNT_RANGE', `${value} is not an amount from 0 to 2^256 - 1`)
  return value
}

/** @throws AmountError `AMOUNT_RANGE` on overflow */
export const add = (a: bigint, b: bigint): bigint => check(a + b)

/** @throws AmountError `AMOUNT_RANGE` when `b` is more than `a` */
export const subtract = (a: bigint, b: bigint): bigint => check(a - b)

/** @throws AmountError `AMOUNT_RANGE` on overflow */
export const sum = (amounts: Iterable<bigint>): bigint => {
  let total = 0n
  for (const amount of amounts) total = add(total, amount)
  return total
}

/** ⌈numerator ÷ denominator⌉ for a numerator ≥ 0 and a denominator > 0. */
export const divideUp = (numerator: bigint, denominator: bigint): bigint =>
  (numerator + denominator - 1n) / denominator

export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
export const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** `value` held between `low` and `high`. */
export const clamp = (value: bigint, low: bigint, high: bigint): bigint =>
  larger(low, min(value, high))

/**
 * An amount written in decimal base units, as people and JSON give it.
 * @throws AmountError `AMOUNT_SYNTAX`, `AMOUNT_RANGE`
 */
export function parse(text: string): bigint {
  if (!/^(0|[1-9][0-9]{0,77})$/.test(text))
    throw new AmountError(
      'AMOUNT_SYNTAX',
      `"${text.slice(0, 80)}" is not an amount: write whole base units in decimal, such as 250000`,
    )
  return check(BigInt(text))
}

export const encode = (value: bigint): Uint8Array => uint(check(value), size)

/** @throws AmountError `AMOUNT_SYNTAX` unless exactly 32 bytes */
export function decode(bytes: Uint8Array): bigint {
  if (bytes.length !== size)
    throw new AmountError('AMOUNT_SYNTAX', `an amount is ${size} bytes, not ${bytes.length}`)
  return toBigInt(bytes)
}

/** Text or bytes that are no amount, or arithmetic that leaves the range of amounts. */
export class AmountError extends SluiceError {
  constructor(code: 'AMOUNT_RANGE' | 'AMOUNT_SYNTAX', message: string) {
    super(code, message)
    this.name = 'AmountError'
  }
}
