/**
 * What the engine holds, in the shapes the adjudicator's ABI takes. Nothing is decided here.
 */
import { concat, type Hex, toHex } from '../../core/bytes.js'
import type * as Claim from '../../core/claim.js'
import * as Lane from '../../core/lane.js'
import type * as Parameters from '../../core/parameters.js'
import * as State from '../../core/state.js'

export const parameters = (p: Parameters.Parameters) => ({
  ...p,
  codeHash: toHex(p.codeHash),
  salt: toHex(p.salt),
})

/** One after the other, in seat order. */
export const signatures = (list: readonly Uint8Array[]): Hex => toHex(concat(...list))

export const state = (posting: {
  readonly version: bigint
  readonly kind: State.Kind
  readonly root: Uint8Array
}) => ({ version: posting.version, kind: posting.kind, root: toHex(posting.root) })

type Roots = {
  readonly lanes: Uint8Array
  readonly contract: Uint8Array
  readonly objects: Uint8Array
}

const roots = ({ lanes, contract, objects }: Roots) => ({
  lanes: toHex(lanes),
  code: toHex(contract),
  objects: toHex(objects),
})

export const preimage = (body: Roots & { readonly outcome: State.Outcome }) => ({
  outcome: toHex(State.encodeOutcome(body.outcome)),
  ...roots(body),
})

export const leaf = ({
  branches,
  lane,
  siblings,
}: {
  readonly branches: Roots & { readonly outcome: Uint8Array }
  readonly lane: Lane.Lane
  readonly siblings: readonly Uint8Array[]
}) => ({
  outcome: toHex(branches.outcome),
  code: toHex(branches.contract),
  objects: toHex(branches.objects),
  lane: toHex(Lane.encode(lane)),
  siblings: siblings.map(toHex),
})

export const claim = ({ signed: { voucher, signature }, indices, nodes }: Claim.Claim) => ({
  epoch: voucher.epoch,
  base: voucher.base,
  unit: voucher.unit,
  radix: voucher.radix,
  length: voucher.length,
  context: toHex(voucher.context),
  ticks: nodes.map((node, digit) => ({ index: BigInt(indices[digit] ?? 0), node: toHex(node) })),
  r: toHex(signature.slice(0, 32)),
  s: toHex(signature.slice(32, 64)),
  v: signature[64] ?? 0,
})
