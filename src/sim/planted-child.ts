/**
 * The process of one planted bug: edits modules as they are loaded, runs worlds until the checker meant for the
 * bug finds it, and prints that as one line. Nothing of the engine may be imported before the edit.
 */
import { register } from 'node:module'
import type { Order } from './planted.js'

const { bug, seed, seedsMax } = JSON.parse(process.argv[2] ?? '') as Order
register('./patch.js', import.meta.url, { data: bug })
const [{ loadEngine }, { run }] = await Promise.all([
  import('../crypto/load.js'),
  import('./swarm.js'),
])
// A bug may well leave rejections that nobody handles; the checkers decide.
process.on('unhandledRejection', () => undefined)
const crypto = await loadEngine()
const found = async (): Promise<{ caughtAfterSeeds: number | undefined; what: string }> => {
  const others = new Set<string>()
  for (let at = 0; at < seedsMax; at++) {
    const { violations } = await run({
      seed: seed + at,
      crypto,
      always: bug.always ?? [],
      hunter: bug.checker,
    })
    const caught = violations.find(({ checker }) => checker === bug.checker)
    if (caught !== undefined) return { caughtAfterSeeds: at + 1, what: caught.what }
    for (const { checker } of violations) others.add(checker)
  }
  const what = `not caught in ${seedsMax} seeds; others that found something: ${[...others].join(', ') || 'none'}`
  return { caughtAfterSeeds: undefined, what }
}
process.stdout.write(`${JSON.stringify(await found())}\n`)
process.exit(0)
