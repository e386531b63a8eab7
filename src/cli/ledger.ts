/** `sluice ledger`: serves an execution layer of play money until it is stopped. */
import { once } from 'node:events'
import { join } from 'node:path'
import { SluiceError } from '../core/errors.js'
import { createLedger, createPlayLedger } from '../sluice.js'
import type { Output } from './output.js'
import { homeOf, interruptible, type Shared } from './settings.js'

export type LedgerOptions = Shared & {
  readonly listen: string
  /** Seconds. */
  readonly challengePeriod?: number
  /** An EVM chain of play money instead of the embedded layer. */
  readonly evm?: boolean
}

export async function ledger(output: Output, options: LedgerOptions): Promise<void> {
  const signal = interruptible()
  const home = options.home ?? join(homeOf(options), 'ledger')
  const { host, port } = parseListen(options.listen)
  const { challengePeriod } = options
  const minChallengePeriod = challengePeriod === undefined ? undefined : BigInt(challengePeriod)
  if (options.evm) return playChain(output, home, { port, minChallengePeriod }, signal)
  const { url, layer, close } = await createLedger({
    home,
    host,
    port,
    ...(minChallengePeriod === undefined ? {} : { minChallengePeriod }),
  })
  const { chainId, adjudicator } = layer.rules.domain
  output.event(
    'listening',
    { url, chainId, adjudicator, home },
    [
      `Ledger ${url}  (chain ${chainId})`,
      `Its money is play money: fund an account with \`sluice keys --ledger ${url} --fund 1000000\`.`,
      'Ctrl-C stops it; the same command finds everything again.',
    ].join('\n'),
  )
  if (!signal.aborted) await once(signal, 'abort')
  await close()
}

/** Anvil, an adjudicator and a token. */
async function playChain(
  output: Output,
  home: string,
  options: { readonly port: number; readonly minChallengePeriod: bigint | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { url, chainId, adjudicator, token, close } = await createPlayLedger(home, options)
  const fund = `sluice keys --ledger '${url}' --asset ${token} --fund 1000000`
  output.event(
    'listening',
    { url, chainId, adjudicator, asset: token, home },
    [
      `Ledger ${url}  (chain ${chainId})`,
      `Its token ${token} is play money: fund an account with \`${fund}\`.`,
      'Ctrl-C stops it; the same command finds everything again.',
    ].join('\n'),
  )
  if (!signal.aborted) await once(signal, 'abort')
  await close()
}

function parseListen(text: string): { host: string; port: number } {
  const [, host, port] = /^(.+):([0-9]{1,5})$/.exec(text) ?? []
  if (host === undefined || Number(port) > 65_535)
    throw new SluiceError('BAD_LISTEN', `"${text}" is not HOST:PORT, such as 127.0.0.1:8411.`)
  return { host, port: Number(port) }
}
