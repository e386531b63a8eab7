import fc from 'fast-check'
import { encodeAbiParameters, keccak256, parseAbiParameters } from 'viem'
import { describe, expect, it } from 'vitest'
import * as Abi from '../../src/core/abi.js'
import { toHex, zeroAddress, zeroes } from '../../src/core/bytes.js'
import * as Parameters from '../../src/core/parameters.js'
import { filler } from '../vectors/reference.js'

const hex = (size: number) => fc.uint8Array({ minLength: size, maxLength: size }).map(toHex)
const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const uint = (bits: bigint) => fc.bigInt({ min: 0n, max: 2n ** bits - 1n })
const address = hex(20)

const domain = fc.record({ chainId: uint(256n), adjudicator: address })

const parameters: fc.Arbitrary<Parameters.Parameters> = fc
  .record({ seats: fc.integer({ min: 2, max: 16 }), assets: fc.integer({ min: 1, max: 8 }) })
  .chain(({ seats, assets }) => {
    const exactly = (size: number) => ({ minLength: size, maxLength: size })
    return fc.record({
      seats: fc.uniqueArray(fc.record({ signer: address, payout: address }), {
        ...exactly(seats),
        selector: (seat) => seat.signer,
      }),
      assets: fc.uniqueArray(address, exactly(assets)),
      deposits: fc.array(fc.array(uint(250n), exactly(assets)), exactly(seats)),
      fundBy: uint(64n),
      challengePeriod: uint(32n),
      codeHash: bytes(32),
      salt: bytes(32),
    })
  })

describe('the channel id', () => {
  it("is keccak256 of the parameters as Solidity's abi.encode gives them", () => {
    const types = parseAbiParameters(
      'uint256, address, (address signer, address payout)[], address[], uint256[][], uint256, uint256, bytes32, bytes32',
    )
    fc.assert(
      fc.property(domain, parameters, (domain, parameters) => {
        const { seats, assets, deposits, fundBy, challengePeriod, codeHash, salt } =
          Parameters.check(parameters)
        const encoded = encodeAbiParameters(types, [
          domain.chainId,
          domain.adjudicator,
          seats,
          assets,
          deposits,
          fundBy,
          challengePeriod,
          toHex(codeHash),
          toHex(salt),
        ])
        expect(Parameters.id(domain, parameters)).toBe(keccak256(encoded))
      }),
    )
  })

  it('is of nested arrays what viem makes of them', () => {
    const types = parseAbiParameters('uint256[][][], uint256')
    const nested = fc.array(fc.array(fc.array(uint(256n))))
    fc.assert(
      fc.property(nested, uint(256n), (values, last) => {
        const inner = (rows: bigint[][]) =>
          Abi.array(rows.map((row) => Abi.array(row.map((value) => Abi.word(value)))))
        const ours = Abi.encode(Abi.array(values.map(inner)), Abi.word(last))
        expect(toHex(ours)).toBe(encodeAbiParameters(types, [values, last]))
      }),
    )
  })
})

describe('parameters are refused', () => {
  const [alice, bob] = ['alice', 'bob'].map((name) => toHex(filler(name).slice(0, 20)))
  const fine = {
    seats: [alice, bob].map((signer) => ({ signer: signer ?? '0x', payout: signer ?? '0x' })),
    assets: [zeroAddress],
    deposits: [[1n], [0n]],
    fundBy: 1n,
    challengePeriod: 1n,
    codeHash: zeroes(),
    salt: zeroes(),
  } satisfies Parameters.Parameters
  const [seat = { signer: zeroAddress, payout: zeroAddress }] = fine.seats
  const shouting = { signer: `0x${'AB'.repeat(20)}`, payout: zeroAddress } as const

  it.each<[string, Partial<Parameters.Parameters>]>([
    ['with one seat', { seats: [seat], deposits: [[1n]] }],
    ['with seventeen seats', { seats: Array(17).fill(seat) }],
    ['with two seats of one key', { seats: [seat, seat] }],
    ['with an address in two spellings', { seats: [seat, shouting] }],
    ['with an address cut short', { seats: [seat, { signer: '0x00', payout: zeroAddress }] }],
    ['without assets', { assets: [], deposits: [[], []] }],
    [
      'with nine assets',
      { assets: Array.from({ length: 9 }, (_, i) => toHex(filler(`${i}`).slice(12))) },
    ],
    [
      'with an asset named twice',
      {
        assets: [zeroAddress, zeroAddress],
        deposits: [
          [1n, 1n],
          [1n, 1n],
        ],
      },
    ],
    ['with deposits that do not fit', { deposits: [[1n]] }],
    ['with a row that does not fit', { deposits: [[1n], [1n, 2n]] }],
    ['with no time to fund', { fundBy: -1n }],
    ['with too much time', { challengePeriod: 2n ** 32n }],
    ['with a short salt', { salt: zeroes(31) }],
  ])('%s', (_, change) => {
    expect(() => Parameters.check({ ...fine, ...change })).toThrow(
      expect.objectContaining({ code: 'BAD_PARAMETERS' }),
    )
  })

  it.each([
    { why: 'a negative deposit', deposits: [[-1n], [0n]] },
    { why: 'deposits that overflow together', deposits: [[2n ** 256n - 1n], [1n]] },
  ])('for $why', ({ deposits }) => {
    expect(() => Parameters.check({ ...fine, deposits })).toThrow(
      expect.objectContaining({ code: 'AMOUNT_RANGE' }),
    )
  })

  it('and otherwise returned, with the seat of each key', () => {
    expect(Parameters.check(fine)).toBe(fine)
    expect(Parameters.seatOf(fine, bob ?? '0x')).toBe(1)
    expect(Parameters.seatOf(fine, zeroAddress)).toBeUndefined()
  })
})
