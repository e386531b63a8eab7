import fc from 'fast-check'
import { concatHex, hashTypedData, keccak256, numberToHex, stringToHex } from 'viem'
import { describe, expect, it } from 'vitest'
import { type Address, type Hex, toHex } from '../../src/core/bytes.js'
import type { Claim } from '../../src/core/claim.js'
import type { Leaf, Posting, Preimage } from '../../src/core/dispute.js'
import type { Parameters } from '../../src/core/parameters.js'
import type { Kind, Outcome, Table } from '../../src/core/state.js'
import * as Call from '../../src/ledger/embedded/call.js'
import * as Arbitrary from '../core/support/arbitraries.js'
import '../support/fuzz.js'

const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const hex = (size: number): fc.Arbitrary<Hex> => bytes(size).map(toHex)
const uint = (size: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(8 * size)) - 1n })
const table = (seats: number, assets: number): fc.Arbitrary<Table> => {
  const row = fc.array(uint(32), { minLength: assets, maxLength: assets })
  return fc.array(row, { minLength: seats, maxLength: seats })
}
const signatures = fc.array(bytes(65), { maxLength: 16 })
const size = fc.tuple(fc.integer({ min: 2, max: 16 }), fc.integer({ min: 1, max: 8 }))

const parameters: fc.Arbitrary<Parameters> = size.chain(([seats, assets]) =>
  fc.record({
    seats: fc.array(fc.record({ signer: hex(20), payout: hex(20) }), {
      minLength: seats,
      maxLength: seats,
    }),
    assets: fc.array(hex(20), { minLength: assets, maxLength: assets }),
    deposits: table(seats, assets),
    fundBy: uint(8),
    challengePeriod: uint(8),
    codeHash: bytes(32),
    salt: bytes(32),
  }),
)

const outcome: fc.Arbitrary<Outcome> = size.chain(([seats, assets]) =>
  fc.record({
    balances: table(seats, assets),
    deposited: table(seats, assets),
    withdrawn: table(seats, assets),
    pots: table(seats, assets),
    nextLane: uint(8),
  }),
)

const posting: fc.Arbitrary<Posting> = fc.record({
  version: uint(8),
  kind: fc.constantFrom<Kind>(0, 1, 2),
  root: bytes(32),
  signatures,
})

const roots = { lanes: bytes(32), contract: bytes(32), objects: bytes(32) }
const preimage: fc.Arbitrary<Preimage> = fc.record({ outcome, ...roots })

const leaf: fc.Arbitrary<Leaf> = fc.record({
  branches: fc.record({ outcome: bytes(32), ...roots }),
  lane: fc.record({
    id: uint(8),
    payer: fc.nat(255),
    payee: fc.nat(255),
    asset: fc.nat(255),
    folded: uint(32),
    reserved: uint(32),
    sessionKey: hex(20),
  }),
  siblings: fc.array(bytes(32), { maxLength: 256 }),
})

const claim: fc.Arbitrary<Claim> = Arbitrary.voucher.chain((voucher) =>
  fc.record({
    signed: fc.record({ voucher: fc.constant(voucher), signature: bytes(65) }),
    indices: fc.array(fc.nat(0xffff), { minLength: voucher.digits, maxLength: voucher.digits }),
    nodes: fc.array(bytes(32), { minLength: voucher.digits, maxLength: voucher.digits }),
  }),
)

const call: fc.Arbitrary<Call.Call> = fc.oneof(
  fc.record({ type: fc.constant('faucet' as const), to: hex(20), amount: uint(32) }),
  fc.record({ type: fc.constant('open' as const), parameters, signatures }),
  fc.record({
    type: fc.constantFrom('deposit' as const, 'refund' as const),
    channelId: hex(32),
    seat: fc.integer({ min: 0, max: 255 }),
  }),
  fc.record({
    type: fc.constant('topUp' as const),
    channelId: hex(32),
    seat: fc.nat(255),
    asset: fc.nat(255),
    total: uint(32),
  }),
  fc.record({
    type: fc.constantFrom('close' as const, 'withdraw' as const),
    channelId: hex(32),
    posting,
    preimage,
  }),
  fc.record({
    type: fc.constant('challenge' as const),
    channelId: hex(32),
    seat: fc.nat(255),
    posting,
    signature: bytes(65),
  }),
  fc.record({
    type: fc.constantFrom('answer' as const, 'resume' as const),
    channelId: hex(32),
    posting,
  }),
  fc.record({ type: fc.constant('freeze' as const), channelId: hex(32), preimage }),
  fc.record({
    type: fc.constant('redeem' as const),
    channelId: hex(32),
    redemption: fc.tuple(leaf, claim).map(([leaf, claim]) => ({ ...leaf, claim })),
  }),
  fc.record({ type: fc.constant('sweep' as const), channelId: hex(32), leaf }),
)

/** Decodes, where the only other way out is `BAD_CALL`, or a voucher that is none. */
function decoded(data: Uint8Array): Call.Call | undefined {
  try {
    return Call.decode(data)
  } catch (error) {
    const code = expect.stringMatching(/^BAD_(CALL|VOUCHER)$/)
    expect(error).toMatchObject({ name: 'LedgerError', code })
    return undefined
  }
}

describe('transactions', () => {
  it('are signed as the EIP-712 data that viem hashes', () => {
    fc.assert(
      fc.property(
        hex(20),
        uint(8),
        fc.uint8Array({ maxLength: 200 }),
        uint(6),
        (from, nonce, data, chain) => {
          const domain = Call.domainOf(chain)
          const expected = hashTypedData({
            domain: {
              name: 'Sluice',
              version: '1',
              chainId: domain.chainId,
              verifyingContract: domain.adjudicator,
            },
            types: {
              Transaction: [
                { name: 'from', type: 'address' },
                { name: 'nonce', type: 'uint64' },
                { name: 'data', type: 'bytes' },
              ],
            },
            primaryType: 'Transaction',
            message: { from, nonce, data: toHex(data) },
          })
          expect(toHex(Call.digest(domain, { from, nonce, data }))).toBe(expected)
        },
      ),
    )
  })

  it('belong to a domain whose adjudicator is derived from the chain id', () => {
    const chainId = 2n ** 40n + 12_345n
    const hash = keccak256(
      concatHex([stringToHex('sluice/1/adjudicator'), numberToHex(chainId, { size: 32 })]),
    )
    const adjudicator: Address = `0x${hash.slice(26)}`
    expect(Call.domainOf(chainId)).toEqual({ chainId, adjudicator })
  })
})

describe('calls', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(call, (value) => {
        expect(Call.decode(Call.encode(value))).toEqual(value)
      }),
    )
  })

  it('have one encoding: what decodes encodes to the very same bytes', () => {
    fc.assert(
      fc.property(call, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
        const data = Call.encode(value)
        data[at % data.length] = (data[at % data.length] ?? 0) ^ change
        const found = decoded(data)
        if (found !== undefined) expect(toHex(Call.encode(found))).toBe(toHex(data))
      }),
    )
  })

  it('are refused when cut, padded, or made of anything', () => {
    fc.assert(
      fc.property(
        call,
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        (value, cut, more) => {
          const data = Call.encode(value)
          expect(decoded(data.slice(0, cut % data.length))).toBeUndefined()
          expect(decoded(Uint8Array.from([...data, ...more]))).toBeUndefined()
        },
      ),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (data) => void decoded(data)))
  })
})
