/** `sluice deploy`: puts an adjudicator on a chain. Nobody will own it, we neither. */
import { parse } from '../core/amount.js'
import { deployLedger, openIdentity } from '../sluice.js'
import type { Output } from './output.js'
import { accountKeyOf, homeOf, type Shared } from './settings.js'

export type DeployOptions = Shared & {
  readonly rpc: string
  readonly bond: string
  readonly period: number
}

export async function deploy(output: Output, options: DeployOptions): Promise<void> {
  const terms = { bond: parse(options.bond), minChallengePeriod: BigInt(options.period) }
  const key = accountKeyOf(options) ?? (await openIdentity(homeOf(options))).accountKey
  const { url, chainId, adjudicator } = await deployLedger(options.rpc, key, terms)
  output.event(
    'deployed',
    { url, chainId, adjudicator },
    `Adjudicator ${adjudicator} on chain ${chainId}.\nUse it with --ledger '${url}'.`,
  )
}
