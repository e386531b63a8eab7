/**
 * A price: a rational amount of money per byte, per second or per item. What is owed for an offset is
 * rounded up once, on the total; no sum of rounded parts is ever taken.
 *
 * Offsets are counted in steps of the unit's resolution: bytes, milliseconds, items.
 */
import * as Amount from './amount.js'
import { SluiceError } from './errors.js'

export type Unit = 'byte' | 'second' | 'item'

/** `amount` base units for every `per` units; both at least 1. */
export type Price = { readonly amount: bigint; readonly per: bigint; readonly unit: Unit }

/** Offset steps in one unit: a second is metered in milliseconds. */
export const resolution: Readonly<Record<Unit, bigint>> = { byte: 1n, second: 1000n, item: 1n }

/** Largest `amount` and `per`; keeps every product far below 2^256. */
export const termMax: bigint = 2n ** 96n - 1n

const spellings: Readonly<Record<string, { readonly unit: Unit; readonly count: bigint }>> = {
  B: { unit: 'byte', count: 1n },
  KiB: { unit: 'byte', count: 1n << 10n },
  MiB: { unit: 'byte', count: 1n << 20n },
  GiB: { unit: 'byte', count: 1n << 30n },
  TiB: { unit: 'byte', count: 1n << 40n },
  kB: { unit: 'byte', count: 1_000n },
  MB: { unit: 'byte', count: 1_000_000n },
  GB: { unit: 'byte', count: 1_000_000_000n },
  s: { unit: 'second', count: 1n },
  min: { unit: 'second', count: 60n },
  h: { unit: 'second', count: 3_600n },
  item: { unit: 'item', count: 1n },
}

/**
 * Reads `AMOUNT/[COUNT]UNIT`: `3/KiB`, `7/3000B`, `5/s`, `2/item`.
 * @throws PriceError `PRICE_SYNTAX`
 */
export function parse(text: string): Price {
  const [, amount, count, name] = /^([0-9]{1,29})\/([0-9]{0,29})([A-Za-z]+)$/.exec(text) ?? []
  const spelling = name === undefined ? undefined : spellings[name]
  if (amount === undefined || spelling === undefined || !Object.hasOwn(spellings, name ?? ''))
    throw new PriceError(
      `"${text.slice(0, 80)}" is not a price. Write AMOUNT/[COUNT]UNIT, such as 3/KiB, 7/3000B, 5/s or 2/item; ` +
        `units: ${Object.keys(spellings).join(', ')}`,
    )
  const per = BigInt(count === '' || count === undefined ? 1 : count) * spelling.count
  return check({ amount: BigInt(amount), per, unit: spelling.unit })
}

/** @throws PriceError `PRICE_SYNTAX` unless both terms lie in 1 … 2^96 − 1 */
export function check(price: Price): Price {
  for (const term of [price.amount, price.per])
    if (term < 1n || term > termMax)
      throw new PriceError('a price needs an amount and a count of at least 1 and below 2^96')
  if (!Object.hasOwn(resolution, price.unit))
    throw new PriceError('a price is per byte, second or item')
  return price
}

/** Canonical text, with the unit spelt out: `7/3000 byte`. */
export const format = (price: Price): string => `${price.amount}/${price.per} ${price.unit}`

/** The price as JSON gives it: amounts as decimal strings. */
export const toJson = ({
  amount,
  per,
  unit,
}: Price): Record<'amount' | 'per' | 'unit', string> => ({
  amount: String(amount),
  per: String(per),
  unit,
})

/** What the first `offset` steps cost: ⌈offset × amount ÷ (per × resolution)⌉. */
export const owed = (price: Price, offset: bigint): bigint =>
  Amount.divideUp(offset * price.amount, price.per * resolution[price.unit])

/** The largest offset whose cost is at most `amount`. */
export const affordable = (price: Price, amount: bigint): bigint =>
  (amount * price.per * resolution[price.unit]) / price.amount

/** Smallest quantum of a byte stream; below it a tick costs more than it says. */
const quantumBytesMin = 65_536n

/**
 * The natural quantum in offset steps: the larger of 64 KiB (for bytes; one second, one item otherwise)
 * and what one base unit of money buys.
 */
export function quantum(price: Price): bigint {
  const least = price.unit === 'byte' ? quantumBytesMin : resolution[price.unit]
  return Amount.larger(least, Amount.divideUp(price.per * resolution[price.unit], price.amount))
}

/** Text or terms that are no price. */
export class PriceError extends SluiceError {
  constructor(message: string) {
    super('PRICE_SYNTAX', message)
    this.name = 'PriceError'
  }
}
