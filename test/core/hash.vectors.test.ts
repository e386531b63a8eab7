/** BIP-340's tagged hashes: its own tags in the kernel, and ours against an implementation that is not ours. */
import { schnorr } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/bytes.js'
import * as Hash from '../../src/core/hash.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as Oracle from '../crypto/oracle.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** SHA-256 of the tags that BIP-340 itself uses, as its implementations have them for constants. */
const bip340Tags = [
  ['BIP0340/challenge', '0x7bb52d7a9fef58323eb1bf7a407db382d2f3f2d81bb1224f49fe518f6d48d37c'],
  ['BIP0340/aux', '0xf1ef4e5ec063cada6d94cafa9d987ea069265839ecc11f972d77a52ed8c1cc90'],
  ['BIP0340/nonce', '0x07497734a79bcb355b9b8c7d034f121cf434d73ef72dda19870061fb52bfeb2f'],
] as const

describe.each(Oracle.builds)('%s', async (build) => {
  const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
  const base = kernel.heapBase()
  const sha256 = (message: Uint8Array): Uint8Array => {
    const memory = new Uint8Array(kernel.memory.buffer)
    memory.set(message, base + 32)
    kernel.sha256(base + 32, message.length, base)
    return memory.slice(base, base + 32)
  }

  it.each(bip340Tags)('hashes the tag %s', (tag, digest) => {
    expect(toHex(sha256(utf8(tag)))).toBe(digest)
  })

  it.each(bip340Tags)('makes tagged hashes of %s', (tag) => {
    const prefix = sha256(utf8(tag))
    const message = Uint8Array.from({ length: 96 }, (_, at) => at)
    const hash = sha256(new Uint8Array([...prefix, ...prefix, ...message]))
    expect(toHex(hash)).toBe(toHex(schnorr.utils.taggedHash(tag, message)))
  })
})

const tags = [
  'leaf',
  'node',
  'value',
  'root',
  'outcome',
  'anchors',
  'lane',
  'peer',
  'quote',
] as const

it.each(tags)('sluice/1/%s is a BIP-340 tag', (tag) => {
  const parts = [utf8(''), utf8('abc'), new Uint8Array(100).fill(7)]
  expect(toHex(Hash.tagged(tag, ...parts))).toBe(
    toHex(schnorr.utils.taggedHash(`sluice/1/${tag}`, ...parts)),
  )
})
