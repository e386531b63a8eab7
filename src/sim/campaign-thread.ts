/** What a thread of a campaign does: one world after another. */
import { loadEngine } from '../crypto/load.js'
import { type Outcome, run } from './swarm.js'

/** Runs the world of a seed to its end; a rejection that nobody handles is a violation, too. */
export default async function live(
  seed: number,
  onLine?: (line: string) => void,
): Promise<Outcome> {
  const stray: Outcome['violations'][number][] = []
  const onStray = (reason: unknown): void => {
    stray.push({ checker: 'typed-errors', what: `unhandled: ${String(reason).slice(0, 200)}` })
  }
  process.on('unhandledRejection', onStray)
  try {
    const outcome = await run({ seed, crypto: await loadEngine(), ...(onLine && { onLine }) })
    return { ...outcome, violations: [...outcome.violations, ...stray] }
  } finally {
    process.off('unhandledRejection', onStray)
  }
}
