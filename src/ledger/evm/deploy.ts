/**
 * Puts an adjudicator on a chain, and tells one of ours from anything else that may lie at an address: the code is
 * compared, byte for byte, with what this version was compiled to.
 */
import { type Address, encodeDeployData, type PublicClient, type TransactionReceipt } from 'viem'
import { fromHex, type Hex, toHex } from '../../core/bytes.js'
import { LedgerError } from '../error.js'
import { adjudicator, playToken } from './contracts.generated.js'
import type { Sender } from './sender.js'

export type Terms = {
  /** What a challenge puts at stake, in the chain's smallest coin. */
  readonly bond: bigint
  /** Seconds; the least a channel may agree on: above the chain's delay of forced inclusion. */
  readonly minChallengePeriod: bigint
}

/** Deploys an adjudicator, which nobody owns, and returns its address. */
export async function deployAdjudicator(sender: Sender, terms: Terms): Promise<Address> {
  const { abi, bytecode } = adjudicator
  const args = [terms.bond, Number(terms.minChallengePeriod)] as const
  return addressOf(await sender.send({ data: encodeDeployData({ abi, bytecode, args }) }))
}

/** Deploys a token of play money, which anyone mints. */
export const deployPlayToken = async (sender: Sender): Promise<Address> =>
  addressOf(await sender.send({ data: playToken.bytecode }))

function addressOf({ contractAddress }: TransactionReceipt): Address {
  if (!contractAddress) throw new LedgerError('REVERTED', 'The chain created no contract.')
  return contractAddress.toLowerCase() as Address
}

/** @throws LedgerError `NOT_DEPLOYED`, `LEDGER_VERSION` */
export async function checkDeployed(client: PublicClient, address: Address): Promise<void> {
  const code = await client.getCode({ address })
  if (code === undefined || code === '0x')
    throw new LedgerError(
      'NOT_DEPLOYED',
      `There is no contract at ${address} on this chain. Check the address after #, or deploy one: sluice deploy --rpc URL.`,
    )
  if (withoutImmutables(code) !== withoutImmutables(adjudicator.runtime))
    throw new LedgerError(
      'LEDGER_VERSION',
      `The contract at ${address} is not the adjudicator of this version of Sluice. Use the version it was deployed with, or deploy one: sluice deploy --rpc URL.`,
    )
}

/** The code with zeroes where the constructor writes its own values. */
function withoutImmutables(code: Hex): Hex {
  const bytes = fromHex(code)
  for (const [start, length] of adjudicator.immutables) bytes.fill(0, start, start + length)
  return toHex(bytes)
}
