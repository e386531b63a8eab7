/**
 * What the calls of the machine share: what they are given, what they come to, and the checks that most of
 * them make. Nothing here decides about money.
 */
import { type Address, equals, type Hex, zeroAddress } from '../../core/bytes.js'
import * as Dispute from '../../core/dispute.js'
import type { Parameters } from '../../core/parameters.js'
import * as State from '../../core/state.js'
import type { Domain } from '../../core/typed-data.js'
import type { LedgerChannel, LedgerEvent, LedgerLane } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import type * as Books from './books.js'
import type * as Escrow from './escrow.js'

/** The address whose key made the signature. Throws when there is none. */
export type Recover = (digest: Uint8Array, signature: Uint8Array) => Address

/** What does not change over the layer's life. */
export type Rules = {
  readonly domain: Domain
  /** Seconds. */
  readonly minChallengePeriod: bigint
  /** What a challenge puts at stake, in the native coin. */
  readonly challengeBond: bigint
  /** Most the faucet gives at once. */
  readonly faucetMax: bigint
  readonly recover: Recover
}

/** A call on one channel, seen at one moment. */
export type Scene = {
  readonly rules: Rules
  readonly id: Hex
  readonly escrow: Escrow.Escrow
  readonly status: LedgerChannel['status']
  /** Account that made the transaction. */
  readonly from: Address
  /** Unix seconds. */
  readonly now: bigint
}

export type Event = Omit<LedgerEvent, 'sequence'>

/** What a call does, before the books are balanced. */
export type Effect = {
  readonly moves: readonly Books.Move[]
  readonly channel?: { readonly id: Hex; readonly escrow: Escrow.Escrow }
  readonly lane?: { readonly id: bigint; readonly value: LedgerLane }
  readonly events: readonly Omit<Event, 'channelId'>[]
}

/** `shares`, per seat and asset, as moves from the escrow to the seats' payout addresses. */
export const payouts = (
  { assets, seats }: Parameters,
  shares: State.Table,
): readonly Books.Move[] =>
  shares.flatMap((row, seat) =>
    row.map((amount, at) => ({
      asset: assets[at] ?? zeroAddress,
      amount,
      from: 'escrow',
      to: seats[seat]?.payout ?? 'escrow',
    })),
  )

/**
 * What was carried out needs no signatures again: a seat that signed first may never have got those of the others.
 * Returns the digest of the posting. @throws LedgerError `STALE_VERSION`, `WRONG_ROOT`, `BAD_SIGNATURE`
 */
export function checkPosting(
  { rules, id, escrow }: Scene,
  posting: Dispute.Posting,
  preimage?: Dispute.Preimage,
): Uint8Array {
  const { version, root, kind, signatures } = posting
  if (version < escrow.versionMin)
    throw stale(`Version ${version} is older than ${escrow.versionMin}, which was carried out.`)
  if (preimage !== undefined) checkPreimage(root, preimage)
  const digest = State.digest(rules.domain, { channelId: id, version, root, kind })
  const isKnown = signatures.length === 0 && equals(digest, escrow.carried)
  if (!isKnown) checkSigned(rules, escrow.parameters, digest, signatures)
  return digest
}

/** @throws LedgerError `WRONG_ROOT` */
export function checkPreimage(root: Uint8Array, preimage: Dispute.Preimage): void {
  if (!equals(Dispute.root(Dispute.branches(preimage)), root))
    throw new LedgerError('WRONG_ROOT', 'The preimage is not that of the state that was signed.')
}

/** @throws LedgerError `BAD_SIGNATURE` unless every seat signed, in seat order */
export function checkSigned(
  rules: Rules,
  { seats }: Parameters,
  digest: Uint8Array,
  signatures: readonly Uint8Array[],
): void {
  if (signatures.length !== seats.length)
    throw new LedgerError('BAD_SIGNATURE', 'There is one signature for each seat, in seat order.')
  for (const [seat, signature] of signatures.entries())
    if (signer(rules, digest, signature) !== seats[seat]?.signer)
      throw new LedgerError('BAD_SIGNATURE', `Seat ${seat} did not sign this state on this layer.`)
}

/** Who signed, or undefined when it is no signature at all. */
export function signer(
  { recover }: Rules,
  digest: Uint8Array,
  signature: Uint8Array,
): Address | undefined {
  try {
    return recover(digest, signature)
  } catch {
    return undefined
  }
}

export const stale = (message: string): LedgerError => new LedgerError('STALE_VERSION', message)

/** Why a channel in this status takes no call that wants it in another. */
export function refusal({ id, escrow, status }: Scene): LedgerError {
  switch (status) {
    case 'funding':
      return new LedgerError('FUNDING_OPEN', 'The channel is not live: deposits are missing.')
    case 'dead':
      return new LedgerError(
        'CHANNEL_DEAD',
        `Channel ${id} was not funded in time; deposits can be refunded.`,
      )
    case 'live':
      return new LedgerError('NOT_CHALLENGED', 'No state is posted in this channel.')
    case 'challenged':
      return new LedgerError(
        'CHANNEL_CHALLENGED',
        `Version ${escrow.challenge?.version} is posted: answer it, resume, or wait for its windows.`,
      )
    case 'frozen':
      return new LedgerError(
        'CHANNEL_FROZEN',
        'The channel is being settled: no state changes that any more.',
      )
    case 'closed':
      return new LedgerError('CHANNEL_CLOSED', `Channel ${id} is closed and paid out.`)
  }
}
