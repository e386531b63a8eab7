/**
 * An escrow: what the adjudicator keeps of one channel, from its opening to the tombstone that keeps its id
 * from ever being used again. Its status is read off it and the clock, never stored.
 */
import * as Amount from '../../core/amount.js'
import { type Address, concat, fromHex, uint, zeroAddress } from '../../core/bytes.js'
import type { Parameters } from '../../core/parameters.js'
import type { Table } from '../../core/state.js'
import type { LedgerChannel } from '../../engine/ports.js'
import * as Layout from './layout.js'

export type Escrow = {
  readonly parameters: Parameters
  /** Digest of state 0 that every seat signed. */
  readonly opening: Uint8Array
  /** Per seat, who paid its deposit: a refund goes back there. */
  readonly funders: readonly (Address | undefined)[]
  /** Paid back or out, per seat and asset. */
  readonly withdrawn: Table
  readonly closed: boolean
}

/** A channel nobody has paid into yet. */
export const open = (parameters: Parameters, opening: Uint8Array): Escrow => ({
  parameters,
  opening,
  funders: parameters.seats.map(() => undefined),
  withdrawn: parameters.deposits.map((row) => row.map(() => 0n)),
  closed: false,
})

/** What `seat` has to bring, per asset. */
export const due = ({ parameters }: Escrow, seat: number): readonly bigint[] =>
  parameters.deposits[seat] ?? []

/** Whether the seat's deposit is in, or it owes none. */
export const isFunded = (escrow: Escrow, seat: number): boolean =>
  escrow.funders[seat] !== undefined || due(escrow, seat).every((amount) => amount === 0n)

/** Live is for good; dead is what was not live when `fundBy` had passed. */
export function status(escrow: Escrow, now: bigint): LedgerChannel['status'] {
  if (escrow.closed) return 'closed'
  if (escrow.funders.every((_, seat) => isFunded(escrow, seat))) return 'live'
  return now > escrow.parameters.fundBy ? 'dead' : 'funding'
}

export const deposited = (escrow: Escrow): Table =>
  escrow.parameters.deposits.map((row, seat) =>
    escrow.funders[seat] === undefined ? row.map(() => 0n) : row,
  )

/** What still lies here for `seat`. */
export const remaining = (escrow: Escrow, seat: number): readonly bigint[] =>
  (deposited(escrow)[seat] ?? []).map((amount, asset) =>
    Amount.subtract(amount, escrow.withdrawn[seat]?.[asset] ?? 0n),
  )

/** What still lies here of the asset at `asset`. */
export function held(escrow: Escrow, asset: number): bigint {
  const total = (table: Table): bigint => Amount.sum(table.map((row) => row[asset] ?? 0n))
  return Amount.subtract(total(deposited(escrow)), total(escrow.withdrawn))
}

/** How everybody may see it. */
export const view = (escrow: Escrow, now: bigint): LedgerChannel => ({
  status: status(escrow, now),
  deposited: deposited(escrow),
  withdrawn: escrow.withdrawn,
  fundBy: escrow.parameters.fundBy,
})

/** Parameters ‖ opening 32 ‖ seats × funder 20 (zero: none) ‖ seats × assets × withdrawn u256 ‖ closed u8. */
export const encode = (escrow: Escrow): Uint8Array =>
  concat(
    Layout.encodeParameters(escrow.parameters),
    escrow.opening,
    ...escrow.funders.map((funder) => fromHex(funder ?? zeroAddress, 20)),
    Layout.encodeTable(escrow.withdrawn),
    uint(escrow.closed ? 1 : 0, 1),
  )

/** @throws LayoutError `BAD_LAYOUT` */
export function decode(bytes: Uint8Array): Escrow {
  const read = Layout.reader(bytes)
  const parameters = Layout.readParameters(read)
  const { seats, assets } = parameters
  const escrow = {
    parameters,
    opening: read.bytes(32),
    funders: read.list(seats.length, () => {
      const funder = read.address()
      return funder === zeroAddress ? undefined : funder
    }),
    withdrawn: Layout.readTable(read, seats.length, assets.length),
    closed: read.small(1) === 1,
  }
  read.end()
  return escrow
}
