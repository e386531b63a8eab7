/**
 * The slot for fast cryptography: what a node needs hashed and signed at speed.
 * Whatever fills it must agree byte for byte with noble, which is both fallback and oracle.
 */
import type { Address } from '../core/bytes.js'
import type { Generate, Walk } from '../core/chain.js'
import type { LaneTable } from './lane-table.js'

/** Hash chains of `core/chain.ts`. */
export type ChainEngine = { readonly generate: Generate; readonly walk: Walk }

/** ECDSA on secp256k1, as the EVM's `ecrecover` judges it. Digests have 32 bytes. */
export type Secp256k1Engine = {
  /** @throws SecretKeyError `BAD_SECRET_KEY` */
  publicAddress(secretKey: Uint8Array): Address
  /**
   * r ‖ s ‖ v, 65 bytes: v 27 or 28, s in the lower half, deterministic (RFC 6979).
   * @throws SecretKeyError `BAD_SECRET_KEY`
   */
  sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array
  /**
   * Who signed. Only the one form that `sign` returns is accepted.
   * @throws SignatureError `BAD_SIGNATURE`
   */
  recover(digest: Uint8Array, signature: Uint8Array): Address
}

export type Engine = {
  /** What is in use, for people: `sluice doctor` shows it. */
  readonly name: string
  readonly chain: ChainEngine
  /** A new lane table, in memory of its own; undefined where ticks can only be verified one by one. */
  readonly lanes: (() => LaneTable) | undefined
  readonly secp256k1: Secp256k1Engine
}
