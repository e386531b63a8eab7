/**
 * Money out of channels: the cooperative close, withdrawals while a channel lives, and after a freeze the
 * balances, then each lane alone. Amounts are those of core/dispute.ts, clamped to what is held.
 */
import { min } from '../../core/amount.js'
import { equals, zeroAddress, zeroes } from '../../core/bytes.js'
import * as Claim from '../../core/claim.js'
import * as Dispute from '../../core/dispute.js'
import { SluiceError } from '../../core/errors.js'
import type { Table } from '../../core/state.js'
import { TickError } from '../../core/tick.js'
import * as Voucher from '../../core/voucher.js'
import type { LedgerLane } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import type * as Call from './call.js'
import * as Contest from './contest.js'
import {
  checkPosting,
  checkPreimage,
  type Effect,
  payouts,
  refusal,
  type Scene,
  signer,
} from './effect.js'
import * as Escrow from './escrow.js'

export function close(scene: Scene, { posting, preimage }: Call.Of<'close'>): Effect {
  const { id, escrow, status } = scene
  if (status !== 'live' && status !== 'challenged') throw refusal(scene)
  if (posting.kind !== 1)
    throw new LedgerError('NOT_FINAL', 'Only a final state (kind 1) closes a channel at once.')
  Contest.checkNewer(scene, posting)
  checkPosting(scene, posting, preimage)
  if (!equals(preimage.lanes, zeroes()) || preimage.outcome.pots.flat().some((pot) => pot !== 0n))
    throw new LedgerError('NOT_FINAL', 'A final state has no lanes and no pots left.')
  const shares = Dispute.finalShares(preimage.outcome, holding(escrow))
  if (shares === undefined)
    throw new LedgerError('NOT_CONSERVED', 'The final state does not pay out exactly what is here.')
  const punished = Contest.punish(escrow, posting.version)
  const released = Contest.release(punished.escrow)
  return {
    moves: [...payouts(escrow.parameters, shares), ...punished.moves, ...released.moves],
    channel: {
      id,
      escrow: { ...Escrow.paid(released.escrow, shares), challenge: undefined, closed: true },
    },
    events: [{ type: 'closed' }, ...punished.events],
  }
}

/** Pays what all seats agreed to take out. From then on no older state counts: it knows nothing of this. */
export function withdraw(scene: Scene, { posting, preimage }: Call.Of<'withdraw'>): Effect {
  const { id, escrow, status } = scene
  if (status !== 'live' && status !== 'challenged') throw refusal(scene)
  Contest.checkRunning(posting)
  const carried = checkPosting(scene, posting, preimage)
  const layer = holding(escrow)
  const shares = Dispute.withdrawals(preimage.outcome, layer)
  checkCovered(shares, layer)
  const { challenge } = escrow
  const { version } = posting
  const paid: Escrow.Escrow = { ...Escrow.paid(escrow, shares), versionMin: version, carried }
  const newer = challenge !== undefined && posting.version > challenge.version
  const shown = newer ? Contest.shown(paid, posting) : { escrow: paid, moves: [], events: [] }
  return {
    moves: [...payouts(escrow.parameters, shares), ...shown.moves],
    channel: { id, escrow: shown.escrow },
    events: [{ type: 'withdrawn' }, ...shown.events],
  }
}

function checkCovered(shares: Table, { held }: Dispute.Holding): void {
  if (shares.flat().every((amount) => amount === 0n))
    throw new LedgerError(
      'NOTHING_TO_WITHDRAW',
      'The state withdraws nothing that was not paid out before.',
    )
  const isShort = held.some(
    (here, asset) => shares.reduce((sum, row) => sum + (row[asset] ?? 0n), 0n) > here,
  )
  if (isShort) throw new LedgerError('NOT_CONSERVED', 'The state withdraws more than is here.')
}

/** Pays the balances of the newest state that was shown, and gives the bond back if it is still there. */
export function freeze(scene: Scene, { preimage }: Call.Of<'freeze'>): Effect {
  const { id, escrow } = scene
  const challenge = settling(scene)
  if (challenge.paid)
    throw new LedgerError('ALREADY_FROZEN', 'The balances of this channel are paid out.')
  checkPreimage(challenge.root, preimage)
  const shares = Dispute.frozenShares(preimage.outcome, holding(escrow))
  const { escrow: released, moves } = Contest.release(Escrow.paid(escrow, shares))
  const after = { ...released, challenge: { ...challenge, bond: 0n, paid: true } }
  return {
    moves: [...payouts(escrow.parameters, shares), ...moves],
    ...settled({ id, escrow: after }, [{ type: 'frozen' }]),
  }
}

/** Pays what a claim proves beyond what was redeemed on its lane before. */
export function redeem(scene: Scene, { redemption }: Call.Of<'redeem'>, known: LedgerLane): Effect {
  const { rules, id, now } = scene
  const { lane, claim } = redemption
  const challenge = settling(scene)
  if (now > challenge.redeemUntil)
    throw new LedgerError('REDEMPTION_OVER', 'The time to redeem claims in this channel is over.')
  checkLeaf(scene, challenge, redemption)
  const { voucher, signature } = claim.signed
  const by = signer(rules, Voucher.digest(rules.domain, voucher), signature)
  checkClaim(() => Dispute.checkClaim(id, lane, claim, by))
  const amount = Claim.amount(claim)
  if (amount <= known.claim)
    throw new LedgerError(
      'NOTHING_TO_REDEEM',
      `A claim of ${known.claim} was redeemed on lane ${lane.id} before.`,
    )
  const rise = Dispute.redeemable(lane, amount) - Dispute.redeemable(lane, known.claim)
  return {
    ...pay(scene, lane.payee, lane.asset, rise, { type: 'redeemed', lane: lane.id, claim: amount }),
    lane: { id: lane.id, value: { ...known, claim: amount } },
  }
}

/** Gives what nobody claimed of a lane back to its payer. */
export function sweep(scene: Scene, { leaf }: Call.Of<'sweep'>, known: LedgerLane): Effect {
  const { lane } = leaf
  const challenge = settling(scene)
  if (scene.now <= challenge.redeemUntil)
    throw new LedgerError(
      'REDEMPTION_OPEN',
      `Claims may come until ${challenge.redeemUntil}; sweeping has to wait for that.`,
    )
  if (known.swept) throw new LedgerError('ALREADY_SWEPT', `Lane ${lane.id} was swept before.`)
  checkLeaf(scene, challenge, leaf)
  const rest = lane.reserved - Dispute.redeemable(lane, known.claim)
  return {
    ...pay(scene, lane.payer, lane.asset, rest, { type: 'swept', lane: lane.id }),
    lane: { id: lane.id, value: { ...known, swept: true } },
  }
}

/** `amount`, or what is left of it, out of a lane to a seat. */
function pay(
  { id, escrow }: Scene,
  seat: number,
  asset: number,
  amount: bigint,
  event: Effect['events'][number],
): Effect {
  const { assets, seats } = escrow.parameters
  const paid = min(amount, Escrow.held(escrow)[asset] ?? 0n)
  const total = escrow.settled.map((before, at) => (at === asset ? before + paid : before))
  const to = seats[seat]?.payout
  // A lane that names no seat or asset was signed by all of them, and pays nobody.
  if (to === undefined || assets[asset] === undefined)
    return { moves: [], ...settled({ id, escrow }, [event]) }
  return {
    moves: [{ asset: assets[asset] ?? zeroAddress, amount: paid, from: 'escrow', to }],
    ...settled({ id, escrow: { ...escrow, settled: total } }, [event]),
  }
}

/** The channel is closed once balances are paid and nothing is left. */
function settled(
  { id, escrow }: Required<Effect>['channel'],
  events: Effect['events'],
): Pick<Effect, 'channel' | 'events'> {
  const over = escrow.challenge?.paid === true && Escrow.held(escrow).every((here) => here === 0n)
  if (!over) return { channel: { id, escrow }, events }
  return {
    channel: { id, escrow: { ...escrow, challenge: undefined, closed: true } },
    events: [...events, { type: 'closed' }],
  }
}

/** The challenge of a channel that takes no more states. @throws LedgerError */
function settling(scene: Scene): Escrow.Challenge {
  const { challenge } = scene.escrow
  if (scene.status === 'challenged')
    throw new LedgerError(
      'STATES_OPEN',
      `Newer states may come until ${challenge?.statesUntil}; settling has to wait for that.`,
    )
  if (scene.status !== 'frozen' || challenge === undefined) throw refusal(scene)
  return challenge
}

/** @throws LedgerError `BAD_PROOF` */
function checkLeaf({ id }: Scene, { root }: Escrow.Challenge, leaf: Dispute.Leaf): void {
  try {
    Dispute.checkLeaf(id, root, leaf)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    throw new LedgerError('BAD_PROOF', `The lane is not in the posted state: ${error.message}`)
  }
}

/** @throws LedgerError `BAD_VOUCHER`, `BAD_TICK` */
function checkClaim(check: () => void): void {
  try {
    check()
  } catch (error) {
    if (error instanceof Voucher.VoucherError) throw new LedgerError('BAD_VOUCHER', error.message)
    if (error instanceof TickError) throw new LedgerError('BAD_TICK', error.message)
    throw error
  }
}

const holding = (escrow: Escrow.Escrow): Dispute.Holding => ({
  deposited: escrow.deposited,
  withdrawn: escrow.withdrawn,
  held: Escrow.held(escrow),
})
