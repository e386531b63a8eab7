/**
 * Secrets derived from one root secret: chain seeds and session keys, so that only the root needs a backup.
 * Two different labels or contexts never give the same secret, and no error ever shows one.
 */
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { concat, uint } from './bytes.js'
import { SluiceError } from './errors.js'

const salt = utf8ToBytes('sluice/1')

/**
 * 32 bytes of HKDF-SHA256 (RFC 5869) with salt `sluice/1`. Its info is the label and then each context,
 * every one after its own length as u32, so that no two lists run together.
 * @throws SecretError `BAD_SECRET` for a root of less than 32 bytes
 */
export function derive(
  secret: Uint8Array,
  label: string,
  ...context: readonly Uint8Array[]
): Uint8Array {
  if (secret.length < 32) throw new SecretError()
  const parts = [utf8ToBytes(label), ...context]
  const info = concat(...parts.flatMap((part) => [uint(part.length, 4), part]))
  return hkdf(sha256, secret, salt, info, 32)
}

/** A root secret too short to be one. */
export class SecretError extends SluiceError {
  constructor() {
    super(
      'BAD_SECRET',
      'A root secret has at least 32 bytes; restore the key file from its backup.',
    )
    this.name = 'SecretError'
  }
}
