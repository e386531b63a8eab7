/**
 * How the embedded layer's records lie in its store: one key each, so that a transaction writes what it
 * changed and nothing else. Reading damaged bytes is `LEDGER_DAMAGED`, never a guess.
 *
 *     ledger/meta                     JSON: version, chainId, minChallengePeriod, challengeBond, faucetMax
 *     ledger/time                     u64, Unix seconds
 *     ledger/sequence                 u64, of the newest event
 *     ledger/nonce/<account>          u64
 *     ledger/balance/<account>/<asset>  u256
 *     ledger/supply/<asset>           minted u256 ‖ held u256
 *     ledger/channel/<id>             Escrow
 *     ledger/lane/<id>/<lane>         claim u256 ‖ swept u8
 *     ledger/event/<sequence, 16 hex digits>  kind u8 ‖ channelId 32 [‖ version u64] [‖ lane u64] [‖ claim u256]
 */
import { type Address, concat, fromHex, type Hex, toHex, uint } from '../../core/bytes.js'
import { SluiceError } from '../../core/errors.js'
import type { LedgerEvent, Store, Write } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import * as Escrow from './escrow.js'
import * as Layout from './layout.js'
import type { Change, Records } from './machine.js'

export const metaKey = 'ledger/meta'
export const timeKey = 'ledger/time'
export const sequenceKey = 'ledger/sequence'
export const balancePrefix = 'ledger/balance/'
export const supplyPrefix = 'ledger/supply/'
export const channelPrefix = 'ledger/channel/'

const nonceKey = (account: Address): string => `ledger/nonce/${account}`
const balanceKey = (account: Address, asset: Address): string =>
  `${balancePrefix}${account}/${asset}`
const laneKey = (channelId: Hex, lane: bigint): string => `ledger/lane/${channelId}/${lane}`
const eventPrefix = 'ledger/event/'
const eventKey = (sequence: number): string =>
  `${eventPrefix}${sequence.toString(16).padStart(16, '0')}`

/** The sequence of the event whose record lies under a key; undefined for other records. */
export const sequenceOf = (key: string): number | undefined =>
  key.startsWith(eventPrefix) ? Number.parseInt(key.slice(eventPrefix.length), 16) : undefined

type Get = Store['get']

/** The machine's view of what `get` finds. */
export const over = (get: Get): Records => ({
  nonce: (account) => readUint(get, nonceKey(account), 8),
  balance: (account, asset) => readUint(get, balanceKey(account, asset), 32),
  supply(asset) {
    const bytes = get(supplyPrefix + asset) ?? new Uint8Array(64)
    return decode(supplyPrefix, bytes, (read) => ({ minted: read.uint(32), held: read.uint(32) }))
  },
  escrow(channelId) {
    const bytes = get(channelPrefix + channelId)
    return bytes && readEscrow(bytes)
  },
  lane(channelId, lane) {
    const key = laneKey(channelId, lane)
    const bytes = get(key) ?? new Uint8Array(33)
    return decode(key, bytes, (read) => ({ claim: read.uint(32), swept: read.flag() }))
  },
})

export function write(change: Change): Write {
  switch (change.record) {
    case 'nonce':
      return { key: nonceKey(change.account), value: uint(change.nonce, 8) }
    case 'balance':
      return { key: balanceKey(change.account, change.asset), value: uint(change.balance, 32) }
    case 'supply': {
      const { minted, held } = change.supply
      return {
        key: supplyPrefix + change.asset,
        value: concat(uint(minted, 32), uint(held, 32)),
      }
    }
    case 'escrow':
      return { key: channelPrefix + change.channelId, value: Escrow.encode(change.escrow) }
    case 'lane': {
      const { claim, swept } = change.value
      return {
        key: laneKey(change.channelId, change.id),
        value: concat(uint(claim, 32), Layout.flag(swept)),
      }
    }
  }
}

/** Events by their number on disk, and what each tells beside its channel. */
const eventTypes: readonly (readonly [LedgerEvent['type'], ...(keyof typeof fieldSizes)[]])[] = [
  ['opened'],
  ['deposited'],
  ['live'],
  ['refunded'],
  ['closed'],
  ['withdrawn'],
  ['challenged', 'version'],
  ['answered', 'version'],
  ['punished'],
  ['resumed', 'version'],
  ['frozen'],
  ['redeemed', 'lane', 'claim'],
  ['swept', 'lane'],
]

const fieldSizes = { version: 8, lane: 8, claim: 32 } as const

export function writeEvent(event: LedgerEvent): Write {
  const kind = eventTypes.findIndex(([type]) => type === event.type)
  const [, ...fields] = eventTypes[kind] ?? []
  return {
    key: eventKey(event.sequence),
    value: concat(
      uint(kind, 1),
      fromHex(event.channelId, 32),
      ...fields.map((field) => uint(event[field] ?? 0n, fieldSizes[field])),
    ),
  }
}

export function readEvent(get: Get, sequence: number): LedgerEvent {
  const key = eventKey(sequence)
  return decode(key, get(key) ?? new Uint8Array(), (read) => {
    const [type = 'opened', ...fields] = eventTypes[read.small(eventTypes.length - 1)] ?? []
    const event = { sequence, type, channelId: toHex(read.bytes(32)) }
    const told = fields.map((field) => [field, read.uint(fieldSizes[field])])
    return { ...event, ...Object.fromEntries(told) }
  })
}

export const readEscrow = (bytes: Uint8Array): Escrow.Escrow => {
  try {
    return Escrow.decode(bytes)
  } catch (error) {
    throw damaged(channelPrefix, error)
  }
}

/** The integer of `size` bytes at `key`; 0 where there is none. */
export function readUint(get: Get, key: string, size: number): bigint {
  return decode(key, get(key) ?? new Uint8Array(size), (read) => read.uint(size))
}

function decode<T>(key: string, bytes: Uint8Array, item: (read: Layout.Reader) => T): T {
  try {
    const read = Layout.reader(bytes)
    const value = item(read)
    read.end()
    return value
  } catch (error) {
    throw damaged(key, error)
  }
}

/** The asset or channel that a key of these records ends in. */
export const lastPart = (key: string): Hex => `0x${key.slice(key.lastIndexOf('0x') + 2)}`

export const damaged = (what: string, cause?: unknown): LedgerError =>
  new LedgerError(
    'LEDGER_DAMAGED',
    `The ledger's records at ${what} are damaged${cause instanceof SluiceError ? `: ${cause.message}` : '.'} Restore its store from a backup.`,
    { cause },
  )
