/**
 * Fixed binary layouts of the embedded layer, read from the front to the very end: every value has exactly
 * one encoding. Integers are big-endian; a decoder refuses excess, and never reads more than it was given.
 *
 *     Parameters  seats u8 ‖ assets u8 ‖ seats × (signer 20 ‖ payout 20) ‖ assets × 20
 *                 ‖ seats × assets × deposit u256 ‖ fundBy u64 ‖ challengePeriod u64 ‖ codeHash 32 ‖ salt 32
 *     Outcome     as in core/state.ts
 *     Signatures  count u8 ‖ count × 65
 *     Posting     version u64 ‖ kind u8 ‖ root 32 ‖ Signatures
 *     Preimage    Outcome ‖ lanes 32 ‖ contract 32 ‖ objects 32
 *     Leaf        outcome hash 32 ‖ lanes 32 ‖ contract 32 ‖ objects 32 ‖ Lane as in core/lane.ts
 *                 ‖ siblings u16 ‖ siblings × 32, from the top down
 *     Claim       digits u8 ‖ digits × (index u16 ‖ node 32) ‖ signed voucher as in core/voucher.ts
 */
import * as Amount from '../../core/amount.js'
import { type Address, concat, fromHex, toBigInt, toHex, uint } from '../../core/bytes.js'
import type { Claim } from '../../core/claim.js'
import type { Branches, Leaf, Posting, Preimage } from '../../core/dispute.js'
import { SluiceError } from '../../core/errors.js'
import * as Lane from '../../core/lane.js'
import { limits } from '../../core/limits.js'
import type { Parameters } from '../../core/parameters.js'
import { encodeOutcome, type Kind, type Outcome, type Table } from '../../core/state.js'
import * as Tree from '../../core/tree.js'
import * as Voucher from '../../core/voucher.js'
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
  /** One byte, 0 or 1. */
  flag(): boolean
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
    flag: () => read.small(1) === 1,
    address: () => toHex(read.bytes(20)),
    list: (count, item) => Array.from({ length: count }, item),
    end() {
      if (at !== source.length) throw new LayoutError(`${source.length - at} bytes are left over`)
    },
  }
  return read
}

export const flag = (value: boolean): Uint8Array => uint(value ? 1 : 0, 1)

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

/** @throws LedgerError `BAD_SIGNATURE` when it is not 65 bytes */
export function encodeSignature(signature: Uint8Array): Uint8Array {
  if (signature.length !== signatureSize)
    throw new LedgerError('BAD_SIGNATURE', 'A signature is 65 bytes: r, s and v.')
  return signature
}

/** @throws LedgerError `BAD_SIGNATURE` when one is not 65 bytes */
export const encodeSignatures = (signatures: readonly Uint8Array[]): Uint8Array =>
  concat(uint(signatures.length, 1), ...signatures.map(encodeSignature))

export const readSignatures = (read: Reader): readonly Uint8Array[] =>
  read.list(read.small(limits.seatsMax), () => read.bytes(signatureSize))

export const encodePosting = ({ version, kind, root, signatures }: Posting): Uint8Array =>
  concat(uint(version, 8), uint(kind, 1), root, encodeSignatures(signatures))

export const readPosting = (read: Reader): Posting => ({
  version: read.uint(8),
  kind: read.small(2) as Kind,
  root: read.bytes(32),
  signatures: readSignatures(read),
})

export const encodePreimage = ({ outcome, lanes, contract, objects }: Preimage): Uint8Array =>
  concat(encodeOutcome(outcome), lanes, contract, objects)

export const readPreimage = (read: Reader): Preimage => ({
  outcome: readOutcome(read),
  lanes: read.bytes(32),
  contract: read.bytes(32),
  objects: read.bytes(32),
})

export const encodeLeaf = ({ branches, lane, siblings }: Leaf): Uint8Array =>
  concat(
    branches.outcome,
    branches.lanes,
    branches.contract,
    branches.objects,
    Lane.encode(lane),
    uint(siblings.length, 2),
    ...siblings,
  )

export function readLeaf(read: Reader): Leaf {
  const branches: Branches = {
    outcome: read.bytes(32),
    lanes: read.bytes(32),
    contract: read.bytes(32),
    objects: read.bytes(32),
  }
  const lane: Lane.Lane = {
    id: read.uint(8),
    payer: read.small(255),
    payee: read.small(255),
    asset: read.small(255),
    folded: read.uint(Amount.size),
    reserved: read.uint(Amount.size),
    sessionKey: read.address(),
  }
  const count = Number(read.uint(2))
  if (count > Tree.depthMax) throw new LayoutError('a proof has more siblings than a key has bits')
  return { branches, lane, siblings: read.list(count, () => read.bytes(32)) }
}

export const encodeClaim = ({ signed, indices, nodes }: Claim): Uint8Array =>
  concat(
    uint(indices.length, 1),
    ...indices.flatMap((index, digit) => [uint(index, 2), nodes[digit] ?? new Uint8Array()]),
    Voucher.encode(signed),
  )

/** @throws VoucherError `BAD_VOUCHER` when the voucher is not canonical, or of other digits */
export function readClaim(read: Reader): Claim {
  const digits = read.small(limits.digitsMax)
  const deepest = read.list(digits, () => ({ index: Number(read.uint(2)), node: read.bytes(32) }))
  return {
    signed: Voucher.decode(read.bytes(Voucher.sizeOf(digits))),
    indices: deepest.map(({ index }) => index),
    nodes: deepest.map(({ node }) => node),
  }
}

/** Bytes that are not laid out as they should be. */
export class LayoutError extends SluiceError {
  constructor(why: string) {
    super('BAD_LAYOUT', `The bytes are malformed: ${why}.`)
    this.name = 'LayoutError'
  }
}
