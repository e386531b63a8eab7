/** The audited engine: noble's curves and hashes. Slow, and right: every other engine must agree with it. */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Address, toHex } from '../core/bytes.js'
import * as Chain from '../core/chain.js'
import { keccak256 } from '../core/hash.js'
import { type Engine, SignatureError } from './engine.js'

const addressOf = (publicKey: Uint8Array): Address =>
  toHex(keccak256(publicKey.subarray(1)).slice(12))

export const noble: Engine = {
  name: 'noble',
  chain: { generate: Chain.generate, walk: Chain.walk },
  secp256k1: {
    publicAddress: (secretKey) => addressOf(secp256k1.getPublicKey(secretKey, false)),
    sign(digest, secretKey) {
      const recovered = secp256k1.sign(digest, secretKey, { prehash: false, format: 'recovered' })
      const signature = new Uint8Array(65)
      signature.set(recovered.subarray(1))
      signature[64] = 27 + (recovered[0] ?? 0)
      return signature
    },
    recover(digest, signature) {
      const v = signature[64] ?? 0
      if (signature.length !== 65 || (v !== 27 && v !== 28)) throw new SignatureError('its form is wrong')
      const recovered = new Uint8Array(65)
      recovered[0] = v - 27
      recovered.set(signature.subarray(0, 64), 1)
      try {
        const parsed = secp256k1.Signature.fromBytes(recovered, 'recovered')
        if (parsed.hasHighS()) throw new SignatureError('its s is high')
        return addressOf(parsed.recoverPublicKey(digest).toBytes(false))
      } catch (cause) {
        throw cause instanceof SignatureError ? cause : new SignatureError('it is no point of the curve', { cause })
      }
    },
  },
}
