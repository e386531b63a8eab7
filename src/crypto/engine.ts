/** The engine slot: what hashes chains and makes signatures. Noble is the default and the oracle. */
import type { Address } from '../core/bytes.js'
import type { Generate, Walk } from '../core/chain.js'
import { SluiceError } from '../core/errors.js'

export type Engine = {
  /** Which implementations are in use, for people. */
  readonly name: string
  readonly chain: { readonly generate: Generate; readonly walk: Walk }
  readonly secp256k1: {
    readonly publicAddress: (secretKey: Uint8Array) => Address
    /** 65 bytes r ‖ s ‖ v, v 27 or 28, low s, deterministic (RFC 6979). */
    readonly sign: (digest: Uint8Array, secretKey: Uint8Array) => Uint8Array
    /** @throws SignatureError `BAD_SIGNATURE` */
    readonly recover: (digest: Uint8Array, signature: Uint8Array) => Address
  }
}

/** A signature that is none. */
export class SignatureError extends SluiceError {
  constructor(why: string, options: { cause?: unknown } = {}) {
    super('BAD_SIGNATURE', `The signature is refused: ${why}.`, options)
    this.name = 'SignatureError'
  }
}
