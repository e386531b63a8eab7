/**
 * Whoever the adjudicator meets: tokens that lie, wallets that will not be paid, and callers that come back while they
 * are being paid.
 */
import { randomInt } from 'node:crypto'
import { type Abi, type Address, encodeFunctionData, type Hex, toFunctionSelector } from 'viem'
import { describe, expect, it } from 'vitest'
import { zeroAddress } from '../../src/core/bytes.js'
import type * as State from '../../src/core/state.js'
import * as Voucher from '../../src/core/voucher.js'
import { loadEngine } from '../../src/crypto/load.js'
import * as Abis from '../../src/ledger/evm/abi.js'
import { adjudicator } from '../../src/ledger/evm/contracts.generated.js'
import { encodeRedeem } from './support/chain.js'
import { type Channel, claimOf } from './support/channel.js'
import { deposit, refused, scene } from './support/scene.js'
import { weird } from './support/weird.js'

const on = scene()
const { account, fresh, live, challenge } = on

const deploy = (name: string): Promise<Address> => {
  const { abi, bytecode } = weird(name)
  return on.chain.deploy(abi, bytecode)
}
const callOn = (name: string, address: Address, method: string, args: readonly unknown[]) =>
  on.chain.call(address, weird(name).abi, method, args)

const close = async (channel: Channel, balances: State.Table) => {
  const { state, preimage, signatures } = await channel.show(9n, 1, channel.body(balances))
  return on.chain.send('close', [channel.args, state, preimage, signatures])
}

/** A call short enough to be made with a payout's gas. */
const pull = (asset: Address): Hex =>
  encodeFunctionData({ abi: adjudicator.abi, functionName: 'pull', args: [asset, account(5)] })
const reasonOf = (name: string, address: Address) =>
  on.chain.client.readContract({ address, abi: weird(name).abi, functionName: 'reason' })
const guarded = toFunctionSelector('ReentrancyGuardReentrantCall()')

const credit = (of: Address, asset: Address) => on.chain.read('credits', [of, asset])

describe('a token', () => {
  const withToken = async (name: string): Promise<[Address, Channel]> => {
    const token = await deploy(name)
    for (const seat of [1, 2]) await callOn(name, token, 'mint', [account(seat), deposit])
    return [token, await fresh({ assets: [token] })]
  }

  it('that returns nothing pays in and out', async () => {
    const [token, channel] = await withToken('SilentToken')
    await on.chain.send('open', [channel.args, await channel.opening()])
    for (const seat of [0, 1])
      await on.chain.send('deposit', [channel.args, BigInt(seat)], { from: account(1 + seat) })
    await close(channel, [[1n], [2n * deposit - 1n]])
    expect(await on.chain.balance(account(1), token)).toBe(1n)
    expect(await on.chain.balance(account(2), token)).toBe(2n * deposit - 1n)
  })

  it.each(['FeeToken', 'RebasingToken'])(
    'that moves another amount (%s) is refused',
    async (name) => {
      const [, channel] = await withToken(name)
      await on.chain.send('open', [channel.args, await channel.opening()])
      await expect(
        on.chain.send('deposit', [channel.args, 0n], { from: account(1) }),
      ).rejects.toThrow(refused('InexactToken'))
    },
  )

  it('that cannot pay out is credited, and holds up nobody', async () => {
    const good = await deploy('BoolToken')
    const bad = await deploy('FalseToken')
    for (const [name, token] of [
      ['BoolToken', good],
      ['FalseToken', bad],
    ] as const)
      for (const seat of [1, 2]) await callOn(name, token, 'mint', [account(seat), deposit])
    const rows = [
      [deposit, deposit],
      [deposit, deposit],
    ]
    const channel = await live({ assets: [bad, good], deposits: rows })
    await close(channel, rows)
    expect(await on.chain.balance(account(1), good)).toBe(deposit)
    expect(await credit(account(1), bad)).toBe(deposit)
    await expect(on.chain.send('pull', [bad, account(1)], { from: account(1) })).rejects.toThrow(
      refused('PullFailed'),
    )
    expect(await credit(account(1), bad)).toBe(deposit)
  })

  it('that calls back gets in nowhere, and is not believed twice', async () => {
    const token = await deploy('ReentrantToken')
    for (const seat of [1, 2])
      await callOn('ReentrantToken', token, 'mint', [account(seat), deposit])
    const channel = await live({ assets: [token] })
    await callOn('ReentrantToken', token, 'arm', [on.chain.address, pull(token)])
    await close(channel, [[0n], [2n * deposit]])
    expect(await on.chain.balance(account(2), token)).toBe(2n * deposit)
    expect(await reasonOf('ReentrantToken', token)).toBe(guarded)
  })
})

describe('a wallet', () => {
  it.each(['RevertingWallet', 'BurningWallet', 'BombWallet'])(
    'that will not be paid (%s) is credited, and the other one is paid',
    async (name) => {
      const wallet = await deploy(name)
      const before = await on.chain.balance(account(2), zeroAddress)
      const channel = await live({ payouts: [wallet, account(3)] })
      const { gasUsed } = await close(channel, [[deposit + 1n], [deposit - 1n]])
      expect(await on.chain.balance(account(3), zeroAddress)).toBe(
        10_000n * 10n ** 18n + deposit - 1n,
      )
      expect(await credit(wallet, zeroAddress)).toBe(deposit + 1n)
      expect(gasUsed).toBeLessThan(300_000n)
      expect(before).toBeGreaterThan(0n)
    },
  )

  it('takes what was credited to wherever it likes, once', async () => {
    const wallet = await deploy('RevertingWallet')
    await close(await live({ payouts: [wallet, account(3)] }), [[7n], [2n * deposit - 7n]])
    const to = `0x${'7'.repeat(40)}` as Address
    await callOn('RevertingWallet', wallet, 'pull', [on.chain.address, zeroAddress, to])
    expect(await on.chain.balance(to, zeroAddress)).toBe(7n)
    await expect(
      callOn('RevertingWallet', wallet, 'pull', [on.chain.address, zeroAddress, to]),
    ).rejects.toThrow()
  })

  it('that is paid too little gas is never credited instead', async () => {
    const channel = await live()
    const { state, preimage, signatures } = await channel.show(
      9n,
      1,
      channel.body([[deposit], [deposit]]),
    )
    const data = encodeFunctionData({
      abi: adjudicator.abi as Abi,
      functionName: 'close',
      args: [channel.args, state, preimage, signatures],
    })
    for (let gas = 90_000n; gas < 260_000n; gas += 10_000n) {
      const at = await on.chain.client.snapshot()
      const { status } = await on.chain.transact({
        from: on.chain.operator,
        to: on.chain.address,
        data,
        gas,
      })
      expect(await credit(account(1), zeroAddress)).toBe(0n)
      if (gas === 90_000n) expect(status).toBe('reverted')
      await on.chain.client.revert({ id: at })
    }
  })

  it('that calls back while it is paid gets in nowhere', async () => {
    const wallet = await deploy('ReentrantWallet')
    const channel = await live({ payouts: [wallet, account(3)] })
    const lane = channel.lane(0n, 100n, { payer: 1, payee: 0 })
    const body = channel.body([[deposit], [deposit - 100n]], [lane])
    await challenge(channel, body)
    await on.chain.advance(61)
    const claim = await claimOf(channel, { lane: 0n, base: 60n, indices: [] })
    await callOn('ReentrantWallet', wallet, 'arm', [on.chain.address, pull(zeroAddress)])
    await on.chain.send('redeem', [channel.args, channel.leaf(body, 0n), Abis.claim(claim)])
    expect(await on.chain.balance(wallet, zeroAddress)).toBe(60n)
    expect(await reasonOf('ReentrantWallet', wallet)).toBe(guarded)
  })

  it('that is a contract funds a channel, and a refund goes back there', async () => {
    const wallet = await deploy('FundingWallet')
    await on.chain.transact({ from: on.chain.operator, to: wallet, value: deposit })
    const channel = await fresh()
    await on.chain.send('open', [channel.args, await channel.opening()])
    const data = encodeFunctionData({
      abi: adjudicator.abi as Abi,
      functionName: 'deposit',
      args: [channel.args, 0n],
    })
    await callOn('FundingWallet', wallet, 'run', [on.chain.address, data, deposit])
    expect(await on.chain.balance(wallet, zeroAddress)).toBe(0n)
    await on.chain.advance(1_001)
    await on.chain.send('refund', [channel.args, 0n])
    expect(await on.chain.balance(wallet, zeroAddress)).toBe(deposit)
    await expect(on.chain.send('refund', [channel.args, 0n])).rejects.toThrow(
      refused('NothingToRefund'),
    )
  })
})

describe('a batch', () => {
  it('skips what is refused, and pays the rest', async () => {
    const channels = [await live(), await live(), await live()]
    const items: Hex[] = []
    for (const [at, channel] of channels.entries()) {
      const body = channel.body([[deposit - 50n], [deposit]], [channel.lane(0n, 50n)])
      await challenge(channel, body)
      const claim = Abis.claim(await claimOf(channel, { lane: 0n, base: 5n, indices: [3] }))
      const bad = at === 1 ? { ...claim, base: 6n } : claim
      items.push(encodeRedeem([channel.args, channel.leaf(body, 0n), bad]))
    }
    await on.chain.advance(61)
    const before = await on.chain.balance(account(2), zeroAddress)
    await on.chain.send('redeemBatch', [items])
    expect((await on.chain.balance(account(2), zeroAddress)) - before).toBe(16n)
    expect(await on.chain.read('laneOf', [channels[1]?.id, 0n])).toEqual([0n, false])
  })
})

describe('a walk', () => {
  it('ends where the kernel began, for any digits and depths, and nowhere else', async () => {
    const { chain: engine } = await loadEngine()
    const seed = process.env.SEED === undefined ? randomInt(2 ** 31) : Number(process.env.SEED)
    console.info(`seed ${seed}`)
    let state = seed
    const below = (limit: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((state / 2 ** 32) * limit)
    }
    const channel = await live()
    const lanes = Array.from({ length: 12 }, (_, id) => channel.lane(BigInt(id), 1_000n))
    const body = channel.body([[deposit - 12_000n], [deposit]], lanes)
    await challenge(channel, body)
    await on.chain.advance(61)
    for (let lane = 0n; lane < 12n; lane++) {
      const digits = 1 + below(4)
      const length = 1 + below(Math.floor(1_024 / digits))
      const indices = Array.from({ length: digits }, () => below(length + 1))
      const radix = digits === 1 ? 1 : 2 + below(9)
      const promise = { lane, base: 3n, indices, length, radix, epoch: 1 + below(2 ** 32 - 1) }
      const claim = await claimOf(channel, promise, engine.generate)
      const leaf = channel.leaf(body, lane)
      const at = below(digits)
      const wrong = {
        ...claim,
        indices: claim.indices.with(at, ((indices[at] ?? 0) + 1) % (length + 1)),
      }
      await expect(
        on.chain.send('redeem', [channel.args, leaf, Abis.claim(wrong)]),
      ).rejects.toThrow(refused('BadVoucher'))
      await on.chain.send('redeem', [channel.args, leaf, Abis.claim(claim)])
      const amount = Voucher.claim(claim.signed.voucher, indices)
      expect(await on.chain.read('laneOf', [channel.id, lane])).toEqual([amount, false])
    }
  })
})
