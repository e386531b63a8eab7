/**
 * The error of every execution layer, with one set of codes for all adapters. A refused call has changed
 * nothing on the layer; a message never carries a key.
 */
import { SluiceError } from '../core/errors.js'

const codes = [
  /** Somebody else's transaction took the number: read it again, and see whether the work is done. */
  'BAD_NONCE',
  'BAD_SIGNATURE',
  /** Bytes that encode no call. */
  'BAD_CALL',
  /** A request the layer's server does not understand. */
  'BAD_REQUEST',
  /** Channel parameters this layer does not open. */
  'BAD_PARAMETERS',
  'INSUFFICIENT_BALANCE',
  'FAUCET_LIMIT',
  'CHANNEL_EXISTS',
  'CHANNEL_UNKNOWN',
  /** Not funded in time: for ever, only refunds are left. */
  'CHANNEL_DEAD',
  'CHANNEL_CLOSED',
  'FUNDING_OVER',
  /** Deposits may still come: too early to refund or close. */
  'FUNDING_OPEN',
  'ALREADY_DEPOSITED',
  'NOTHING_TO_REFUND',
  /** Lanes, pots, or a kind that is not final: it does not close a channel at once. */
  'NOT_FINAL',
  /** A final state where a running one is wanted, or one that resumes nothing. */
  'WRONG_KIND',
  'WRONG_ROOT',
  'NOT_CONSERVED',
  /** Older than what the layer has executed, or no newer than what it was shown. */
  'STALE_VERSION',
  /** A challenge is open: answer it, resume, or let it run. */
  'CHANNEL_CHALLENGED',
  /** Too late for any state: the channel is being settled. */
  'CHANNEL_FROZEN',
  'NOT_CHALLENGED',
  /** Newer states may still come: too early to freeze or redeem. */
  'STATES_OPEN',
  /** Claims may still come: too early to sweep. */
  'REDEMPTION_OPEN',
  'REDEMPTION_OVER',
  'NOTHING_TO_WITHDRAW',
  /** No more than was redeemed before. */
  'NOTHING_TO_REDEEM',
  'ALREADY_FROZEN',
  'ALREADY_SWEPT',
  /** The lane is not in the posted state. */
  'BAD_PROOF',
  /** Malformed, of another lane, or not signed by the lane's session key. */
  'BAD_VOUCHER',
  /** Nodes that do not lead to the voucher's anchors. */
  'BAD_TICK',
  /** Nobody answers, or the answer was lost: the call may have been done; ask again. */
  'LEDGER_UNREACHABLE',
  'NOT_A_LEDGER',
  /** Another layer than the one we know is at this address. */
  'WRONG_CHAIN',
  /** The layer has forgotten events that it gave us. */
  'LEDGER_BEHIND',
  'LEDGER_DAMAGED',
  /** Made by another version of Sluice. */
  'LEDGER_VERSION',
  'LEDGER_CLOSED',
  'PORT_IN_USE',
  'PORT_UNUSABLE',
  /** No adjudicator is at this address. */
  'NOT_DEPLOYED',
  /** A token that channels cannot hold. */
  'BAD_TOKEN',
  /** The token does not let the adjudicator take what is due. */
  'NO_ALLOWANCE',
  /** Too little gas for payouts. */
  'GAS_SHORT',
  /** The chain refused, and we cannot say why. */
  'REVERTED',
  /** Text that names no layer, endpoint or asset. */
  'BAD_ADDRESS',
  /** Money here has to be earned. */
  'NO_FAUCET',
  /** The development chain is not installed. */
  'ANVIL_MISSING',
] as const

export type LedgerCode = (typeof codes)[number]

export const isLedgerCode = (code: string): code is LedgerCode =>
  (codes as readonly string[]).includes(code)

/** What an execution layer refuses, and why. */
export class LedgerError extends SluiceError {
  declare readonly code: LedgerCode

  constructor(code: LedgerCode, message: string, options: { cause?: unknown } = {}) {
    super(code, message, options)
    this.name = 'LedgerError'
  }
}
