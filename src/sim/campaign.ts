/**
 * A campaign: the worlds of a range of seeds on as many threads as there are cores, and what they add up to. It
 * keeps nothing of a world but its count and its violations.
 */
import { availableParallelism } from 'node:os'
import { startThreads } from '../crypto/threads.js'
import live from './campaign-thread.js'
import type { Outcome } from './swarm.js'
import type { Violation } from './witness.js'

export type Failure = {
  readonly seed: number
  /** Hash of the trace, to compare a replay with. */
  readonly trace: string
  readonly violations: readonly Violation[]
}

export type Report = {
  /** Worlds that were run to their end. */
  readonly seeds: number
  readonly failures: readonly Failure[]
  readonly crashes: number
  /** All that went wrong on purpose, crashes and lies included. */
  readonly faults: number
  /** Challenges on the layer. */
  readonly disputes: number
  readonly virtualHours: number
  readonly inputs: number
  /** Fewest inputs and fault kinds of one world. */
  readonly inputsMin: number
  readonly faultKindsMin: number
  readonly faultsByKind: Readonly<Record<string, number>>
}

export type CampaignOptions = {
  readonly seed: number
  readonly seeds: number
  /** Ends the campaign after the worlds under way. */
  readonly signal?: AbortSignal
  readonly onSeed?: (outcome: Outcome) => void
  /** Takes the lines of every trace; the worlds run one after another then, and here. */
  readonly onLine?: ((line: string) => void) | undefined
}

/** Failures after which it is no use to go on. */
const failuresMax = 20

export async function campaign(options: CampaignOptions): Promise<Report> {
  const { seed, seeds, signal, onSeed, onLine } = options
  const failures: Failure[] = []
  const kinds = new Map<string, number>()
  let [done, virtualMs, inputs, disputes] = [0, 0, 0, 0]
  let [inputsMin, faultKindsMin] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const count = (outcome: Outcome): void => {
    const { trace, violations, faults } = outcome
    if (violations.length > 0) failures.push({ seed: outcome.seed, trace, violations })
    for (const [kind, times] of faults) kinds.set(kind, (kinds.get(kind) ?? 0) + times)
    done += 1
    virtualMs += outcome.virtualMs
    inputs += outcome.inputs
    disputes += outcome.disputes
    inputsMin = Math.min(inputsMin, outcome.inputs)
    faultKindsMin = Math.min(faultKindsMin, faults.size)
    onSeed?.(outcome)
  }
  const threads = Math.min(seeds, onLine === undefined ? availableParallelism() : 1)
  const pool =
    onLine === undefined && seeds > 0
      ? startThreads(import.meta.url, 'campaign-thread', threads)
      : undefined
  let next = seed
  const work = async (): Promise<void> => {
    while (next < seed + seeds && signal?.aborted !== true && failures.length < failuresMax) {
      const at = next++
      count(await (pool === undefined ? live(at, onLine) : pool.run(at)))
    }
  }
  await Promise.all(Array.from({ length: threads }, work))
  await pool?.destroy()
  return {
    seeds: done,
    failures: failures.sort((a, b) => a.seed - b.seed),
    crashes: kinds.get('crash') ?? 0,
    faults: [...kinds.values()].reduce((sum, times) => sum + times, 0),
    disputes,
    virtualHours: Math.round(virtualMs / 36_000) / 100,
    inputs,
    inputsMin: done === 0 ? 0 : inputsMin,
    faultKindsMin: done === 0 ? 0 : faultKindsMin,
    faultsByKind: Object.fromEntries([...kinds].sort()),
  }
}
