/**
 * Real processes for tests: a TypeScript file run by Node, its lines as they come, and its death.
 * The test that spawns one must end it; `reap` in an afterEach does so for what a failure left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const children = new Set<ChildProcess>()

export type Child = {
  readonly pid: number
  /** Lines of standard output. Ends when the process does. */
  readonly lines: AsyncIterableIterator<string>
  /** The next line, trimmed. Rejects when the process ended instead, with what it said on standard error. */
  line(): Promise<string>
  /** Sends a line to its standard input. */
  tell(line: string): void
  /** Sends SIGKILL and waits until it is gone. */
  kill(): Promise<void>
  /** Waits until it ends by itself. */
  ended(): Promise<{ code: number | null; stderr: string }>
}

/** Runs `file` (relative to the project) with tsx; `under` goes before `node`, as in `['strace', '-f']`. */
export function run(
  file: string,
  args: readonly string[] = [],
  options: { under?: readonly string[] } = {},
): Child {
  const command = [...(options.under ?? []), process.execPath, '--import', 'tsx', file, ...args]
  const process_ = spawn(command[0] ?? '', command.slice(1), { cwd: root, stdio: 'pipe' })
  children.add(process_)
  let stderr = ''
  process_.stderr.on('data', (data) => {
    stderr += data
  })
  const gone = once(process_, 'close').then(() => children.delete(process_))
  const lines = createInterface({ input: process_.stdout })[Symbol.asyncIterator]()
  return {
    pid: process_.pid ?? 0,
    lines,
    async line() {
      const next = await lines.next()
      if (next.done === true) throw new Error(`${file} ended early: ${stderr}`)
      return next.value.trim()
    },
    tell: (line) => process_.stdin.write(`${line}\n`),
    async kill() {
      process_.kill('SIGKILL')
      await gone
    },
    async ended() {
      await gone
      return { code: process_.exitCode, stderr }
    },
  }
}

/** Kills every child that is still there. */
export async function reap(): Promise<void> {
  for (const child of children) {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
}

/** A small generator for tests that choose at random and must be repeatable: numbers from 0 up to 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The seed of this run: `SEED` from the environment, else a new one. Printed, so that it can be repeated. */
export function seed(name: string): number {
  const value = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
  console.log(`${name}: SEED=${value}`)
  return value
}
