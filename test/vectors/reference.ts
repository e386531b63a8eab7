/**
 * A second, naive reading of docs/PROTOCOL.md on node:crypto alone: the oracle of our hashes. It imports
 * nothing of src, and is written for the eye, not for speed.
 */
import { createHash } from 'node:crypto'

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** 32 bytes that depend on `label` only, for salts, keys and nodes of vectors. */
export const filler = (label: string): Uint8Array => sha256(Buffer.from(`filler ${label}`))

/** BIP-340's tagged hash with the tag `sluice/1/<name>`. */
export const tagged = (name: string, ...parts: readonly Uint8Array[]): Uint8Array => {
  const tag = sha256(Buffer.from(`sluice/1/${name}`))
  return sha256(tag, tag, ...parts)
}

/** `value` in `size` bytes, big-endian. */
export const uint = (value: bigint | number, size: number): Uint8Array =>
  new Uint8Array(Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex'))

export const hex = (bytes: Uint8Array): `0x${string}` => `0x${Buffer.from(bytes).toString('hex')}`
export const unhex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replace('0x', ''), 'hex'))
export const join = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts))

export type Entry = readonly [key: Uint8Array, value: Uint8Array]

const empty = new Uint8Array(32)
const bits = (key: Uint8Array): string =>
  [...key].map((byte) => byte.toString(2).padStart(8, '0')).join('')
const side = (entries: readonly Entry[], depth: number, bit: '0' | '1'): Entry[] =>
  entries.filter(([key]) => bits(key)[depth] === bit)

/** Root of the sparse Merkle tree of `entries`, whose keys differ. */
export function treeRoot(entries: readonly Entry[], depth = 0): Uint8Array {
  const [first] = entries
  if (first === undefined) return empty
  if (entries.length === 1) return tagged('leaf', ...first)
  const left = treeRoot(side(entries, depth, '0'), depth + 1)
  const right = treeRoot(side(entries, depth, '1'), depth + 1)
  return tagged('node', left, right)
}

/** Siblings from the top down on the way to `key`, and the leaf found there. */
export function treeProof(
  entries: readonly Entry[],
  key: Uint8Array,
  depth = 0,
): { siblings: Uint8Array[]; leaf: Entry | undefined } {
  if (entries.length < 2) return { siblings: [], leaf: entries[0] }
  const [own, other] = bits(key)[depth] === '0' ? (['0', '1'] as const) : (['1', '0'] as const)
  const below = treeProof(side(entries, depth, own), key, depth + 1)
  const sibling = treeRoot(side(entries, depth, other), depth + 1)
  return { siblings: [sibling, ...below.siblings], leaf: below.leaf }
}

type Ends = { depth: number; leaf: Entry | undefined }[]

/** Where `keys`, which differ, lead, and the hashes of all to which none does; left before right. */
export function treeMultiProof(
  entries: readonly Entry[],
  keys: readonly Uint8Array[],
  depth = 0,
): { ends: Ends; siblings: Uint8Array[] } {
  if (keys.length === 0) return { ends: [], siblings: [treeRoot(entries, depth)] }
  if (entries.length < 2) return { ends: [{ depth, leaf: entries[0] }], siblings: [] }
  const [left, right] = (['0', '1'] as const).map((bit) =>
    treeMultiProof(
      side(entries, depth, bit),
      keys.filter((key) => bits(key)[depth] === bit),
      depth + 1,
    ),
  )
  return {
    ends: [...(left?.ends ?? []), ...(right?.ends ?? [])],
    siblings: [...(left?.siblings ?? []), ...(right?.siblings ?? [])],
  }
}

/** What the chains of one lane are bound to: 16 bytes. */
export const laneTweak = (channelId: Uint8Array, lane: bigint): Uint8Array =>
  tagged('lane', channelId, uint(lane, 8)).slice(0, 16)

export type Chain = {
  readonly tweak: Uint8Array
  readonly epoch: number
  readonly digit: number
}

/** The node `steps` before `node`, which stands at `index`: node[i-1] = sha256(tweak(i) ‖ node[i]). */
export function walkBack(chain: Chain, index: number, steps: number, node: Uint8Array): Uint8Array {
  let reached = node
  for (let i = index; i > index - steps; i--)
    reached = sha256(chain.tweak, uint(chain.epoch, 4), uint(chain.digit, 1), uint(i, 2), reached)
  return reached
}
