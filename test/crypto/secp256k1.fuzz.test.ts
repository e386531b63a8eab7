import fc from 'fast-check'
import { recoverAddress } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, it } from 'vitest'
import '../support/fuzz.js'
import { toHex } from '../../src/core/bytes.js'
import type { Secp256k1Engine } from '../../src/crypto/engine.js'
import { SignatureError } from '../../src/crypto/secp256k1.js'
import * as Arbitrary from './arbitrary.js'
import { engines } from './engines.js'

/** What `recover` says: the address, or the code of the refusal. Any other error is a failure. */
function verdict(secp256k1: Secp256k1Engine, digest: Uint8Array, signature: Uint8Array): string {
  try {
    return secp256k1.recover(digest, signature)
  } catch (error) {
    if (error instanceof SignatureError) return error.code
    throw error
  }
}

it('every engine signs and recovers as viem does', async () => {
  await fc.assert(
    fc.asyncProperty(Arbitrary.bytes(32), Arbitrary.secretKey, async (digest, secretKey) => {
      const account = privateKeyToAccount(toHex(secretKey))
      const theirs = await account.sign({ hash: toHex(digest) })
      for (const { secp256k1 } of engines) {
        const ours = secp256k1.sign(digest, secretKey)
        expect(toHex(ours)).toBe(theirs)
        expect(secp256k1.recover(digest, ours)).toBe(account.address.toLowerCase())
        expect(secp256k1.publicAddress(secretKey)).toBe(account.address.toLowerCase())
      }
    }),
  )
})

it('the engines agree on any bytes as a signature, and with viem on whom they accept', async () => {
  const v = fc.oneof(fc.constantFrom(27, 28), fc.nat(255))
  const anything = fc
    .tuple(Arbitrary.bytes(32), Arbitrary.bytes(32), v)
    .map(([r, s, v]) => Uint8Array.of(...r, ...s.with(0, (s[0] ?? 0) & 0x7f), v))
  await fc.assert(
    fc.asyncProperty(Arbitrary.bytes(32), anything, async (digest, signature) => {
      const [first = '', ...rest] = engines.map((e) => verdict(e.secp256k1, digest, signature))
      for (const other of rest) expect(other).toBe(first)
      if (first === 'BAD_SIGNATURE') return
      const theirs = await recoverAddress({ hash: toHex(digest), signature: toHex(signature) })
      expect(first).toBe(theirs.toLowerCase())
    }),
  )
})

it('one changed bit of a signature or digest never gives the same signer', () => {
  const bit = fc.nat(65 * 8 - 1)
  fc.assert(
    fc.property(Arbitrary.bytes(32), Arbitrary.secretKey, bit, (digest, secretKey, bit) => {
      const flip = (bytes: Uint8Array, at: number): Uint8Array =>
        bytes.with(at >> 3, (bytes[at >> 3] ?? 0) ^ (1 << (at & 7)))
      for (const { secp256k1 } of engines) {
        const signature = secp256k1.sign(digest, secretKey)
        const signer = secp256k1.publicAddress(secretKey)
        expect(verdict(secp256k1, digest, flip(signature, bit))).not.toBe(signer)
        expect(verdict(secp256k1, flip(digest, bit % 256), signature)).not.toBe(signer)
      }
    }),
  )
})
