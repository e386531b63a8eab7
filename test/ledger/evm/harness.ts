/** An anvil with an adjudicator and a play token, for the suites that every execution layer passes. */
import { type Address, encodeFunctionData } from 'viem'
import { startAnvil } from '../../../src/ledger/evm/anvil.js'
import { connect, openChain } from '../../../src/ledger/evm/client.js'
import { playToken } from '../../../src/ledger/evm/contracts.generated.js'
import { deployAdjudicator, deployPlayToken } from '../../../src/ledger/evm/deploy.js'
import type { Harness } from '../../conformance/rooms.js'
import { type AnvilClient, anvilClient } from '../../support/anvil.js'
import { type Wallet, wallet } from '../wallet.js'

export const bond = 10n ** 19n
/** Pays for the gas of a few hundred calls, and not for a bond. */
const gasMoney = 10n ** 18n

export type EvmHarness = Harness & {
  readonly url: string
  readonly adjudicator: Address
  readonly token: Address
  readonly client: AnvilClient
  readonly bank: Wallet
  setBalance(account: Address, amount: bigint): Promise<void>
}

export async function harness(): Promise<EvmHarness> {
  const anvil = await startAnvil()
  const client = anvilClient(anvil.url)
  const bank = wallet()
  const setBalance = (account: Address, amount: bigint): Promise<void> =>
    client.setBalance({ address: account, value: amount })
  await setBalance(bank.address, 1_000n * gasMoney)
  const options = { urls: [anvil.url], pollMs: 5 }
  const { sender } = await openChain({ ...options, account: bank.address, sign: bank.sign })
  const adjudicator = await deployAdjudicator(sender, { bond, minChallengePeriod: 60n })
  const token = await deployPlayToken(sender)
  return {
    url: anvil.url,
    adjudicator,
    token,
    client,
    bank,
    setBalance,
    asset: token,
    async connect(mine) {
      if ((await client.getBalance({ address: mine.address })) === 0n)
        await setBalance(mine.address, gasMoney)
      return connect(adjudicator, { ...options, account: mine.address, sign: mine.sign })
    },
    async fund(account, amount) {
      const args = [account, amount] as const
      const data = encodeFunctionData({ abi: playToken.abi, functionName: 'mint', args })
      await sender.send({ to: token, data })
    },
    fundBond: async (account) =>
      setBalance(account, (await client.getBalance({ address: account })) + bond),
    async advance(seconds) {
      await client.increaseTime({ seconds })
      await client.mine({ blocks: 1 })
    },
    close: anvil.stop,
  }
}
