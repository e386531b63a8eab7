/** Secrets made from secrets: seeds of hash chains. What comes out says nothing of what went in. */
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from './bytes.js'

/** HKDF-SHA256 (RFC 5869) of `secret` for one purpose and context; 32 bytes. */
export const deriveSecret = (
  secret: Uint8Array,
  label: string,
  ...context: readonly Uint8Array[]
): Uint8Array =>
  hkdf(
    sha256,
    secret,
    undefined,
    concat(new TextEncoder().encode(`sluice/1/${label}`), ...context),
    32,
  )
