/**
 * A receipt: what both sides say a stream delivered and cost when it ended. It informs; the voucher has
 * the authority.
 */
import { fromHex, type Hex } from './bytes.js'
import * as TypedData from './typed-data.js'

/** Why a stream ended, by its code on the wire. */
export const reasons = [
  'complete',
  'consumer-stopped',
  'provider-stopped',
  'budget-exhausted',
  'provider-failed',
] as const

export type Reason = (typeof reasons)[number]

/**
 * Whether a purchase that was drained for this reason is over. What has an end, and was stopped before it by its
 * provider, is bought on once that provider is back.
 */
export const isOver = (reason: Reason, size: bigint | undefined): boolean =>
  size === undefined || (reason !== 'provider-stopped' && reason !== 'provider-failed')

export type Receipt = {
  readonly channelId: Hex
  readonly lane: bigint
  readonly quote: Uint8Array
  /** The buyer's random id of this purchase. */
  readonly purchase: Uint8Array
  /** Offset steps delivered and acknowledged. */
  readonly offset: bigint
  /** What the purchase cost in all. */
  readonly owed: bigint
  readonly reason: Reason
}

/** With the payer's signature by the lane's session key, and the payee's by its seat's key. */
export type Signed = Receipt & {
  readonly signatures: { readonly payer: Uint8Array; readonly payee: Uint8Array }
}

const type = {
  name: 'Receipt',
  members: {
    channelId: 'bytes32',
    lane: 'uint64',
    quote: 'bytes32',
    purchase: 'bytes32',
    offset: 'uint64',
    owed: 'uint256',
    reason: 'uint8',
  },
} as const satisfies TypedData.Type

/** EIP-712 digest: the payer signs it with the lane's session key, the payee with its seat's key. */
export const digest = (domain: TypedData.Domain, receipt: Receipt): Uint8Array =>
  TypedData.digest(domain, type, {
    ...receipt,
    channelId: fromHex(receipt.channelId, 32),
    reason: reasons.indexOf(receipt.reason),
  })
