/**
 * What a layer answers, read from JSON. A layer's word is taken, but never bytes that are none of its answers:
 * those are `NOT_A_LEDGER`.
 */
import * as Amount from '../../core/amount.js'
import { type Address, fromHex, type Hex, toHex } from '../../core/bytes.js'
import type { LedgerChannel, LedgerEvent } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import { apiName, apiVersion, type Json, object } from './api.js'

export type Info = {
  readonly chainId: bigint
  readonly adjudicator: Address
  readonly minChallengePeriod: bigint
  readonly faucetMax: bigint
}

export const info = (answer: Json): Info =>
  reading(() => {
    if (answer.name !== apiName || answer.version !== apiVersion) throw notALedger()
    return {
      chainId: amount(answer.chainId),
      adjudicator: hex(answer.adjudicator, 20),
      minChallengePeriod: amount(answer.minChallengePeriod),
      faucetMax: amount(answer.faucetMax),
    }
  })

export const time = (answer: Json): bigint => reading(() => amount(answer.time))

export const account = (answer: Json): { nonce: bigint; balance: bigint } =>
  reading(() => ({ nonce: amount(answer.nonce), balance: amount(answer.balance) }))

const statuses = ['funding', 'live', 'dead', 'closed'] as const

export const channel = ({ channel: found }: Json): LedgerChannel | undefined =>
  reading(() => {
    if (found === null) return undefined
    const { status, deposited, withdrawn, fundBy } = object(found) ?? fail()
    return {
      status: statuses.find((each) => each === status) ?? fail(),
      deposited: table(deposited),
      withdrawn: table(withdrawn),
      fundBy: amount(fundBy),
    }
  })

const types = ['opened', 'deposited', 'live', 'refunded', 'closed'] as const

/** Events that follow `after` without a gap. */
export const events = ({ events: found }: Json, after: number): readonly LedgerEvent[] =>
  reading(() =>
    list(found).map((item, at) => {
      const { sequence, type, channelId } = object(item) ?? fail()
      if (sequence !== after + 1 + at) fail()
      return {
        sequence: after + 1 + at,
        type: types.find((each) => each === type) ?? fail(),
        channelId: hex(channelId, 32),
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
