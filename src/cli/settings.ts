/** What all commands share: where the home is, which ledger, how long to wait for others, and when to stop. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from '../core/amount.js'
import type { Address } from '../core/bytes.js'
import { SluiceError, toProblem } from '../core/errors.js'
import { checkAddress, parseAsset, readKeystore } from '../sluice.js'
import type { Output } from './output.js'

export const ledgerUrlDefault = 'http://127.0.0.1:8411'

/** Seconds that somebody may be away before a command gives up. */
export const patienceDefault = 60

/** Options that commander reads for every command. */
export type Shared = {
  readonly home?: string
  readonly ledger?: string
  readonly asset?: string
  readonly keystore?: string
  readonly patience?: number
  readonly json?: boolean
  readonly tower?: string
  readonly redeemFee?: string
}

export const homeOf = ({ home }: Shared): string =>
  home ?? process.env.SLUICE_HOME ?? join(homedir(), '.sluice')

export const ledgerOf = ({ ledger }: Shared): string =>
  ledger ?? process.env.SLUICE_LEDGER ?? ledgerUrlDefault

/** The watchtower of a command that was given one, as `createNode` takes it. */
export function towerOf({ tower }: Shared): { readonly tower?: string } {
  const address = tower ?? process.env.SLUICE_TOWER
  if (address === undefined) return {}
  checkAddress(address)
  return { tower: address }
}

/** What channels hold; undefined: the native coin. */
export function assetOf({ asset = process.env.SLUICE_ASSET }: Shared): Address | undefined {
  return asset === undefined ? undefined : parseAsset(asset)
}

/**
 * The account's key where it is not the home's own: from a keystore file, whose password comes from the
 * environment, or from the environment itself. Never from an argument, which every process could read.
 */
export function accountKeyOf({
  keystore = process.env.SLUICE_KEYSTORE,
}: Shared): Uint8Array | undefined {
  const { SLUICE_KEY, SLUICE_PASSWORD } = process.env
  if (keystore !== undefined) {
    if (SLUICE_PASSWORD === undefined)
      throw new SluiceError('BAD_KEY', 'The keystore needs its password in SLUICE_PASSWORD.')
    return readKeystore(keystore, SLUICE_PASSWORD)
  }
  if (SLUICE_KEY === undefined) return undefined
  if (!/^(0x)?[0-9a-f]{64}$/i.test(SLUICE_KEY))
    throw new SluiceError('BAD_KEY', 'SLUICE_KEY is a secret key: 0x and 64 hex digits.')
  return new Uint8Array(Buffer.from(SLUICE_KEY.replace(/^0x/, ''), 'hex'))
}

/** What every node of a command is made with. */
export const nodeOptionsOf = (options: Shared) => ({
  home: homeOf(options),
  ledger: ledgerOf(options),
  asset: assetOf(options),
  accountKey: accountKeyOf(options),
  ...(options.redeemFee === undefined ? {} : { redeemFee: parse(options.redeemFee) }),
  ...towerOf(options),
})

/**
 * Aborts on Ctrl-C or a polite kill, so that a command can put down what it holds. The second one ends the
 * process at once, and so does the end of a program that started us with a channel; money is safe all the
 * same, as after any crash.
 */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  const exit = (): never => process.exit(interruptedExit)
  const stop = (): void => {
    if (controller.signal.aborted) exit()
    controller.abort()
  }
  process.on('SIGINT', stop).on('SIGTERM', stop).on('disconnect', exit)
  // Listening for its end must not keep us alive.
  process.channel?.unref()
  return controller.signal
}

/** Exit code of a command that was interrupted: 128 + SIGINT. */
export const interruptedExit = 130

/** Milliseconds between two tries. */
const retryMs = 500

/** Failures that pass by themselves: the other side is being restarted. */
const passing = new Set([
  'LEDGER_UNREACHABLE',
  'PEER_UNREACHABLE',
  'CONNECTION_LOST',
  'CONNECTION_CLOSED',
  'SELLER_STOPPED',
  'STREAM_LOST',
  'STREAM_RESET',
  'TOWER_AWAY',
])

export type Waiting = {
  readonly output: Output
  readonly signal: AbortSignal
  readonly options: Shared
  /** Whether a failure that can pass is worth waiting for; always, where left out. */
  readonly isWorthIt?: (code: string) => boolean
}

/**
 * Runs `task` until it succeeds, as long as what stops it can pass. `task` calls `alive` whenever it gets
 * anywhere, which renews its patience.
 */
export async function patiently<T>(
  { output, signal, options, isWorthIt = () => true }: Waiting,
  task: (alive: () => void) => Promise<T>,
): Promise<T> {
  const patienceMs = (options.patience ?? patienceDefault) * 1_000
  let since = Date.now()
  const alive = (): void => {
    since = Date.now()
  }
  for (;;) {
    try {
      return await task(alive)
    } catch (error) {
      if (signal.aborted) throw interrupted
      const problem = toProblem(error)
      const canPass = passing.has(problem.code) && isWorthIt(problem.code)
      if (!canPass || Date.now() - since >= patienceMs) throw error
      output.waiting(problem)
      await sleep(retryMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** Says what a node reports: what passes by itself is waited for. */
export const report =
  (output: Output) =>
  (problem: SluiceError): void =>
    passing.has(problem.code) ? output.waiting(problem) : output.problem(problem)

export const interrupted = new SluiceError(
  'INTERRUPTED',
  'Interrupted. Nothing is lost: run the same command again to go on where it stopped.',
)
