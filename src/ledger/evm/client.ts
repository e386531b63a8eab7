/**
 * An EVM chain as one account sees it: the engine's `Ledger` port over the adjudicator contract. It trusts its RPC
 * endpoints for what they read to it; it signs only its own transactions, and only for the chain it was told.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Address,
  createPublicClient,
  encodeFunctionData,
  type PublicClient,
  parseAbi,
  recoverAddress,
} from 'viem'
import { parseAddress } from '../../core/address.js'
import * as Amount from '../../core/amount.js'
import { type Hex, toHex, zeroAddress } from '../../core/bytes.js'
import * as Claim from '../../core/claim.js'
import * as Dispute from '../../core/dispute.js'
import { SluiceError } from '../../core/errors.js'
import * as Parameters from '../../core/parameters.js'
import * as Voucher from '../../core/voucher.js'
import type { Ledger, LedgerChannel } from '../../engine/ports.js'
import * as Done from '../done.js'
import { LedgerError } from '../error.js'
import * as Abi from './abi.js'
import { adjudicator } from './contracts.generated.js'
import { checkDeployed } from './deploy.js'
import * as Endpoints from './endpoints.js'
import * as Logs from './logs.js'
import { refusal } from './refusals.js'
import { createSender, type Sender } from './sender.js'
import * as Token from './token.js'
import { createView, type Height } from './view.js'

export type Account = {
  readonly account: Address
  /** 65-byte signature by the account's key on a 32-byte digest. */
  readonly sign: (digest: Uint8Array) => Uint8Array | Promise<Uint8Array>
}

export type Options = Account & {
  /** RPC endpoints of one chain, the preferred one first. */
  readonly urls: readonly string[]
  /** The chain they must be of, where that is known. */
  readonly chainId?: bigint | undefined
  /**
   * Blocks, its own included, in which something must lie to count as done; left out: 1 on a development chain,
   * 3 elsewhere.
   */
  readonly confirmations?: number
  readonly pollMs?: number
  readonly stuckMs?: number
  /** Ends everything under way. */
  readonly signal?: AbortSignal
}

/** What a redemption of 255 steps costs, of contracts/gas.json, and some more steps. */
const redeemGas = 160_000n

/**
 * Rollups of the OP stack charge for a transaction's bytes on the layer below, beside gas, and tell how much here; so
 * many of a redemption's do not compress.
 */
const dataFees = {
  address: '0x420000000000000000000000000000000000000f',
  abi: parseAbi(['function getL1FeeUpperBound(uint256 size) view returns (uint256)']),
  functionName: 'getL1FeeUpperBound',
  args: [600n],
} as const

/** A chain that answers, and one account's transactions on it. */
export type Chain = {
  readonly client: PublicClient
  readonly chainId: bigint
  readonly sender: Sender
  /** Newest block that counts as settled. */
  readonly head: Height
  readonly pollMs: number
  readonly signal: AbortSignal
}

const developmentChains: readonly bigint[] = [31_337n, 1_337n]
const developmentPollMs = 50
const pollMsDefault = 1_000
const stuckMsDefault = 60_000

/** @throws LedgerError `LEDGER_UNREACHABLE`, `WRONG_CHAIN`, `NOT_A_LEDGER` */
export async function openChain(options: Options): Promise<Chain> {
  const { urls, account, sign, signal = new AbortController().signal } = options
  const { transport, chainId } = await Endpoints.open({ urls, chainId: options.chainId, signal })
  const isDevelopment = developmentChains.includes(chainId)
  const {
    confirmations = isDevelopment ? 1 : 3,
    pollMs = isDevelopment ? developmentPollMs : pollMsDefault,
    stuckMs = stuckMsDefault,
  } = options
  const client = createPublicClient({ transport, cacheTime: 0 })
  const sender = createSender({
    client,
    chainId,
    account,
    sign,
    confirmations,
    pollMs,
    stuckMs,
    signal,
  })
  const head: Height = async () => {
    const settled = (await client.getBlockNumber()) - BigInt(confirmations - 1)
    return settled > 0n ? settled : 0n
  }
  return { client, chainId, sender, head, pollMs, signal }
}

/**
 * The layer that the adjudicator at `address` makes.
 * @throws LedgerError `LEDGER_UNREACHABLE`, `WRONG_CHAIN`, `NOT_A_LEDGER`, `NOT_DEPLOYED`, `LEDGER_VERSION`
 */
export async function connect(address: Address, options: Options): Promise<Ledger> {
  const { account } = options
  const chain = await openChain(options)
  try {
    return await ledgerOf(chain, address, account)
  } catch (error) {
    throw refusal(error, account)
  }
}

async function ledgerOf(chain: Chain, address: Address, account: Address): Promise<Ledger> {
  const { client, chainId, sender, head, pollMs, signal: ended } = chain
  await checkDeployed(client, address)
  const contract = { address, abi: adjudicator.abi } as const
  const [challengeBond, minChallengePeriod, genesis] = await Promise.all([
    client.readContract({ ...contract, functionName: 'BOND' }),
    client.readContract({ ...contract, functionName: 'MIN_CHALLENGE_PERIOD' }),
    client.readContract({ ...contract, functionName: 'DEPLOYED_AT' }),
  ])
  const domain = { chainId, adjudicator: address }

  const tip = await client.estimateMaxPriorityFeePerGas()
  const hasDataFees = (await client.getCode({ address: dataFees.address })) !== undefined
  let [gasPrice, dataFee] = [0n, 0n]
  /** The newest settled block; it also tells what gas, and data, cost. */
  async function newest() {
    const block = await client.getBlock({ blockNumber: await head() })
    gasPrice = (block.baseFeePerGas ?? 0n) + tip
    if (hasDataFees) dataFee = await client.readContract(dataFees).catch(() => dataFee)
    return block
  }
  await newest()

  const view = createView({ client, domain, head })
  const token = { client, sender, account, spender: address }

  /** As `task`, with the errors that all layers share. */
  async function asked<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task()
    } catch (error) {
      throw refusal(error, account)
    }
  }
  const channel = (channelId: Hex, height?: Height) => asked(() => view.channel(channelId, height))
  const lane = (channelId: Hex, id: bigint, height?: Height) =>
    asked(() => view.lane(channelId, id, height))
  const unsettled: Height = () => client.getBlockNumber()

  /** Whether it is so; where it is in blocks that may still go, once these are settled, or gone. */
  async function settles(isSo: (height?: Height) => Promise<boolean>): Promise<boolean> {
    for (;;) {
      if (await isSo()) return true
      if (!(await isSo(unsettled))) return false
      await sleep(pollMs, undefined, { signal: ended }).catch(() => undefined)
    }
  }

  /** Calls under way: the same one twice at once is one call. */
  const underWay = new Map<Hex, Promise<void>>()

  async function ensure(
    isSo: (height?: Height) => Promise<boolean>,
    data: Hex,
    pay: () => Promise<bigint> = async () => 0n,
  ): Promise<void> {
    const running = underWay.get(data)
    if (running !== undefined) return running
    const run = Done.unless(
      () => settles(isSo),
      () => asked(async () => sender.send({ to: address, data, value: await pay() })),
    )
    underWay.set(data, run)
    try {
      await run
    } finally {
      underWay.delete(data)
    }
  }

  const encode = (functionName: string, args: readonly unknown[]): Hex =>
    encodeFunctionData({ abi: adjudicator.abi, functionName, args } as never)

  /** As `ensure`, for what can be read off a channel that must exist. */
  async function onChannel(
    parameters: Parameters.Parameters,
    isSo: (channel: LedgerChannel) => boolean,
    call: Call,
    pay?: (found: LedgerChannel) => Promise<bigint>,
  ): Promise<void> {
    const channelId = Parameters.id(domain, parameters)
    view.learn(parameters)
    let found: LedgerChannel | undefined
    const look = async (height?: Height): Promise<boolean> => {
      found = await channel(channelId, height)
      return found !== undefined && isSo(found)
    }
    const args = [Abi.parameters(parameters), ...call.args]
    const data = encode(call.name, args)
    await ensure(look, data, async () => (found === undefined ? 0n : ((await pay?.(found)) ?? 0n)))
  }

  /** What takes tokens goes one by one: two at once would read, and spend, one allowance. */
  let last: Promise<unknown> = Promise.resolve()
  function taking({ assets }: Parameters.Parameters, task: () => Promise<void>): Promise<void> {
    if (assets.every((asset) => asset === zeroAddress)) return task()
    const mine = last.then(task)
    last = mine.catch(() => undefined)
    return mine
  }

  /** Sees that tokens can be taken, and returns the native coin to send along. */
  async function bring(
    { assets }: Parameters.Parameters,
    amounts: readonly (bigint | undefined)[],
  ): Promise<bigint> {
    let value = 0n
    for (const [at, asset] of assets.entries()) {
      const amount = amounts[at] ?? 0n
      if (amount === 0n) continue
      if (asset === zeroAddress) value += amount
      else await Token.allow(token, asset, amount)
    }
    return value
  }

  return {
    domain,
    account,
    minChallengePeriod,
    challengeBond,
    // What tokens are worth in native coin, nobody here knows.
    redeemFee: (asset) => (asset === zeroAddress ? redeemGas * gasPrice + dataFee : 0n),
    time: () => asked(async () => (await newest()).timestamp),
    async balance(of, asset) {
      const [address, held] = [parseAddress(of), parseAddress(asset)]
      return asked(() =>
        held === zeroAddress
          ? client.getBalance({ address })
          : Token.balance(client, held, address),
      )
    },
    channel: (channelId) => channel(channelId),
    lane: (channelId, id) => lane(channelId, id),

    async open(parameters, signatures) {
      checkOpenable(parameters)
      const channelId = Parameters.id(domain, parameters)
      view.learn(parameters)
      const args = [Abi.parameters(parameters), Abi.signatures(signatures)] as const
      const isSo = async (height?: Height) => (await channel(channelId, height)) !== undefined
      await ensure(isSo, encode('open', args))
    },

    deposit(parameters, seat) {
      const due = parameters.deposits[seat] ?? []
      const call = { name: 'deposit', args: [BigInt(seat)] } as const
      return taking(parameters, () =>
        onChannel(parameters, Done.deposited(seat, due), call, async ({ status }) =>
          status === 'funding' ? bring(parameters, due) : 0n,
        ),
      )
    },

    refund: (parameters, seat) =>
      onChannel(parameters, Done.refunded(seat), { name: 'refund', args: [BigInt(seat)] }),

    topUp(parameters, seat, asset, total) {
      const args = [BigInt(seat), BigInt(asset), Amount.check(total)]
      const call = { name: 'topUp', args } as const
      return taking(parameters, () =>
        onChannel(
          parameters,
          Done.toppedUp(seat, asset, total),
          call,
          async ({ status, deposited }) => {
            if (status !== 'live') return 0n
            const missing = total - (deposited[seat]?.[asset] ?? 0n)
            return bring(
              parameters,
              parameters.assets.map((_, at) => (at === asset ? missing : 0n)),
            )
          },
        ),
      )
    },

    withdraw: (parameters, posting, preimage) =>
      onChannel(parameters, Done.withdrawn(preimage.outcome.withdrawn), {
        name: 'withdraw',
        args: [Abi.state(posting), Abi.preimage(preimage), Abi.signatures(posting.signatures)],
      }),

    close: (parameters, posting, preimage) =>
      onChannel(parameters, Done.closed, {
        name: 'close',
        args: [Abi.state(posting), Abi.preimage(preimage), Abi.signatures(posting.signatures)],
      }),

    challenge: (parameters, seat, posting, signature) =>
      onChannel(
        parameters,
        Done.challenged(posting.version),
        {
          name: 'challenge',
          args: [
            BigInt(seat),
            Abi.state(posting),
            Abi.signatures(posting.signatures),
            toHex(signature),
          ],
        },
        async ({ status }) => (status === 'live' ? challengeBond : 0n),
      ),

    answer: (parameters, posting) =>
      onChannel(parameters, Done.answered(posting.version), {
        name: 'answer',
        args: [Abi.state(posting), Abi.signatures(posting.signatures)],
      }),

    resume: (parameters, posting) =>
      onChannel(parameters, Done.resumed(posting.version), {
        name: 'resume',
        args: [Abi.state(posting), Abi.signatures(posting.signatures)],
      }),

    freeze: (parameters, preimage) =>
      onChannel(parameters, Done.frozen, { name: 'freeze', args: [Abi.preimage(preimage)] }),

    async redeem(parameters, { claim, ...leaf }) {
      const channelId = Parameters.id(domain, parameters)
      view.learn(parameters)
      const isSo = async (height?: Height) =>
        (await lane(channelId, leaf.lane.id, height)).claim >= Claim.amount(claim)
      const args = [Abi.parameters(parameters), Abi.leaf(leaf), Abi.claim(claim)] as const
      try {
        await ensure(isSo, encode('redeem', args))
      } catch (error) {
        if (error instanceof LedgerError && error.code === 'BAD_VOUCHER')
          await explain(channelId, leaf.lane, claim, domain)
        throw error
      }
    },

    async sweep(parameters, leaf) {
      const channelId = Parameters.id(domain, parameters)
      view.learn(parameters)
      const isSo = async (height?: Height) =>
        (await lane(channelId, leaf.lane.id, height)).swept ||
        (await channel(channelId, height))?.status === 'closed'
      const args = [Abi.parameters(parameters), Abi.leaf(leaf)] as const
      await ensure(isSo, encode('sweep', args))
    },

    events: ({ after, signal }) =>
      Logs.follow({
        client,
        address,
        genesis,
        head,
        pollMs,
        after,
        signal: AbortSignal.any([signal, ended]),
      }),
  }
}

type Call = { readonly name: string; readonly args: readonly unknown[] }

/** @throws LedgerError `BAD_PARAMETERS` */
function checkOpenable(parameters: Parameters.Parameters): void {
  try {
    Parameters.check(parameters)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    throw new LedgerError('BAD_PARAMETERS', error.message, { cause: error })
  }
}

/** Why the chain refused a claim, where we can tell. @throws VoucherError, TickError */
async function explain(
  channelId: Hex,
  lane: Dispute.Leaf['lane'],
  claim: Claim.Claim,
  domain: Ledger['domain'],
): Promise<void> {
  const { voucher, signature } = claim.signed
  const hash = toHex(Voucher.digest(domain, voucher))
  const signer = await recoverAddress({ hash, signature: toHex(signature) }).catch(() => undefined)
  Dispute.checkClaim(channelId, lane, claim, signer?.toLowerCase() as Address | undefined)
}
