/**
 * Stand-in signatures for machines that only pass them on: a MAC that everybody can check, in 65 bytes.
 * Deterministic, so two signatures differ exactly when what was signed differs.
 */
import { type Address, fromHex, type Hex, toHex } from '../../../src/core/bytes.js'
import { SluiceError } from '../../../src/core/errors.js'
import { filler, join, sha256 } from '../../vectors/reference.js'

export const addressOf = (name: string): Address => toHex(filler(`seat ${name}`).slice(0, 20))

export const sign = (signer: Address, digest: Uint8Array): Uint8Array => {
  const key = fromHex(signer, 20)
  return join(key, sha256(key, digest), new Uint8Array(13))
}

export function recover(digest: Uint8Array, signature: Uint8Array): Address {
  const signer = toHex(signature.slice(0, 20))
  if (toHex(sign(signer, digest)) !== toHex(signature))
    throw new SluiceError('BAD_SIGNATURE', 'no signature of anybody')
  return signer
}

export const channelIdOf = (name: string): Hex => toHex(filler(`channel ${name}`))
