/** Verifies one batch on threads, says how many signers it found, and is left to end by itself. */
import { pathToFileURL } from 'node:url'
import { noble } from '../../../src/crypto/noble.js'
import { signedBy } from '../signed.js'

type Pool = typeof import('../../../src/crypto/pool.js')

const { createVerifier }: Pool = await import(pathToFileURL(process.argv[2] ?? '').href)
let threads = 0
process.on('worker', () => {
  threads++
})
const verifier = createVerifier({ secp256k1: noble.secp256k1, threads: 2 })
const answers = await verifier.recoverAll(signedBy(noble.secp256k1, 64))
console.log(`${answers.filter((address) => address !== undefined).length} on ${threads} threads`)
