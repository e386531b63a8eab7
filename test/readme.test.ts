import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const root = new URL('..', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

it('the example in the README is examples/quickstart.ts', () => {
  const [, code] =
    /<!-- example: examples\/quickstart\.ts -->\n```ts\n([\s\S]*?)```/.exec(read('README.md')) ?? []
  expect(code).toBe(read('examples/quickstart.ts'))
})

it('and it runs, twice on the same homes: 40 bytes at 1 a byte are paid to the unit', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-readme-'))
  try {
    const example = new URL('examples/quickstart.ts', root).pathname
    const tsx = new URL('node_modules/tsx/dist/loader.mjs', root).href
    for (const earned of [40, 80]) {
      const { stdout } = await run(process.execPath, ['--import', tsx, example], { cwd: directory })
      expect(stdout).toBe(`So much depends upon a red wheel barrow\n${earned} earned\n`)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
