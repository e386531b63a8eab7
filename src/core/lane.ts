/**
 * A lane: a payer → payee stream of money inside a channel, with its own collateral and session key.
 * Its record changes only in a co-signed state; vouchers and ticks never touch it.
 */
import * as Amount from './amount.js'
import { type Address, concat, fromHex, type Hex, uint } from './bytes.js'
import * as Hash from './hash.js'

export type Lane = {
  /** From the state's counter; never reused. */
  readonly id: bigint
  readonly payer: number
  readonly payee: number
  /** Index into the channel's assets. */
  readonly asset: number
  /** Claim already moved into the payee's balance; never falls. */
  readonly folded: bigint
  /** Still here to pay claims, taken out of the payer's balance. */
  readonly reserved: bigint
  /** Address of the key that signs the lane's vouchers and stream openings. */
  readonly sessionKey: Address
}

/** The most that may ever be claimed: what was folded and what is reserved. */
export const capacity = (lane: Lane): bigint => Amount.add(lane.folded, lane.reserved)

/** Key of the lane in the state tree, and (its first 16 bytes) the tweak of its hash chains. */
export const key = (channelId: Hex, id: bigint): Uint8Array =>
  Hash.tagged('lane', fromHex(channelId, 32), uint(id, 8))

/** id u64 ‖ payer u8 ‖ payee u8 ‖ asset u8 ‖ folded u256 ‖ reserved u256 ‖ sessionKey: 95 bytes. */
export const encode = (lane: Lane): Uint8Array =>
  concat(
    uint(lane.id, 8),
    uint(lane.payer, 1),
    uint(lane.payee, 1),
    uint(lane.asset, 1),
    Amount.encode(lane.folded),
    Amount.encode(lane.reserved),
    fromHex(lane.sessionKey, 20),
  )

/** Value of the lane's leaf. */
export const value = (lane: Lane): Uint8Array => Hash.tagged('value', encode(lane))
