/**
 * Fixed binary layouts of the embedded layer, read from the front to the very end: every value has exactly
 * one encoding. Integers are big-endian; a decoder refuses excess, and never reads more than it was given.
 *
 *     Parameters  seats u8 ‖ assets u8 ‖ seats × (signer 20 ‖ payout 20) ‖ assets × 20
 *                 ‖ seats × assets × deposit u256 ‖ fundBy u64 ‖ challengePeriod u64 ‖ codeHash 32 ‖ salt 32
 *     Outcome     as in core/state.ts
 *     Signatures  count u8 ‖ count × 65
 */
import * as Amount from '../../core/amount.js'
import { type Address, concat, fromHex, toBigInt, toHex, uint } from '../../core/bytes.js'
import { SluiceError } from '../../core/errors.js'
import { limits } from '../../core/limits.js'
import type { Parameters } from '../../core/parameters.js'
import type { Outcome, Table } from '../../core/state.js'
import { LedgerError } from '../error.js'

export const signatureSize = 65

/** Takes values off the front of some bytes. Everything throws LayoutError `BAD_LAYOUT`. */
export type Reader = {
  /** A copy of the next `size` bytes. */
  bytes(size: number): Uint8Array
  /** The next `size` bytes as an integer. */
  uint(size: number): bigint
  /** One byte, at most `max`. */
  small(max: number): number
  address(): Address
  /** `count` items. */
  list<T>(count: number, item: () => T): readonly T[]
  /** Nothing may be left. */
  end(): void
}

export function reader(source: Uint8Array): Reader {
  let at = 0
  const read: Reader = {
    bytes(size) {
      if (at + size > source.length) throw new LayoutError('it ends too early')
      at += size
      return source.slice(at - size, at)
    },
    uint: (size) => toBigInt(read.bytes(size)),
    small(max) {
      const value = Number(read.uint(1))
      if (value > max) throw new LayoutError(`it counts ${value} where ${max} is the most`)
      return value
    },
    address: () => toHex(read.bytes(20)),
    list: (count, item) => Array.from({ length: count }, item),
    end() {
      if (at !== source.length) throw new LayoutError(`${source.length - at} bytes are left over`)
    },
  }
  return read
}

export const encodeTable = (table: Table): Uint8Array => concat(...table.flat().map(Amount.encode))

export const readTable = (read: Reader, seats: number, assets: number): Table =>
  read.list(seats, () => read.list(assets, () => read.uint(Amount.size)))

export function encodeParameters(parameters: Parameters): Uint8Array {
  const { seats, assets, deposits, fundBy, challengePeriod, codeHash, salt } = parameters
  return concat(
    uint(seats.length, 1),
    uint(assets.length, 1),
    ...seats.flatMap((seat) => [fromHex(seat.signer, 20), fromHex(seat.payout, 20)]),
    ...assets.map((asset) => fromHex(asset, 20)),
    encodeTable(deposits),
    uint(fundBy, 8),
    uint(challengePeriod, 8),
    codeHash,
    salt,
  )
}

export function readParameters(read: Reader): Parameters {
  const seats = read.small(limits.seatsMax)
  const assets = read.small(limits.assetsMax)
  return {
    seats: read.list(seats, () => ({ signer: read.address(), payout: read.address() })),
    assets: read.list(assets, read.address),
    deposits: readTable(read, seats, assets),
    fundBy: read.uint(8),
    challengePeriod: read.uint(8),
    codeHash: read.bytes(32),
    salt: read.bytes(32),
  }
}

export function readOutcome(read: Reader): Outcome {
  const seats = read.small(limits.seatsMax)
  const assets = read.small(limits.assetsMax)
  const nextLane = read.uint(8)
  // Each cell is balance, deposited, withdrawn, pot.
  const cells = read.list(seats, () => read.list(assets, () => read.list(4, () => read.uint(32))))
  const column = (at: number): Table => cells.map((row) => row.map((cell) => cell[at] ?? 0n))
  return {
    balances: column(0),
    deposited: column(1),
    withdrawn: column(2),
    pots: column(3),
    nextLane,
  }
}

/** @throws LedgerError `BAD_SIGNATURE` when one is not 65 bytes */
export function encodeSignatures(signatures: readonly Uint8Array[]): Uint8Array {
  if (signatures.some((signature) => signature.length !== signatureSize))
    throw new LedgerError('BAD_SIGNATURE', 'A signature is 65 bytes: r, s and v.')
  return concat(uint(signatures.length, 1), ...signatures)
}

export const readSignatures = (read: Reader): readonly Uint8Array[] =>
  read.list(read.small(limits.seatsMax), () => read.bytes(signatureSize))

/** Bytes that are not laid out as they should be. */
export class LayoutError extends SluiceError {
  constructor(why: string) {
    super('BAD_LAYOUT', `The bytes are malformed: ${why}.`)
    this.name = 'LayoutError'
  }
}
