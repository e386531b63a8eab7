/**
 * The embedded layer as a pure machine: accounts, a faucet, and the adjudicator, whose calls lie in modules of
 * their own. It must never make, lose or pay out a unit that was not there.
 */
import { type Address, type Hex, zeroAddress } from '../../core/bytes.js'
import { assert } from '../../core/errors.js'
import * as Parameters from '../../core/parameters.js'
import type { LedgerLane } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import * as Books from './books.js'
import * as Call from './call.js'
import * as Contest from './contest.js'
import { type Effect, type Event, type Rules, refusal, type Scene, signer } from './effect.js'
import * as Escrow from './escrow.js'
import * as Funding from './funding.js'
import * as Settlement from './settlement.js'

/** The records as they are; absent ones read as zero. */
export type Records = Books.Books & {
  nonce(account: Address): bigint
  escrow(channelId: Hex): Escrow.Escrow | undefined
  lane(channelId: Hex, lane: bigint): LedgerLane
}

/** One record's new value. */
export type Change =
  | Books.Entry
  | { readonly record: 'nonce'; readonly account: Address; readonly nonce: bigint }
  | { readonly record: 'escrow'; readonly channelId: Hex; readonly escrow: Escrow.Escrow }
  | {
      readonly record: 'lane'
      readonly channelId: Hex
      readonly id: bigint
      readonly value: LedgerLane
    }

/** What a transaction does: each record at most once. */
export type Result = { readonly changes: readonly Change[]; readonly events: readonly Event[] }

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

  const call = Call.decode(transaction.data)
  const { moves, channel, lane, events } = execute(rules, records, from, call, now)
  const changes: Change[] = [
    { record: 'nonce', account: from, nonce: nonce + 1n },
    ...Books.settle(records, moves),
  ]
  if (channel === undefined) return { changes, events: [] }
  const { id: channelId, escrow } = channel
  checkHeld(records.escrow(channelId), escrow, moves)
  changes.push({ record: 'escrow', channelId, escrow })
  if (lane !== undefined) changes.push({ record: 'lane', channelId, ...lane })
  return { changes, events: events.map((event) => ({ ...event, channelId })) }
}

function execute(
  rules: Rules,
  records: Records,
  from: Address,
  call: Call.Call,
  now: bigint,
): Effect {
  if (call.type === 'faucet') return faucet(rules, call.to, call.amount)
  if (call.type === 'open') {
    Funding.checkParameters(rules, call.parameters)
    const id = Parameters.id(rules.domain, call.parameters)
    if (records.escrow(id) !== undefined)
      throw new LedgerError('CHANNEL_EXISTS', `Channel ${id} was opened before.`)
    return Funding.open(rules, call, now)
  }
  const id = call.channelId
  const escrow = records.escrow(id)
  if (escrow === undefined)
    throw new LedgerError('CHANNEL_UNKNOWN', `No channel ${id} was ever opened here.`)
  const scene: Scene = { rules, id, escrow, status: Escrow.status(escrow, now), from, now }
  if (scene.status === 'closed') throw refusal(scene)
  switch (call.type) {
    case 'deposit':
      return Funding.deposit(scene, call)
    case 'refund':
      return Funding.refund(scene, call)
    case 'topUp':
      return Funding.topUp(scene, call)
    case 'close':
      return Settlement.close(scene, call)
    case 'withdraw':
      return Settlement.withdraw(scene, call)
    case 'challenge':
      return Contest.challenge(scene, call)
    case 'answer':
      return Contest.answer(scene, call)
    case 'resume':
      return Contest.resume(scene, call)
    case 'freeze':
      return Settlement.freeze(scene, call)
    case 'redeem':
      return Settlement.redeem(scene, call, records.lane(id, call.redemption.lane.id))
    case 'sweep':
      return Settlement.sweep(scene, call, records.lane(id, call.leaf.lane.id))
  }
}

function faucet({ faucetMax }: Rules, to: Address, amount: bigint): Effect {
  if (amount > faucetMax)
    throw new LedgerError('FAUCET_LIMIT', `The faucet gives at most ${faucetMax} at once.`)
  return { moves: [{ asset: zeroAddress, amount, from: 'mint', to }], events: [] }
}

/** What moved in and out is what the escrow says it holds more or less. */
function checkHeld(
  before: Escrow.Escrow | undefined,
  after: Escrow.Escrow,
  moves: readonly Books.Move[],
): void {
  const had = before === undefined ? undefined : Escrow.money(before)
  for (const [asset, has] of Escrow.money(after)) {
    let moved = 0n
    for (const move of moves) {
      if (move.asset !== asset) continue
      if (move.to === 'escrow') moved += move.amount
      if (move.from === 'escrow') moved -= move.amount
    }
    assert(has - (had?.get(asset) ?? 0n) === moved, 'an escrow and the money in it differ')
  }
}
