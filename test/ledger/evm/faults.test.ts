/**
 * A chain that is away, slow, another one, or takes back what it said; and accounts that cannot pay. What can pass
 * is waited for, and the rest is a sentence that says what to do.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeFunctionData } from 'viem'
import { expect, it } from 'vitest'
import { type Address, toHex, zeroAddress } from '../../../src/core/bytes.js'
import type { LedgerEvent } from '../../../src/engine/ports.js'
import { parseAsset, parseLayerAddress } from '../../../src/ledger/evm/address.js'
import { startAnvil } from '../../../src/ledger/evm/anvil.js'
import { connect, openChain } from '../../../src/ledger/evm/client.js'
import { playToken } from '../../../src/ledger/evm/contracts.generated.js'
import { deployAdjudicator } from '../../../src/ledger/evm/deploy.js'
import { weird } from '../../contracts/support/weird.js'
import { wallet } from '../wallet.js'
import { setUp } from './tools.js'

const { evm, endpoint, rich, connectAs, open } = await setUp()

const refused = (code: string, words: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(words) })

it('asks the next endpoint where one is away, and the same again where it is busy', async () => {
  const dead = 'http://127.0.0.1:9'
  let limited = 0
  const busy = await endpoint((_, count) =>
    count % 3 === 1 ? { status: ++limited > 0 ? 429 : 500 } : undefined,
  )
  const mine = await rich()
  await evm.fund(mine.address, 100n)
  const ledger = await connectAs(mine, [dead, busy])
  const { id, parameters } = await open(ledger, mine)
  await ledger.deposit(parameters, 0)
  expect(await ledger.channel(id)).toMatchObject({ status: 'live', held: [100n] })
  expect(limited).toBeGreaterThan(3)
})

it('reads logs in smaller ranges where an endpoint limits them', async () => {
  const mine = await rich()
  const whole = await connectAs(mine, [evm.url])
  const { id } = await open(whole, mine)
  await evm.client.mine({ blocks: 40 })
  const limited = await endpoint((method, _, [range]) => {
    if (method !== 'eth_getLogs' || typeof range !== 'object') return undefined
    const { fromBlock = '0x0', toBlock = '0x0' } = range
    if (BigInt(toBlock) - BigInt(fromBlock) < 3n) return undefined
    const error = { code: -32005, message: 'query returned too many results' }
    return { status: 200, body: { error } }
  })
  const ledger = await connectAs(mine, [limited])
  expect((await ledger.channel(id))?.status).toBe('funding')
  const ended = new AbortController()
  for await (const { channelId } of ledger.events({ after: 0, signal: ended.signal }))
    if (channelId === id) ended.abort()
})

it('follows events through an endpoint that does not have the newest block yet', async () => {
  let behind = false
  const lagging = await endpoint((method) =>
    behind && method === 'eth_getBlockByNumber'
      ? { status: 200, body: { result: null } }
      : undefined,
  )
  const mine = await rich()
  const watching = await connectAs(mine, [lagging])
  const acting = await connectAs(mine, [evm.url])
  const ended = new AbortController()
  const told: LedgerEvent[] = []
  const following = (async () => {
    for await (const event of watching.events({ after: 0, signal: ended.signal })) told.push(event)
  })()
  await expect.poll(() => told.length, { timeout: 10_000 }).toBeGreaterThan(0)
  behind = true
  const { id } = await open(acting, mine)
  await watching.time().catch(() => undefined)
  behind = false
  await expect.poll(() => told.at(-1)?.channelId, { timeout: 10_000 }).toBe(id)
  ended.abort()
  await following
})

it('says where nothing answers, and what does', async () => {
  const mine = wallet()
  await expect(connectAs(mine, ['http://127.0.0.1:9/secret-key'])).rejects.toThrow(
    refused('LEDGER_UNREACHABLE', /^(?!.*secret).*Is the URL right/),
  )
  const page = await endpoint(() => ({ status: 200, body: { result: 'hello' } }))
  await expect(connectAs(mine, [page])).rejects.toThrow(refused('NOT_A_LEDGER', /no Ethereum RPC/))
})

it('signs nothing for another chain, whichever endpoint it comes from', async () => {
  const mine = await rich()
  let signed = 0
  const sign = (digest: Uint8Array) => {
    signed++
    return mine.sign(digest)
  }
  const counting = { ...mine, sign }
  await expect(connectAs(counting, [evm.url], { chainId: 1n })).rejects.toThrow(
    refused('WRONG_CHAIN', /is chain 31337, and chain 1 is wanted/),
  )
  const foreign = await endpoint((method) =>
    method === 'eth_chainId' ? { status: 200, body: { result: '0x1' } } : undefined,
  )
  // The second endpoint is of another chain: it is found out when it is first needed.
  let away = false
  const first = await endpoint(() => (away ? { status: 503 } : undefined))
  const ledger = await connectAs(counting, [first, foreign])
  away = true
  await expect(ledger.time()).rejects.toThrow(refused('WRONG_CHAIN', /chain 1, and chain 31337/))
  expect(signed).toBe(0)
})

it('tells an adjudicator of this version from nothing, and from anything else', async () => {
  const mine = wallet()
  const options = { urls: [evm.url], account: mine.address, sign: mine.sign }
  await expect(connect(`0x${'9'.repeat(40)}`, options)).rejects.toThrow(
    refused('NOT_DEPLOYED', /sluice deploy/),
  )
  await expect(connect(evm.token, options)).rejects.toThrow(
    refused('LEDGER_VERSION', /not the adjudicator of this version/),
  )
})

it('says what an account lacks: coins for gas, tokens, an ordinary token', async () => {
  const mine = wallet()
  const ledger = await connectAs(mine, [evm.url])
  await expect(open(ledger, mine)).rejects.toThrow(
    refused('INSUFFICIENT_BALANCE', /send it native coin/),
  )
  await evm.setBalance(mine.address, 10n ** 18n)
  const { parameters } = await open(ledger, mine)
  await expect(ledger.deposit(parameters, 0)).rejects.toThrow(
    refused('INSUFFICIENT_BALANCE', /holds 0 of token/),
  )
  const nothing = await open(ledger, mine, evm.bank.address)
  await expect(ledger.deposit(nothing.parameters, 0)).rejects.toThrow(
    refused('BAD_TOKEN', /no ERC-20 token at/),
  )
  await expect(ledger.balance(mine.address, evm.bank.address)).rejects.toThrow(
    refused('BAD_TOKEN', /no ERC-20 token at/),
  )
})

it.each([
  ['FeeToken', 'BAD_TOKEN', /fees or rebases/],
  ['RebasingToken', 'BAD_TOKEN', /fees or rebases/],
  ['StubbornToken', 'NO_ALLOWANCE', /approve that much with your wallet/],
  ['PausedToken', 'REVERTED', /refused the transaction \(paused\)/],
  ['RevertingWallet', 'BAD_TOKEN', /no ERC-20 token at/],
] as const)('says what is wrong with a %s', async (name, code, words) => {
  const { abi, bytecode } = weird(name)
  const mine = await rich()
  const { address: account, sign } = evm.bank
  const { sender } = await openChain({ urls: [evm.url], account, sign, pollMs: 5 })
  const { contractAddress } = await sender.send({ data: bytecode })
  const asset = contractAddress?.toLowerCase() as Address
  const args = [mine.address, 1_000n]
  if (name !== 'RevertingWallet')
    await sender.send({
      to: asset,
      data: encodeFunctionData({ abi, functionName: 'mint', args }),
    })
  const ledger = await connectAs(mine, [evm.url])
  const { id, parameters } = await open(ledger, mine, asset)
  await expect(ledger.deposit(parameters, 0)).rejects.toThrow(refused(code, words))
  expect(await ledger.channel(id)).toMatchObject({ status: 'funding', held: [0n] })
})

it('estimates what a redemption costs by the newest price of gas, in coins alone', async () => {
  const ledger = await connectAs(wallet(), [evm.url])
  const fee = async (price: bigint): Promise<bigint> => {
    await evm.client.setNextBlockBaseFeePerGas({ baseFeePerGas: price })
    await evm.client.mine({ blocks: 1 })
    await ledger.time()
    return ledger.redeemFee(zeroAddress)
  }
  const path = join(import.meta.dirname, '../../../contracts/gas.json')
  const gas = BigInt(JSON.parse(readFileSync(path, 'utf8'))['redeem-255'])
  const [low, high] = [await fee(1_000n), await fee(1_000_000_000_000n)]
  expect(low).toBeGreaterThanOrEqual(gas * 1_000n)
  expect(high).toBeGreaterThanOrEqual(gas * 1_000_000_000_000n)
  expect(high).toBeLessThan(2n * gas * 1_000_000_000_000n)
  expect(ledger.redeemFee(evm.token)).toBe(0n)
  await fee(1_000_000_000n)
})

it('adds what a rollup charges for a redemption on the layer below', async () => {
  const before = (await connectAs(wallet(), [evm.url])).redeemFee(zeroAddress)
  // Where the OP stack has its oracle, a contract that answers anything with 2^56.
  const oracle = '0x420000000000000000000000000000000000000f'
  const bytecode = '0x67010000000000000060005260206000f3'
  await evm.client.setCode({ address: oracle, bytecode })
  const ledger = await connectAs(wallet(), [evm.url])
  const fee = ledger.redeemFee(zeroAddress)
  expect(fee - before).toBeGreaterThan(2n ** 55n)
  expect(ledger.redeemFee(evm.token)).toBe(0n)
  // One that answers nothing any more is no reason to stop.
  await evm.client.setCode({ address: oracle, bytecode: '0x' })
  expect(await ledger.time()).toBeGreaterThan(0n)
  expect(ledger.redeemFee(zeroAddress)).toBeGreaterThan(2n ** 55n)
})

it('approves what is due and no more', async () => {
  const mine = await rich()
  await evm.fund(mine.address, 1_000n)
  const ledger = await connectAs(mine, [evm.url])
  const { parameters } = await open(ledger, mine)
  await ledger.deposit(parameters, 0)
  const left = await evm.client.readContract({
    address: evm.token,
    abi: playToken.abi,
    functionName: 'allowance',
    args: [mine.address, evm.adjudicator],
  })
  expect(left).toBe(0n)
  expect(await ledger.balance(mine.address, evm.token)).toBe(900n)
})

it('has many calls of one account wait for one block', async () => {
  const mine = await rich()
  const ledger = await connectAs(mine, [evm.url])
  await evm.client.setAutomine(false)
  try {
    const opening = Promise.all(Array.from({ length: 12 }, () => open(ledger, mine)))
    const pending = () =>
      evm.client.getTransactionCount({ address: mine.address, blockTag: 'pending' })
    await expect.poll(pending, { timeout: 20_000 }).toBe(12)
    await evm.client.mine({ blocks: 1 })
    for (const { id } of await opening) expect((await ledger.channel(id))?.status).toBe('funding')
  } finally {
    await evm.client.setAutomine(true)
  }
})

it('raises the fee of what lies about, and both are one call', async () => {
  const mine = await rich()
  const ledger = await connectAs(mine, [evm.url], { stuckMs: 50 })
  await evm.client.setAutomine(false)
  try {
    const opening = open(ledger, mine)
    await expect
      .poll(
        async () => {
          const { pending } = await evm.client.getTxpoolContent()
          const ours = Object.entries(pending).find(([of]) => of.toLowerCase() === mine.address)
          return Object.values(ours?.[1] ?? {}).map(({ maxFeePerGas }) =>
            BigInt(maxFeePerGas ?? 0),
          )[0]
        },
        { timeout: 20_000, interval: 20 },
      )
      .toBeGreaterThan((await evm.client.estimateFeesPerGas()).maxFeePerGas * 2n)
    await evm.client.mine({ blocks: 1 })
    const { id } = await opening
    expect((await ledger.channel(id))?.status).toBe('funding')
    expect(await evm.client.getTransactionCount({ address: mine.address })).toBe(1)
  } finally {
    await evm.client.setAutomine(true)
  }
})

it('takes back what a reorganisation took back, and says so', async () => {
  const anvil = await startAnvil()
  try {
    const mine = wallet()
    const chain = await openChain({
      urls: [anvil.url],
      account: mine.address,
      sign: mine.sign,
      pollMs: 5,
    })
    const give = (account: Address) =>
      chain.client.request({
        method: 'anvil_setBalance',
        params: [account, toHex(new Uint8Array([255, 255, 255, 255, 255, 255, 255, 255, 255]))],
      } as never)
    await give(mine.address)
    const adjudicator = await deployAdjudicator(chain.sender, { bond: 1n, minChallengePeriod: 60n })
    const ledger = await connect(adjudicator, {
      urls: [anvil.url],
      account: mine.address,
      sign: mine.sign,
      pollMs: 5,
    })
    const { id, parameters } = await open(ledger, mine, zeroAddress)
    const ended = new AbortController()
    const told: LedgerEvent[] = []
    const following = (async () => {
      for await (const event of ledger.events({ after: 0, signal: ended.signal })) told.push(event)
    })()
    await expect.poll(() => told.map(({ type }) => type)).toEqual(['opened'])
    const snapshot = await chain.client.request({ method: 'evm_snapshot' } as never)
    const before = await ledger.balance(mine.address, zeroAddress)
    await ledger.deposit(parameters, 0)
    await expect.poll(() => told.map(({ type }) => type)).toEqual(['opened', 'deposited', 'live'])
    expect((await ledger.channel(id))?.held).toEqual([100n])

    await chain.client.request({ method: 'evm_revert', params: [snapshot] } as never)
    await chain.client.request({ method: 'evm_mine', params: [] } as never)
    await expect.poll(() => told.at(-1)).toMatchObject({ type: 'reorganised', channelId: id })
    expect(await ledger.channel(id)).toMatchObject({ status: 'funding', held: [0n] })
    expect(await ledger.balance(mine.address, zeroAddress)).toBe(before)

    // The same deposit once more: it is in once, and told again.
    await ledger.deposit(parameters, 0)
    await expect.poll(() => told.at(-1)).toMatchObject({ type: 'live', channelId: id })
    expect(await ledger.channel(id)).toMatchObject({ status: 'live', held: [100n] })
    expect(await chain.client.getBalance({ address: adjudicator })).toBe(100n)
    ended.abort()
    await following
  } finally {
    await anvil.stop()
  }
})

it('waits for as many blocks as it was told, and sends again what was thrown out', async () => {
  const mine = await rich()
  const ledger = await connectAs(mine, [evm.url], { confirmations: 3 })
  await evm.client.mine({ blocks: 4 })
  const snapshot = await evm.client.snapshot()
  let done = false
  const opening = open(ledger, mine).then((room) => {
    done = true
    return room
  })
  const count = () => evm.client.getTransactionCount({ address: mine.address })
  await expect.poll(count).toBe(1)
  await evm.client.revert({ id: snapshot })
  await expect.poll(count, { timeout: 10_000 }).toBe(1)
  expect(done).toBe(false)
  await evm.client.mine({ blocks: 3 })
  const { id } = await opening
  expect((await ledger.channel(id))?.status).toBe('funding')
})

it('reads addresses of layers and assets, and nothing else', () => {
  const adjudicator = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'
  expect(parseLayerAddress(`evm:https://a.example/x,http://b.example#${adjudicator}`)).toEqual({
    urls: ['https://a.example/x', 'http://b.example'],
    adjudicator: adjudicator.toLowerCase(),
  })
  expect(parseAsset('native')).toBe(zeroAddress)
  for (const text of [
    'evm:http://a.example',
    `evm:ftp://a.example#${adjudicator}`,
    'evm:#0x12',
    `evm:#${adjudicator}`,
    `evm:http://a.example#${adjudicator.replace('d8dA', 'd8da')}`,
  ])
    expect(() => parseLayerAddress(text)).toThrow(refused('BAD_ADDRESS', /./))
  expect(() => parseAsset('eth')).toThrow(refused('BAD_ADDRESS', /native/))
})
