import fc from 'fast-check'
import { concatHex, hashTypedData, keccak256, numberToHex, stringToHex } from 'viem'
import { describe, expect, it } from 'vitest'
import { type Address, type Hex, toHex } from '../../src/core/bytes.js'
import type { Parameters } from '../../src/core/parameters.js'
import type { Outcome, Table } from '../../src/core/state.js'
import * as Call from '../../src/ledger/embedded/call.js'
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

const call: fc.Arbitrary<Call.Call> = fc.oneof(
  fc.record({ type: fc.constant('faucet' as const), to: hex(20), amount: uint(32) }),
  fc.record({ type: fc.constant('open' as const), parameters, signatures }),
  fc.record({
    type: fc.constantFrom('deposit' as const, 'refund' as const),
    channelId: hex(32),
    seat: fc.integer({ min: 0, max: 255 }),
  }),
  fc.record({
    type: fc.constant('close' as const),
    channelId: hex(32),
    version: uint(8),
    root: bytes(32),
    kind: fc.integer({ min: 0, max: 255 }),
    outcome,
    signatures,
  }),
)

/** Decodes, where the only other way out is `BAD_CALL`. */
function decoded(data: Uint8Array): Call.Call | undefined {
  try {
    return Call.decode(data)
  } catch (error) {
    expect(error).toMatchObject({ name: 'LedgerError', code: 'BAD_CALL' })
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
