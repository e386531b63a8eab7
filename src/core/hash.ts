/**
 * The hashes that authority rests on: BIP-340-style tagged SHA-256, and the Keccak-256 of EIP-712.
 * A tag separates every use, so a value of one kind can never pass for another.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'

/** What a tagged hash is for; the tag on the wire is `sluice/1/<name>`. */
export type Tag =
  | 'leaf'
  | 'node'
  | 'value'
  | 'root'
  | 'outcome'
  | 'anchors'
  | 'lane'
  | 'peer'
  | 'quote'
  | 'appointment'

/** SHA-256 after a tag, which fills the first block: hashing that anew took a quarter of a short hash. */
const midstates = new Map<Tag, ReturnType<typeof sha256.create>>()

function midstate(name: Tag): ReturnType<typeof sha256.create> {
  let state = midstates.get(name)
  if (state === undefined) {
    const tag = sha256(utf8ToBytes(`sluice/1/${name}`))
    state = sha256.create().update(tag).update(tag)
    midstates.set(name, state)
  }
  return state
}

/** `sha256(sha256(tag) ‖ sha256(tag) ‖ parts…)`, 32 bytes (BIP-340, "tagged hashes"). */
export function tagged(name: Tag, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = midstate(name).clone()
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Keccak-256, 32 bytes: EIP-712 digests, channel ids and addresses only. */
export const keccak256 = (bytes: Uint8Array): Uint8Array => keccak_256(bytes)
