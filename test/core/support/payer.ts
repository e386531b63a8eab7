/**
 * A payer of one lane with all it could ever reveal: vouchers, their chains, and the frames that show them.
 * Its chains come from the reference, its signer is a name; nothing here is under test.
 */
import type { Walk } from '../../../src/core/chain.js'
import type { Lane } from '../../../src/core/lane.js'
import type * as Tick from '../../../src/core/tick.js'
import type * as Voucher from '../../../src/core/voucher.js'
import { filler, laneTweak, unhex, walkBack } from '../../vectors/reference.js'
import { addressOf, channelIdOf } from './signatures.js'

export const walk: Walk = walkBack

export const channelId = channelIdOf('payer')
export const session = addressOf('session')

export const laneOf = (reserved: bigint, id = 5n): Lane => ({
  id,
  payer: 0,
  payee: 1,
  asset: 0,
  folded: 0n,
  reserved,
  sessionKey: session,
})

export type Shape = {
  readonly epoch: number
  readonly base: bigint
  readonly unit: bigint
  readonly digits: number
  readonly radix: number
  readonly length: number
}

/** A voucher with the chains behind it: `nodes[digit][index]`. */
export type Issued = {
  readonly signed: Voucher.Signed
  readonly tweak: Uint8Array
  readonly nodes: readonly (readonly Uint8Array[])[]
}

export function issue(
  shape: Shape,
  { channel = channelId, lane = 5n }: { channel?: typeof channelId; lane?: bigint } = {},
): Issued {
  const tweak = laneTweak(unhex(channel), lane)
  const nodes = Array.from({ length: shape.digits }, (_, digit) => {
    const chain = { tweak, epoch: shape.epoch, digit }
    const all = [filler(`end of ${shape.epoch} ${digit}`)]
    for (let index = shape.length; index > 0; index--)
      all.unshift(walkBack(chain, index, 1, all[0] ?? filler('')))
    return all
  })
  const anchors = nodes.map(([anchor]) => anchor ?? filler(''))
  const voucher = { channelId: channel, lane, ...shape, anchors, context: filler('context') }
  return { signed: { voucher, signature: new Uint8Array(65) }, tweak, nodes }
}

/** The frame that shows `indices`, one per digit; undefined where a digit is left out. */
export const reveal = (
  { signed, nodes }: Issued,
  indices: readonly (number | undefined)[],
): Tick.Frame => ({
  handle: 0,
  epoch: signed.voucher.epoch,
  entries: indices.flatMap((index, digit) =>
    index === undefined ? [] : [{ digit, index, node: nodes[digit]?.[index] ?? filler('') }],
  ),
})
