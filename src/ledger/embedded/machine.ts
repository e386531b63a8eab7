/**
 * The embedded layer as a pure machine: accounts, a faucet, and the adjudicator that opens channels, takes
 * deposits, gives them back, and pays out. It must never make, lose or pay out a unit that was not there.
 */
import * as Amount from '../../core/amount.js'
import { type Address, equals, type Hex, zeroAddress, zeroes } from '../../core/bytes.js'
import { assert, SluiceError } from '../../core/errors.js'
import * as Parameters from '../../core/parameters.js'
import * as State from '../../core/state.js'
import type { Domain } from '../../core/typed-data.js'
import type { LedgerEvent } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import * as Books from './books.js'
import * as Call from './call.js'
import * as Escrow from './escrow.js'

/** The address whose key made the signature. Throws when there is none. */
export type Recover = (digest: Uint8Array, signature: Uint8Array) => Address

/** What does not change over the layer's life. */
export type Rules = {
  readonly domain: Domain
  /** Seconds. */
  readonly minChallengePeriod: bigint
  /** Most the faucet gives at once. */
  readonly faucetMax: bigint
  readonly recover: Recover
}

/** The records as they are; absent ones read as zero. */
export type Records = Books.Books & {
  nonce(account: Address): bigint
  escrow(channelId: Hex): Escrow.Escrow | undefined
}

/** One record's new value. */
export type Change =
  | Books.Entry
  | { readonly record: 'nonce'; readonly account: Address; readonly nonce: bigint }
  | { readonly record: 'escrow'; readonly channelId: Hex; readonly escrow: Escrow.Escrow }

export type Event = Omit<LedgerEvent, 'sequence'>

/** What a transaction does: each record at most once. */
export type Result = { readonly changes: readonly Change[]; readonly events: readonly Event[] }

/** What a call does, before the books are balanced. */
type Effect = {
  readonly moves: readonly Books.Move[]
  readonly channel?: { readonly id: Hex; readonly escrow: Escrow.Escrow }
  readonly events: readonly Event['type'][]
}

/**
 * Carries out one transaction at layer time `now` (Unix seconds), or refuses it whole.
 * @throws LedgerError
 */
export function apply(
  rules: Rules,
  records: Records,
  transaction: Call.Transaction,
  now: bigint,
): Result {
  const { from, nonce } = transaction
  const expected = records.nonce(from)
  if (nonce !== expected)
    throw new LedgerError('BAD_NONCE', `The account's next transaction is number ${expected}.`)
  if (signer(rules, Call.digest(rules.domain, transaction), transaction.signature) !== from)
    throw new LedgerError('BAD_SIGNATURE', `The transaction is not signed by ${from}.`)

  const { moves, channel, events } = execute(
    rules,
    records,
    from,
    Call.decode(transaction.data),
    now,
  )
  const changes: Change[] = [
    { record: 'nonce', account: from, nonce: nonce + 1n },
    ...Books.settle(records, moves),
  ]
  if (channel === undefined) return { changes, events: [] }
  checkHeld(records.escrow(channel.id), channel.escrow, moves)
  return {
    changes: [...changes, { record: 'escrow', channelId: channel.id, escrow: channel.escrow }],
    events: events.map((type) => ({ type, channelId: channel.id })),
  }
}

function execute(
  rules: Rules,
  records: Records,
  from: Address,
  call: Call.Call,
  now: bigint,
): Effect {
  if (call.type === 'faucet') return faucet(rules, call.to, call.amount)
  if (call.type === 'open') return open(rules, records, call.parameters, call.signatures, now)
  const escrow = records.escrow(call.channelId)
  if (escrow === undefined)
    throw new LedgerError('CHANNEL_UNKNOWN', `No channel ${call.channelId} was ever opened here.`)
  if (escrow.closed)
    throw new LedgerError('CHANNEL_CLOSED', `Channel ${call.channelId} is closed and paid out.`)
  if (call.type === 'close') return close(rules, escrow, call, now)
  if (call.seat >= escrow.parameters.seats.length)
    throw new LedgerError('BAD_CALL', `The channel has no seat ${call.seat}.`)
  return call.type === 'deposit'
    ? deposit(escrow, call.channelId, call.seat, from, now)
    : refund(escrow, call.channelId, call.seat, now)
}

function faucet({ faucetMax }: Rules, to: Address, amount: bigint): Effect {
  if (amount > faucetMax)
    throw new LedgerError('FAUCET_LIMIT', `The faucet gives at most ${faucetMax} at once.`)
  return { moves: [{ asset: zeroAddress, amount, from: 'mint', to }], events: [] }
}

function open(
  rules: Rules,
  records: Records,
  parameters: Parameters.Parameters,
  signatures: readonly Uint8Array[],
  now: bigint,
): Effect {
  checkParameters(rules, parameters)
  const id = Parameters.id(rules.domain, parameters)
  if (records.escrow(id) !== undefined)
    throw new LedgerError('CHANNEL_EXISTS', `Channel ${id} was opened before.`)
  if (parameters.fundBy <= now)
    throw new LedgerError('FUNDING_OVER', `The time to fund channel ${id} is already over.`)
  const root = State.root(id, State.opening(parameters))
  const opening = State.digest(rules.domain, { channelId: id, version: 0n, root, kind: 0 })
  checkSigned(rules, parameters, opening, signatures)
  const escrow = Escrow.open(parameters, opening)
  const live = Escrow.status(escrow, now) === 'live'
  return { moves: [], channel: { id, escrow }, events: live ? ['opened', 'live'] : ['opened'] }
}

function deposit(escrow: Escrow.Escrow, id: Hex, seat: number, from: Address, now: bigint): Effect {
  if (Escrow.status(escrow, now) === 'dead') throw dead(id)
  if (Escrow.isFunded(escrow, seat))
    throw new LedgerError('ALREADY_DEPOSITED', `The deposit of seat ${seat} is already in.`)
  const funded = {
    ...escrow,
    funders: escrow.funders.map((funder, at) => (at === seat ? from : funder)),
  }
  const live = Escrow.status(funded, now) === 'live'
  return {
    moves: moves(escrow, Escrow.due(escrow, seat), from, 'escrow'),
    channel: { id, escrow: funded },
    events: live ? ['deposited', 'live'] : ['deposited'],
  }
}

function refund(escrow: Escrow.Escrow, id: Hex, seat: number, now: bigint): Effect {
  const status = Escrow.status(escrow, now)
  if (status === 'funding')
    throw new LedgerError(
      'FUNDING_OPEN',
      `Deposits may come until ${escrow.parameters.fundBy}; a refund has to wait for that.`,
    )
  const funder = escrow.funders[seat]
  const amounts = Escrow.remaining(escrow, seat)
  if (status !== 'dead' || funder === undefined || amounts.every((amount) => amount === 0n))
    throw new LedgerError(
      'NOTHING_TO_REFUND',
      status === 'dead'
        ? `Nothing of seat ${seat} lies in this channel.`
        : 'The channel is live: its money comes back by closing it.',
    )
  return {
    moves: moves(escrow, amounts, 'escrow', funder),
    channel: { id, escrow: paid(escrow, seat, amounts) },
    events: ['refunded'],
  }
}

function close(
  rules: Rules,
  escrow: Escrow.Escrow,
  call: Call.Call & { type: 'close' },
  now: bigint,
): Effect {
  const { channelId: id, version, root, outcome } = call
  const status = Escrow.status(escrow, now)
  if (status === 'dead') throw dead(id)
  if (status !== 'live')
    throw new LedgerError('FUNDING_OPEN', 'The channel is not live: deposits are missing.')
  if (call.kind !== 1)
    throw new LedgerError('NOT_FINAL', 'Only a final state (kind 1) closes a channel at once.')
  if (!equals(State.root(id, { outcome, lanes: [] }), root))
    throw new LedgerError('WRONG_ROOT', 'The outcome, with no lanes left, is not what was signed.')
  const digest = State.digest(rules.domain, { channelId: id, version, root, kind: 1 })
  checkSigned(rules, escrow.parameters, digest, call.signatures)

  const shares = payable(escrow, outcome)
  let closed: Escrow.Escrow = { ...escrow, closed: true }
  for (const [seat, amounts] of shares.entries()) closed = paid(closed, seat, amounts)
  return {
    moves: shares.flatMap((amounts, seat) =>
      moves(escrow, amounts, 'escrow', escrow.parameters.seats[seat]?.payout ?? 'escrow'),
    ),
    channel: { id, escrow: closed },
    events: ['closed'],
  }
}

/**
 * What each seat is due per asset: its balance, and what the layer saw after the state was made.
 * @throws LedgerError `NOT_FINAL`, `NOT_CONSERVED`
 */
function payable(escrow: Escrow.Escrow, outcome: State.Outcome): State.Table {
  const { deposits } = escrow.parameters
  const sameShape =
    outcome.balances.length === deposits.length &&
    outcome.balances[0]?.length === deposits[0]?.length
  if (!sameShape)
    throw new LedgerError(
      'NOT_CONSERVED',
      'The outcome has other seats or assets than the channel.',
    )
  if (outcome.pots.flat().some((amount) => amount !== 0n))
    throw new LedgerError('NOT_FINAL', 'A final state has no pots left.')
  try {
    State.checkConserved({ outcome, lanes: [] })
    const deposited = Escrow.deposited(escrow)
    return deposits.map((row, seat) =>
      row.map((_, asset) => {
        const cell = (table: State.Table): bigint => State.cell(table, seat, asset)
        return Amount.check(
          cell(outcome.balances) +
            (cell(deposited) - cell(outcome.deposited)) -
            (cell(escrow.withdrawn) - cell(outcome.withdrawn)),
        )
      }),
    )
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    throw new LedgerError('NOT_CONSERVED', `The final state cannot be paid: ${error.message}.`)
  }
}

/** `amounts`, one per asset of the channel, as moves of money. */
const moves = (
  { parameters }: Escrow.Escrow,
  amounts: readonly bigint[],
  from: Books.Purse,
  to: Books.Purse,
): readonly Books.Move[] =>
  amounts.map((amount, at) => ({ asset: parameters.assets[at] ?? zeroAddress, amount, from, to }))

const paid = (escrow: Escrow.Escrow, seat: number, amounts: readonly bigint[]): Escrow.Escrow => ({
  ...escrow,
  withdrawn: amounts.reduce(
    (table, amount, asset) => State.adjust(table, seat, asset, amount),
    escrow.withdrawn,
  ),
})

/** @throws LedgerError `BAD_PARAMETERS` */
function checkParameters(rules: Rules, parameters: Parameters.Parameters): void {
  const refuse = (message: string): never => {
    throw new LedgerError('BAD_PARAMETERS', message)
  }
  try {
    Parameters.check(parameters)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    refuse(error.message)
  }
  if (!equals(parameters.codeHash, zeroes()))
    refuse('This layer runs no contracts yet: the code hash must be zero.')
  if (parameters.challengePeriod < rules.minChallengePeriod)
    refuse(`The challenge period is at least ${rules.minChallengePeriod} seconds here.`)
}

/** @throws LedgerError `BAD_SIGNATURE` unless every seat signed, in seat order */
function checkSigned(
  rules: Rules,
  { seats }: Parameters.Parameters,
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
function signer(rules: Rules, digest: Uint8Array, signature: Uint8Array): Address | undefined {
  try {
    return rules.recover(digest, signature)
  } catch {
    return undefined
  }
}

/** What moved in and out is what the escrow says it holds more or less. */
function checkHeld(
  before: Escrow.Escrow | undefined,
  after: Escrow.Escrow,
  moves: readonly Books.Move[],
): void {
  for (const [at, asset] of after.parameters.assets.entries()) {
    const change = Escrow.held(after, at) - (before === undefined ? 0n : Escrow.held(before, at))
    let moved = 0n
    for (const move of moves) {
      if (move.asset !== asset) continue
      if (move.to === 'escrow') moved += move.amount
      if (move.from === 'escrow') moved -= move.amount
    }
    assert(change === moved, 'an escrow and the money in it differ')
  }
}

const dead = (id: Hex): LedgerError =>
  new LedgerError('CHANNEL_DEAD', `Channel ${id} was not funded in time; deposits can be refunded.`)
