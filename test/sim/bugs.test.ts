import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { checkers, worldCheckers } from '../../src/sim/checks/index.js'
import type { View } from '../../src/sim/layer.js'
import type { Bug, Caught } from '../../src/sim/planted.js'

const root = join(import.meta.dirname, '..', '..')
const bugs: Bug[] = JSON.parse(readFileSync(join(root, 'test/sim/bugs.json'), 'utf8'))

it('there is a planted bug for every checker', () => {
  // Nobody looks at the layer before something happens there.
  const names = [...Object.keys(checkers({} as View)), ...worldCheckers].sort()
  expect([...new Set(bugs.map(({ checker }) => checker))].sort()).toEqual(names)
})

it('every planted bug is found by the checker meant for it', () => {
  const { stdout, status } = spawnSync(
    process.execPath,
    [join(root, 'dist/cli/main.js'), 'sim', '--seeds', '0', '--seed', '1', '--json'],
    { encoding: 'utf8', timeout: 600_000 },
  )
  const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  const found: Caught[] = report.bugs
  for (const { name, checker, caughtAfterSeeds, what } of found)
    console.log(`${checker} ${caughtAfterSeeds ?? 'missed'}: ${name} (${what})`)
  expect(found.filter(({ caughtAfterSeeds }) => caughtAfterSeeds === undefined)).toEqual([])
  expect(found).toHaveLength(bugs.length)
  expect(status).toBe(0)
}, 600_000)
