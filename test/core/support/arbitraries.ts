/** Arbitrary values of the core's types, for round trips and oracles. */
import fc from 'fast-check'
import { toHex } from '../../../src/core/bytes.js'
import type { Lane } from '../../../src/core/lane.js'
import { limits } from '../../../src/core/limits.js'
import type { Body, Outcome, Table } from '../../../src/core/state.js'
import type * as Tick from '../../../src/core/tick.js'
import type * as Voucher from '../../../src/core/voucher.js'

export const bytes = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: size, maxLength: size })

/** Small values now and then, and the ends of the range. */
export const uint = (bits: number): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }),
    fc.bigInt({ min: 0n, max: 16n }),
    fc.constant(2n ** BigInt(bits) - 1n),
  )

export const address = bytes(20).map(toHex)
export const id = bytes(32).map(toHex)
export const amount = uint(256)
export const signature = bytes(65)
export const domain = fc.record({ chainId: amount, adjudicator: address })

export const lane: fc.Arbitrary<Lane> = fc.record({
  id: uint(64),
  payer: fc.nat(limits.seatsMax - 1),
  payee: fc.nat(limits.seatsMax - 1),
  asset: fc.nat(limits.assetsMax - 1),
  folded: amount,
  reserved: amount,
  sessionKey: address,
})

/** All four tables of one size. */
export const outcome: fc.Arbitrary<Outcome> = fc
  .record({ seats: fc.integer({ min: 1, max: 4 }), assets: fc.integer({ min: 1, max: 3 }) })
  .chain(({ seats, assets }) => {
    const row = fc.array(amount, { minLength: assets, maxLength: assets })
    const table: fc.Arbitrary<Table> = fc.array(row, { minLength: seats, maxLength: seats })
    const tables = { balances: table, deposited: table, withdrawn: table, pots: table }
    return fc.record({ ...tables, nextLane: uint(64) })
  })

export const body: fc.Arbitrary<Body> = fc.record({
  outcome,
  lanes: fc.uniqueArray(lane, { selector: ({ id }) => id, maxLength: 5 }),
})

const plain = { unit: 0n, digits: 0, radix: 0, length: 0 }
const chained = fc.integer({ min: 1, max: limits.digitsMax }).chain((digits) =>
  fc.record({
    unit: fc.bigInt({ min: 1n, max: 2n ** 128n - 1n }),
    digits: fc.constant(digits),
    radix: digits === 1 ? fc.constant(1) : fc.integer({ min: 1, max: 0xffff }),
    length: fc.integer({ min: 1, max: Math.floor(limits.chainStepsMax / digits) }),
  }),
)

/** Vouchers as `Voucher.check` wants them: what they can promise stays in range. */
export const voucher: fc.Arbitrary<Voucher.Voucher> = fc
  .oneof(fc.constant(plain), chained)
  .chain((shape) =>
    fc.record({
      channelId: id,
      lane: uint(64),
      epoch: fc.integer({ min: 1, max: 0xffff_ffff }),
      base: shape.digits === 0 ? amount : uint(250),
      unit: fc.constant(shape.unit),
      digits: fc.constant(shape.digits),
      radix: fc.constant(shape.radix),
      length: fc.constant(shape.length),
      anchors: fc.array(bytes(32), { minLength: shape.digits, maxLength: shape.digits }),
      context: bytes(32),
    }),
  )

export const signed: fc.Arbitrary<Voucher.Signed> = fc.record({ voucher, signature })

export const frame: fc.Arbitrary<Tick.Frame> = fc.record({
  handle: fc.nat(0xffff_ffff),
  epoch: fc.nat(0xffff_ffff),
  entries: fc
    .subarray([0, 1, 2, 3], { minLength: 1 })
    .chain((digits) =>
      fc.tuple(
        ...digits.map((digit) =>
          fc.record({ digit: fc.constant(digit), index: fc.nat(0xffff), node: bytes(32) }),
        ),
      ),
    ),
})
