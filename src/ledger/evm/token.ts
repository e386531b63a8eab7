/** ERC-20 tokens, as far as a payer needs them: what it holds, and what the adjudicator may take. */
import { type Address, encodeFunctionData, erc20Abi, type PublicClient, size, slice } from 'viem'
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
  const data = encodeFunctionData({ abi: erc20Abi, functionName: 'balanceOf', args: [account] })
  const answer = await client.call({ to: asset, data }).catch((error: unknown) => {
    const problem = refusal(error, account)
    // That it was refused says what it is; that nobody could be asked does not.
    if (problem.code !== 'REVERTED') throw problem
    return { data: undefined }
  })
  const word = slice(answer.data ?? '0x', 0, 32)
  if (size(word) < 32)
    throw new LedgerError('BAD_TOKEN', `There is no ERC-20 token at ${asset} on this chain.`)
  return BigInt(word)
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
