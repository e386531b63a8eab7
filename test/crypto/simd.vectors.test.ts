/** The examples that NIST publishes with FIPS 180-4 ("SHA256.pdf", "SHA2_Additional.pdf"). */
import { describe, expect, it } from 'vitest'
import * as Kernel from '../../src/crypto/kernel.js'
import * as Oracle from './oracle.js'

const examples: readonly (readonly [string, string])[] = [
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  [
    'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
    'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1',
  ],
  ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
]

describe.each(Oracle.builds)('%s', (build) => {
  it.each(examples)('hashes %.20s as FIPS 180-4 does', async (text, digest) => {
    const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
    const base = kernel.heapBase()
    const message = Buffer.from(text)
    kernel.memory.grow(Math.ceil(message.length / 65_536))
    const memory = new Uint8Array(kernel.memory.buffer)
    memory.set(message, base + 32)
    kernel.sha256(base + 32, message.length, base)
    expect(Buffer.from(memory.subarray(base, base + 32)).toString('hex')).toBe(digest)
  })
})
