/**
 * States: what all seats sign. A state is a version and the root of everything the channel holds; the
 * execution layer stores roots only, and whoever argues brings the preimages.
 */
import * as Amount from './amount.js'
import { concat, fromHex, type Hex, uint, zeroes } from './bytes.js'
import { SluiceError } from './errors.js'
import * as Hash from './hash.js'
import * as Lane from './lane.js'
import type { Parameters } from './parameters.js'
import * as Tree from './tree.js'
import * as TypedData from './typed-data.js'

/** 0 running, 1 final (no reserves, no pots: paid out at once), 2 resume (ends a challenge). */
export type Kind = 0 | 1 | 2

/** Per seat, then per asset. */
export type Table = readonly (readonly bigint[])[]

/** The flat part of a state: settlement needs no tree proof for it. */
export type Outcome = {
  readonly balances: Table
  /** What the layer held final when the state was made; repeated by every state. */
  readonly deposited: Table
  readonly withdrawn: Table
  /** Default split of the contract's pots, should nobody move again. */
  readonly pots: Table
  /** Id the next lane gets, so that none is ever used twice. */
  readonly nextLane: bigint
}

/** Everything a root commits to. */
export type Body = { readonly outcome: Outcome; readonly lanes: readonly Lane.Lane[] }

export type State = {
  readonly channelId: Hex
  readonly version: bigint
  readonly root: Uint8Array
  readonly kind: Kind
}

const type = {
  name: 'State',
  members: { channelId: 'bytes32', version: 'uint64', root: 'bytes32', kind: 'uint8' },
} as const satisfies TypedData.Type

/** EIP-712 digest that every seat signs. */
export const digest = (domain: TypedData.Domain, state: State): Uint8Array =>
  TypedData.digest(domain, type, { ...state, channelId: fromHex(state.channelId, 32) })

/**
 * seats u8 ‖ assets u8 ‖ nextLane u64, then per seat and asset:
 * balance u256 ‖ deposited u256 ‖ withdrawn u256 ‖ pot u256.
 */
export function encodeOutcome(outcome: Outcome): Uint8Array {
  const parts = [
    uint(outcome.balances.length, 1),
    uint(outcome.balances[0]?.length ?? 0, 1),
    uint(outcome.nextLane, 8),
  ]
  for (const [seat, row] of outcome.balances.entries())
    for (const asset of row.keys())
      for (const table of [outcome.balances, outcome.deposited, outcome.withdrawn, outcome.pots])
        parts.push(Amount.encode(cell(table, seat, asset)))
  return concat(...parts)
}

/** Flat tagged hash of an outcome. */
export const outcomeHash = (outcome: Outcome): Uint8Array =>
  Hash.tagged('outcome', encodeOutcome(outcome))

/** Tree of a body's lanes, by `Lane.key`. */
export const lanesTree = (channelId: Hex, lanes: readonly Lane.Lane[]): Tree.Tree =>
  Tree.setAll(
    undefined,
    lanes.map((lane) => ({ key: Lane.key(channelId, lane.id), value: Lane.value(lane) })),
  )

/** Roots of bodies, which never change: hashing the lanes is most of the work of whoever shows a state. */
const roots = new WeakMap<Body, { readonly channelId: Hex; readonly root: Uint8Array }>()

/** `tagged('root', outcome ‖ lanes ‖ contract ‖ objects)`; contract and objects are empty trees for now. */
export function root(channelId: Hex, body: Body): Uint8Array {
  const before = roots.get(body)
  if (before?.channelId === channelId) return before.root
  const root = Hash.tagged(
    'root',
    outcomeHash(body.outcome),
    Tree.root(lanesTree(channelId, body.lanes)),
    zeroes(),
    zeroes(),
  )
  roots.set(body, { channelId, root })
  return root
}

/** One amount of a table; absent cells are an error of ours, not of a peer. */
export function cell(table: Table, seat: number, asset: number): bigint {
  const amount = table[seat]?.[asset]
  if (amount === undefined) throw new StateError(`there is no seat ${seat} with asset ${asset}`)
  return amount
}

/** The table with `change` added to one cell. @throws AmountError when it would fall below zero */
export const adjust = (table: Table, seat: number, asset: number, change: bigint): Table =>
  table.map((row, s) =>
    s === seat ? row.map((amount, a) => (a === asset ? Amount.add(amount, change) : amount)) : row,
  )

/** Whether two tables say the same. */
export const isEqual = (a: Table, b: Table): boolean =>
  a.length === b.length &&
  a.every(
    (row, seat) => row.length === b[seat]?.length && row.every((x, at) => x === b[seat]?.[at]),
  )

/** A table of nothing. */
export const none = ({ seats, assets }: Pick<Parameters, 'seats' | 'assets'>): Table =>
  seats.map(() => assets.map(() => 0n))

/** The opening body: every deposit in its seat's balance, no lanes. */
export function opening(parameters: Parameters): Body {
  const nothing = none(parameters)
  return {
    outcome: {
      balances: parameters.deposits,
      deposited: parameters.deposits,
      withdrawn: nothing,
      pots: nothing,
      nextLane: 0n,
    },
    lanes: [],
  }
}

/**
 * Conservation: per asset, deposited − withdrawn = balances + reserves + pots, no less and no more.
 * @throws StateError `BAD_STATE`
 */
export function checkConserved({ outcome, lanes }: Body): void {
  const assets = outcome.balances[0]?.length ?? 0
  for (let asset = 0; asset < assets; asset++) {
    const total = (table: Table): bigint => Amount.sum(table.map((row) => row[asset] ?? 0n))
    const reserved = Amount.sum(lanes.map((lane) => (lane.asset === asset ? lane.reserved : 0n)))
    const held = Amount.add(total(outcome.balances), Amount.add(reserved, total(outcome.pots)))
    if (held !== Amount.subtract(total(outcome.deposited), total(outcome.withdrawn)))
      throw new StateError('balances, reserves and pots are not what was deposited')
  }
}

/**
 * A body that a peer sent: every table of the right size, lanes that name seats and assets, money conserved.
 * @throws StateError
 */
export function checkShape({ seats, assets }: Parameters, body: Body): void {
  const { balances, deposited, withdrawn, pots, nextLane } = body.outcome
  for (const table of [balances, deposited, withdrawn, pots])
    if (table.length !== seats.length || table.some((row) => row.length !== assets.length))
      throw new StateError('its tables do not fit the seats and assets')
  const known = new Set<bigint>()
  for (const lane of body.lanes) {
    if (lane.payer >= seats.length || lane.payee >= seats.length || lane.asset >= assets.length)
      throw new StateError('a lane names no seat or asset of the channel')
    if (lane.id >= nextLane || known.has(lane.id)) throw new StateError('a lane id is used twice')
    known.add(lane.id)
  }
  checkConserved(body)
}

/** A body that cannot stand. */
export class StateError extends SluiceError {
  constructor(why: string, options: { cause?: unknown } = {}) {
    super('BAD_STATE', `The state is refused: ${why}.`, options)
    this.name = 'StateError'
  }
}
