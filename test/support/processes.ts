/**
 * The `sluice` command in processes of its own, run as people run it and heard through its JSON lines.
 * None outlives its test: `reap` in an afterEach ends what a failure left behind, and a command whose
 * test runner dies stops by itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The built command; SLUICE_MAIN tests another build, such as an installed package. */
export const main =
  process.env.SLUICE_MAIN ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** One JSON line of a command. */
export type Line = {
  readonly event?: string
  readonly error?: { readonly code: string; readonly message: string }
  readonly [field: string]: unknown
}

export type Ended = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** What the command failed with, under --json. */
  readonly error: Line['error']
}

export type Running = {
  readonly pid: number
  /** JSON lines so far. */
  readonly lines: readonly Line[]
  /**
   * The first line, from line number `from` on, with this event or that `wanted` accepts. Rejects when the
   * process ends without it.
   */
  event(wanted: string | ((line: Line) => boolean), from?: number): Promise<Line>
  /** Sends a signal, if the process is still there. */
  signal(signal: NodeJS.Signals): void
  /** Sends a signal, SIGKILL by default, and waits until the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<Ended>
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ended>
}

export type RunOptions = {
  /** What goes before `node`, as in `['strace', '-f']`. */
  readonly under?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

const children = new Set<ChildProcess>()

/** Starts `sluice ARGS`. */
export function sluice(args: readonly string[], options: RunOptions = {}): Running {
  const [program = '', ...rest] = [...(options.under ?? []), process.execPath, main, ...args]
  const child = spawn(program, rest, {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  children.add(child)
  const { stdout: out, stderr: err } = child
  if (out === null || err === null) throw new Error('the pipes are missing')
  const lines: Line[] = []
  const waiting = new Set<() => void>()
  const look = (): void => {
    for (const check of waiting) check()
  }
  let [stdout, stderr] = ['', '']
  createInterface({ input: out }).on('line', (text) => {
    stdout += `${text}\n`
    const line = parseLine(text)
    if (line !== undefined) lines.push(line)
    look()
  })
  err.on('data', (data) => {
    stderr += data
  })
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    children.delete(child)
    return { code, signal, stdout, stderr, error: lines.findLast(({ error }) => error)?.error }
  })
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    event(wanted, from = 0) {
      const isIt = typeof wanted === 'string' ? ({ event }: Line) => event === wanted : wanted
      return new Promise((resolve, reject) => {
        const check = (): void => {
          const found = lines.slice(from).find(isIt)
          if (found === undefined) return
          waiting.delete(check)
          resolve(found)
        }
        waiting.add(check)
        check()
        ended.then((end) => {
          reject(new Error(`sluice ${args.join(' ')} ended too early: ${JSON.stringify(end)}`))
        }, reject)
      })
    },
    signal: (signal) => void child.kill(signal),
    async kill(signal = 'SIGKILL') {
      child.kill(signal)
      return ended
    },
  }
}

/** Runs `sluice ARGS` to its end. */
export const run = (args: readonly string[], options?: RunOptions): Promise<Ended> =>
  sluice(args, options).ended

/** Kills every command that is still there. */
export async function reap(): Promise<void> {
  for (const child of [...children]) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'close')
    }
    children.delete(child)
  }
}

function parseLine(text: string): Line | undefined {
  if (!text.startsWith('{')) return undefined
  return JSON.parse(text)
}

/** A directory of this test run's own. */
export function makeScratch(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `sluice-${name}-`))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** The seed of this run: `SLUICE_SEED` from the environment, else a new one. Printed, so that it can be repeated. */
export function seedOf(name: string): number {
  const seed = Number(process.env.SLUICE_SEED ?? randomBytes(4).readUInt32LE())
  console.log(`${name}: SLUICE_SEED=${seed}`)
  return seed
}
