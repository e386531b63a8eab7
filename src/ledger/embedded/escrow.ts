/**
 * An escrow: what the adjudicator keeps of one channel, from its opening to the tombstone that keeps its id
 * from ever being used again. Its status is read off it and the clock, never stored.
 */
import * as Amount from '../../core/amount.js'
import { type Address, concat, fromHex, uint, zeroAddress, zeroes } from '../../core/bytes.js'
import type { Parameters } from '../../core/parameters.js'
import type * as State from '../../core/state.js'
import type { LedgerChallenge, LedgerChannel } from '../../engine/ports.js'
import * as Layout from './layout.js'

export type Escrow = {
  readonly parameters: Parameters
  /** Per seat, who paid its deposit: a refund goes back there. */
  readonly funders: readonly (Address | undefined)[]
  /** Paid in, per seat and asset: opening deposits and top-ups. */
  readonly deposited: State.Table
  /** Paid back or out, per seat and asset, lanes aside. */
  readonly withdrawn: State.Table
  /** Paid out of lanes, per asset. */
  readonly settled: readonly bigint[]
  readonly versionMin: bigint
  /** Digest of the newest state that was carried out, by a withdrawal or a resume; zeroes before. */
  readonly carried: Uint8Array
  readonly challenge: Challenge | undefined
  readonly closed: boolean
}

export type Challenge = LedgerChallenge & {
  /** Who put up the bond, and what is left of it. */
  readonly account: Address
  readonly bond: bigint
}

/** A channel nobody has paid into yet. */
export function open(parameters: Parameters): Escrow {
  const nothing = parameters.deposits.map((row) => row.map(() => 0n))
  return {
    parameters,
    funders: parameters.seats.map(() => undefined),
    deposited: nothing,
    withdrawn: nothing,
    settled: parameters.assets.map(() => 0n),
    versionMin: 0n,
    carried: zeroes(),
    challenge: undefined,
    closed: false,
  }
}

/** What `seat` has to bring, per asset. */
export const due = ({ parameters }: Escrow, seat: number): readonly bigint[] =>
  parameters.deposits[seat] ?? []

/** Whether the seat's deposit is in, or it owes none. */
export const isFunded = (escrow: Escrow, seat: number): boolean =>
  escrow.funders[seat] !== undefined || due(escrow, seat).every((amount) => amount === 0n)

/** Once live, never dead: dead is what was not live when `fundBy` had passed. */
export function status(escrow: Escrow, now: bigint): LedgerChannel['status'] {
  const { challenge, closed, funders, parameters } = escrow
  if (closed) return 'closed'
  if (challenge !== undefined) return now > challenge.statesUntil ? 'frozen' : 'challenged'
  if (funders.every((_, seat) => isFunded(escrow, seat))) return 'live'
  return now > parameters.fundBy ? 'dead' : 'funding'
}

/** What still lies here for `seat`, in a channel that never came to life. */
export const remaining = ({ deposited, withdrawn }: Escrow, seat: number): readonly bigint[] =>
  (deposited[seat] ?? []).map((amount, asset) =>
    Amount.subtract(amount, withdrawn[seat]?.[asset] ?? 0n),
  )

/** What still lies here, per asset of the channel; the bond is nobody's share of it. */
export const held = ({ parameters, deposited, withdrawn, settled }: Escrow): readonly bigint[] =>
  parameters.assets.map((_, asset) => {
    const total = (table: State.Table): bigint => Amount.sum(table.map((row) => row[asset] ?? 0n))
    return Amount.subtract(total(deposited), Amount.add(total(withdrawn), settled[asset] ?? 0n))
  })

/** All money that lies here, by asset: what is held, and the bond in the native coin. */
export function money(escrow: Escrow): ReadonlyMap<Address, bigint> {
  const amounts = held(escrow)
  const all = new Map(escrow.parameters.assets.map((asset, at) => [asset, amounts[at] ?? 0n]))
  const bond = escrow.challenge?.bond ?? 0n
  return all.set(zeroAddress, (all.get(zeroAddress) ?? 0n) + bond)
}

/** The escrow after `shares`, per seat and asset, have been paid out beside lanes. */
export const paid = (escrow: Escrow, shares: State.Table): Escrow => ({
  ...escrow,
  withdrawn: escrow.withdrawn.map((row, seat) =>
    row.map((amount, asset) => Amount.add(amount, shares[seat]?.[asset] ?? 0n)),
  ),
})

/** How everybody may see it. */
export function view(escrow: Escrow, now: bigint): LedgerChannel {
  const { parameters, deposited, withdrawn, versionMin, challenge } = escrow
  return {
    status: status(escrow, now),
    deposited,
    withdrawn,
    held: held(escrow),
    fundBy: parameters.fundBy,
    versionMin,
    challenge: challenge && viewChallenge(challenge),
  }
}

const viewChallenge = ({ account, bond, ...seen }: Challenge): LedgerChallenge => seen

/**
 * Parameters ‖ seats × funder 20 (zero: none) ‖ deposited ‖ withdrawn (tables of u256) ‖ assets × settled u256
 * ‖ versionMin u64 ‖ carried 32 ‖ closed u8 ‖ challenged u8 ‖ Challenge where that is 1:
 *
 * version u64 ‖ root 32 ‖ poster u8 ‖ posted u64 ‖ account 20 ‖ bond u256 ‖ statesUntil u64 ‖ redeemUntil u64 ‖ paid u8
 */
export const encode = (escrow: Escrow): Uint8Array =>
  concat(
    Layout.encodeParameters(escrow.parameters),
    ...escrow.funders.map((funder) => fromHex(funder ?? zeroAddress, 20)),
    Layout.encodeTable(escrow.deposited),
    Layout.encodeTable(escrow.withdrawn),
    ...escrow.settled.map(Amount.encode),
    uint(escrow.versionMin, 8),
    escrow.carried,
    Layout.flag(escrow.closed),
    Layout.flag(escrow.challenge !== undefined),
    ...(escrow.challenge === undefined ? [] : [encodeChallenge(escrow.challenge)]),
  )

const encodeChallenge = (challenge: Challenge): Uint8Array =>
  concat(
    uint(challenge.version, 8),
    challenge.root,
    uint(challenge.poster, 1),
    uint(challenge.posted, 8),
    fromHex(challenge.account, 20),
    Amount.encode(challenge.bond),
    uint(challenge.statesUntil, 8),
    uint(challenge.redeemUntil, 8),
    Layout.flag(challenge.paid),
  )

/** @throws LayoutError `BAD_LAYOUT` */
export function decode(bytes: Uint8Array): Escrow {
  const read = Layout.reader(bytes)
  const parameters = Layout.readParameters(read)
  const { seats, assets } = parameters
  const escrow = {
    parameters,
    funders: read.list(seats.length, () => {
      const funder = read.address()
      return funder === zeroAddress ? undefined : funder
    }),
    deposited: Layout.readTable(read, seats.length, assets.length),
    withdrawn: Layout.readTable(read, seats.length, assets.length),
    settled: read.list(assets.length, () => read.uint(Amount.size)),
    versionMin: read.uint(8),
    carried: read.bytes(32),
    closed: read.flag(),
    challenge: read.flag() ? readChallenge(read) : undefined,
  }
  read.end()
  return escrow
}

const readChallenge = (read: Layout.Reader): Challenge => ({
  version: read.uint(8),
  root: read.bytes(32),
  poster: read.small(255),
  posted: read.uint(8),
  account: read.address(),
  bond: read.uint(Amount.size),
  statesUntil: read.uint(8),
  redeemUntil: read.uint(8),
  paid: read.flag(),
})
