/**
 * Frames of the pay substream, `/sluice/pay/1`, payer → payee. The first byte tells the kind; a voucher
 * comes before the ticks of its epoch.
 *
 *     1 voucher   handle u32 ‖ signed voucher
 *     2 ticks     tick frames, end to end
 */
import { concat, toBigInt, uint } from '../core/bytes.js'
import * as Tick from '../core/tick.js'
import * as Voucher from '../core/voucher.js'

export type PayFrame =
  | { readonly type: 'voucher'; readonly handle: number; readonly signed: Voucher.Signed }
  /** Tick frames end to end, as they came. */
  | { readonly type: 'ticks'; readonly frames: Uint8Array }

const kinds = { voucher: 1, ticks: 2 } as const

export const encodeVoucher = (handle: number, signed: Voucher.Signed): Uint8Array =>
  concat(Uint8Array.of(kinds.voucher), uint(handle, 4), Voucher.encode(signed))

export const encodeTicks = (...frames: readonly Uint8Array[]): Uint8Array =>
  concat(Uint8Array.of(kinds.ticks), ...frames)

/** Looks at vouchers only; ticks are for whoever takes them. @throws VoucherError `BAD_VOUCHER`, TickError `BAD_TICK` */
export function decode(body: Uint8Array): PayFrame {
  if (body[0] === kinds.voucher && body.length > 5)
    return {
      type: 'voucher',
      handle: Number(toBigInt(body.subarray(1, 5))),
      signed: Voucher.decode(body.subarray(5)),
    }
  if (body[0] === kinds.ticks) return { type: 'ticks', frames: body.subarray(1) }
  throw new Tick.TickError('a pay frame is a voucher or ticks')
}
