/** ERC-20 tokens, as far as a payer needs them: what it holds, and what the adjudicator may take. */
import { type Address, encodeFunctionData, erc20Abi, type PublicClient } from 'viem'
import { LedgerError } from '../error.js'
import { refusal } from './refusals.js'
import type { Sender } from './sender.js'

export type Token = {
  readonly client: PublicClient
  readonly sender: Sender
  readonly account: Address
  readonly spender: Address
}

export async function balance(
  client: PublicClient,
  asset: Address,
  account: Address,
): Promise<bigint> {
  try {
    return await client.readContract({
      address: asset,
      abi: erc20Abi,
      functionName: 'balanceOf',
      args: [account],
    })
  } catch (error) {
    const problem = refusal(error, account)
    if (problem.code === 'LEDGER_UNREACHABLE' && !/returned no data/i.test(problem.message))
      throw problem
    throw new LedgerError('BAD_TOKEN', `There is no ERC-20 token at ${asset} on this chain.`, {
      cause: error,
    })
  }
}

/**
 * Sees to it that the adjudicator may take `amount`, and that it is there: never more than that is approved.
 * @throws LedgerError `INSUFFICIENT_BALANCE`, `NO_ALLOWANCE`
 */
export async function allow(
  { client, sender, account, spender }: Token,
  asset: Address,
  amount: bigint,
): Promise<void> {
  const holds = await balance(client, asset, account)
  if (holds < amount)
    throw new LedgerError(
      'INSUFFICIENT_BALANCE',
      `The account ${account} holds ${holds} of token ${asset}, and ${amount} are due.`,
    )
  const allowance = () =>
    client.readContract({
      address: asset,
      abi: erc20Abi,
      functionName: 'allowance',
      args: [account, spender],
    })
  const approve = (value: bigint) =>
    sender.send({
      to: asset,
      data: encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [spender, value] }),
    })
  const allowed = await allowance()
  if (allowed >= amount) return
  // Some tokens change an allowance only from zero.
  if (allowed > 0n) await approve(0n)
  await approve(amount)
  if ((await allowance()) < amount)
    throw new LedgerError(
      'NO_ALLOWANCE',
      `Token ${asset} does not let the adjudicator ${spender} take ${amount}: approve that much with your wallet, and try again.`,
    )
}
