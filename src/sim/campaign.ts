/**
 * A campaign: one world after another from a range of seeds, and what they add up to. It keeps nothing of a world
 * but its count and its violations.
 */
import type { Engine } from '../crypto/engine.js'
import { type Outcome, run } from './swarm.js'
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
  readonly crypto: Engine
  /** Ends the campaign after the world under way. */
  readonly signal?: AbortSignal
  readonly onSeed?: (outcome: Outcome) => void
  readonly onLine?: (line: string) => void
  /** Failures after which it is no use to go on. */
  readonly failuresMax?: number
}

const failuresMaxDefault = 20

export async function campaign(options: CampaignOptions): Promise<Report> {
  const { seed, seeds, crypto, signal, onSeed, onLine } = options
  const { failuresMax = failuresMaxDefault } = options
  const failures: Failure[] = []
  const kinds = new Map<string, number>()
  let [done, virtualMs, inputs, disputes] = [0, 0, 0, 0]
  let [inputsMin, faultKindsMin] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const stray: Violation[] = []
  const onStray = (reason: unknown): void => {
    stray.push({ checker: 'typed-errors', what: `unhandled: ${String(reason).slice(0, 200)}` })
  }
  process.on('unhandledRejection', onStray)
  try {
    for (let at = seed; at < seed + seeds && signal?.aborted !== true; at++) {
      const outcome = await run({ seed: at, crypto, ...(onLine === undefined ? {} : { onLine }) })
      const violations = [...outcome.violations, ...stray.splice(0)]
      if (violations.length > 0) failures.push({ seed: at, trace: outcome.trace, violations })
      for (const [kind, count] of outcome.faults) kinds.set(kind, (kinds.get(kind) ?? 0) + count)
      done += 1
      virtualMs += outcome.virtualMs
      inputs += outcome.inputs
      disputes += outcome.disputes
      inputsMin = Math.min(inputsMin, outcome.inputs)
      faultKindsMin = Math.min(faultKindsMin, outcome.faults.size)
      onSeed?.(outcome)
      if (failures.length >= failuresMax) break
    }
  } finally {
    process.off('unhandledRejection', onStray)
  }
  return {
    seeds: done,
    failures,
    crashes: kinds.get('crash') ?? 0,
    faults: [...kinds.values()].reduce((sum, count) => sum + count, 0),
    disputes,
    virtualHours: Math.round(virtualMs / 36_000) / 100,
    inputs,
    inputsMin: done === 0 ? 0 : inputsMin,
    faultKindsMin: done === 0 ? 0 : faultKindsMin,
    faultsByKind: Object.fromEntries([...kinds].sort()),
  }
}
