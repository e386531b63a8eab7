/** Signatures by many keys over many digests, the same in every run. */
import { sha256 } from '@noble/hashes/sha2.js'
import { uint } from '../../src/core/bytes.js'
import type { Signed } from '../../src/crypto/batch.js'
import type { Secp256k1Engine } from '../../src/crypto/engine.js'

export const signedBy = (secp256k1: Secp256k1Engine, count: number): Signed[] =>
  Array.from({ length: count }, (_, index) => {
    const digest = sha256(uint(index, 4))
    return { digest, signature: secp256k1.sign(digest, uint(index + 1, 32)) }
  })
