/**
 * The audited JavaScript engine: runs everywhere, and is the oracle of every faster one.
 * Nothing may be fast at the price of disagreeing with it.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { generate, walk } from '../core/chain.js'
import type { Engine } from './engine.js'
import * as Secp256k1 from './secp256k1.js'

export const noble: Engine = {
  name: 'noble',
  chain: { generate, walk },
  lanes: undefined,
  secp256k1: Secp256k1.from({
    publicKey: (secretKey) => secp256k1.getPublicKey(secretKey, false),
    sign: (digest, secretKey) =>
      secp256k1.sign(digest, secretKey, { prehash: false, lowS: true, format: 'recovered' }),
    recover: (digest, recovered) =>
      secp256k1.Signature.fromBytes(recovered, 'recovered').recoverPublicKey(digest).toBytes(false),
  }),
}
