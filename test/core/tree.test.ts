import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, zeroes } from '../../src/core/bytes.js'
import * as Tree from '../../src/core/tree.js'
import {
  type Entry,
  filler,
  join,
  sha256,
  tagged,
  treeProof,
  treeRoot,
} from '../vectors/reference.js'

/** Keys that share their first bytes, so that trees get deep. */
const key = fc
  .record({ prefix: fc.constantFrom(0, 1, 2, 16, 31), last: fc.nat(255), rest: fc.nat(2) })
  .map(({ prefix, last, rest }) => {
    const bytes = filler(`key ${rest}`).fill(0, 0, prefix)
    bytes[31] = last
    return bytes
  })
const value = fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.constant(zeroes()))
const write = fc.tuple(key, value)
const writes = fc.array(write, { maxLength: 24 })

const treeOf = (entries: readonly Entry[]): Tree.Tree =>
  entries.reduce<Tree.Tree>((tree, [key, value]) => Tree.set(tree, key, value), undefined)

const changesOf = (entries: readonly Entry[]): Tree.Entry[] =>
  entries.map(([key, value]) => ({ key, value }))

/** Of every node, from the root down, left before right. */
const hashesOf = (tree: Tree.Tree): string[] => [
  toHex(Tree.root(tree)),
  ...(tree && 'left' in tree ? [...hashesOf(tree.left), ...hashesOf(tree.right)] : []),
]

/** The last value written to each key. */
const contentOf = (entries: readonly Entry[]): Entry[] => [
  ...new Map(entries.map((entry) => [toHex(entry[0]), entry])).values(),
]

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)
const badProof = expect.objectContaining({ code: 'BAD_PROOF' })

describe('a root', () => {
  it('is zeroes for the empty tree', () => {
    expect(Tree.root(undefined)).toEqual(zeroes())
  })

  it('is what a naive reading of the protocol gives, whatever the order of writes', () => {
    fc.assert(
      fc.property(writes, fc.infiniteStream(fc.nat()), (writes, random) => {
        const content = contentOf(writes)
        const expected = treeRoot(content)
        expect(Tree.root(treeOf(writes))).toEqual(expected)
        const shuffled = content
          .map((entry) => ({ entry, at: random.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ entry }) => entry)
        expect(Tree.root(treeOf(shuffled))).toEqual(expected)
      }),
    )
  })

  it('never changes behind a tree that is kept', () => {
    const tree = treeOf([[filler('a'), filler('1')]])
    const before = Tree.root(tree)
    Tree.set(tree, filler('b'), filler('2'))
    expect(Tree.root(tree)).toBe(before)
  })
})

it('what was written last is read, and deleted is absent', () => {
  fc.assert(
    fc.property(writes, key, (writes, other) => {
      const tree = treeOf(writes)
      const content = new Map(writes.map(([key, value]) => [toHex(key), value]))
      for (const [hex, value] of content)
        expect(Tree.get(tree, Buffer.from(hex.slice(2), 'hex'))).toEqual(
          isZero(value) ? undefined : value,
        )
      const there = content.get(toHex(other)) ?? zeroes()
      expect(Tree.get(tree, other)).toEqual(isZero(there) ? undefined : there)
    }),
  )
})

describe('many changes at once', () => {
  it('give the tree that they give one by one, and leave the old one as it was', () => {
    fc.assert(
      fc.property(writes, writes, (before, changes) => {
        const old = treeOf(before)
        const hashes = hashesOf(old)
        const oneByOne = changes.reduce((tree, [key, value]) => Tree.set(tree, key, value), old)
        expect(hashesOf(Tree.setAll(old, changesOf(changes)))).toEqual(hashesOf(oneByOne))
        expect(hashesOf(old)).toEqual(hashes)
        expect(Tree.root(oneByOne)).toEqual(treeRoot(contentOf([...before, ...changes])))
      }),
    )
  })

  it('share with the old tree what they do not touch', () => {
    const [a, b] = [filler('a').fill(0, 0, 1), filler('b').fill(255, 0, 1)]
    const tree = treeOf([
      [a, filler('1')],
      [b, filler('2')],
    ])
    const changed = Tree.setAll(tree, [{ key: a, value: filler('3') }])
    if (tree === undefined || !('left' in tree)) throw new Error('two keys make a branch')
    if (changed === undefined || !('left' in changed)) throw new Error('two keys make a branch')
    expect(changed.right).toBe(tree.right)
    // Nor does a node keep the memory of its whole batch.
    expect(Tree.root(changed.left).buffer.byteLength).toBe(32)
    expect(Tree.setAll(tree, [])).toBe(tree)
  })

  it('are hashed in one call a level, whatever their number', () => {
    const batches: string[] = []
    const counting: Tree.Hasher = {
      leaves: (contents, hashes) => {
        batches.push(`${contents.length / 64} leaves`)
        Tree.hasher.leaves(contents, hashes)
      },
      nodes: (contents, hashes) => {
        batches.push(`${contents.length / 64} nodes`)
        Tree.hasher.nodes(contents, hashes)
      },
    }
    const changes = Array.from({ length: 256 }, (_, i) => ({
      key: filler(`k${i}`).fill(i, 0, 1),
      value: filler(`v${i}`),
    }))
    const tree = Tree.setAll(undefined, changes, counting)
    const levels = [128, 64, 32, 16, 8, 4, 2, 1]
    expect(batches).toEqual(['256 leaves', ...levels.map((count) => `${count} nodes`)])
    // A node keeps the hashes of a few others in memory, never of a whole level.
    for (let at = tree, depth = 0; at !== undefined && !('key' in at); depth++) {
      expect(at.hash.buffer.byteLength).toBeLessThanOrEqual(512)
      at = Tree.children(at, depth)[0]
    }
  })

  it('need keys and values of 32 bytes', () => {
    const bug = expect.objectContaining({ code: 'INVARIANT' })
    const change = { key: filler('a'), value: filler('1') }
    expect(() => Tree.setAll(undefined, [{ ...change, key: zeroes(31) }])).toThrow(bug)
    expect(() => Tree.setAll(undefined, [{ ...change, value: zeroes(33) }])).toThrow(bug)
  })
})

describe('a proof', () => {
  it('is that of the naive reading, and shows presence and absence', () => {
    fc.assert(
      fc.property(writes, key, (writes, asked) => {
        const tree = treeOf(writes)
        for (const key of [asked, ...writes.slice(0, 2).map(([key]) => key)]) {
          const proof = Tree.prove(tree, key)
          const { siblings, leaf } = treeProof(contentOf(writes), key)
          expect(proof).toEqual({ siblings, leaf: leaf && { key: leaf[0], value: leaf[1] } })
          expect(Tree.verify(Tree.root(tree), key, proof)).toEqual(Tree.get(tree, key))
        }
      }),
    )
  })

  it('that was changed anywhere shows nothing', () => {
    const flip = (bytes: Uint8Array, bit: number): Uint8Array =>
      bytes.with(
        (bit >> 3) % bytes.length,
        (bytes[(bit >> 3) % bytes.length] ?? 0) ^ (1 << (bit & 7)),
      )
    fc.assert(
      fc.property(writes, key, fc.nat(255), fc.nat(), fc.nat(4), (writes, key, bit, at, kind) => {
        const tree = treeOf(writes)
        const proof = Tree.prove(tree, key)
        const { siblings, leaf } = proof
        const place = siblings.length === 0 ? 0 : at % siblings.length
        const mutants: (Tree.Proof | undefined)[] = [
          siblings.length === 0
            ? undefined
            : { leaf, siblings: siblings.with(place, flip(siblings[place] ?? zeroes(), bit)) },
          leaf && { siblings, leaf: { ...leaf, value: flip(leaf.value, bit) } },
          leaf && { siblings, leaf: { ...leaf, key: flip(leaf.key, bit) } },
          leaf && { siblings, leaf: undefined },
          leaf && { siblings: [...siblings, zeroes()], leaf },
        ]
        const mutant = mutants[kind]
        if (mutant === undefined) return
        expect(() => Tree.verify(Tree.root(tree), key, mutant)).toThrow(badProof)
      }),
    )
  })

  it('that shows the two children of a branch as a leaf is refused', () => {
    const [a, b] = [filler('a').fill(0, 0, 1), filler('b').fill(255, 0, 1)]
    const tree = treeOf([
      [a, filler('1')],
      [b, filler('2')],
    ])
    if (tree === undefined || !('left' in tree)) throw new Error('two keys make a branch')
    // In a tree with one tag for both, this "leaf" has the hash of the root, and proves `a` absent.
    const leaf = { key: Tree.root(tree.left), value: Tree.root(tree.right) }
    expect(() => Tree.verify(Tree.root(tree), a, { siblings: [], leaf })).toThrow(badProof)
    const untagged = sha256(leaf.key, leaf.value)
    expect(Tree.root(tree)).not.toEqual(untagged)
  })

  it.each<[string, Tree.Proof]>([
    ['is too long', { siblings: Array(257).fill(zeroes()), leaf: undefined }],
    ['has a short sibling', { siblings: [zeroes(31)], leaf: undefined }],
    ['has a long key', { siblings: [], leaf: { key: zeroes(33), value: zeroes() } }],
    ['has a short value', { siblings: [], leaf: { key: zeroes(), value: zeroes(31) } }],
  ])('that %s is refused', (_, proof) => {
    expect(() => Tree.verify(zeroes(), filler('key'), proof)).toThrow(badProof)
    expect(() => Tree.verify(zeroes(), zeroes(31), { siblings: [], leaf: undefined })).toThrow(
      badProof,
    )
  })

  it('of a leaf that does not lie on the way to the key is refused', () => {
    const [left, right] = [filler('left').fill(0, 0, 1), filler('right').fill(255, 0, 1)]
    // A root that no tree has: the leaf of a key that goes right hangs on the left.
    const forged = tagged('node', tagged('leaf', right, filler('1')), zeroes())
    const proof = { siblings: [zeroes()], leaf: { key: right, value: filler('1') } }
    expect(() => Tree.verify(forged, left, proof)).toThrow(badProof)
    expect(() => Tree.update(forged, left, filler('2'), proof)).toThrow(badProof)
  })
})

it('a proof of a leaf away from its place is refused, even under a root that has it there', () => {
  const leaf = { key: filler('a').fill(255, 0, 1), value: filler('1') }
  const misplaced = tagged('node', tagged('leaf', leaf.key, leaf.value), zeroes())
  const asked = filler('b').fill(0, 0, 1)
  expect(() => Tree.verify(misplaced, asked, { siblings: [zeroes()], leaf })).toThrow(badProof)
})

it('a proof with a byte too many is refused, though all that is hashed is genuine', () => {
  const entries: Entry[] = Array.from({ length: 8 }, (_, i) => [filler(`k${i}`), filler(`v${i}`)])
  const tree = treeOf(entries)
  const key = filler('k0')
  const { siblings, leaf } = Tree.prove(tree, key)
  if (leaf === undefined) throw new Error('the key is there')
  const longer = (bytes: Uint8Array): Uint8Array => join(bytes, Uint8Array.of(0))
  const forgeries: Tree.Proof[] = [
    ...siblings.map((hash, at) => ({ leaf, siblings: siblings.with(at, longer(hash)) })),
    // A longer key would be another key: its leaf would prove absent what is there.
    { siblings, leaf: { ...leaf, key: longer(key) } },
    { siblings, leaf: { ...leaf, value: longer(leaf.value) } },
  ]
  for (const forged of forgeries)
    expect(() => Tree.verify(Tree.root(tree), key, forged)).toThrow(badProof)
})

describe('an update from a proof alone', () => {
  it('gives the root of the whole tree, through any writes and deletions', () => {
    fc.assert(
      fc.property(writes, (writes) => {
        let tree: Tree.Tree
        for (const [key, value] of writes) {
          const updated = Tree.update(Tree.root(tree), key, value, Tree.prove(tree, key))
          tree = Tree.set(tree, key, value)
          expect(updated).toEqual(Tree.root(tree))
        }
      }),
    )
  })

  it('needs a proof for the root and the key', () => {
    const tree = treeOf([[filler('a'), filler('1')]])
    const proof = Tree.prove(tree, filler('a'))
    expect(() => Tree.update(zeroes(), filler('a'), filler('2'), proof)).toThrow(badProof)
    expect(() => Tree.update(Tree.root(tree), filler('a'), zeroes(31), proof)).toThrow(badProof)
  })
})
