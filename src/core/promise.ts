/**
 * The payer's side of a lane: what has been promised, and the cheapest way to raise the promise to what is
 * owed. It never promises more than it is asked to, and never less than before.
 */
import * as Amount from './amount.js'
import type { Hex } from './bytes.js'
import type * as Claim from './claim.js'
import * as Lane from './lane.js'
import { limits } from './limits.js'
import * as Quote from './quote.js'
import * as Voucher from './voucher.js'

/** What the payer has signed and revealed on one lane. */
export type Promised = {
  readonly signed: Voucher.Signed
  /** Deepest index revealed of the one chain. */
  readonly index: number
}

/** The newest promise: voucher base and revealed ticks. */
export const amount = (promised: Promised | undefined): bigint =>
  promised === undefined
    ? 0n
    : Voucher.claim(
        promised.signed.voucher,
        promised.signed.voucher.digits === 0 ? [] : [promised.index],
      )

/** What to send next: reveal the chain down to `index`, or sign a voucher with this base and chain. */
export type Move =
  | { readonly type: 'tick'; readonly index: number }
  | {
      readonly type: 'voucher'
      readonly base: bigint
      readonly unit: bigint
      readonly length: number
    }

/** How a stream wants to pay. */
export type Terms = {
  /** Money of one tick; see `tickUnit`. */
  readonly unit: bigint
  /** The promise may stay behind what is owed by at most this much. */
  readonly slack: bigint
  /** What will be owed in the end, where that is known: no chain is made longer than it needs. */
  readonly expected: bigint | undefined
}

/**
 * Unit and slack for a stream of `quote` whose credit window is `window`. Half a quantum a tick: a stream
 * whose window is one quantum still moves while the other half is unpaid. The slack leaves room in the window
 * for the next piece: half a quantum of bytes, or a whole indivisible second or item.
 */
export function termsOf(quote: Quote.Quote, window: bigint): Omit<Terms, 'expected'> {
  const quantumPrice = Quote.quantumPrice(quote)
  const unit = Amount.clamp(quantumPrice / 2n, 1n, 2n ** 128n - 1n)
  const piece = quote.price.unit === 'byte' ? Amount.divideUp(quantumPrice, 2n) : quantumPrice
  return { unit, slack: Amount.larger(0n, window - piece) }
}

/**
 * The move that raises the promise to `owed`, or to less than a tick below it where the slack allows;
 * undefined when there is nothing to do. Ticks are preferred: they cost a hash, not a signature.
 */
export function next(
  lane: Lane.Lane,
  promised: Promised | undefined,
  owed: bigint,
  terms: Terms,
): Move | undefined {
  const target = Amount.min(owed, Lane.capacity(lane))
  const rest = target - amount(promised)
  if (rest <= 0n) return undefined
  const voucher = promised?.signed.voucher
  if (voucher !== undefined && promised !== undefined && voucher.digits === 1) {
    const left = BigInt(voucher.length - promised.index)
    const steps = Amount.min(rest / voucher.unit, left)
    const behind = rest - steps * voucher.unit
    if (behind <= terms.slack && behind < voucher.unit)
      return steps === 0n ? undefined : { type: 'tick', index: promised.index + Number(steps) }
  } else if (rest < terms.unit && rest <= terms.slack) return undefined
  const ahead = Amount.min(Lane.capacity(lane), terms.expected ?? Amount.max) - target
  const length = Amount.min(ahead / terms.unit, BigInt(limits.chainStepsMax))
  return {
    type: 'voucher',
    base: target,
    unit: terms.unit,
    length: length < 0n ? 0 : Number(length),
  }
}

/**
 * The promise after the payee showed what it holds. The newer of the two counts: a payer restored from an
 * old disk adopts its own signature, which `isOurs` has checked together with the chain's nodes.
 */
export function adopt(
  promised: Promised | undefined,
  shown: Claim.Claim | undefined,
): Promised | undefined {
  if (shown === undefined) return promised
  const theirs = { signed: shown.signed, index: shown.indices[0] ?? 0 }
  if (promised === undefined) return theirs
  const [ours, held] = [promised.signed.voucher.epoch, theirs.signed.voucher.epoch]
  if (held !== ours) return held > ours ? theirs : promised
  return theirs.index > promised.index ? theirs : promised
}

/** The voucher of a move. */
export const draft = (
  channelId: Hex,
  lane: bigint,
  promised: Promised | undefined,
  move: { readonly base: bigint; readonly unit: bigint; readonly length: number },
  anchor: (epoch: number, length: number) => Uint8Array,
  context: Uint8Array,
): Voucher.Voucher => {
  const epoch = (promised?.signed.voucher.epoch ?? 0) + 1
  const { base, unit, length } = move
  const plain = { channelId, lane, epoch, base, context }
  return Voucher.check(
    length === 0
      ? { ...plain, unit: 0n, digits: 0, radix: 0, length: 0, anchors: [] }
      : { ...plain, unit, digits: 1, radix: 1, length, anchors: [anchor(epoch, length)] },
  )
}
