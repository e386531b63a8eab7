/** Many changes of the state tree in one pass, against the same one by one; both hash in the kernel. */
import { createHash } from 'node:crypto'
import { equals } from '../../src/core/bytes.js'
import * as Tree from '../../src/core/tree.js'
import * as Kernel from '../../src/crypto/kernel.js'
import type { Contest } from '../contest.js'

const leaves = 100_000
const changes = 1_000

export async function contests(): Promise<Contest[]> {
  const hasher = Kernel.treeHasher(await Kernel.instantiate())
  const tree = Tree.setAll(undefined, entries(0, leaves, 'first'), hasher)
  const changed = entries(leaves / 2, changes, 'second')
  const inOnePass = (): Uint8Array => Tree.root(Tree.setAll(tree, changed, hasher))
  const oneByOne = (): Uint8Array =>
    Tree.root(
      changed.reduce((now, { key, value }) => Tree.set(now, key, value, hasher), tree as Tree.Tree),
    )
  if (!equals(inOnePass(), oneByOne())) throw new Error('The roots differ.')
  return [
    {
      id: 'tree-batch',
      otherName: 'one by one',
      unit: 'changes/s',
      ours: { count: changes, run: inOnePass },
      other: { count: changes, run: oneByOne },
    },
  ]
}

const entries = (from: number, count: number, about: string): Tree.Entry[] =>
  Array.from({ length: count }, (_, at) => ({
    key: hash(`key ${from + at}`),
    value: hash(`${about} value ${from + at}`),
  }))

const hash = (text: string): Uint8Array =>
  new Uint8Array(createHash('sha256').update(text).digest())
