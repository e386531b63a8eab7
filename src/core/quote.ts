/**
 * A quote: what a provider asks for one resource. A stream opening is signed for the hash of exactly this,
 * so neither price nor content can change under a running purchase.
 */
import * as Amount from './amount.js'
import { type Address, concat, fromHex, uint } from './bytes.js'
import * as Hash from './hash.js'
import * as Price from './price.js'

export type Quote = {
  readonly resource: string
  readonly price: Price.Price
  /** What the price counts; the zero address is the native coin. */
  readonly asset: Address
  /** Offset steps of one quantum; the credit window counts in quanta. */
  readonly quantum: bigint
  /** Offset steps in all, where the resource has an end. */
  readonly size: bigint | undefined
  /** SHA-256 of the whole content, where it is known beforehand. */
  readonly sha256: Uint8Array | undefined
}

const unitCodes: Readonly<Record<Price.Unit, number>> = { byte: 0, second: 1, item: 2 }

const optional = (bytes: Uint8Array | undefined): Uint8Array =>
  bytes === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), bytes)

/**
 * tagged('quote', amount u256 ‖ per u256 ‖ unit u8 ‖ asset 20 ‖ quantum u64 ‖ size? u64 ‖ sha256? 32 ‖ resource
 * utf-8); an optional field is 0x00, or 0x01 and the field.
 */
export const hash = (quote: Quote): Uint8Array =>
  Hash.tagged(
    'quote',
    Amount.encode(quote.price.amount),
    Amount.encode(quote.price.per),
    uint(unitCodes[quote.price.unit], 1),
    fromHex(quote.asset, 20),
    uint(quote.quantum, 8),
    optional(quote.size === undefined ? undefined : uint(quote.size, 8)),
    optional(quote.sha256),
    new TextEncoder().encode(quote.resource),
  )

/** What one quantum costs, rounded up: the measure of the credit window. */
export const quantumPrice = (quote: Quote): bigint => Price.owed(quote.price, quote.quantum)
