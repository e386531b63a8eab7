/**
 * One anvil with an adjudicator and a play token on it. Everything that ends in a receipt's gas is fixed: keys,
 * nonces, times. Accounts are anvil's own, unlocked, so that nothing but what we test is signed.
 */
import {
  type Abi,
  type Address,
  encodeDeployData,
  encodeFunctionData,
  type Hex,
  type TransactionReceipt,
} from 'viem'
import type { Domain } from '../../../src/core/typed-data.js'
import { startAnvil } from '../../../src/ledger/evm/anvil.js'
import { adjudicator, playToken } from '../../../src/ledger/evm/contracts.generated.js'
import { anvilClient } from '../../support/anvil.js'

export const bond = 10n ** 16n
export const minPeriod = 60n
const startTime = 1_900_000_000
/** EIP-7825: the most one transaction may take. */
const gasMax = 16_777_216n

/** Arguments of `redeem`, as an item of a batch. */
export const encodeRedeem = (args: readonly unknown[]): Hex =>
  `0x${encodeFunctionData({ abi: adjudicator.abi as Abi, functionName: 'redeem', args }).slice(10)}`

export type Call = { readonly from?: Address; readonly value?: bigint; readonly gas?: bigint }

export type Chain = Awaited<ReturnType<typeof startChain>>

export async function startChain() {
  const anvil = await startAnvil({
    args: ['--timestamp', `${startTime}`, '--accounts', '20'],
  })
  const client = anvilClient(anvil.url)
  const accounts = await client.request({ method: 'eth_accounts', params: undefined } as never)
  const [operator] = accounts as readonly Address[]
  if (operator === undefined) throw new Error('anvil has no accounts')

  /** Sends and waits; whether it succeeded is the receipt's. */
  async function transact(tx: {
    from: Address
    to?: Address
    data?: Hex
    value?: bigint
    gas?: bigint
  }): Promise<TransactionReceipt> {
    const hash = (await client.request({
      method: 'eth_sendTransaction',
      params: [
        {
          ...tx,
          value: `0x${(tx.value ?? 0n).toString(16)}`,
          gas: `0x${(tx.gas ?? gasMax).toString(16)}`,
        },
      ],
    } as never)) as Hex
    return client.waitForTransactionReceipt({ hash })
  }

  async function deploy(abi: Abi, bytecode: Hex, args: readonly unknown[] = []): Promise<Address> {
    const data = encodeDeployData({ abi, bytecode, args })
    const { contractAddress } = await transact({ from: operator as Address, data })
    return contractAddress?.toLowerCase() as Address
  }

  /** Calls a contract's function in a transaction. Throws viem's error, with the revert's name, when it is refused. */
  async function call(
    address: Address,
    abi: Abi,
    functionName: string,
    args: readonly unknown[],
    { from = operator as Address, value = 0n, gas }: Call = {},
  ): Promise<TransactionReceipt> {
    await client.simulateContract({ address, abi, functionName, args, account: from, value })
    const data = encodeFunctionData({ abi, functionName, args })
    const receipt = await transact({
      from,
      to: address,
      data,
      value,
      ...(gas === undefined ? {} : { gas }),
    })
    if (receipt.status !== 'success') throw new Error(`${functionName} failed after its simulation`)
    return receipt
  }

  const address = await deploy(adjudicator.abi, adjudicator.bytecode, [bond, Number(minPeriod)])
  const token = await deploy(playToken.abi, playToken.bytecode)
  const domain: Domain = { chainId: BigInt(await client.getChainId()), adjudicator: address }

  return {
    url: anvil.url,
    client,
    accounts: accounts as readonly Address[],
    operator,
    address,
    token,
    domain,
    deploy,
    transact,
    call,
    send: (functionName: string, args: readonly unknown[], options: Call = {}) =>
      call(address, adjudicator.abi as Abi, functionName, args, options),
    read: (functionName: string, args: readonly unknown[]): Promise<unknown> =>
      client.readContract({ address, abi: adjudicator.abi as Abi, functionName, args }),
    time: async (): Promise<bigint> => (await client.getBlock()).timestamp,
    /** The next block is this many seconds after the newest; mined at once. */
    async advance(seconds: number): Promise<void> {
      await client.increaseTime({ seconds })
      await client.mine({ blocks: 1 })
    },
    mint: (to: Address, amount: bigint, asset: Address = token) =>
      call(asset, playToken.abi as Abi, 'mint', [to, amount]),
    approve: (from: Address, amount: bigint, asset: Address = token) =>
      call(asset, playToken.abi as Abi, 'approve', [address, amount], { from }),
    balance: (account: Address, asset: Address): Promise<bigint> =>
      BigInt(asset) === 0n
        ? client.getBalance({ address: account })
        : (client.readContract({
            address: asset,
            abi: playToken.abi,
            functionName: 'balanceOf',
            args: [account],
          }) as Promise<bigint>),
    stop: anvil.stop,
  }
}
