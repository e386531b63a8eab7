import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as MultiProof from '../../src/core/multi-proof.js'
import * as Tree from '../../src/core/tree.js'
import { filler } from '../vectors/reference.js'

const numRuns = Number(process.env.FC_NUM_RUNS ?? 100)
const content = Array.from({ length: 12 }, (_, i) => ({
  // Neighbours share all but a few bits, so that ends lie at many depths.
  key: filler('key').fill(i, i % 3 === 0 ? 0 : 31),
  value: filler(`value ${i}`),
}))
const tree = Tree.setAll(undefined, content)
const root = Tree.root(tree)
const pool = [...content.map(({ key }) => key), ...[1, 2, 3].map((n) => filler(`absent ${n}`))]

const keys = fc.subarray(pool, { minLength: 1 })
const bytes = fc.oneof(
  fc.constantFrom(...pool, root, new Uint8Array(32)),
  fc.uint8Array({ maxLength: 40 }),
)
const depth = fc.oneof(fc.nat(6), fc.constantFrom(-1, 0.5, 255, 256, 257, Number.NaN))
const leaf = fc.option(fc.record({ key: bytes, value: bytes }), { nil: undefined })
const end = fc.record({ depth, leaf })
const garbage = fc.record({
  ends: fc.array(end, { maxLength: 8 }),
  siblings: fc.array(bytes, { maxLength: 8 }),
})

/** Ways to change a proof in one place; each may turn out to change nothing. */
const mutation = fc
  .record({ at: fc.nat(), kind: fc.nat(7), bytes, end, depth })
  .map(({ at, kind, bytes, end, depth }) => (proof: MultiProof.MultiProof) => {
    const ends = [...proof.ends]
    const siblings = [...proof.siblings]
    const i = at % Math.max(1, ends.length)
    const j = at % Math.max(1, siblings.length)
    const old = ends[i]
    if (kind === 0) siblings.splice(j, 1)
    if (kind === 1) siblings.splice(at % (siblings.length + 1), 0, bytes)
    if (kind === 2) siblings.splice(j, 1, bytes)
    if (kind === 3) siblings.reverse()
    if (kind === 4) ends.splice(i, 1)
    if (kind === 5) ends.splice(at % (ends.length + 1), 0, end)
    if (kind === 6 && old) ends[i] = { ...old, depth }
    if (kind === 7 && old) ends[i] = { ...old, leaf: end.leaf }
    return { ends, siblings }
  })

/** What `verify` and `update` do to a proof: the truth, or a typed refusal. */
function outcome(keys: readonly Uint8Array[], proof: MultiProof.MultiProof): 'shown' | 'refused' {
  const changes = keys.map((key) => ({ key, value: filler('new') }))
  try {
    expect(MultiProof.verify(root, keys, proof)).toEqual(keys.map((key) => Tree.get(tree, key)))
  } catch (error) {
    expect(error).toBeInstanceOf(Tree.TreeError)
    expect(() => MultiProof.update(root, changes, proof)).toThrow(Tree.TreeError)
    return 'refused'
  }
  expect(MultiProof.update(root, changes, proof)).toEqual(Tree.root(Tree.setAll(tree, changes)))
  return 'shown'
}

it('a multi-proof that was changed anywhere is refused: each tree and keys have exactly one', () => {
  fc.assert(
    fc.property(keys, fc.array(mutation, { minLength: 1, maxLength: 3 }), (keys, mutations) => {
      const proof = MultiProof.prove(tree, keys)
      const mutant = mutations.reduce((proof, mutate) => mutate(proof), proof)
      let same = true
      try {
        expect(mutant).toEqual(proof)
      } catch {
        same = false
      }
      expect(outcome(keys, mutant)).toBe(same ? 'shown' : 'refused')
    }),
    { numRuns },
  )
})

it('whatever is shown for whichever keys, the answer is the truth or a TreeError', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 6 }), garbage, (keys, proof) => {
      outcome(keys, proof)
    }),
    { numRuns },
  )
})
