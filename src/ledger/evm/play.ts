/**
 * A chain of play money: anvil with an adjudicator and a token on it, and a faucet for whoever asks. Never anything
 * but a development chain: the faucet makes coins, which no other chain lets anybody do.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeFunctionData } from 'viem'
import { type Address, zeroAddress } from '../../core/bytes.js'
import { SluiceError } from '../../core/errors.js'
import { LedgerError } from '../error.js'
import { startAnvil } from './anvil.js'
import { type Account, type Chain, openChain } from './client.js'
import { playToken } from './contracts.generated.js'
import { checkDeployed, deployAdjudicator, deployPlayToken } from './deploy.js'

export type PlayLedger = {
  /** As `--ledger` takes it. */
  readonly url: string
  readonly chainId: bigint
  readonly adjudicator: Address
  readonly token: Address
  close(): Promise<void>
}

export type Options = {
  /** Whose first transactions the contracts are. */
  readonly deployer: Account
  /** Directory that keeps the chain. */
  readonly directory: string
  readonly port?: number
  /** Seconds; for a chain that is made now. */
  readonly minChallengePeriod?: bigint | undefined
}

const developmentChain = 31_337n
const coin = 10n ** 18n
/** A hundredth of what the faucet sees to that an account has. */
const bond = coin / 100n
const minChallengePeriodDefault = 60n
/** An empty block adds 2 kB to the kept chain: 35 MB a day. */
const idleSeconds = 5

/** @throws LedgerError `ANVIL_MISSING`, `LEDGER_UNREACHABLE` */
export async function openPlayLedger(options: Options): Promise<PlayLedger> {
  const { deployer, directory, port = 0 } = options
  const anvil = await startAnvil({
    port,
    statePath: join(directory, 'anvil.json'),
    // Kept once a second: who kills the process loses no more than that. Blocks come with transactions, and now and
    // then without: where none did, no time would pass, and no window of a dispute.
    args: ['--state-interval', '1', '--block-time', `${idleSeconds}`, '--mixed-mining'],
  })
  try {
    const chain = await openChain({ ...deployer, urls: [anvil.url] })
    const { adjudicator, token } = await contracts(chain, options)
    return {
      url: `evm:${anvil.url}#${adjudicator}`,
      chainId: chain.chainId,
      adjudicator,
      token,
      close: anvil.stop,
    }
  } catch (error) {
    await anvil.stop()
    throw error
  }
}

type Contracts = { readonly adjudicator: Address; readonly token: Address }

/** Those that lie on the chain from the last time, or new ones. */
async function contracts(chain: Chain, options: Options): Promise<Contracts> {
  const { deployer, directory, minChallengePeriod = minChallengePeriodDefault } = options
  const path = join(directory, 'evm.json')
  if (existsSync(path)) {
    const found = JSON.parse(readFileSync(path, 'utf8')) as Contracts
    try {
      await checkDeployed(chain.client, found.adjudicator)
      return found
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
    }
  }
  await setBalance(chain, deployer.account, coin)
  const adjudicator = await deployAdjudicator(chain.sender, { bond, minChallengePeriod })
  const token = await deployPlayToken(chain.sender)
  writeFileSync(path, JSON.stringify({ adjudicator, token }))
  return { adjudicator, token }
}

/** Gives an account of a development chain coins for gas, and `amount` of an asset. @throws LedgerError `NO_FAUCET` */
export async function faucet(
  chain: Chain,
  sender: Address,
  to: Address,
  asset: Address,
  amount: bigint,
): Promise<void> {
  if (chain.chainId !== developmentChain)
    throw new LedgerError(
      'NO_FAUCET',
      `Nobody gives money away on chain ${chain.chainId}: send some to ${to}.`,
    )
  for (const account of new Set([sender, to]))
    if ((await chain.client.getBalance({ address: account })) < coin)
      await setBalance(chain, account, coin)
  if (asset === zeroAddress)
    return setBalance(chain, to, (await chain.client.getBalance({ address: to })) + amount)
  const { abi } = playToken
  const data = encodeFunctionData({ abi, functionName: 'mint', args: [to, amount] })
  await chain.sender.send({ to: asset, data })
}

async function setBalance({ client }: Chain, account: Address, amount: bigint): Promise<void> {
  await client.request({
    method: 'anvil_setBalance',
    params: [account, `0x${amount.toString(16)}`],
  } as never)
}
