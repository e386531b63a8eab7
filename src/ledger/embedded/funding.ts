/**
 * Money into channels: opening, deposits, top-ups, and refunds of what never came to life. A deposit is
 * always in the name of one seat, whoever pays it.
 */
import { type Address, equals, zeroAddress, zeroes } from '../../core/bytes.js'
import { SluiceError } from '../../core/errors.js'
import * as Parameters from '../../core/parameters.js'
import * as State from '../../core/state.js'
import { LedgerError } from '../error.js'
import type * as Books from './books.js'
import type * as Call from './call.js'
import { checkSigned, type Effect, type Rules, refusal, type Scene } from './effect.js'
import * as Escrow from './escrow.js'

/** Registers a channel that nobody has paid into yet; the caller has checked that its id is new. */
export function open(
  rules: Rules,
  { parameters, signatures }: Call.Of<'open'>,
  now: bigint,
): Effect {
  const id = Parameters.id(rules.domain, parameters)
  if (parameters.fundBy <= now)
    throw new LedgerError('FUNDING_OVER', `The time to fund channel ${id} is already over.`)
  const root = State.root(id, State.opening(parameters))
  const opening = State.digest(rules.domain, { channelId: id, version: 0n, root, kind: 0 })
  checkSigned(rules, parameters, opening, signatures)
  const escrow = Escrow.open(parameters)
  const live = Escrow.status(escrow, now) === 'live'
  return {
    moves: [],
    channel: { id, escrow },
    events: live ? [{ type: 'opened' }, { type: 'live' }] : [{ type: 'opened' }],
  }
}

/** @throws LedgerError `BAD_PARAMETERS` */
export function checkParameters(rules: Rules, parameters: Parameters.Parameters): void {
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

export function deposit(scene: Scene, { seat }: Call.Of<'deposit'>): Effect {
  const { id, escrow, status, from, now } = scene
  checkSeat(escrow, seat)
  if (status === 'dead') throw refusal(scene)
  if (Escrow.isFunded(escrow, seat))
    throw new LedgerError('ALREADY_DEPOSITED', `The deposit of seat ${seat} is already in.`)
  const due = Escrow.due(escrow, seat)
  const funded: Escrow.Escrow = {
    ...escrow,
    funders: escrow.funders.with(seat, from),
    deposited: escrow.deposited.with(seat, due),
  }
  const live = Escrow.status(funded, now) === 'live'
  return {
    moves: moves(escrow, due, from, 'escrow'),
    channel: { id, escrow: funded },
    events: live ? [{ type: 'deposited' }, { type: 'live' }] : [{ type: 'deposited' }],
  }
}

/** More money of one seat; it counts from the next co-signed state on, and is its own at any close. */
export function topUp(scene: Scene, { seat, asset, total }: Call.Of<'topUp'>): Effect {
  const { id, escrow, status, from } = scene
  checkSeat(escrow, seat)
  const name = escrow.parameters.assets[asset]
  if (name === undefined)
    throw new LedgerError('BAD_CALL', `The channel has no asset number ${asset}.`)
  if (status !== 'live') throw refusal(scene)
  const before = State.cell(escrow.deposited, seat, asset)
  if (total <= before)
    throw new LedgerError('ALREADY_DEPOSITED', `Seat ${seat} has deposited ${before} already.`)
  const amount = total - before
  const deposited = State.adjust(escrow.deposited, seat, asset, amount)
  return {
    moves: [{ asset: name, amount, from, to: 'escrow' }],
    channel: { id, escrow: { ...escrow, deposited } },
    events: [{ type: 'deposited' }],
  }
}

export function refund(scene: Scene, { seat }: Call.Of<'refund'>): Effect {
  const { id, escrow, status } = scene
  checkSeat(escrow, seat)
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
    channel: { id, escrow: { ...escrow, withdrawn: escrow.withdrawn.with(seat, amounts) } },
    events: [{ type: 'refunded' }],
  }
}

function checkSeat({ parameters }: Escrow.Escrow, seat: number): void {
  if (seat >= parameters.seats.length)
    throw new LedgerError('BAD_CALL', `The channel has no seat ${seat}.`)
}

/** `amounts`, one per asset of the channel, as moves of money. */
const moves = (
  { parameters }: Escrow.Escrow,
  amounts: readonly bigint[],
  from: Books.Purse,
  to: Address | 'escrow',
): readonly Books.Move[] =>
  amounts.map((amount, at) => ({ asset: parameters.assets[at] ?? zeroAddress, amount, from, to }))
