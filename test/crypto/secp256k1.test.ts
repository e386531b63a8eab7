import { secp256k1 as curve } from '@noble/curves/secp256k1.js'
import { recoverAddress } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toBigInt, toHex, uint } from '../../src/core/bytes.js'
import { InvariantError } from '../../src/core/errors.js'
import { engines } from './engines.js'

const n = curve.Point.CURVE().n
const word = (value: bigint): Uint8Array => uint(value, 32)
const signatureOf = (r: bigint, s: bigint, v: number): Uint8Array =>
  concat(word(r), word(s), uint(v, 1))

const secretKey = word(0x1234_5678n)
const digest = new Uint8Array(32).fill(0x11)
const account = privateKeyToAccount(toHex(secretKey))
const address = account.address.toLowerCase()
/** viem's, so that no engine of ours is its own oracle. */
const signature = fromHex(await account.sign({ hash: toHex(digest) }))
const [r, s, v] = [
  toBigInt(signature.slice(0, 32)),
  toBigInt(signature.slice(32, 64)),
  signature[64] ?? 0,
]

/** No curve point has this x: 5³ + 7 is not a square modulo p. */
const notOnCurve = 5n
/** r of k·G and s = digest / k: the recovered key would be (s·R - digest·G) / r, the point at infinity. */
const k = 77n
const infinite = (() => {
  const R = curve.Point.BASE.multiply(k).toAffine()
  const s = curve.Point.Fn.mul(toBigInt(digest) % n, curve.Point.Fn.inv(k))
  const high = s > n / 2n
  const odd = R.y % 2n === 1n
  return signatureOf(R.x, high ? n - s : s, odd !== high ? 28 : 27)
})()

/** Each is one change away from a signature that both accept. */
const malformed: readonly (readonly [name: string, signature: Uint8Array])[] = [
  ['nothing', new Uint8Array()],
  ['64 bytes', signature.slice(0, 64)],
  ['66 bytes', concat(signature, uint(0, 1))],
  ['v as a bare recovery bit', signatureOf(r, s, v - 27)],
  ['v of a recovery id of 2', signatureOf(r, s, 29)],
  ['v of EIP-155', signatureOf(r, s, 37)],
  ['v of 255', signatureOf(r, s, 255)],
  ['the twin with a high s', signatureOf(r, n - s, v === 27 ? 28 : 27)],
  ['the lowest high s', signatureOf(r, n / 2n + 1n, v)],
  ['s of zero', signatureOf(r, 0n, v)],
  ['s of n', signatureOf(r, n, v)],
  ['s above n', signatureOf(r, n + 1n, v)],
  ['s of all ones', signatureOf(r, 2n ** 256n - 1n, v)],
  ['r of zero', signatureOf(0n, s, v)],
  ['r of n', signatureOf(n, s, v)],
  ['r above n', signatureOf(n + 1n, s, v)],
  ['r of all ones', signatureOf(2n ** 256n - 1n, s, v)],
  ['r of no point', signatureOf(notOnCurve, s, v)],
  ['a key at infinity', infinite],
]

describe.each(engines)('$name', ({ secp256k1 }) => {
  it('knows the address of a key, as viem does', () => {
    for (const key of [1n, 2n, 0x1234_5678n, n / 2n, n - 1n]) {
      const theirs = privateKeyToAccount(toHex(word(key))).address.toLowerCase()
      expect(secp256k1.publicAddress(word(key))).toBe(theirs)
    }
  })

  it('signs as viem does, byte for byte', () => {
    expect(secp256k1.sign(digest, secretKey)).toEqual(signature)
  })

  it('recovers what viem signed, and viem what it signed', async () => {
    expect(secp256k1.recover(digest, signature)).toBe(address)
    const hash = toHex(digest)
    const ours = toHex(secp256k1.sign(digest, secretKey))
    expect((await recoverAddress({ hash, signature: ours })).toLowerCase()).toBe(address)
  })

  it('accepts the highest low s', async () => {
    const highest = signatureOf(r, n / 2n, v)
    const theirs = await recoverAddress({ hash: toHex(digest), signature: toHex(highest) })
    expect(secp256k1.recover(digest, highest)).toBe(theirs.toLowerCase())
  })

  it.each(malformed)('refuses %s', (_, bad) => {
    expect(() => secp256k1.recover(digest, bad)).toThrow(
      expect.objectContaining({ name: 'SignatureError', code: 'BAD_SIGNATURE' }),
    )
  })

  it.each([
    ['31 bytes', new Uint8Array(31).fill(1)],
    ['33 bytes', new Uint8Array(33).fill(1)],
    ['zero', word(0n)],
    ['n', word(n)],
    ['all ones', word(2n ** 256n - 1n)],
  ])('refuses a secret key of %s', (_, bad) => {
    const refusal = expect.objectContaining({ name: 'SecretKeyError', code: 'BAD_SECRET_KEY' })
    expect(() => secp256k1.publicAddress(bad)).toThrow(refusal)
    expect(() => secp256k1.sign(digest, bad)).toThrow(refusal)
  })

  it('takes a digest of any other size for a bug of ours', () => {
    const short = digest.subarray(1)
    expect(() => secp256k1.sign(short, secretKey)).toThrow(InvariantError)
    expect(() => secp256k1.recover(short, signature)).toThrow(InvariantError)
  })

  it('leaves its inputs as they were', () => {
    const inputs = [digest, secretKey, signature] as const
    const copies = inputs.map((bytes) => bytes.slice())
    secp256k1.sign(digest, secretKey)
    secp256k1.recover(digest, signature)
    expect(inputs).toEqual(copies)
  })
})

it('both sign alike where a digest is at or above the order of the group', () => {
  const [one, other] = engines
  for (const value of [0n, 1n, n - 1n, n, n + 1n, 2n ** 256n - 1n]) {
    const ours = one.secp256k1.sign(word(value), secretKey)
    expect(other.secp256k1.sign(word(value), secretKey)).toEqual(ours)
    expect(one.secp256k1.recover(word(value), ours)).toBe(address)
    expect(other.secp256k1.recover(word(value), ours)).toBe(address)
  }
})
