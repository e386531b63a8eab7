/** A bench's processes: each runs one file of `children/`, and does what it is told, one command at a time. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { statfsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Child = {
  readonly pid: number
  /** Sends a command and waits for its answer; one at a time. */
  ask<Answer>(command: string, argument?: unknown): Promise<Answer>
  stop(): Promise<void>
}

/** Where a bench works: a directory of its own, and processes that end with it. */
export type Workshop = {
  readonly directory: string
  /** Starts a file of `children/`, with these options of Node's. */
  readonly spawn: (name: string, execArgv?: readonly string[]) => Child
  /** Whether what is synced there survives a loss of power. */
  readonly isDurable: boolean
}

/** Lets `use` have a workshop, and clears it away. */
export async function withWorkshop<T>(use: (workshop: Workshop) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const children: Child[] = []
  try {
    return await use({
      directory,
      spawn(name, execArgv = []) {
        const child = start(new URL(`children/${name}.ts`, import.meta.url), execArgv)
        children.push(child)
        return child
      },
      isDurable: statfsSync(directory).type !== tmpfs,
    })
  } finally {
    for (const child of children) await child.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Its type in statfs(2): a sync there means nothing. */
const tmpfs = 0x0102_1994

function start(file: URL, execArgv: readonly string[]): Child {
  const child: ChildProcess = fork(file, {
    serialization: 'advanced',
    // Also where whoever starts it was not started by tsx.
    execArgv: ['--import', 'tsx', ...execArgv],
  })
  const ended = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    async ask(command, argument) {
      child.send({ command, argument })
      const [reply] = await Promise.race([once(child, 'message'), ended])
      if (reply?.error !== undefined) throw reply.error
      if (child.exitCode !== null) throw new Error(`${file} ended early.`)
      return reply.answer
    },
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
