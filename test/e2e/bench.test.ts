/** Benches run, small: `npm run bench` prints a table and writes figures that are numbers. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { makeScratch } from '../support/processes.js'

const scratch = makeScratch('bench')
afterAll(() => scratch.remove())

type Report = {
  readonly meta: { readonly bench: string; readonly durable: boolean }
  readonly figures: readonly {
    readonly id: string
    readonly ours: number
    readonly other: number
    readonly ratio: number
  }[]
}

const root = join(import.meta.dirname, '../..')

it('cosigned measures updates beside its floor', () => {
  const file = join(scratch.path, 'cosigned.json')
  const options = ['--rounds', '1', '--updates', '64', '--json', file]
  const command = ['--import', 'tsx', 'bench/run.ts', 'cosigned', ...options]
  const table = execFileSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
  const { meta, figures }: Report = JSON.parse(readFileSync(file, 'utf8'))
  expect(meta.bench).toBe('cosigned')
  const ids = figures.map(({ id }) => id)
  expect(ids).toEqual(expect.arrayContaining(['cosigned-64', 'cosigned-1-p50', 'cosigned-1-p99']))
  for (const { id, ours, other, ratio } of figures) {
    for (const value of [ours, other, ratio]) expect(value, id).toBeGreaterThan(0)
    expect(table).toContain(id)
  }
})
