/** Verifies one batch on threads, says what came of it and where, and is left to end by itself. */
import { pathToFileURL } from 'node:url'
import { noble } from '../../../src/crypto/noble.js'
import { signedBy } from '../signed.js'

type Pool = typeof import('../../../src/crypto/pool.js')

const { createVerifier }: Pool = await import(pathToFileURL(process.argv[2] ?? '').href)
let here = 0
const secp256k1 = {
  ...noble.secp256k1,
  recover(digest: Uint8Array, signature: Uint8Array) {
    here++
    return noble.secp256k1.recover(digest, signature)
  },
}
const verifier = createVerifier({ secp256k1, threads: 2 })
const answers = await verifier.recoverAll(signedBy(secp256k1, 64))
console.log(`${answers.filter((address) => address !== undefined).length} signers, ${here} here`)
