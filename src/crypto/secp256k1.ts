/**
 * The rules for keys, signatures and addresses, written once around any curve library, so that libraries
 * cannot differ in what they accept. Nothing here may put a secret key into an error.
 */
import { type Address, concat, fromHex, toHex } from '../core/bytes.js'
import { assert, SluiceError } from '../core/errors.js'
import * as Hash from '../core/hash.js'
import type { Secp256k1Engine } from './engine.js'

/** What a library offers. Public keys are uncompressed; `recovered` is recovery bit ‖ r ‖ s. */
export type Curve = {
  publicKey(secretKey: Uint8Array): Uint8Array
  /** Deterministic and with s in the lower half. */
  sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array
  /** Throws where no key can have made the signature. */
  recover(digest: Uint8Array, recovered: Uint8Array): Uint8Array
}

/** n, the order of the group (SEC 2, section 2.4.1). */
const order = fromHex('0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
/** (n - 1) / 2: every signature has a twin with s above it, which EIP-2 forbids. */
const halfOrder = fromHex('0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0')

/** The engine that `curve` makes with our rules. */
export const from = (curve: Curve): Secp256k1Engine => ({
  publicAddress(secretKey) {
    checkSecretKey(secretKey)
    return address(curve.publicKey(secretKey))
  },

  sign(digest, secretKey) {
    checkDigest(digest)
    checkSecretKey(secretKey)
    const recovered = curve.sign(digest, secretKey)
    const bit = recovered[0]
    assert(bit === 0 || bit === 1, 'a signature came out with an r beyond the order')
    return concat(recovered.subarray(1), Uint8Array.of(27 + bit))
  },

  recover(digest, signature) {
    checkDigest(digest)
    const recovered = toRecovered(signature)
    let publicKey: Uint8Array
    try {
      publicKey = curve.recover(digest, recovered)
    } catch (cause) {
      throw new SignatureError('no key can have made it', { cause })
    }
    return address(publicKey)
  },
})

/** Recovery bit ‖ r ‖ s of a signature in its one accepted form. */
function toRecovered(signature: Uint8Array): Uint8Array {
  if (signature.length !== 65) throw new SignatureError('it must have 65 bytes')
  const v = signature[64]
  if (v !== 27 && v !== 28) throw new SignatureError('its v must be 27 or 28')
  const r = signature.subarray(0, 32)
  const s = signature.subarray(32, 64)
  if (isZero(r) || compare(r, order) >= 0) throw new SignatureError('its r is out of range')
  if (isZero(s) || compare(s, halfOrder) > 0) throw new SignatureError('its s is out of range')
  return concat(Uint8Array.of(v - 27), r, s)
}

function checkSecretKey(secretKey: Uint8Array): void {
  if (secretKey.length !== 32 || isZero(secretKey) || compare(secretKey, order) >= 0)
    throw new SecretKeyError()
}

/** Digests are our own work, never a peer's: a wrong one is a bug. */
const checkDigest = (digest: Uint8Array): void =>
  assert(digest.length === 32, 'a digest to sign or recover from has 32 bytes')

/** The last 20 bytes of the Keccak-256 of the public key's coordinates. */
const address = (publicKey: Uint8Array): Address =>
  toHex(Hash.keccak256(publicKey.subarray(1)).subarray(12))

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/** Sign of a - b, two big-endian integers of one width. Stops at the first byte that differs. */
function compare(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** A signature that `ecrecover` would refuse, or that has a second form. */
export class SignatureError extends SluiceError {
  constructor(why: string, options: { cause?: unknown } = {}) {
    super('BAD_SIGNATURE', `The signature is refused: ${why}.`, options)
    this.name = 'SignatureError'
  }
}

/** Bytes that are no secret key. */
export class SecretKeyError extends SluiceError {
  constructor() {
    super(
      'BAD_SECRET_KEY',
      'A secret key is 32 bytes, above zero and below the order of secp256k1; restore it from its backup.',
    )
    this.name = 'SecretKeyError'
  }
}
