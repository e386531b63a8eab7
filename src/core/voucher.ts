/**
 * Vouchers: the payer's signed, cumulative promise on one lane, and the anchors of the hash chains that
 * raise it tick by tick. A voucher alone proves its base; a newer epoch replaces the older.
 */
import * as Amount from './amount.js'
import { concat, fromHex, type Hex, toBigInt, toHex, uint } from './bytes.js'
import { SluiceError } from './errors.js'
import * as Hash from './hash.js'
import { limits } from './limits.js'
import * as TypedData from './typed-data.js'

export type Voucher = {
  readonly channelId: Hex
  readonly lane: bigint
  /** Strictly rises, so that chains are never reused. */
  readonly epoch: number
  /** Cumulative over the lane's life. */
  readonly base: bigint
  /** What one index step of digit 0 adds; uint128. */
  readonly unit: bigint
  /** 0 to 4; 0 is a plain signed amount. */
  readonly digits: number
  readonly radix: number
  /** Steps of each chain; digits × length ≤ 1,024. */
  readonly length: number
  /** One published chain end per digit. */
  readonly anchors: readonly Uint8Array[]
  /** Hash of the price list it pays. */
  readonly context: Uint8Array
}

export type Signed = { readonly voucher: Voucher; readonly signature: Uint8Array }

const type = {
  name: 'Voucher',
  members: {
    channelId: 'bytes32',
    lane: 'uint64',
    epoch: 'uint32',
    base: 'uint256',
    unit: 'uint128',
    digits: 'uint8',
    radix: 'uint16',
    length: 'uint16',
    anchors: 'bytes32',
    context: 'bytes32',
  },
} as const satisfies TypedData.Type

/** Tagged hash of the concatenated anchors; what the signature covers. */
export const anchorsHash = (voucher: Voucher): Uint8Array =>
  Hash.tagged('anchors', ...voucher.anchors)

/** EIP-712 digest that the lane's session key signs. */
export const digest = (domain: TypedData.Domain, voucher: Voucher): Uint8Array =>
  TypedData.digest(domain, type, {
    ...voucher,
    channelId: fromHex(voucher.channelId, 32),
    anchors: anchorsHash(voucher),
  })

/**
 * What voucher and revealed indices prove: base + unit · Σ index_j · radix^j. No borrow, no carry.
 * @throws AmountError `AMOUNT_RANGE`
 */
export function claim(voucher: Voucher, indices: readonly number[]): bigint {
  let total = voucher.base
  let weight = voucher.unit
  for (const index of indices) {
    total = Amount.add(total, weight * BigInt(index))
    weight *= BigInt(voucher.radix)
  }
  return total
}

/** The most the voucher can ever prove: every chain revealed to its end. */
export const maximum = (voucher: Voucher): bigint =>
  claim(voucher, Array(voucher.digits).fill(voucher.length))

/**
 * A voucher in its one canonical form.
 * @throws VoucherError `BAD_VOUCHER`
 */
export function check(voucher: Voucher): Voucher {
  const { digits, radix, length, unit, anchors, epoch } = voucher
  refuse(epoch < 1 || epoch > 0xffff_ffff, 'epochs run from 1 to 2^32 - 1')
  refuse(
    digits > limits.digitsMax || anchors.length !== digits,
    'it has an anchor for each of at most 4 digits',
  )
  if (digits === 0)
    refuse(
      radix !== 0 || length !== 0 || unit !== 0n,
      'without digits it has no unit, radix or length',
    )
  else {
    refuse(
      length < 1 || digits * length > limits.chainStepsMax,
      'its chains have 1 to 1,024 steps in all',
    )
    refuse(unit < 1n || unit >= 1n << 128n, 'its unit is 1 to 2^128 - 1')
    refuse(
      radix < 1 || radix > 0xffff || (digits === 1 && radix !== 1),
      'its radix does not fit its digits',
    )
  }
  try {
    maximum(voucher)
  } catch (cause) {
    throw new VoucherError('its amounts overflow', { cause })
  }
  return voucher
}

const headSize = 32 + 8 + 4 + 32 + 16 + 1 + 2 + 2 + 32
const signatureSize = 65

/** Bytes of a signed voucher with `digits` anchors. */
export const sizeOf = (digits: number): number => headSize + 32 * digits + signatureSize

/**
 * channelId 32 ‖ lane u64 ‖ epoch u32 ‖ base u256 ‖ unit u128 ‖ digits u8 ‖ radix u16 ‖ length u16 ‖
 * context 32 ‖ anchors 32 · digits ‖ signature 65.
 */
export const encode = ({ voucher, signature }: Signed): Uint8Array =>
  concat(
    fromHex(voucher.channelId, 32),
    uint(voucher.lane, 8),
    uint(voucher.epoch, 4),
    Amount.encode(voucher.base),
    uint(voucher.unit, 16),
    uint(voucher.digits, 1),
    uint(voucher.radix, 2),
    uint(voucher.length, 2),
    voucher.context,
    ...voucher.anchors,
    signature,
  )

/** @throws VoucherError `BAD_VOUCHER` for anything but one whole canonical voucher */
export function decode(bytes: Uint8Array): Signed {
  refuse(bytes.length < sizeOf(0), 'it is cut short')
  let at = 0
  const take = (size: number): Uint8Array => {
    at += size
    return bytes.slice(at - size, at)
  }
  const number = (size: number): number => Number(toBigInt(take(size)))
  const head = {
    channelId: toHex(take(32)),
    lane: toBigInt(take(8)),
    epoch: number(4),
    base: toBigInt(take(32)),
    unit: toBigInt(take(16)),
    digits: number(1),
    radix: number(2),
    length: number(2),
    context: take(32),
  }
  refuse(
    head.digits > limits.digitsMax || bytes.length !== sizeOf(head.digits),
    'its size is wrong',
  )
  const anchors = Array.from({ length: head.digits }, () => take(32))
  return { voucher: check({ ...head, anchors }), signature: take(signatureSize) }
}

function refuse(condition: boolean, why: string): void {
  if (condition) throw new VoucherError(why)
}

/** A voucher that is malformed, of another lane, or worth less than what is held already. */
export class VoucherError extends SluiceError {
  constructor(why: string, options: { cause?: unknown } = {}) {
    super('BAD_VOUCHER', `The voucher is refused: ${why}.`, options)
    this.name = 'VoucherError'
  }
}
