/**
 * The state tree (RST): a sparse Merkle tree over 256-bit hashed keys, persistent and pure. A subtree with
 * one leaf is that leaf, so proofs and updates cost log2(leaves) hashes; nothing is ever mutated.
 *
 *     empty  = 32 zero bytes
 *     leaf   = tagged('leaf', key ‖ value)      value = 32 bytes, a tagged hash; all zeroes means absent
 *     branch = tagged('node', left ‖ right)     bit 0 of a key is the top bit of its first byte
 *
 * Leaf and branch have different tags: the two children of a branch can never be shown as a leaf.
 */
import { equals, zeroes } from './bytes.js'
import { assert, SluiceError } from './errors.js'
import * as Hash from './hash.js'

export type Leaf = {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly hash: Uint8Array
}
export type Branch = { readonly left: Tree; readonly right: Tree; readonly hash: Uint8Array }
/** `undefined` is the empty tree. */
export type Tree = Leaf | Branch | undefined

/**
 * The path to a key: sibling hashes from the top down, and the leaf that stands where the key leads
 * (another key's leaf, or none, proves absence).
 */
export type Proof = {
  readonly siblings: readonly Uint8Array[]
  readonly leaf: { readonly key: Uint8Array; readonly value: Uint8Array } | undefined
}

const empty = zeroes()
const depthMax = 256

const bit = (key: Uint8Array, depth: number): number =>
  ((key[depth >> 3] ?? 0) >> (7 - (depth & 7))) & 1

const leafOf = (key: Uint8Array, value: Uint8Array): Leaf => ({
  key,
  value,
  hash: Hash.tagged('leaf', key, value),
})

const branchHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  Hash.tagged('node', left, right)

const branchOf = (left: Tree, right: Tree): Branch => ({
  left,
  right,
  hash: branchHash(root(left), root(right)),
})

/** Root hash, 32 bytes; zeroes for the empty tree. */
export const root = (tree: Tree): Uint8Array => tree?.hash ?? empty

/** The value at `key`, or undefined where absent or deleted. */
export function get(tree: Tree, key: Uint8Array): Uint8Array | undefined {
  let at = tree
  for (let depth = 0; at !== undefined && 'left' in at; depth++)
    at = bit(key, depth) === 0 ? at.left : at.right
  if (at === undefined || !equals(at.key, key) || equals(at.value, empty)) return undefined
  return at.value
}

/** The tree with `value` (32 bytes) at `key` (32 bytes). All-zero deletes: the leaf stays, empty. */
export function set(tree: Tree, key: Uint8Array, value: Uint8Array): Tree {
  assert(key.length === 32 && value.length === 32, 'tree keys and values are 32 bytes')
  return insert(tree, leafOf(key, value), 0)
}

function insert(tree: Tree, leaf: Leaf, depth: number): Leaf | Branch {
  if (tree === undefined) return leaf
  if ('left' in tree)
    return bit(leaf.key, depth) === 0
      ? branchOf(insert(tree.left, leaf, depth + 1), tree.right)
      : branchOf(tree.left, insert(tree.right, leaf, depth + 1))
  return equals(tree.key, leaf.key) ? leaf : fork(tree, leaf, depth)
}

/** The subtree at `depth` that holds two leaves with different keys. */
function fork(a: Leaf, b: Leaf, depth: number): Branch {
  if (bit(a.key, depth) === bit(b.key, depth)) {
    const deeper = fork(a, b, depth + 1)
    return bit(a.key, depth) === 0 ? branchOf(deeper, undefined) : branchOf(undefined, deeper)
  }
  return bit(a.key, depth) === 0 ? branchOf(a, b) : branchOf(b, a)
}

/** Proof of what stands at `key`: presence, the empty value, or absence. */
export function prove(tree: Tree, key: Uint8Array): Proof {
  const siblings: Uint8Array[] = []
  let at = tree
  for (let depth = 0; at !== undefined && 'left' in at; depth++) {
    const left = bit(key, depth) === 0
    siblings.push(root(left ? at.right : at.left))
    at = left ? at.left : at.right
  }
  return { siblings, leaf: at && { key: at.key, value: at.value } }
}

/**
 * The value that `proof` shows at `key` under `expected`, undefined where it shows absence.
 * @throws TreeError `BAD_PROOF` when the proof does not lead to that root
 */
export function verify(
  expected: Uint8Array,
  key: Uint8Array,
  proof: Proof,
): Uint8Array | undefined {
  checkShape(key, proof)
  const { leaf, siblings } = proof
  const bottom = leaf === undefined ? empty : leafOf(leaf.key, leaf.value).hash
  if (!equals(climb(key, siblings, bottom), expected))
    throw new TreeError('the proof does not lead to the root it was given for')
  if (leaf === undefined || !equals(leaf.key, key) || equals(leaf.value, empty)) return undefined
  return leaf.value
}

/**
 * The root after writing `value` at `key`, from a proof of that key alone.
 * @throws TreeError `BAD_PROOF`
 */
export function update(
  expected: Uint8Array,
  key: Uint8Array,
  value: Uint8Array,
  proof: Proof,
): Uint8Array {
  verify(expected, key, proof)
  const leaf = leafOf(key, value)
  const { leaf: there, siblings } = proof
  const bottom =
    there === undefined || equals(there.key, key)
      ? leaf
      : fork(leafOf(there.key, there.value), leaf, siblings.length)
  return climb(key, siblings, bottom.hash)
}

function climb(key: Uint8Array, siblings: readonly Uint8Array[], bottom: Uint8Array): Uint8Array {
  let hash = bottom
  for (let depth = siblings.length - 1; depth >= 0; depth--) {
    const sibling = siblings[depth] ?? empty
    hash = bit(key, depth) === 0 ? branchHash(hash, sibling) : branchHash(sibling, hash)
  }
  return hash
}

/** A proof is canonical: short enough, hashes of 32 bytes, and its leaf on the key's own path. */
function checkShape(key: Uint8Array, { siblings, leaf }: Proof): void {
  if (
    key.length !== 32 ||
    siblings.length > depthMax ||
    siblings.some((hash) => hash.length !== 32)
  )
    throw new TreeError('a proof has at most 256 siblings of 32 bytes')
  if (leaf === undefined) return
  if (leaf.key.length !== 32 || leaf.value.length !== 32)
    throw new TreeError('a leaf has a key and a value of 32 bytes')
  for (let depth = 0; depth < siblings.length; depth++)
    if (bit(leaf.key, depth) !== bit(key, depth))
      throw new TreeError('the leaf of the proof does not lie on the path to the key')
}

/** A proof that proves nothing. */
export class TreeError extends SluiceError {
  constructor(message: string) {
    super('BAD_PROOF', message)
    this.name = 'TreeError'
  }
}
