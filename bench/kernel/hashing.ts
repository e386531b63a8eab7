/** Chain steps and tree nodes of the kernel, against the hashes that other projects use for theirs. */
import { randomBytes } from 'node:crypto'
import { concat, equals, uint } from '../../src/core/bytes.js'
import * as Chain from '../../src/core/chain.js'
import * as Kernel from '../../src/crypto/kernel.js'
import type { Contest, Side } from '../contest.js'
import type { Peers } from '../peers.js'

/** Steps from the deepest node to the anchor. */
const length = 256
/** Tree nodes of a batch, 64 bytes of content each. */
const batch = 1_024

export async function contests({ asSha256, hashtree }: Peers): Promise<Contest[]> {
  const kernel = await Kernel.instantiate()
  const { nodes } = Kernel.treeHasher(kernel)
  const contents = new Uint8Array(randomBytes(batch * 64))
  const hashes = new Uint8Array(batch * 32)
  const digests = digestsBy(asSha256.digest)
  const ours: Side = { count: batch, run: () => nodes(contents, hashes) }
  const unit = 'steps/s'
  return [
    {
      id: 'chain-x4',
      otherName: 'as-sha256 digest',
      unit,
      ours: fourChains(kernel),
      other: digests,
    },
    {
      id: 'chain-x1',
      otherName: 'as-sha256 digest',
      unit,
      ours: oneChain(kernel),
      other: digests,
    },
    {
      id: 'tree-node',
      otherName: `as-sha256 hashInto, ${asSha256.simdEnabled ? 'SIMD' : 'scalar'}`,
      unit: 'nodes/s',
      ours,
      other: { count: batch, run: () => asSha256.hashInto(contents, hashes) },
    },
    {
      id: 'tree-node-native',
      otherName: 'hashtree hashInto, native',
      unit: 'nodes/s',
      ours,
      other: { count: batch, run: () => hashtree.hashInto(contents, hashes) },
    },
  ]
}

/** Four chains, each verified from its deepest node to its anchor. */
export function fourChains(kernel: Kernel.Kernel): Side {
  const { walk4 } = Kernel.from(kernel)
  const chains = [0, 1, 2, 3].map(() => chainOf())
  const [a, b, c, d] = chains.map(({ position }) => ({ ...position, index: length }))
  if (a === undefined || b === undefined || c === undefined || d === undefined)
    throw new Error('There are four chains.')
  const deepest = concat(...chains.map(({ nodes }) => nodes.subarray(length * 32)))
  const anchors = concat(...chains.map(({ nodes }) => nodes.subarray(0, 32)))
  return {
    count: 4 * length,
    run: () => expectEqual(walk4([a, b, c, d], length, deepest), anchors),
  }
}

function oneChain(kernel: Kernel.Kernel): Side {
  const { walk } = Kernel.from(kernel)
  const { position, nodes } = chainOf()
  const [deepest, anchor] = [nodes.slice(length * 32), nodes.slice(0, 32)]
  return {
    count: length,
    run: () => expectEqual(walk(position, length, length, deepest), anchor),
  }
}

/** The same hashes, of distinct messages that lie ready: less work than to verify a chain with them. */
function digestsBy(digest: (message: Uint8Array) => Uint8Array): Side {
  const { position, nodes } = chainOf()
  const messages = Array.from({ length }, (_, at) =>
    concat(Chain.encode(position), uint(at + 1, 2), nodes.subarray((at + 1) * 32, (at + 2) * 32)),
  )
  expectEqual(digest(messages[0] ?? new Uint8Array()), nodes.subarray(0, 32))
  return {
    count: length,
    run: () => {
      for (const message of messages) digest(message)
    },
  }
}

function chainOf(): { position: Chain.ChainPosition; nodes: Uint8Array } {
  const position = { tweak: new Uint8Array(randomBytes(16)), epoch: 1, digit: 0 }
  return { position, nodes: Chain.generate(position, length, new Uint8Array(randomBytes(32))) }
}

function expectEqual(a: Uint8Array, b: Uint8Array): void {
  if (!equals(a, b)) throw new Error('A hash came out wrong.')
}
