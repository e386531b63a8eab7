/**
 * What a layer answers, read from JSON. A layer's word is taken, but never bytes that are none of its answers:
 * those are `NOT_A_LEDGER`.
 */
import * as Amount from '../../core/amount.js'
import { type Address, fromHex, type Hex, toHex } from '../../core/bytes.js'
import type { LedgerChallenge, LedgerChannel, LedgerEvent, LedgerLane } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import { apiName, apiVersion, type Json, object } from './api.js'

export type Info = {
  readonly chainId: bigint
  readonly adjudicator: Address
  readonly minChallengePeriod: bigint
  readonly challengeBond: bigint
  readonly faucetMax: bigint
}

export const info = (answer: Json): Info =>
  reading(() => {
    if (answer.name !== apiName || answer.version !== apiVersion) throw notALedger()
    return {
      chainId: amount(answer.chainId),
      adjudicator: hex(answer.adjudicator, 20),
      minChallengePeriod: amount(answer.minChallengePeriod),
      challengeBond: amount(answer.challengeBond),
      faucetMax: amount(answer.faucetMax),
    }
  })

export const time = (answer: Json): bigint => reading(() => amount(answer.time))

export const account = (answer: Json): { nonce: bigint; balance: bigint } =>
  reading(() => ({ nonce: amount(answer.nonce), balance: amount(answer.balance) }))

const statuses = ['funding', 'live', 'challenged', 'frozen', 'closed', 'dead'] as const

export const channel = ({ channel: found }: Json): LedgerChannel | undefined =>
  reading(() => {
    if (found === null) return undefined
    const channel = object(found) ?? fail()
    return {
      status: statuses.find((each) => each === channel.status) ?? fail(),
      deposited: table(channel.deposited),
      withdrawn: table(channel.withdrawn),
      held: list(channel.held).map(amount),
      fundBy: amount(channel.fundBy),
      versionMin: amount(channel.versionMin),
      challenge:
        channel.challenge === null ? undefined : challenge(object(channel.challenge) ?? fail()),
    }
  })

const challenge = (found: Json): LedgerChallenge => ({
  version: amount(found.version),
  root: fromHex(hex(found.root, 32)),
  poster: count(found.poster),
  posted: amount(found.posted),
  statesUntil: amount(found.statesUntil),
  redeemUntil: amount(found.redeemUntil),
  paid: flag(found.paid),
})

export const lane = (answer: Json): LedgerLane =>
  reading(() => ({ claim: amount(answer.claim), swept: flag(answer.swept) }))

const types = [
  'opened',
  'deposited',
  'live',
  'refunded',
  'withdrawn',
  'challenged',
  'answered',
  'punished',
  'resumed',
  'frozen',
  'redeemed',
  'swept',
  'closed',
] as const

/** Events that follow `after` without a gap. */
export const events = ({ events: found }: Json, after: number): readonly LedgerEvent[] =>
  reading(() =>
    list(found).map((item, at) => {
      const { sequence, type, channelId, version, lane, claim } = object(item) ?? fail()
      if (sequence !== after + 1 + at) fail()
      return {
        sequence: after + 1 + at,
        type: types.find((each) => each === type) ?? fail(),
        channelId: hex(channelId, 32),
        ...(version !== undefined && { version: amount(version) }),
        ...(lane !== undefined && { lane: amount(lane) }),
        ...(claim !== undefined && { claim: amount(claim) }),
      }
    }),
  )

export const notALedger = (): LedgerError =>
  new LedgerError(
    'NOT_A_LEDGER',
    'Something else than a Sluice ledger answers there. Check the address.',
  )

const table = (value: unknown): bigint[][] => list(value).map((row) => list(row).map(amount))
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : fail())
const amount = (value: unknown): bigint =>
  typeof value === 'string' ? Amount.parse(value) : fail()
const count = (value: unknown): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : fail()
const flag = (value: unknown): boolean => (typeof value === 'boolean' ? value : fail())
const hex = (value: unknown, size: number): Hex =>
  typeof value === 'string' ? toHex(fromHex(value, size)) : fail()

function fail(): never {
  throw notALedger()
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw notALedger()
  }
}
