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
  'NOT_FINAL',
  'WRONG_ROOT',
  'NOT_CONSERVED',
  /** Nobody answers, or the answer was lost: the call may have been done; ask again. */
  'LEDGER_UNREACHABLE',
  'NOT_A_LEDGER',
  /** Another layer than the one we know is at this address. */
  'WRONG_CHAIN',
  /** The layer has forgotten events that it gave us. */
  'LEDGER_BEHIND',
  'LEDGER_DAMAGED',
  'LEDGER_CLOSED',
  'PORT_IN_USE',
  'PORT_UNUSABLE',
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
