/**
 * Multi-proofs: what stands at many keys of one state tree, every shared hash once. They hold no hash that
 * can be computed from the rest, and one tree and set of keys have exactly one.
 *
 * Go through the tree from its root, left before right:
 *
 *     a subtree to which no key leads            its hash is the next of `siblings`
 *     a leaf or empty subtree to which some do   the next of `ends`, with its depth
 *     a branch to which some do                  go on with its left half, then its right
 *
 * A verifier goes the same way: the keys and the depths tell it which of the three comes next.
 */
import * as Tree from './tree.js'

export type MultiProof = {
  readonly ends: readonly End[]
  readonly siblings: readonly Uint8Array[]
}

/** Where one key or more lead: a leaf (of one of them, or of another key), or nothing. */
export type End = { readonly depth: number; readonly leaf: Tree.Entry | undefined }

/**
 * Proof of what stands at each of `keys`, whatever their order.
 * @throws TreeError `BAD_PROOF` where another proof left a key out
 */
export function prove(tree: Tree.Tree, keys: readonly Uint8Array[]): MultiProof {
  const ends: End[] = []
  const siblings: Uint8Array[] = []
  walk(tree, asked(keys), 0)
  return { ends, siblings }

  function walk(tree: Tree.Tree, asked: readonly Asked[], depth: number): void {
    if (asked.length === 0) siblings.push(Tree.root(tree))
    else if (tree === undefined) ends.push({ depth, leaf: undefined })
    else if ('key' in tree) ends.push({ depth, leaf: { key: tree.key, value: tree.value } })
    else {
      const [left, right] = Tree.children(tree, depth)
      const middle = Tree.split(asked, depth)
      walk(left, asked.slice(0, middle), depth + 1)
      walk(right, asked.slice(middle), depth + 1)
    }
  }
}

/**
 * The values that `proof` shows at `keys` under `expected`, in the order of `keys`; undefined where it
 * shows absence. The work is bounded by the size of the proof.
 * @throws TreeError `BAD_PROOF` when the proof does not lead to that root
 */
export function verify(
  expected: Uint8Array,
  keys: readonly Uint8Array[],
  proof: MultiProof,
  hash: Tree.Hasher = Tree.hasher,
): (Uint8Array | undefined)[] {
  const tree = open(expected, keys, proof, hash)
  return keys.map((key) => Tree.get(tree, key))
}

/**
 * The root after `changes`, from a proof of exactly their keys: what `Tree.setAll` of the whole tree has.
 * @throws TreeError `BAD_PROOF`
 */
export function update(
  expected: Uint8Array,
  changes: readonly Tree.Entry[],
  proof: MultiProof,
  hash: Tree.Hasher = Tree.hasher,
): Uint8Array {
  for (const change of changes) Tree.checkEntry(change)
  const tree = open(
    expected,
    changes.map(({ key }) => key),
    proof,
    hash,
  )
  return Tree.root(Tree.setAll(tree, changes, hash))
}

/** The part of the tree under `expected` that `proof` shows: the ways to `keys`, all else pruned. */
function open(
  expected: Uint8Array,
  keys: readonly Uint8Array[],
  proof: MultiProof,
  hash: Tree.Hasher,
): Tree.Tree {
  if (keys.some((key) => key.length !== 32)) throw new Tree.TreeError('a key has 32 bytes')
  const ends = proof.ends.values()
  const siblings = proof.siblings.values()
  const tree = Tree.build((builder) => {
    let end = ends.next().value
    const shape = (asked: readonly Asked[], depth: number): Tree.Tree => {
      const [first] = asked
      if (first === undefined) return Tree.pruned(siblings.next().value)
      if (end === undefined || depth > Tree.depthMax)
        throw new Tree.TreeError('the proof does not say where its keys lead')
      if (end.depth === depth) {
        const { leaf } = end
        end = ends.next().value
        if (leaf === undefined) return undefined
        Tree.checkLeaf(leaf, first.key, depth)
        return builder.leaf(leaf)
      }
      const middle = Tree.split(asked, depth)
      const left = shape(asked.slice(0, middle), depth + 1)
      const right = shape(asked.slice(middle), depth + 1)
      return builder.branch(depth, left, right)
    }
    const top = shape(asked(keys), 0)
    if (end !== undefined || siblings.next().done !== true)
      throw new Tree.TreeError('the proof holds more than its keys ask for')
    return top
  }, hash)
  Tree.checkRoot(tree, expected)
  return tree
}

type Asked = Pick<Tree.Entry, 'key'>

/** Sorted and each once. */
const asked = (keys: readonly Uint8Array[]): Asked[] => Tree.sortByKey(keys.map((key) => ({ key })))
