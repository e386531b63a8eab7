import { execFileSync } from 'node:child_process'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/crypto/engine.js'
import { campaign } from '../../src/sim/campaign.js'
import { run } from '../../src/sim/swarm.js'
import { loadEngine } from '../../src/sluice.js'

/** Worlds of one run of the tests; more on demand, by `sluice sim`. */
const seeds = Number(process.env.SIM_SEEDS ?? 300)

/** New worlds with every commit, the same ones for the same commit. */
function firstSeed(): number {
  if (process.env.SIM_SEED !== undefined) return Number(process.env.SIM_SEED)
  try {
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' })
    return Number.parseInt(commit.slice(0, 8), 16)
  } catch {
    return 1
  }
}

let crypto: Engine
beforeAll(async () => {
  crypto = await loadEngine()
})

describe('a seed', () => {
  it('replays to the letter', async () => {
    const lines: string[][] = [[], []]
    const traces: string[] = []
    for (const into of lines)
      traces.push((await run({ seed: 7, crypto, onLine: (line) => into.push(line) })).trace)
    expect(lines[1]).toEqual(lines[0])
    expect(traces[1]).toBe(traces[0])
  })

  it('is a world of its own', async () => {
    const [a, b] = [await run({ seed: 8, crypto }), await run({ seed: 9, crypto })]
    expect(a.trace).not.toBe(b.trace)
  })
})

describe('a swarm', () => {
  it(`of ${seeds} worlds breaks no promise, and none of them is tiny`, async () => {
    const seed = firstSeed()
    console.log(`again: SIM_SEED=${seed} SIM_SEEDS=${seeds} npx vitest run test/sim/swarm.test.ts`)
    const report = await campaign({ seed, seeds })
    expect(report.failures).toEqual([])
    expect(report.seeds).toBe(seeds)
    expect(report.inputsMin).toBeGreaterThanOrEqual(200)
    expect(report.faultKindsMin).toBeGreaterThanOrEqual(3)
  }, 600_000)
})
