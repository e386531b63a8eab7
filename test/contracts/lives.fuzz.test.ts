/**
 * The random lives of test/ledger/lives.ts on the contract itself: real signatures, one block a call, a bond of 7 wei.
 * One seat is paid to a wallet that refuses everything, and one to a wallet that calls back whenever it is paid.
 */
import fc from 'fast-check'
import { type Abi, encodeFunctionData, type Hex, type TransactionReceipt } from 'viem'
import { afterAll, beforeAll, describe } from 'vitest'
import { type Address, toHex, uint, zeroAddress } from '../../src/core/bytes.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type { Domain } from '../../src/core/typed-data.js'
import type * as Call from '../../src/ledger/embedded/call.js'
import * as Abis from '../../src/ledger/evm/abi.js'
import { adjudicator } from '../../src/ledger/evm/contracts.generated.js'
import { deposits, livesOf, parametersOf, period, type Side, type View } from '../ledger/lives.js'
import { wallet } from '../ledger/wallet.js'
import { type Chain, startChain } from './support/chain.js'
import { weird } from './support/weird.js'

const abi = adjudicator.abi as Abi
const bond = 7n
const gas = toHex(uint(3_000_000n, 4))
const signers = [101, 102, 103].map((number) => wallet(number))
const session = wallet(104)
const wallets = new Map([...signers, session].map((each) => [each.address, each]))

let chain: Chain
let address: Address
let payouts: readonly Address[]
let parameters: Parameters.Parameters
let id: Hex
let domain: Domain
let snapshot: Hex
let start: bigint

beforeAll(async () => {
  chain = await startChain()
  address = await chain.deploy(abi, adjudicator.bytecode, [bond, Number(period)])
  domain = { ...chain.domain, adjudicator: address }
  const deploy = (name: string) => chain.deploy(weird(name).abi, weird(name).bytecode)
  const reentrant = await deploy('ReentrantWallet')
  payouts = [`0x${'11'.repeat(20)}`, reentrant, await deploy('RevertingWallet')]
  const accounts = signers.map((each) => each.address)
  const fundBy = (await chain.time()) + 1_000n
  parameters = parametersOf(accounts, payouts, zeroAddress, fundBy)
  id = Parameters.id(domain, parameters)
  const root = State.root(id, State.opening(parameters))
  const digest = State.digest(domain, { channelId: id, version: 0n, root, kind: 0 })
  const signatures = await Promise.all(signers.map(({ sign }) => sign(digest)))
  await send('open', [Abis.signatures(signatures)])
  for (const [seat, amount] of deposits.entries()) await send('deposit', [BigInt(seat)], amount)
  // Whenever it is paid, it tries to be paid once more.
  const data = encodeFunctionData({ abi, functionName: 'pull', args: [zeroAddress, reentrant] })
  await chain.call(reentrant, weird('ReentrantWallet').abi, 'arm', [address, data])
  start = await chain.time()
  snapshot = await request('evm_snapshot')
})
afterAll(() => chain.stop())

const request = <T>(method: string, params: readonly unknown[] = []): Promise<T> =>
  chain.client.request({ method, params } as never)

const send = (functionName: string, args: readonly unknown[], value = 0) =>
  chain.call(address, abi, functionName, [Abis.parameters(parameters), ...args], {
    value: BigInt(value),
  })

/** A call of the embedded layer, as the contract takes it; the channel's parameters aside. */
function argumentsOf(call: Call.Call): readonly unknown[] {
  switch (call.type) {
    case 'challenge': {
      const { posting, seat, signature } = call
      return [
        BigInt(seat),
        Abis.state(posting),
        Abis.signatures(posting.signatures),
        toHex(signature),
      ]
    }
    case 'answer':
    case 'resume':
      return [Abis.state(call.posting), Abis.signatures(call.posting.signatures)]
    case 'close':
    case 'withdraw': {
      const { posting, preimage } = call
      return [Abis.state(posting), Abis.preimage(preimage), Abis.signatures(posting.signatures)]
    }
    case 'freeze':
      return [Abis.preimage(call.preimage)]
    case 'redeem':
      return [Abis.leaf(call.redemption), Abis.claim(call.redemption.claim)]
    case 'sweep':
      return [Abis.leaf(call.leaf)]
    case 'topUp':
      return [BigInt(call.seat), BigInt(call.asset), call.total]
    default:
      throw new Error(`no life has a ${call.type}`)
  }
}

async function begin(): Promise<Side> {
  await request('evm_revert', [snapshot])
  snapshot = await request('evm_snapshot')
  const accounts = signers.map((_, seat) => (chain.accounts[1 + seat] as Address).toLowerCase())
  const deposited = [...deposits]
  let now = start

  let seen: Promise<View> | undefined

  async function submit(call: Call.Call, from: number): Promise<boolean> {
    seen = undefined
    const args = [Abis.parameters(parameters), ...argumentsOf(call)]
    const rise = call.type === 'topUp' ? Number(call.total) - (deposited[call.seat] ?? 0) : 0
    const value = call.type === 'challenge' ? bond : BigInt(Math.max(0, rise))
    await request('evm_setNextBlockTimestamp', [Number(now)])
    const receipt = await request<TransactionReceipt>('eth_sendTransactionSync', [
      {
        from: accounts[from],
        to: address,
        data: encodeFunctionData({ abi, functionName: call.type, args }),
        value: toHex(uint(value, 32)),
        gas,
      },
    ])
    // A claim that is no news is not refused: it does nothing, and says nothing.
    const isDone = Number(receipt.status) === 1 && receipt.logs.length > 0
    if (isDone && call.type === 'topUp') deposited[call.seat] = Number(call.total)
    return isDone
  }

  async function look(): Promise<View> {
    const [balances, credits, kept, stored] = await Promise.all([
      Promise.all(payouts.map((to) => chain.balance(to, zeroAddress))),
      Promise.all(payouts.map((to) => read('credits', [to, zeroAddress]) as Promise<bigint>)),
      chain.balance(address, zeroAddress),
      read('look', [id, 3n, 1n]) as Promise<Stored>,
    ])
    const [channel, , held, more] = stored
    const sum = (row: readonly bigint[]) => row.reduce((all, each) => all + each, 0n)
    return {
      isClosed: (channel.flags & 2) !== 0,
      version:
        channel.challengedAt === 0 || (channel.flags & 2) !== 0 ? undefined : channel.version,
      versionMin: channel.versionMin,
      deposited: deposits.map((amount, seat) => amount + Number(more[seat])),
      held: Number(held[0]),
      paid: balances.map((amount, seat) => Number(amount + (credits[seat] ?? 0n))),
      kept: Number(kept - sum(credits)),
    }
  }

  return {
    domain,
    parameters,
    accounts: accounts as Address[],
    bond: Number(bond),
    sessionKey: session.address,
    sign: (digest, by) => (wallets.get(by) as typeof session).sign(digest),
    get now() {
      return now
    },
    set now(to) {
      now = to
    },
    submit,
    funds: () => Number.POSITIVE_INFINITY,
    fund: async () => undefined,
    // Nothing but a call changes it.
    view: () => (seen ??= look()),
  }
}

type Stored = readonly [
  {
    readonly flags: number
    readonly challengedAt: number
    readonly version: bigint
    readonly versionMin: bigint
  },
  unknown,
  readonly bigint[],
  readonly bigint[],
]

const read = (functionName: string, args: readonly unknown[]): Promise<unknown> =>
  chain.client.readContract({ address, abi, functionName, args })

/** Lives of either kind: 50, in some ten seconds. FC_NUM_RUNS=4000 leads 2,000. */
describe('disputes on the contract', () => {
  livesOf(begin, Math.ceil((fc.readConfigureGlobal().numRuns ?? 100) / 2))
})
