/**
 * What the engine holds, in the shapes the adjudicator's ABI takes. Nothing is decided here.
 */
import { concat, type Hex, toHex } from '../../core/bytes.js'
import type * as Claim from '../../core/claim.js'
import type * as Dispute from '../../core/dispute.js'
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

export const state = ({
  version,
  kind,
  root,
}: Pick<Dispute.Posting, 'version' | 'kind' | 'root'>) => ({ version, kind, root: toHex(root) })

export const preimage = ({ outcome, lanes, contract, objects }: Dispute.Preimage) => ({
  outcome: toHex(State.encodeOutcome(outcome)),
  lanes: toHex(lanes),
  code: toHex(contract),
  objects: toHex(objects),
})

/** The root of the lanes' tree is not brought: the siblings lead to it. */
export const leaf = ({ branches, lane, siblings }: Dispute.Leaf) => ({
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
