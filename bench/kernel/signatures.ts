/** Signatures: the pool against this thread alone, and the installed engine against noble. */
import { randomBytes } from 'node:crypto'
import type { Address } from '../../src/core/bytes.js'
import type { Signed } from '../../src/crypto/batch.js'
import type { Secp256k1Engine } from '../../src/crypto/engine.js'
import { noble } from '../../src/crypto/noble.js'
import type { Verifier } from '../../src/crypto/pool.js'
import type { Contest, Side } from '../contest.js'

const batch = 64

export function contests(secp256k1: Secp256k1Engine, pool: Verifier): Contest[] {
  const key = new Uint8Array(randomBytes(32))
  const signer = secp256k1.publicAddress(key)
  const signed = Array.from({ length: batch }, () => {
    const digest = new Uint8Array(randomBytes(32))
    return { digest, signature: secp256k1.sign(digest, key) }
  })
  const expect = (signers: readonly (Address | undefined)[]): void => {
    if (signers.length !== signed.length || signers.some((each) => each !== signer))
      throw new Error('A signature was refused.')
  }
  const inline = (engine: Secp256k1Engine, some: readonly Signed[]): Address[] =>
    some.map(({ digest, signature }) => engine.recover(digest, signature))
  const here: Side = { count: batch, run: () => expect(inline(secp256k1, signed)) }
  const few = signed.slice(0, 8)
  return [
    {
      id: 'pool',
      otherName: 'the same engine, inline',
      unit: 'recoveries/s',
      ours: { count: batch, run: async () => expect(await pool.recoverAll(signed)) },
      other: here,
    },
    {
      id: 'recover',
      otherName: 'noble',
      unit: 'recoveries/s',
      ours: here,
      other: { count: few.length, run: () => inline(noble.secp256k1, few) },
    },
  ]
}
