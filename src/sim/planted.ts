/**
 * Planted bugs: small edits of compiled modules that the checkers must find. Each runs in a process of its own
 * whose loader makes the edit in memory; no file, and no other process, ever sees it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../core/errors.js'

export type Bug = {
  readonly name: string
  /** The checker that is meant for it. */
  readonly checker: string
  /** What people really do wrong here. */
  readonly why: string
  /** Faults and lies that it needs: on in every world of its hunt, so that it takes seconds. */
  readonly always?: readonly string[]
  /** Module below dist, and what is written there otherwise; each `find` occurs exactly once. */
  readonly edits: readonly {
    readonly module: string
    readonly find: string
    readonly replace: string
  }[]
}

export type Caught = {
  readonly name: string
  readonly checker: string
  /** Undefined where the bug got away. */
  readonly caughtAfterSeeds: number | undefined
  /** What its checker said, or what went wrong instead. */
  readonly what: string
}

/** What the child is told, as JSON on its command line. */
export type Order = { readonly bug: Bug; readonly seed: number; readonly seedsMax: number }

/** Bugs lie with the tests: a checkout has them, an installed package does not. */
const besideTests = new URL('../../test/sim/bugs.json', import.meta.url)

/** @throws SluiceError `BUGS_UNREADABLE` */
export function read(path?: string): readonly Bug[] {
  const file = path ?? fileURLToPath(besideTests)
  if (path === undefined && !existsSync(file)) return []
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new SluiceError('BUGS_UNREADABLE', `Cannot read the planted bugs in ${file}.`, { cause })
  }
}

/** Runs one bug from `seed` on until its checker finds it. */
export async function hunt(order: Order, signal: AbortSignal): Promise<Caught> {
  const { name, checker } = order.bug
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./planted-child.js', import.meta.url)), JSON.stringify(order)],
    { stdio: ['ignore', 'pipe', 'pipe'], signal },
  )
  let [said, complaint] = ['', '']
  child.stdout.on('data', (data) => {
    said += data
  })
  child.stderr.on('data', (data) => {
    complaint += data
  })
  try {
    await once(child, 'close')
    return { name, checker, ...JSON.parse(said) }
  } catch {
    const what = signal.aborted ? 'interrupted' : complaint.trim().slice(0, 500)
    return { name, checker, caughtAfterSeeds: undefined, what }
  }
}
