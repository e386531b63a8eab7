/**
 * Encrypted key files as wallets write them (Web3 Secret Storage, version 3): a secret under a password, by scrypt
 * or PBKDF2, AES-128-CTR and a MAC. A wrong password never yields a wrong key.
 */
import { createDecipheriv, pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SluiceError } from '../core/errors.js'
import * as Hash from '../core/hash.js'

/** Memory that deriving a key may take: four times what wallets use. */
const memoryMax = 1 << 30
const roundsMax = 10_000_000

type Kdf = { readonly [name: string]: unknown }

/** @throws KeystoreError `BAD_KEY` */
export function readKeystore(path: string, password: string): Uint8Array {
  try {
    return decrypt(JSON.parse(readFileSync(path, 'utf8')), password)
  } catch (error) {
    if (error instanceof KeystoreError) throw error
    throw new KeystoreError(`${path} is no keystore of version 3 that can be read`, {
      cause: error,
    })
  }
}

function decrypt(file: Record<string, unknown>, password: string): Uint8Array {
  const crypto = (file.crypto ?? file.Crypto) as Record<string, unknown>
  const hex = (value: unknown): Buffer => Buffer.from(String(value).replace(/^0x/, ''), 'hex')
  if (file.version !== 3 || crypto.cipher !== 'aes-128-ctr')
    throw new KeystoreError('it is not of version 3 with aes-128-ctr')
  const key = derive(String(crypto.kdf), crypto.kdfparams as Kdf, password)
  const text = hex(crypto.ciphertext)
  const mac = Hash.keccak256(Buffer.concat([key.subarray(16, 32), text]))
  const expected = hex(crypto.mac)
  if (expected.length !== 32 || !timingSafeEqual(mac, expected))
    throw new KeystoreError('the password is wrong')
  const { iv } = crypto.cipherparams as { iv: unknown }
  const decipher = createDecipheriv('aes-128-ctr', key.subarray(0, 16), hex(iv))
  const secret = Buffer.concat([decipher.update(text), decipher.final()])
  if (secret.length !== 32) throw new KeystoreError('what it holds is no key of 32 bytes')
  return new Uint8Array(secret)
}

function derive(name: string, parameters: Kdf, password: string): Buffer {
  const salt = Buffer.from(String(parameters.salt).replace(/^0x/, ''), 'hex')
  const size = 32
  if (parameters.dklen !== size) throw new KeystoreError('its key length is not 32')
  if (name === 'scrypt') {
    const [N, r, p] = [Number(parameters.n), Number(parameters.r), Number(parameters.p)]
    return scryptSync(password, salt, size, { N, r, p, maxmem: memoryMax })
  }
  if (name === 'pbkdf2' && parameters.prf === 'hmac-sha256' && Number(parameters.c) <= roundsMax)
    return pbkdf2Sync(password, salt, Number(parameters.c), size, 'sha256')
  throw new KeystoreError(`it derives its key by ${name.slice(0, 40)}, which is not supported`)
}

/** A keystore that yields no key. */
export class KeystoreError extends SluiceError {
  constructor(why: string, options: { cause?: unknown } = {}) {
    super(
      'BAD_KEY',
      `The keystore cannot be opened: ${why}. Check --keystore and SLUICE_PASSWORD.`,
      options,
    )
    this.name = 'KeystoreError'
  }
}
