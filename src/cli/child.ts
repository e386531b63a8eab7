/** A Sluice command in a process of its own, heard through its JSON events. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { InvariantError, RemoteError, SluiceError } from '../core/errors.js'

export type ChildEvent = Readonly<Record<string, unknown>>

export type Child = {
  /** The first event of this name. @throws what the command failed with */
  event(name: string): Promise<ChildEvent>
  onEvent(listener: (event: ChildEvent) => void): void
  /** Resolves when the process ended well. @throws what the command failed with */
  readonly exited: Promise<void>
  /** Asks the process to stop, and waits until it has. */
  stop(): Promise<void>
}

const command = fileURLToPath(new URL('./main.js', import.meta.url))

/**
 * Starts `sluice ARGS`; it is stopped when `signal` aborts. What our own environment says of ledgers, keys and
 * towers is not meant for it: all it needs is among its arguments.
 */
export function start(name: string, args: readonly string[], signal: AbortSignal): Child {
  const process_ = spawn(process.execPath, [command, ...args], {
    // The channel says nothing; its end tells the child that we are gone.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_')),
    ),
  })
  const seen: ChildEvent[] = []
  const listeners: ((event: ChildEvent) => void)[] = []
  let failure: SluiceError | undefined
  const { stdout } = process_
  if (stdout === null) throw new InvariantError('a child process has a standard output')
  createInterface({ input: stdout }).on('line', (line) => {
    const event = JSON.parse(line)
    if (event.error !== undefined)
      failure = new RemoteError(event.error.code, `${name}: ${event.error.message}`)
    if (event.event !== 'progress') seen.push(event)
    for (const listener of listeners) listener(event)
  })
  const exited = once(process_, 'close').then(([code, signal]) => {
    if (code !== 0)
      throw (
        failure ??
        new SluiceError('CHILD_FAILED', `The ${name} process ended with ${code ?? signal}.`)
      )
  })
  exited.catch(() => undefined)
  const stop = (): void => {
    process_.kill('SIGTERM')
  }
  signal.addEventListener('abort', stop, { once: true })
  return {
    exited,
    event(wanted) {
      const past = seen.find((event) => event.event === wanted)
      if (past !== undefined) return Promise.resolve(past)
      const coming = new Promise<ChildEvent>((found) => {
        listeners.push((event) => {
          if (event.event === wanted) found(event)
        })
      })
      const ended = exited.then(() => {
        throw new SluiceError('CHILD_FAILED', `The ${name} process ended too early.`)
      })
      return Promise.race([coming, ended])
    },
    onEvent: (listener) => void listeners.push(listener),
    async stop() {
      stop()
      await exited.catch(() => undefined)
    },
  }
}
