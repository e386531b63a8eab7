/**
 * secp256k1 by libsecp256k1 in WebAssembly, from `ox/wasm`. It holds a secret only while it signs: ox
 * zeroes its memory after every call.
 */
import type { Secp256k1Engine } from './engine.js'
import * as Secp256k1 from './secp256k1.js'

/** Rejects where WebAssembly does not run. ox is imported here, not above: it takes 50 ms to load. */
export async function load(): Promise<Secp256k1Engine> {
  const { engine } = await import('ox/wasm/Secp256k1')
  const curve = await engine()
  return Secp256k1.from({
    publicKey: curve.getPublicKey,
    sign: (digest, secretKey) =>
      curve.sign(digest, secretKey, { extraEntropy: false, prehash: false }),
    recover: (digest, recovered) => curve.recoverPublicKey(recovered, digest),
  })
}
