/**
 * Transactions of the embedded layer and the calls they carry. A transaction is worth something on one layer,
 * from one account, at one place in its order; nothing here looks at what a call would do.
 *
 *     Transaction  EIP-712 in the layer's domain: address from, uint64 nonce, bytes data
 *     data         kind u8, then
 *       1 faucet     to 20 ‖ amount u256
 *       2 open       Parameters ‖ Signatures on {channelId, 0, root of the opening outcome, 0}
 *       3 deposit    channelId 32 ‖ seat u8
 *       4 refund     channelId 32 ‖ seat u8
 *       5 close      channelId 32 ‖ Posting ‖ Preimage
 *       6 topUp      channelId 32 ‖ seat u8 ‖ asset u8 ‖ total u256
 *       7 withdraw   channelId 32 ‖ Posting ‖ Preimage
 *       8 challenge  channelId 32 ‖ seat u8 ‖ Posting ‖ signature 65 on the Challenge
 *       9 answer     channelId 32 ‖ Posting
 *      10 resume     channelId 32 ‖ Posting
 *      11 freeze     channelId 32 ‖ Preimage
 *      12 redeem     channelId 32 ‖ Leaf ‖ Claim
 *      13 sweep      channelId 32 ‖ Leaf
 *
 * Nonces of an account count from 0 without gaps. Layouts: layout.ts.
 */
import * as Amount from '../../core/amount.js'
import { type Address, concat, fromHex, type Hex, toHex, uint } from '../../core/bytes.js'
import type { Leaf, Posting, Preimage, Redemption } from '../../core/dispute.js'
import * as Hash from '../../core/hash.js'
import type { Parameters } from '../../core/parameters.js'
import * as TypedData from '../../core/typed-data.js'
import { VoucherError } from '../../core/voucher.js'
import { LedgerError } from '../error.js'
import * as Layout from './layout.js'

export type Call =
  | { readonly type: 'faucet'; readonly to: Address; readonly amount: bigint }
  | {
      readonly type: 'open'
      readonly parameters: Parameters
      readonly signatures: readonly Uint8Array[]
    }
  | On<'deposit' | 'refund', { readonly seat: number }>
  | On<'topUp', { readonly seat: number; readonly asset: number; readonly total: bigint }>
  | On<'close' | 'withdraw', { readonly posting: Posting; readonly preimage: Preimage }>
  | On<
      'challenge',
      { readonly seat: number; readonly posting: Posting; readonly signature: Uint8Array }
    >
  | On<'answer' | 'resume', { readonly posting: Posting }>
  | On<'freeze', { readonly preimage: Preimage }>
  | On<'redeem', { readonly redemption: Redemption }>
  | On<'sweep', { readonly leaf: Leaf }>

/** Calls of these types on a channel: one member of the union each. */
type On<Types extends string, Fields> = Types extends string
  ? { readonly type: Types; readonly channelId: Hex } & Fields
  : never

/** The call of one type. */
export type Of<T extends Call['type']> = Extract<Call, { readonly type: T }>

export type Transaction = {
  readonly from: Address
  readonly nonce: bigint
  readonly data: Uint8Array
  /** Of `digest`, by `from`; 65 bytes. */
  readonly signature: Uint8Array
}

const type = {
  name: 'Transaction',
  members: { from: 'address', nonce: 'uint64', data: 'bytes' },
} as const satisfies TypedData.Type

/**
 * The EIP-712 domain of a layer. There is no contract: its adjudicator's address is the last 20 bytes of
 * keccak256("sluice/1/adjudicator" ‖ chainId u256).
 */
export const domainOf = (chainId: bigint): TypedData.Domain => ({
  chainId,
  adjudicator: toHex(
    Hash.keccak256(
      concat(new TextEncoder().encode('sluice/1/adjudicator'), uint(chainId, 32)),
    ).slice(12),
  ),
})

/** EIP-712 digest that the account signs. */
export const digest = (
  domain: TypedData.Domain,
  transaction: Omit<Transaction, 'signature'>,
): Uint8Array => TypedData.digest(domain, type, transaction)

const kinds = [
  'faucet',
  'open',
  'deposit',
  'refund',
  'close',
  'topUp',
  'withdraw',
  'challenge',
  'answer',
  'resume',
  'freeze',
  'redeem',
  'sweep',
] as const

/** The `data` of a transaction. @throws LedgerError `BAD_SIGNATURE` when one is not 65 bytes */
export const encode = (call: Call): Uint8Array =>
  concat(uint(1 + kinds.indexOf(call.type), 1), encodeBody(call))

function encodeBody(call: Call): Uint8Array {
  switch (call.type) {
    case 'faucet':
      return concat(fromHex(call.to, 20), Amount.encode(call.amount))
    case 'open':
      return concat(
        Layout.encodeParameters(call.parameters),
        Layout.encodeSignatures(call.signatures),
      )
    case 'deposit':
    case 'refund':
      return concat(fromHex(call.channelId, 32), uint(call.seat, 1))
    case 'topUp':
      return concat(
        fromHex(call.channelId, 32),
        uint(call.seat, 1),
        uint(call.asset, 1),
        Amount.encode(call.total),
      )
    case 'close':
    case 'withdraw':
      return concat(
        fromHex(call.channelId, 32),
        Layout.encodePosting(call.posting),
        Layout.encodePreimage(call.preimage),
      )
    case 'challenge':
      return concat(
        fromHex(call.channelId, 32),
        uint(call.seat, 1),
        Layout.encodePosting(call.posting),
        Layout.encodeSignature(call.signature),
      )
    case 'answer':
    case 'resume':
      return concat(fromHex(call.channelId, 32), Layout.encodePosting(call.posting))
    case 'freeze':
      return concat(fromHex(call.channelId, 32), Layout.encodePreimage(call.preimage))
    case 'redeem':
      return concat(
        fromHex(call.channelId, 32),
        Layout.encodeLeaf(call.redemption),
        Layout.encodeClaim(call.redemption.claim),
      )
    case 'sweep':
      return concat(fromHex(call.channelId, 32), Layout.encodeLeaf(call.leaf))
  }
}

/** @throws LedgerError `BAD_CALL`, `BAD_VOUCHER` */
export function decode(data: Uint8Array): Call {
  const read = Layout.reader(data)
  try {
    const call = readBody(read, kinds[Number(read.uint(1)) - 1])
    read.end()
    return call
  } catch (error) {
    if (error instanceof VoucherError) throw new LedgerError('BAD_VOUCHER', error.message)
    if (!(error instanceof Layout.LayoutError)) throw error
    throw new LedgerError('BAD_CALL', `The transaction carries no call. ${error.message}`)
  }
}

function readBody(read: Layout.Reader, type: (typeof kinds)[number] | undefined): Call {
  switch (type) {
    case 'faucet':
      return { type, to: read.address(), amount: read.uint(Amount.size) }
    case 'open':
      return {
        type,
        parameters: Layout.readParameters(read),
        signatures: Layout.readSignatures(read),
      }
    case 'deposit':
    case 'refund':
      return { type, channelId: channelId(read), seat: read.small(255) }
    case 'topUp':
      return {
        type,
        channelId: channelId(read),
        seat: read.small(255),
        asset: read.small(255),
        total: read.uint(Amount.size),
      }
    case 'close':
    case 'withdraw':
      return {
        type,
        channelId: channelId(read),
        posting: Layout.readPosting(read),
        preimage: Layout.readPreimage(read),
      }
    case 'challenge':
      return {
        type,
        channelId: channelId(read),
        seat: read.small(255),
        posting: Layout.readPosting(read),
        signature: read.bytes(Layout.signatureSize),
      }
    case 'answer':
    case 'resume':
      return { type, channelId: channelId(read), posting: Layout.readPosting(read) }
    case 'freeze':
      return { type, channelId: channelId(read), preimage: Layout.readPreimage(read) }
    case 'redeem': {
      const id = channelId(read)
      const leaf = Layout.readLeaf(read)
      return { type, channelId: id, redemption: { ...leaf, claim: Layout.readClaim(read) } }
    }
    case 'sweep':
      return { type, channelId: channelId(read), leaf: Layout.readLeaf(read) }
    case undefined:
      throw new Layout.LayoutError('no call has that number')
  }
}

const channelId = (read: Layout.Reader): Hex => toHex(read.bytes(32))
