/** Chain steps and signatures of the installed engine against noble, which is its fallback and its oracle. */
import { randomBytes } from 'node:crypto'
import { Bench as Tinybench } from 'tinybench'
import { toHex } from '../src/core/bytes.js'
import { laneTweak } from '../src/core/chain.js'
import { limits } from '../src/core/limits.js'
import type { Engine } from '../src/crypto/engine.js'
import { loadEngine } from '../src/crypto/load.js'
import { noble } from '../src/crypto/noble.js'
import { type Bench, type Figure, figure, type Pair } from './bench.js'

/** Milliseconds that each task runs in each round. */
const taskTimeMs = 200

export const chain: Bench = {
  name: 'chain',
  description: 'chain steps and secp256k1 of the installed engine, against noble',
  async run({ rounds = 9, progress }) {
    const engine = await loadEngine()
    const tasks = tasksOf()
    const figures: Figure[] = []
    for (const { id, unit, count, run } of tasks) {
      progress(`${id}: ${rounds} rounds`)
      const pairs: Pair[] = []
      for (let round = 0; round < rounds; round++)
        pairs.push(
          await compare(
            () => run(engine),
            () => run(noble),
            count,
            round % 2 === 0,
          ),
        )
      figures.push(figure({ id, otherName: 'noble', unit }, pairs))
    }
    return { figures, meta: { rounds, engine: engine.name, taskTimeMs } }
  },
}

type Task = {
  readonly id: string
  readonly unit: string
  /** Units of work in one run. */
  readonly count: number
  readonly run: (engine: Engine) => unknown
}

function tasksOf(): readonly Task[] {
  const position = { tweak: laneTweak(toHex(randomBytes(32)), 0n), epoch: 1, digit: 0 }
  const steps = limits.frameStepsMax
  const node = new Uint8Array(randomBytes(32))
  const [digest, key] = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(32))]
  const signature = noble.secp256k1.sign(digest, key)
  return [
    {
      id: 'chain-walk',
      unit: 'steps/s',
      count: steps,
      run: ({ chain }) => chain.walk(position, steps, steps, node),
    },
    {
      id: 'secp256k1-sign',
      unit: 'signatures/s',
      count: 1,
      run: ({ secp256k1 }) => secp256k1.sign(digest, key),
    },
    {
      id: 'secp256k1-recover',
      unit: 'recoveries/s',
      count: 1,
      run: ({ secp256k1 }) => secp256k1.recover(digest, signature),
    },
  ]
}

/** One round: both for the same time, by the median run of each. */
async function compare(
  ours: () => unknown,
  other: () => unknown,
  count: number,
  oursFirst: boolean,
): Promise<Pair> {
  const bench = new Tinybench({ time: taskTimeMs, warmupTime: taskTimeMs / 10 })
  const add = { ours: () => bench.add('ours', ours), other: () => bench.add('other', other) }
  for (const name of oursFirst ? (['ours', 'other'] as const) : (['other', 'ours'] as const))
    add[name]()
  await bench.run()
  const rate = (name: string): number => {
    const result = bench.getTask(name)?.result
    if (result?.state !== 'completed') throw new Error(`${name} did not complete.`)
    return (count * 1_000) / result.latency.p50
  }
  return { ours: rate('ours'), other: rate('other') }
}
