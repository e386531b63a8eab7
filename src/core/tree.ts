/**
 * The state tree (RST): a sparse Merkle tree over 256-bit hashed keys, persistent and pure. A subtree with
 * one leaf is that leaf, so proofs and updates cost log2(leaves) hashes; a tree once returned never changes.
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

/** What a tree holds: 32 bytes each. The all-zero value deletes, and means absent. */
export type Entry = { readonly key: Uint8Array; readonly value: Uint8Array }
export type Leaf = Entry & { readonly hash: Uint8Array }
export type Branch = { readonly left: Tree; readonly right: Tree; readonly hash: Uint8Array }
/** A subtree that a proof left out: its hash is all we know. */
export type Pruned = { readonly hash: Uint8Array }
/** `undefined` is the empty tree. */
export type Tree = Leaf | Branch | Pruned | undefined

/**
 * Tagged hashes of any number of contents, 64 bytes each (key ‖ value, left ‖ right) and laid end to end;
 * so are the results, 32 bytes each, which exactly fill `hashes`.
 */
export type Hasher = {
  readonly leaves: (contents: Uint8Array, hashes: Uint8Array) => void
  readonly nodes: (contents: Uint8Array, hashes: Uint8Array) => void
}

/**
 * The path to a key: sibling hashes from the top down, and the leaf that stands where the key leads
 * (another key's leaf, or none, proves absence).
 */
export type Proof = {
  readonly siblings: readonly Uint8Array[]
  readonly leaf: Entry | undefined
}

/** Nodes of a tree whose hashes are still to come. */
export type Builder = {
  leaf(entry: Entry): Leaf
  branch(depth: number, left: Tree, right: Tree): Branch
}

/** A tree has no branch at or below this depth: there, all bits of a key are spent. */
export const depthMax = 256

const empty = zeroes()
const hashSize = 32
const contentSize = 64
/**
 * Hashes of one level that lie in one piece of memory: a piece each is half as many objects again for the
 * garbage collector, which takes a third of a pass; one for a whole level would live as long as its last node.
 */
const sharersMax = 16

/** The reference hasher, and the default everywhere: noble, one content at a time. */
export const hasher: Hasher = { leaves: taggedEach('leaf'), nodes: taggedEach('node') }

function taggedEach(tag: 'leaf' | 'node'): Hasher['leaves'] {
  return (contents, hashes) => {
    for (let at = 0; at < contents.length; at += contentSize)
      hashes.set(Hash.tagged(tag, contents.subarray(at, at + contentSize)), at / 2)
  }
}

/** Root hash, 32 bytes; zeroes for the empty tree. */
export const root = (tree: Tree): Uint8Array => tree?.hash ?? empty

/**
 * The value at `key`, or undefined where absent or deleted.
 * @throws TreeError `BAD_PROOF` where a proof left the key out
 */
export function get(tree: Tree, key: Uint8Array): Uint8Array | undefined {
  let at = tree
  for (let depth = 0; at !== undefined && !('key' in at); depth++)
    at = children(at, depth)[bit(key, depth)]
  if (at === undefined || !equals(at.key, key) || equals(at.value, empty)) return undefined
  return at.value
}

/** The tree with `value` at `key`; see `setAll`. */
export const set = (tree: Tree, key: Uint8Array, value: Uint8Array, hash: Hasher = hasher): Tree =>
  setAll(tree, [{ key, value }], hash)

/**
 * The tree with all `changes` made, in one pass; of several to one key the last wins. What no change
 * touches is shared with `tree`. A deleted leaf stays, empty.
 */
export function setAll(tree: Tree, changes: readonly Entry[], hash: Hasher = hasher): Tree {
  for (const { key, value } of changes)
    assert(key.length === 32 && value.length === 32, 'tree keys and values are 32 bytes')
  const sorted = sortByKey(changes)
  return build((builder) => write(builder, tree, sorted, 0), hash)
}

/** The subtree `tree` at `depth` after the `changes` from `from` to `to`: each of a key that leads there, sorted, distinct. */
function write(
  builder: Builder,
  tree: Tree,
  changes: readonly Entry[],
  depth: number,
  from = 0,
  to = changes.length,
): Tree {
  const change = changes[from]
  if (change === undefined || from === to) return tree
  if (to - from === 1 && (tree === undefined || isLeafAt(tree, change.key)))
    return builder.leaf(change)
  const [left, right] = children(tree, depth)
  const middle = split(changes, depth, from, to)
  return builder.branch(
    depth,
    write(builder, left, changes, depth + 1, from, middle),
    write(builder, right, changes, depth + 1, middle, to),
  )
}

const isLeafAt = (tree: Leaf | Branch | Pruned, key: Uint8Array): boolean =>
  'key' in tree && compare(tree.key, key) === 0

/** The two halves of a subtree at `depth`. A leaf that shares its place with others moves down a level. */
export function children(tree: Tree, depth: number): readonly [left: Tree, right: Tree] {
  if (tree === undefined) return [undefined, undefined]
  if ('left' in tree) return [tree.left, tree.right]
  if ('key' in tree) return bit(tree.key, depth) === 0 ? [tree, undefined] : [undefined, tree]
  throw new TreeError('the proof leaves out what stands at the key')
}

/** In the order of their keys, which is that of the leaves; the last of each key. */
export function sortByKey<Keyed extends Pick<Entry, 'key'>>(items: readonly Keyed[]): Keyed[] {
  const sorted = [...items].sort((a, b) => compare(a.key, b.key))
  return sorted.filter((item, at) => {
    const next = sorted[at + 1]
    return next === undefined || compare(item.key, next.key) !== 0
  })
}

/** Among sorted items, of which those from `from` to `to` agree above `depth`: where those that go right begin. */
export function split(
  items: readonly Pick<Entry, 'key'>[],
  depth: number,
  from = 0,
  to = items.length,
): number {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = items[middle]
    if (item !== undefined && bit(item.key, depth) === 0) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The tree that `shape` makes, hashed once it stands: all leaves in one call, then the branches, a level
 * a call, from the deepest up; a kernel that hashes in parallel sees large batches. This is the only place
 * that changes a node: its hash is filled in once, before anyone but `shape` has seen it.
 */
export function build(shape: (builder: Builder) => Tree, hash: Hasher): Tree {
  const leaves: Unhashed<Leaf>[] = []
  const levels: Unhashed<Branch>[][] = []
  const tree = shape({
    leaf({ key, value }) {
      const leaf = { key, value, hash: empty }
      leaves.push(leaf)
      return leaf
    },
    branch(depth, left, right) {
      const branch = { left, right, hash: empty }
      levels[depth] ??= []
      levels[depth].push(branch)
      return branch
    },
  })
  const largest = Math.max(leaves.length, ...levels.map((level) => level.length))
  const contents = new Uint8Array(largest * contentSize)
  const hashes = new Uint8Array(largest * hashSize)
  /** Hashes the contents of `nodes`, which lie ready. */
  function fill(nodes: readonly { hash: Uint8Array }[], hashAll: Hasher['leaves']): void {
    const [contentsSize, size] = [nodes.length * contentSize, nodes.length * hashSize]
    hashAll(contents.subarray(0, contentsSize), hashes.subarray(0, size))
    for (let from = 0; from < nodes.length; from += sharersMax) {
      const some = nodes.slice(from, from + sharersMax)
      const shared = hashes.slice(from * hashSize, (from + some.length) * hashSize)
      for (const [at, node] of some.entries())
        node.hash = shared.subarray(at * hashSize, (at + 1) * hashSize)
    }
  }
  leaves.forEach(({ key, value }, at) => {
    contents.set(key, at * contentSize)
    contents.set(value, at * contentSize + hashSize)
  })
  if (leaves.length > 0) fill(leaves, hash.leaves)
  for (const level of levels.reverse()) {
    level.forEach(({ left, right }, at) => {
      contents.set(root(left), at * contentSize)
      contents.set(root(right), at * contentSize + hashSize)
    })
    fill(level, hash.nodes)
  }
  return tree
}

type Unhashed<Node> = Omit<Node, 'hash'> & { hash: Uint8Array }

/**
 * Proof of what stands at `key`: presence, the empty value, or absence.
 * @throws TreeError `BAD_PROOF` where another proof left the key out
 */
export function prove(tree: Tree, key: Uint8Array): Proof {
  const siblings: Uint8Array[] = []
  let at = tree
  for (let depth = 0; at !== undefined && !('key' in at); depth++) {
    const halves = children(at, depth)
    const side = bit(key, depth)
    siblings.push(root(halves[1 - side]))
    at = halves[side]
  }
  return { siblings, leaf: at && { key: at.key, value: at.value } }
}

/**
 * The value that `proof` shows at `key` under `expected`, undefined where it shows absence.
 * @throws TreeError `BAD_PROOF` when the proof does not lead to that root
 */
export const verify = (
  expected: Uint8Array,
  key: Uint8Array,
  proof: Proof,
  hash: Hasher = hasher,
): Uint8Array | undefined => get(open(expected, key, proof, hash), key)

/**
 * The root after writing `value` at `key`, from a proof of that key alone.
 * @throws TreeError `BAD_PROOF`
 */
export function update(
  expected: Uint8Array,
  key: Uint8Array,
  value: Uint8Array,
  proof: Proof,
  hash: Hasher = hasher,
): Uint8Array {
  checkEntry({ key, value })
  return root(set(open(expected, key, proof, hash), key, value, hash))
}

/** The part of the tree under `expected` that `proof` shows: the way to `key`, all else pruned. */
function open(expected: Uint8Array, key: Uint8Array, proof: Proof, hash: Hasher): Tree {
  const { siblings, leaf } = proof
  if (key.length !== 32 || siblings.length > depthMax)
    throw new TreeError('a key has 32 bytes, and its proof at most 256 siblings')
  if (leaf !== undefined) checkLeaf(leaf, key, siblings.length)
  const tree = build((builder) => {
    let at: Tree = leaf && builder.leaf(leaf)
    for (let depth = siblings.length - 1; depth >= 0; depth--) {
      const sibling = pruned(siblings[depth])
      at =
        bit(key, depth) === 0
          ? builder.branch(depth, at, sibling)
          : builder.branch(depth, sibling, at)
    }
    return at
  }, hash)
  checkRoot(tree, expected)
  return tree
}

/** @throws TreeError when `hash` is none */
export function pruned(hash: Uint8Array | undefined): Pruned {
  if (hash?.length !== hashSize) throw new TreeError('a sibling is a hash of 32 bytes')
  return { hash }
}

/** @throws TreeError unless the leaf lies on the way to `key`, at `depth` */
export function checkLeaf(leaf: Entry, key: Uint8Array, depth: number): void {
  checkEntry(leaf)
  for (let above = 0; above < depth; above++)
    if (bit(leaf.key, above) !== bit(key, above))
      throw new TreeError('the leaf of the proof does not lie on the path to the key')
}

/** @throws TreeError */
export function checkEntry({ key, value }: Entry): void {
  if (key.length !== 32 || value.length !== 32)
    throw new TreeError('a leaf has a key and a value of 32 bytes')
}

/** @throws TreeError */
export function checkRoot(tree: Tree, expected: Uint8Array): void {
  if (!equals(root(tree), expected))
    throw new TreeError('the proof does not lead to the root it was given for')
}

const bit = (key: Uint8Array, depth: number): 0 | 1 =>
  ((key[depth >> 3] ?? 0) & (128 >> (depth & 7))) === 0 ? 0 : 1

/** Sign of a - b, two keys. */
function compare(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** A proof that proves nothing. */
export class TreeError extends SluiceError {
  constructor(message: string) {
    super('BAD_PROOF', message)
    this.name = 'TreeError'
  }
}
