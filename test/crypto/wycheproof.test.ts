/**
 * ECDSA as others judge it. Our engines only recover, so a signature r ‖ s counts as accepted for a key
 * where r ‖ s ‖ v, with v 27 or 28, recovers the address of that key; of the two forms that ECDSA allows
 * only the one with the lower s may be.
 *
 * Project Wycheproof's vectors run where its files lie: in the folder that SLUICE_WYCHEPROOF names, else in
 * test/vectors/wycheproof.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { secp256k1 as curve } from '@noble/curves/secp256k1.js'
import { publicKeyToAddress } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { type Address, concat, fromHex, toBigInt, toHex, uint } from '../../src/core/bytes.js'
import type { Secp256k1Engine } from '../../src/crypto/engine.js'
import { SignatureError } from '../../src/crypto/secp256k1.js'
import { engines } from './engines.js'

const { n, p } = curve.Point.CURVE()

const sha256 = (message: Uint8Array): Uint8Array => createHash('sha256').update(message).digest()

/** viem's, so that no engine of ours is its own oracle. */
const addressOf = (publicKey: Uint8Array): Address =>
  publicKeyToAddress(toHex(publicKey)).toLowerCase() as Address

/** Whether r ‖ s, in whatever form it came, is a signature of `digest` by `address`. */
const accepts = (
  secp256k1: Secp256k1Engine,
  address: Address,
  digest: Uint8Array,
  rs: Uint8Array,
): boolean =>
  [27, 28].some((v) => {
    try {
      return secp256k1.recover(digest, concat(rs, uint(v, 1))) === address
    } catch (error) {
      if (error instanceof SignatureError) return false
      throw error
    }
  })

const hasHighS = (rs: Uint8Array): boolean => toBigInt(rs.subarray(32)) > n / 2n
const twin = (rs: Uint8Array): Uint8Array =>
  concat(rs.subarray(0, 32), uint(n - toBigInt(rs.subarray(32)), 32))

describe.each(engines)('$name accepts', ({ secp256k1 }) => {
  const publicKeyOf = (key: KeyObject): Uint8Array =>
    key.export({ format: 'der', type: 'spki' }).subarray(-65)

  it('one form of what OpenSSL signs, and for no other key', () => {
    const [one, other] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }))
    if (one === undefined || other === undefined) throw new Error('there are two keys')
    const [address, stranger] = [one, other].map((key) => addressOf(publicKeyOf(key.publicKey)))
    for (let round = 0; round < 20; round++) {
      const message = uint(round, 4)
      const rs = sign('sha256', message, { key: one.privateKey, dsaEncoding: 'ieee-p1363' })
      const [low, high] = hasHighS(rs) ? [twin(rs), rs] : [rs, twin(rs)]
      expect(accepts(secp256k1, address ?? '0x', sha256(message), low)).toBe(true)
      expect(accepts(secp256k1, address ?? '0x', sha256(message), high)).toBe(false)
      expect(accepts(secp256k1, stranger ?? '0x', sha256(message), low)).toBe(false)
    }
  })
})

type Vector = {
  readonly tcId: number
  readonly comment: string
  readonly msg: string
  readonly sig: string
  readonly result: 'valid' | 'invalid'
}
type Group = {
  readonly publicKey: { readonly uncompressed: string }
  readonly tests: readonly Vector[]
}

const hex = (text: string): Uint8Array => fromHex(`0x${text}`)

/** r ‖ s of DER as Bitcoin demands it, by noble. What is no such DER goes to the engine as it is. */
function fromDer(der: Uint8Array): Uint8Array {
  try {
    return curve.Signature.fromBytes(der, 'der').toBytes('compact')
  } catch {
    return der
  }
}

/**
 * Whether the point that r stands for has an x of n or above. `ecrecover` cannot name such a point, and
 * nobody meets one by chance: one in 2^128.
 */
function isBeyond(publicKey: Uint8Array, digest: Uint8Array, rs: Uint8Array): boolean {
  const { Fn, BASE } = curve.Point
  const inverse = Fn.inv(toBigInt(rs.subarray(32)))
  const one = BASE.multiplyUnsafe(Fn.mul(Fn.create(toBigInt(digest)), inverse))
  const other = curve.Point.fromBytes(publicKey).multiplyUnsafe(
    Fn.mul(toBigInt(rs.subarray(0, 32)), inverse),
  )
  const { x } = one.add(other).toAffine()
  return x >= n && x < p
}

const folder =
  process.env.SLUICE_WYCHEPROOF ?? join(import.meta.dirname, '..', 'vectors', 'wycheproof')

/** Counted in the files of C2SP/wycheproof at commit dac1dd4. */
const sets = [
  {
    file: 'ecdsa_secp256k1_sha256_p1363_test.json',
    parse: (signature: Uint8Array): Uint8Array => signature,
    counts: { accepted: 95, 'high s': 72, beyond: 0, refused: 85 },
  },
  {
    file: 'ecdsa_secp256k1_sha256_bitcoin_test.json',
    parse: fromDer,
    counts: { accepted: 161, 'high s': 0, beyond: 1, refused: 301 },
  },
].filter(({ file }) => existsSync(join(folder, file)))

describe.each(sets)('Wycheproof, $file', ({ file, parse, counts }) => {
  const groups: readonly Group[] = JSON.parse(readFileSync(join(folder, file), 'utf8')).testGroups

  it.each(engines)('$name judges every vector as it must', ({ secp256k1 }) => {
    const seen = { accepted: 0, 'high s': 0, beyond: 0, refused: 0 }

    const judge = (publicKey: Uint8Array, vector: Vector): keyof typeof seen => {
      const address = addressOf(publicKey)
      const digest = sha256(hex(vector.msg))
      const rs = parse(hex(vector.sig))
      const accepted = accepts(secp256k1, address, digest, rs)
      if (vector.result === 'invalid') {
        expect(accepted).toBe(false)
        return 'refused'
      }
      if (hasHighS(rs)) {
        expect(accepted).toBe(false)
        expect(accepts(secp256k1, address, digest, twin(rs))).toBe(!isBeyond(publicKey, digest, rs))
        return 'high s'
      }
      const beyond = isBeyond(publicKey, digest, rs)
      expect(accepted).toBe(!beyond)
      return beyond ? 'beyond' : 'accepted'
    }

    for (const { publicKey, tests } of groups)
      for (const vector of tests) {
        try {
          seen[judge(hex(publicKey.uncompressed), vector)]++
        } catch (cause) {
          throw new Error(`vector ${vector.tcId}, ${vector.comment}`, { cause })
        }
      }
    expect(seen).toEqual(counts)
  })
})
