/**
 * An introduction: a seat's signing key vouches for the libp2p peer that speaks for it, to one other peer.
 * Without it anyone could pose as a counterparty and have states signed that lead nowhere.
 */
import * as Hash from './hash.js'
import * as TypedData from './typed-data.js'

/** libp2p peer ids, as text: who speaks, and to whom. */
export type Introduction = { readonly from: string; readonly to: string }

const type = {
  name: 'Introduction',
  members: { from: 'bytes32', to: 'bytes32' },
} as const satisfies TypedData.Type

/** EIP-712 digest that the seat's key signs. */
export const digest = (domain: TypedData.Domain, { from, to }: Introduction): Uint8Array =>
  TypedData.digest(domain, type, { from: peerHash(from), to: peerHash(to) })

/** How a peer id enters what is signed: a tagged hash of its text. */
export const peerHash = (peer: string): Uint8Array =>
  Hash.tagged('peer', new TextEncoder().encode(peer))
