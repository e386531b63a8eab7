/**
 * Disputes: what is shown to an adjudicator when the seats do not close together, and the rules it settles
 * by. The embedded layer, the engine and the watchtower compute from
 * here; the contract and the simulator's model are written apart, and give the same amounts to the unit.
 */
import * as Amount from './amount.js'
import { type Address, equals, fromHex, type Hex, zeroes } from './bytes.js'
import * as Chain from './chain.js'
import type { Claim } from './claim.js'
import * as Hash from './hash.js'
import * as Lane from './lane.js'
import * as State from './state.js'
import { TickError } from './tick.js'
import * as Tree from './tree.js'
import * as TypedData from './typed-data.js'
import * as Voucher from './voucher.js'

/** A state that every seat signed, without its preimage: what a layer stores and compares. */
export type Posting = {
  readonly version: bigint
  readonly kind: State.Kind
  readonly root: Uint8Array
  /** In seat order; none for a state that the layer itself has carried out. */
  readonly signatures: readonly Uint8Array[]
}

/** What a root commits to; the last three are roots of trees. */
export type Preimage = {
  readonly outcome: State.Outcome
  readonly lanes: Uint8Array
  readonly contract: Uint8Array
  readonly objects: Uint8Array
}

/** The same with the outcome hashed: enough to prove a lane. */
export type Branches = Omit<Preimage, 'outcome'> & { readonly outcome: Uint8Array }

/** Proof of a lane's leaf under `branches.lanes`: sibling hashes from the top down. */
export type Leaf = {
  readonly branches: Branches
  readonly lane: Lane.Lane
  readonly siblings: readonly Uint8Array[]
}

/** A lane, and what its payee can prove on it: voucher and deepest nodes. */
export type Redemption = Leaf & { readonly claim: Claim }

/** What a layer says of a channel. */
export type Holding = {
  readonly deposited: State.Table
  readonly withdrawn: State.Table
  /** Per asset: what still lies there. */
  readonly held: readonly bigint[]
}

/** What opens a challenge beside the posting: that this seat posts it, from this account. */
export type Challenge = {
  readonly channelId: Hex
  readonly version: bigint
  /** Who submits it and puts up the bond. */
  readonly account: Address
}

const type = {
  name: 'Challenge',
  members: { channelId: 'bytes32', version: 'uint64', account: 'address' },
} as const satisfies TypedData.Type

/** EIP-712 digest that the posting seat signs. */
export const digest = (domain: TypedData.Domain, challenge: Challenge): Uint8Array =>
  TypedData.digest(domain, type, { ...challenge, channelId: fromHex(challenge.channelId, 32) })

/** A state signed by all seats, as a layer wants to see it. */
export const posting = (
  channelId: Hex,
  complete: Pick<Posting, 'version' | 'kind' | 'signatures'> & { readonly body: State.Body },
): Posting => ({
  version: complete.version,
  kind: complete.kind,
  root: State.root(channelId, complete.body),
  signatures: complete.signatures,
})

export const preimage = (channelId: Hex, body: State.Body): Preimage =>
  preimageOf(body, State.lanesTree(channelId, body.lanes))

const preimageOf = ({ outcome }: State.Body, lanes: Tree.Tree): Preimage => ({
  outcome,
  lanes: Tree.root(lanes),
  contract: zeroes(),
  objects: zeroes(),
})

export const branches = ({ outcome, ...trees }: Preimage): Branches => ({
  outcome: State.outcomeHash(outcome),
  ...trees,
})

/** The state root of these branches. */
export const root = ({ outcome, lanes, contract, objects }: Branches): Uint8Array =>
  Hash.tagged('root', outcome, lanes, contract, objects)

/** Proof of each lane of a body, in its order. */
export function leaves(channelId: Hex, body: State.Body): readonly Leaf[] {
  const tree = State.lanesTree(channelId, body.lanes)
  const shared = branches(preimageOf(body, tree))
  return body.lanes.map((lane) => ({
    branches: shared,
    lane,
    siblings: Tree.prove(tree, Lane.key(channelId, lane.id)).siblings,
  }))
}

/** @throws TreeError `BAD_PROOF` unless the lane lies in the state with this root */
export function checkLeaf(channelId: Hex, expected: Uint8Array, leaf: Leaf): void {
  const { branches, lane, siblings } = leaf
  if (!equals(root(branches), expected))
    throw new Tree.TreeError('The branches are not those of the posted state.')
  const entry = { key: Lane.key(channelId, lane.id), value: Lane.value(lane) }
  Tree.verify(branches.lanes, entry.key, { siblings, leaf: entry })
}

/**
 * A claim that anybody brings, all of it. `signer` is the address recovered from the voucher's signature.
 * @throws VoucherError `BAD_VOUCHER`, TickError `BAD_TICK`
 */
export function checkClaim(
  channelId: Hex,
  lane: Lane.Lane,
  { signed: { voucher }, indices, nodes }: Claim,
  signer: Address | undefined,
  walk: Chain.Walk = Chain.walk,
): void {
  if (voucher.channelId !== channelId || voucher.lane !== lane.id)
    throw new Voucher.VoucherError('it is for another lane')
  if (signer !== lane.sessionKey)
    throw new Voucher.VoucherError("it is not signed by the lane's session key")
  Voucher.check(voucher)
  if (indices.length !== voucher.digits || nodes.length !== voucher.digits)
    throw new TickError('there is one node for each digit of the voucher')
  // At most digits · length steps, which a canonical voucher keeps to 1,024.
  if (indices.some((index) => index > voucher.length))
    throw new TickError('an index lies beyond the voucher')
  const tweak = Chain.laneTweak(channelId, lane.id)
  for (const [digit, index] of indices.entries()) {
    const from = { tweak, epoch: voucher.epoch, digit }
    const reached = walk(from, index, index, nodes[digit] ?? new Uint8Array())
    if (!equals(reached, voucher.anchors[digit] ?? new Uint8Array()))
      throw new TickError('its node is not of the chain')
  }
}

/** What a claim on a lane pays, in all: never below nothing, never more than is reserved. */
export const redeemable = ({ folded, reserved }: Lane.Lane, claim: bigint): bigint =>
  Amount.clamp(claim - folded, 0n, reserved)

/**
 * What a seat is due beside its lanes: its balance and pot, and what the layer saw after the state was made.
 * Below zero where the layer has paid it more than the state knows.
 */
function share(outcome: State.Outcome, layer: Holding, seat: number, asset: number): bigint {
  const at = (table: State.Table): bigint => table[seat]?.[asset] ?? 0n
  return (
    at(outcome.balances) +
    at(outcome.pots) +
    (at(layer.deposited) - at(outcome.deposited)) -
    (at(layer.withdrawn) - at(outcome.withdrawn))
  )
}

/** What a seat is due of one asset at the freeze, before what is held bounds it. */
export const due = (outcome: State.Outcome, layer: Holding, seat: number, asset: number): bigint =>
  Amount.larger(0n, share(outcome, layer, seat, asset))

/** What a freeze pays, per seat and asset: in seat order for as long as something is held. Never throws. */
export function frozenShares(outcome: State.Outcome, layer: Holding): State.Table {
  const left = [...layer.held]
  return layer.deposited.map((row, seat) =>
    row.map((_, asset) => {
      const rest = left[asset] ?? 0n
      const paid = Amount.min(due(outcome, layer, seat, asset), rest)
      left[asset] = rest - paid
      return paid
    }),
  )
}

/** What a final state pays, or undefined unless that is exactly what is held. */
export function finalShares(outcome: State.Outcome, layer: Holding): State.Table | undefined {
  const shares = layer.deposited.map((row, seat) =>
    row.map((_, asset) => share(outcome, layer, seat, asset)),
  )
  const exact = layer.held.every(
    (held, asset) => shares.reduce((sum, row) => sum + (row[asset] ?? 0n), 0n) === held,
  )
  return exact && shares.flat().every((amount) => amount >= 0n) ? shares : undefined
}

/** What a withdrawal pays, per seat and asset: what the state has withdrawn and the layer has not. */
export const withdrawals = (outcome: State.Outcome, layer: Holding): State.Table =>
  layer.withdrawn.map((row, seat) =>
    row.map((withdrawn, asset) =>
      Amount.larger(0n, (outcome.withdrawn[seat]?.[asset] ?? 0n) - withdrawn),
    ),
  )

/**
 * Whether a state of this version proves that who posted `posted` knew better. Whoever signed `posted` + 2
 * held `posted` + 1 complete; a single newer version may be a co-signature lost on its way.
 */
export const isFraud = (posted: bigint, version: bigint): boolean => version >= posted + 2n

/** The poster's bond among the other seats, per seat: equally, the indivisible rest to the first of them. */
export function splitBond(bond: bigint, seats: number, poster: number): readonly bigint[] {
  const others = BigInt(seats - 1)
  const first = poster === 0 ? 1 : 0
  return Array.from({ length: seats }, (_, seat) => {
    if (seat === poster) return 0n
    return bond / others + (seat === first ? bond % others : 0n)
  })
}
