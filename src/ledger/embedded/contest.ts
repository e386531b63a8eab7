/**
 * The contest for the newest state: who posts one, who answers with a newer one, and the bond that a stale
 * posting loses. No window is ever restarted.
 */
import { zeroAddress } from '../../core/bytes.js'
import * as Dispute from '../../core/dispute.js'
import { LedgerError } from '../error.js'
import type * as Books from './books.js'
import type * as Call from './call.js'
import {
  checkPosting,
  type Effect,
  type Event,
  refusal,
  type Scene,
  signer,
  stale,
} from './effect.js'
import type * as Escrow from './escrow.js'

export function challenge(scene: Scene, call: Call.Of<'challenge'>): Effect {
  const { rules, id, escrow, status, from, now } = scene
  const { seat, posting, signature } = call
  const { version, root } = posting
  const { parameters } = escrow
  if (status !== 'live') throw refusal(scene)
  checkRunning(posting)
  checkPosting(scene, posting)
  const digest = Dispute.digest(rules.domain, { channelId: id, version, account: from })
  const poster = parameters.seats[seat]?.signer
  if (poster === undefined || signer(rules, digest, signature) !== poster)
    throw new LedgerError('BAD_SIGNATURE', `Seat ${seat} did not sign this challenge by ${from}.`)
  const statesUntil = now + parameters.challengePeriod
  const bond = rules.challengeBond
  const posted: Escrow.Challenge = {
    version,
    root,
    poster: seat,
    posted: version,
    account: from,
    bond,
    statesUntil,
    redeemUntil: statesUntil + parameters.challengePeriod,
    paid: false,
  }
  return {
    moves: [{ asset: zeroAddress, amount: bond, from, to: 'escrow' }],
    channel: { id, escrow: { ...escrow, challenge: posted } },
    events: [{ type: 'challenged', version }],
  }
}

export function answer(scene: Scene, { posting }: Call.Of<'answer'>): Effect {
  open(scene)
  checkRunning(posting)
  checkNewer(scene, posting)
  checkPosting(scene, posting)
  const { escrow, ...effect } = shown(scene.escrow, posting)
  return { ...effect, channel: { id: scene.id, escrow } }
}

export function resume(scene: Scene, { posting }: Call.Of<'resume'>): Effect {
  const { version, kind } = posting
  const challenge = open(scene)
  if (kind !== 2)
    throw new LedgerError('WRONG_KIND', 'Only a state of kind resume (2) ends a challenge.')
  // The very state that answered may resume: else whoever answers with it keeps the channel from living on.
  if (version <= challenge.posted || version < challenge.version)
    throw stale(`Version ${version} is no newer than ${challenge.version}, which was shown.`)
  const carried = checkPosting(scene, posting)
  const punished = punish(scene.escrow, version)
  const released = release(punished.escrow)
  return {
    moves: [...punished.moves, ...released.moves],
    channel: {
      id: scene.id,
      escrow: { ...released.escrow, challenge: undefined, versionMin: version, carried },
    },
    events: [{ type: 'resumed', version }, ...punished.events],
  }
}

/** A part of an effect: the escrow after it, and what moves and is told. */
export type Part = {
  readonly escrow: Escrow.Escrow
  readonly moves: readonly Books.Move[]
  readonly events: readonly Omit<Event, 'channelId'>[]
}

/** A newer state is shown while challenged: it takes the posted one's place, and may prove fraud. */
export function shown(escrow: Escrow.Escrow, { version, root }: Dispute.Posting): Part {
  const { escrow: after, moves, events } = punish(escrow, version)
  return {
    escrow: { ...after, challenge: after.challenge && { ...after.challenge, version, root } },
    moves,
    events: [{ type: 'answered', version }, ...events],
  }
}

/** The bond to the other seats, where a state of this version proves that the poster knew better. */
export function punish(escrow: Escrow.Escrow, version: bigint): Part {
  const { parameters, challenge } = escrow
  if (
    challenge === undefined ||
    challenge.bond === 0n ||
    !Dispute.isFraud(challenge.posted, version)
  )
    return { escrow, moves: [], events: [] }
  const shares = Dispute.splitBond(challenge.bond, parameters.seats.length, challenge.poster)
  return {
    escrow: { ...escrow, challenge: { ...challenge, bond: 0n } },
    moves: shares.map((amount, seat) => ({
      asset: zeroAddress,
      amount,
      from: 'escrow',
      to: parameters.seats[seat]?.payout ?? 'escrow',
    })),
    events: [{ type: 'punished' }],
  }
}

/** What is left of the bond, to whoever put it up. */
export function release(escrow: Escrow.Escrow): Omit<Part, 'events'> {
  const { challenge } = escrow
  if (challenge === undefined) return { escrow, moves: [] }
  const { account, bond } = challenge
  return {
    escrow: { ...escrow, challenge: { ...challenge, bond: 0n } },
    moves: [{ asset: zeroAddress, amount: bond, from: 'escrow', to: account }],
  }
}

/** The challenge that still takes states. @throws LedgerError */
function open(scene: Scene): Escrow.Challenge {
  const { challenge } = scene.escrow
  if (scene.status !== 'challenged' || challenge === undefined) throw refusal(scene)
  return challenge
}

/** @throws LedgerError `WRONG_KIND` */
export function checkRunning({ kind }: Dispute.Posting): void {
  if (kind === 1)
    throw new LedgerError('WRONG_KIND', 'A final state is closed with, not posted or executed.')
}

/** @throws LedgerError `STALE_VERSION` unless newer than what was shown, where anything was */
export function checkNewer({ escrow }: Scene, { version }: Dispute.Posting): void {
  const shown = escrow.challenge?.version
  if (shown !== undefined && version <= shown)
    throw stale(`Version ${version} is no newer than ${shown}, which was shown.`)
}
