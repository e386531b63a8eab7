/** What all commands share: where the home is, which ledger, how to speak, and when to stop. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError, toProblem } from '../core/errors.js'
import type { Output } from './output.js'

export const ledgerUrlDefault = 'http://127.0.0.1:8411'

/** Options that commander reads for every command. */
export type Shared = { readonly home?: string; readonly ledger?: string; readonly json?: boolean }

export const homeOf = ({ home }: Shared): string =>
  home ?? process.env.SLUICE_HOME ?? join(homedir(), '.sluice')

export const ledgerOf = ({ ledger }: Shared): string =>
  ledger ?? process.env.SLUICE_LEDGER ?? ledgerUrlDefault

/**
 * Aborts on Ctrl-C or a polite kill, so that a command can put down what it holds. The second one ends the
 * process at once; money is safe all the same, as after any crash.
 */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort()
    })
  return controller.signal
}

/** Milliseconds between two tries, and for how long to go on without any success. */
const retryMs = 1_000
const patienceMs = 60_000

/** Failures that pass by themselves: the other side is being restarted. */
const passing = new Set([
  'LEDGER_UNREACHABLE',
  'PEER_UNREACHABLE',
  'CONNECTION_LOST',
  'CONNECTION_CLOSED',
  'STREAM_LOST',
  'STREAM_RESET',
])

/**
 * Runs `task` until it succeeds, as long as what stops it can pass. `task` calls `alive` whenever it gets
 * anywhere, which renews its patience.
 */
export async function patiently<T>(
  output: Output,
  signal: AbortSignal,
  task: (alive: () => void) => Promise<T>,
): Promise<T> {
  let since = Date.now()
  let said = ''
  const alive = (): void => {
    since = Date.now()
    said = ''
  }
  for (;;) {
    try {
      return await task(alive)
    } catch (error) {
      const { code, message } = toProblem(error)
      if (signal.aborted) throw interrupted
      if (!passing.has(code) || Date.now() - since > patienceMs) throw error
      if (message !== said) output.warn(`${message} Trying again; your money is safe.`)
      said = message
      await sleep(retryMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

export const interrupted = new SluiceError(
  'INTERRUPTED',
  'Interrupted. Nothing is lost: run the same command again to go on where it stopped.',
)
