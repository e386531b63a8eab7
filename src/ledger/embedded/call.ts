/**
 * Transactions of the embedded layer and the calls they carry. A transaction is worth something on one layer,
 * from one account, at one place in its order; nothing here looks at what a call would do.
 *
 *     Transaction  EIP-712 in the layer's domain: address from, uint64 nonce, bytes data
 *     data         kind u8, then
 *       1 faucet   to 20 ‖ amount u256
 *       2 open     Parameters ‖ Signatures on {channelId, 0, root of the opening outcome, 0}
 *       3 deposit  channelId 32 ‖ seat u8
 *       4 refund   channelId 32 ‖ seat u8
 *       5 close    channelId 32 ‖ version u64 ‖ root 32 ‖ kind u8 ‖ Outcome ‖ Signatures
 *
 * Nonces of an account count from 0 without gaps. Layouts: layout.ts.
 */
import * as Amount from '../../core/amount.js'
import { type Address, concat, fromHex, type Hex, toHex, uint } from '../../core/bytes.js'
import * as Hash from '../../core/hash.js'
import type { Parameters } from '../../core/parameters.js'
import { encodeOutcome, type Outcome } from '../../core/state.js'
import * as TypedData from '../../core/typed-data.js'
import { LedgerError } from '../error.js'
import * as Layout from './layout.js'

export type Call =
  | { readonly type: 'faucet'; readonly to: Address; readonly amount: bigint }
  | {
      readonly type: 'open'
      readonly parameters: Parameters
      readonly signatures: readonly Uint8Array[]
    }
  | { readonly type: 'deposit' | 'refund'; readonly channelId: Hex; readonly seat: number }
  | {
      readonly type: 'close'
      readonly channelId: Hex
      readonly version: bigint
      readonly root: Uint8Array
      readonly kind: number
      readonly outcome: Outcome
      readonly signatures: readonly Uint8Array[]
    }

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

const kinds = ['faucet', 'open', 'deposit', 'refund', 'close'] as const

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
    case 'close':
      return concat(
        fromHex(call.channelId, 32),
        uint(call.version, 8),
        call.root,
        uint(call.kind, 1),
        encodeOutcome(call.outcome),
        Layout.encodeSignatures(call.signatures),
      )
  }
}

/** @throws LedgerError `BAD_CALL` */
export function decode(data: Uint8Array): Call {
  const read = Layout.reader(data)
  try {
    const call = readBody(read, kinds[Number(read.uint(1)) - 1])
    read.end()
    return call
  } catch (error) {
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
      return { type, channelId: toHex(read.bytes(32)), seat: read.small(255) }
    case 'close':
      return {
        type,
        channelId: toHex(read.bytes(32)),
        version: read.uint(8),
        root: read.bytes(32),
        kind: read.small(255),
        outcome: Layout.readOutcome(read),
        signatures: Layout.readSignatures(read),
      }
    case undefined:
      throw new Layout.LayoutError('no call has that number')
  }
}
