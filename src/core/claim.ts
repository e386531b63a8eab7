/**
 * A claim: what a payee can prove on one lane, the newest voucher and the deepest nodes revealed under it.
 * It only ever rises; nothing enters it that the adjudicator would not pay.
 */

import { type Address, equals, type Hex } from './bytes.js'
import type { ChainPosition, Walk } from './chain.js'
import { assert } from './errors.js'
import * as Lane from './lane.js'
import { limits } from './limits.js'
import { type Entry, type Frame, TickError } from './tick.js'
import * as Voucher from './voucher.js'

export type Claim = {
  readonly signed: Voucher.Signed
  /** Per digit: the deepest index revealed, and its node (index 0: the anchor). */
  readonly indices: readonly number[]
  readonly nodes: readonly Uint8Array[]
}

/** The claim's amount, cumulative over the lane's life. */
export const amount = (claim: Claim | undefined): bigint =>
  claim === undefined ? 0n : Voucher.claim(claim.signed.voucher, claim.indices)

/**
 * The claim under a newly received voucher. Repeats and older epochs change nothing.
 * `signer` is the address recovered from the signature.
 * @throws VoucherError `BAD_VOUCHER` when foreign, not the session key's, unbacked, or worth less than held
 */
export function renew(
  channelId: Hex,
  lane: Lane.Lane,
  claim: Claim | undefined,
  signed: Voucher.Signed,
  signer: Address,
): Claim {
  const { voucher } = signed
  refuse(voucher.channelId !== channelId || voucher.lane !== lane.id, 'it is for another lane')
  refuse(signer !== lane.sessionKey, "it is not signed by the lane's session key")
  Voucher.check(voucher)
  const held = claim?.signed
  if (held !== undefined && voucher.epoch <= held.voucher.epoch) {
    refuse(
      voucher.epoch === held.voucher.epoch && !equals(Voucher.encode(signed), Voucher.encode(held)),
      'another voucher of this epoch is held',
    )
    return claim as Claim
  }
  refuse(voucher.base < amount(claim), `its base ${voucher.base} is below what is proven already`)
  refuse(voucher.base > Lane.capacity(lane), 'the lane does not hold that much')
  return { signed, indices: Array(voucher.digits).fill(0), nodes: voucher.anchors }
}

/**
 * The claim after a tick frame, whole or not at all. Stale digits are skipped without blame.
 * @throws TickError `BAD_TICK`
 */
export function advance(
  lane: Lane.Lane,
  tweak: Uint8Array,
  claim: Claim | undefined,
  frame: Frame,
  walk: Walk,
): Claim {
  const voucher = claim?.signed.voucher
  if (claim === undefined || voucher === undefined || frame.epoch > voucher.epoch)
    throw new TickError('no voucher of its epoch came before it')
  if (frame.epoch < voucher.epoch) return claim
  if (frame.entries.some(({ digit, index }) => digit >= voucher.digits || index > voucher.length))
    throw new TickError('its digit or index lies beyond the voucher')
  const fresh = frame.entries.filter(({ digit, index }) => index > (claim.indices[digit] ?? 0))
  const steps = fresh.reduce((n, { digit, index }) => n + index - (claim.indices[digit] ?? 0), 0)
  if (steps > limits.frameStepsMax) throw new TickError('it rises more than 256 steps at once')
  const next = fresh.reduce(deepen, claim)
  if (amount(next) > Lane.capacity(lane)) throw new TickError('the lane does not hold that much')
  for (const { digit, index, node } of fresh) {
    const from: ChainPosition = { tweak, epoch: voucher.epoch, digit }
    const held = claim.indices[digit] ?? 0
    const reached = walk(from, index, index - held, node)
    if (!equals(reached, claim.nodes[digit] ?? new Uint8Array()))
      throw new TickError('its node is not of the chain')
  }
  return next
}

/**
 * The claim with what an engine has verified of its chains: per digit the deepest index and its node. The same
 * claim where nothing rose; nothing may ever fall.
 */
export function raise(
  claim: Claim,
  indices: readonly number[],
  nodes: readonly Uint8Array[],
): Claim {
  const { digits } = claim.signed.voucher
  const rises = claim.indices.map((held, digit) => (indices[digit] ?? -1) - held)
  assert(
    rises.every((rise) => rise >= 0),
    'what a lane has accepted never falls',
  )
  if (rises.every((rise) => rise === 0)) return claim
  return { ...claim, indices: indices.slice(0, digits), nodes: nodes.slice(0, digits) }
}

const deepen = (claim: Claim, { digit, index, node }: Entry): Claim => ({
  signed: claim.signed,
  indices: claim.indices.with(digit, index),
  nodes: claim.nodes.with(digit, node),
})

function refuse(condition: boolean, why: string): void {
  if (condition) throw new Voucher.VoucherError(why)
}
