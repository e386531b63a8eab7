/** Chains and keys for property tests, weighted to where layouts and limits lie. */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { limits } from '../../src/core/limits.js'

export const bytes = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.uint8Array({ minLength: size, maxLength: size }) },
    { weight: 1, arbitrary: fc.constant(new Uint8Array(size)) },
    { weight: 1, arbitrary: fc.constant(new Uint8Array(size).fill(0xff)) },
  )

export const position = fc.record({
  tweak: bytes(16),
  epoch: fc.oneof(fc.constantFrom(0, 1, 0xff, 0x100, 0xffff_ffff), fc.nat(0xffff_ffff)),
  digit: fc.nat(limits.digitsMax - 1),
})

/** Indices of nodes, and with `min: 1` lengths of chains. */
export const index = ({ min = 0 } = {}): fc.Arbitrary<number> =>
  fc.oneof(
    fc.constantFrom(1, 2, 255, 256, 257, limits.chainStepsMax),
    fc.integer({ min, max: limits.chainStepsMax }),
  )

/** An index and a number of steps that stays on the chain. */
export const walk = index().chain((from) =>
  fc.record({ index: fc.constant(from), steps: fc.nat(from) }),
)

export const secretKey = bytes(32).filter((key) => secp256k1.utils.isValidSecretKey(key))
