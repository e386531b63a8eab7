/** `npm run bench -- kernel`: what the hot path costs, each figure beside its alternative. */

import * as Kernel from '../../src/crypto/kernel.js'
import { loadEngine } from '../../src/crypto/load.js'
import { createVerifier } from '../../src/crypto/pool.js'
import type { Bench, Figure } from '../bench.js'
import { hold, turnMs } from '../contest.js'
import * as Peers from '../peers.js'
import * as Hashing from './hashing.js'
import * as Signatures from './signatures.js'
import * as Ticks from './ticks.js'
import * as Tree from './tree.js'

const threads = 2

export const kernel: Bench = {
  name: 'kernel',
  description: 'chain steps, tick frames, trees and signatures, each against its alternative',
  async run({ rounds = 15, progress }) {
    const peers = await Peers.load(progress)
    const { name, secp256k1 } = await loadEngine()
    const { HAS_SIMD } = await Kernel.instantiate()
    const pool = createVerifier({ secp256k1, threads })
    try {
      // Made one after the other, so that no contest lives with the garbage of the next.
      const groups = [
        () => Hashing.contests(peers),
        () => Ticks.contests(secp256k1),
        () => Tree.contests(),
        () => Signatures.contests(secp256k1, pool),
      ]
      const figures: Figure[] = []
      for (const contests of groups)
        for (const contest of await contests()) {
          progress(`${contest.id}: ${rounds} rounds`)
          figures.push(await hold(contest, rounds))
        }
      const build = HAS_SIMD.value === 1 ? 'SIMD' : 'scalar'
      return { figures, meta: { rounds, turnMs, engine: name, kernel: build, threads } }
    } finally {
      await pool.close()
    }
  },
}
