import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { zeroes } from '../../src/core/bytes.js'
import * as MultiProof from '../../src/core/multi-proof.js'
import * as Tree from '../../src/core/tree.js'
import { type Entry, filler, hex, join, sha256, tagged, treeRoot } from '../vectors/reference.js'

/** Keys that share their first bytes, so that trees get deep. */
const key = fc
  .record({ prefix: fc.constantFrom(0, 1, 2, 4), last: fc.nat(15), rest: fc.nat(2) })
  .map(({ prefix, last, rest }) => {
    const bytes = filler(`key ${rest}`).fill(0, 0, prefix)
    bytes[31] = last
    return bytes
  })
const keys = fc.array(key, { maxLength: 12 })
const value = fc.oneof(
  fc.nat(999).map((n) => filler(`value ${n}`)),
  fc.constant(zeroes()),
)
const entries = fc.array(fc.record({ key, value }), { maxLength: 16 })

const badProof = expect.objectContaining({ code: 'BAD_PROOF' })
const keysOf = (entries: readonly Tree.Entry[]): Uint8Array[] => entries.map(({ key }) => key)

/** The last value written to each key, as the reference wants it. */
const contentOf = (entries: readonly Tree.Entry[]): Entry[] => [
  ...new Map(entries.map(({ key, value }): [string, Entry] => [hex(key), [key, value]])).values(),
]

const bits = (key: Uint8Array): string =>
  [...key].map((byte) => byte.toString(2).padStart(8, '0')).join('')

/** A naive reading of the protocol. */
function naive(
  content: readonly Entry[],
  keys: readonly string[],
  depth = 0,
): MultiProof.MultiProof {
  if (keys.length === 0) return { ends: [], siblings: [treeRoot(content, depth)] }
  const [first] = content
  if (content.length < 2)
    return { ends: [{ depth, leaf: first && { key: first[0], value: first[1] } }], siblings: [] }
  const half = (bit: '0' | '1'): MultiProof.MultiProof =>
    naive(
      content.filter(([key]) => bits(key)[depth] === bit),
      keys.filter((key) => key[depth] === bit),
      depth + 1,
    )
  const [left, right] = [half('0'), half('1')]
  return {
    ends: [...left.ends, ...right.ends],
    siblings: [...left.siblings, ...right.siblings],
  }
}

it('a multi-proof is that of the naive reading, and shows presence and absence', () => {
  fc.assert(
    fc.property(entries, keys, (entries, others) => {
      const tree = Tree.setAll(undefined, entries)
      const asked = [...others, ...keysOf(entries).slice(0, 6)]
      const proof = MultiProof.prove(tree, asked)
      expect(proof).toEqual(naive(contentOf(entries), asked.map(bits)))
      expect(MultiProof.verify(Tree.root(tree), asked, proof)).toEqual(
        asked.map((key) => Tree.get(tree, key)),
      )
    }),
  )
})

describe('a multi-proof', () => {
  const content = Array.from({ length: 8 }, (_, i) => ({
    key: filler(`k${i}`).fill(i << 5, 0, 1),
    value: filler(`v${i}`),
  }))
  const tree = Tree.setAll(undefined, content)
  const root = Tree.root(tree)

  it('holds a sibling once for all keys below it, and none that can be computed', () => {
    const proof = MultiProof.prove(tree, keysOf(content.slice(0, 4)))
    expect(proof.siblings).toHaveLength(1)
    expect(proof.ends.map(({ depth }) => depth)).toEqual([3, 3, 3, 3])
    expect(MultiProof.prove(tree, keysOf(content)).siblings).toEqual([])
  })

  it('of no keys is the root', () => {
    const proof = MultiProof.prove(tree, [])
    expect(proof).toEqual({ ends: [], siblings: [root] })
    expect(MultiProof.verify(root, [], proof)).toEqual([])
    expect(MultiProof.update(root, [], proof)).toEqual(root)
    expect(() => MultiProof.verify(zeroes(), [], proof)).toThrow(badProof)
  })

  it('of the empty tree shows every key absent', () => {
    const proof = MultiProof.prove(undefined, keysOf(content))
    expect(proof).toEqual({ ends: [{ depth: 0, leaf: undefined }], siblings: [] })
    expect(MultiProof.verify(zeroes(), keysOf(content), proof)).toEqual(
      content.map(() => undefined),
    )
    expect(MultiProof.update(zeroes(), content, proof)).toEqual(root)
  })

  it('is for its own keys only', () => {
    const proof = MultiProof.prove(tree, keysOf(content.slice(0, 2)))
    for (const keys of [content.slice(0, 1), content.slice(0, 3), content.slice(1, 3)])
      expect(() => MultiProof.verify(root, keysOf(keys), proof)).toThrow(badProof)
  })

  it('that shows the two children of a branch as a leaf is refused', () => {
    if (tree === undefined || !('left' in tree)) throw new Error('eight keys make a branch')
    // In a tree with one tag for both, this "leaf" has the hash of the root, and proves all keys absent.
    const leaf = { key: Tree.root(tree.left), value: Tree.root(tree.right) }
    expect(sha256(leaf.key, leaf.value)).not.toEqual(root)
    const forged = { ends: [{ depth: 0, leaf }], siblings: [] }
    expect(() => MultiProof.verify(root, keysOf(content), forged)).toThrow(badProof)
    expect(() => MultiProof.update(root, content, forged)).toThrow(badProof)
  })

  it('that shows a leaf away from its place is refused, even under a root that has it there', () => {
    const leaf = { key: filler('a').fill(255, 0, 1), value: filler('1') }
    const misplaced = tagged('node', tagged('leaf', leaf.key, leaf.value), zeroes())
    const forged = { ends: [{ depth: 1, leaf }], siblings: [zeroes()] }
    const asked = filler('b').fill(0, 0, 1)
    expect(() => MultiProof.verify(misplaced, [asked], forged)).toThrow(badProof)
  })

  it('with a byte or a part too many is refused, though all that is hashed is genuine', () => {
    const keys = keysOf(content.slice(2, 5))
    const proof = MultiProof.prove(tree, keys)
    const { ends, siblings } = proof
    const longer = (bytes: Uint8Array): Uint8Array => join(bytes, Uint8Array.of(0))
    const forgeries: MultiProof.MultiProof[] = [
      { ends, siblings: [...siblings, root] },
      { ends: [...ends, { depth: 3, leaf: undefined }], siblings },
      ...siblings.map((hash, at) => ({ ends, siblings: siblings.with(at, longer(hash)) })),
      ...ends.flatMap((end, at) => {
        const { key, value } = end.leaf ?? { key: zeroes(), value: zeroes() }
        // A longer key would be another key: its leaf would prove absent what is there.
        return [
          { siblings, ends: ends.with(at, { ...end, leaf: { key: longer(key), value } }) },
          { siblings, ends: ends.with(at, { ...end, leaf: { key, value: longer(value) } }) },
        ]
      }),
    ]
    expect(MultiProof.verify(root, keys, proof)).not.toContain(undefined)
    for (const forged of forgeries)
      expect(() => MultiProof.verify(root, keys, forged)).toThrow(badProof)
  })

  it.each<[string, MultiProof.MultiProof]>([
    ['is empty', { ends: [], siblings: [] }],
    ['ends below the last bit', { ends: [{ depth: 257, leaf: undefined }], siblings: Array(257) }],
    ['ends above the root', { ends: [{ depth: -1, leaf: undefined }], siblings: [root] }],
    ['ends between levels', { ends: [{ depth: 0.5, leaf: undefined }], siblings: [root] }],
    ['has a short sibling', { ends: [{ depth: 1, leaf: undefined }], siblings: [zeroes(31)] }],
    [
      'has a long key',
      { ends: [{ depth: 0, leaf: { key: zeroes(33), value: root } }], siblings: [] },
    ],
    ['has no value', { ends: [{ depth: 0, leaf: { key: root, value: zeroes(0) } }], siblings: [] }],
  ])('that %s is refused', (_, proof) => {
    expect(() => MultiProof.verify(root, [filler('key')], proof)).toThrow(badProof)
  })

  it('is not asked for keys or given values that are none', () => {
    const proof = { ends: [{ depth: 0, leaf: undefined }], siblings: [] }
    expect(() => MultiProof.verify(zeroes(), [zeroes(31)], proof)).toThrow(badProof)
    const change = { key: filler('a'), value: zeroes(31) }
    expect(() => MultiProof.update(zeroes(), [change], proof)).toThrow(badProof)
  })
})

it('updates from multi-proofs alone give the roots of the whole tree, through any batches', () => {
  fc.assert(
    fc.property(fc.array(entries, { maxLength: 4 }), (batches) => {
      let tree: Tree.Tree
      for (const changes of batches) {
        const proof = MultiProof.prove(tree, keysOf(changes))
        const updated = MultiProof.update(Tree.root(tree), changes, proof)
        tree = Tree.setAll(tree, changes)
        expect(updated).toEqual(Tree.root(tree))
      }
    }),
  )
})
