/**
 * A peer's identity: the ed25519 key that its seed stands for. The seed is a secret and never leaves
 * this module's callers.
 */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'

/** The libp2p private key of a 32-byte seed. */
export const privateKeyFrom = (seed: Uint8Array): Promise<Ed25519PrivateKey> =>
  generateKeyPairFromSeed('Ed25519', seed)

/** The peer id, as text, of the node that runs on a 32-byte seed. */
export const peerFrom = async (seed: Uint8Array): Promise<string> =>
  peerIdFromPrivateKey(await privateKeyFrom(seed)).toString()
