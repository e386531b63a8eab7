/**
 * Whoever the adjudicator meets: tokens that lie, wallets that will not be paid, callers that come back while they
 * are being paid, and signatures in every form but the one that counts.
 */
import { randomInt } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Abi, type Address, encodeFunctionData, type Hex, toFunctionSelector } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, uint, zeroAddress } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import * as Voucher from '../../src/core/voucher.js'
import { loadEngine } from '../../src/crypto/load.js'
import * as Abis from '../../src/ledger/evm/abi.js'
import { adjudicator } from '../../src/ledger/evm/contracts.generated.js'
import { bond, type Chain as Evm, encodeRedeem, startChain } from './support/chain.js'
import { type Channel, channelOf, claimOf, type Shape } from './support/channel.js'
import { weird } from './support/weird.js'

let chain: Evm
let snapshot: Hex
const deposit = 10n ** 12n

beforeAll(async () => {
  chain = await startChain()
  snapshot = await chain.client.snapshot()
})
beforeEach(async () => {
  await chain.client.revert({ id: snapshot })
  snapshot = await chain.client.snapshot()
})
afterAll(() => chain.stop())

const account = (at: number): Address => chain.accounts[at] as Address
const deploy = (name: string): Promise<Address> => {
  const { abi, bytecode } = weird(name)
  return chain.deploy(abi, bytecode)
}
const callOn = (name: string, address: Address, method: string, args: readonly unknown[]) =>
  chain.call(address, weird(name).abi, method, args)
const refused = (name: string) =>
  expect.objectContaining({ message: expect.stringContaining(name) })

const fresh = async (shape: Partial<Shape> = {}): Promise<Channel> =>
  channelOf(chain.domain, {
    payouts: [account(1), account(2)],
    deposits: [[deposit], [deposit]],
    fundBy: (await chain.time()) + 1_000n,
    ...shape,
  })

async function live(shape: Partial<Shape> = {}): Promise<Channel> {
  const channel = await fresh(shape)
  await chain.send('open', [channel.args, await channel.opening()])
  const { assets, deposits } = channel.parameters
  for (const [seat, row] of deposits.entries()) {
    const value = row[assets.indexOf(zeroAddress)] ?? 0n
    await chain.send('deposit', [channel.args, BigInt(seat)], { from: account(1 + seat), value })
  }
  return channel
}

const close = async (channel: Channel, balances: State.Table) => {
  const { state, preimage, signatures } = await channel.show(9n, 1, channel.body(balances))
  return chain.send('close', [channel.args, state, preimage, signatures])
}

async function challenge(channel: Channel, body: State.Body, version = 5n): Promise<void> {
  const { state, signatures } = await channel.show(version, 0, body)
  const word = await channel.word(0, version, chain.operator)
  await chain.send('challenge', [channel.args, 0n, state, signatures, word], { value: bond })
}

/** A call short enough to be made with a payout's gas. */
const pull = (asset: Address): Hex =>
  encodeFunctionData({ abi: adjudicator.abi, functionName: 'pull', args: [asset, account(5)] })
const reasonOf = (name: string, address: Address) =>
  chain.client.readContract({ address, abi: weird(name).abi, functionName: 'reason' })
const guarded = toFunctionSelector('ReentrancyGuardReentrantCall()')

const credit = (of: Address, asset: Address) => chain.read('credits', [of, asset])

describe('a token', () => {
  const withToken = async (name: string): Promise<[Address, Channel]> => {
    const token = await deploy(name)
    for (const seat of [1, 2]) await callOn(name, token, 'mint', [account(seat), deposit])
    return [token, await fresh({ assets: [token] })]
  }

  it('that returns nothing pays in and out', async () => {
    const [token, channel] = await withToken('SilentToken')
    await chain.send('open', [channel.args, await channel.opening()])
    for (const seat of [0, 1])
      await chain.send('deposit', [channel.args, BigInt(seat)], { from: account(1 + seat) })
    await close(channel, [[1n], [2n * deposit - 1n]])
    expect(await chain.balance(account(1), token)).toBe(1n)
    expect(await chain.balance(account(2), token)).toBe(2n * deposit - 1n)
  })

  it.each(['FeeToken', 'RebasingToken'])(
    'that moves another amount (%s) is refused',
    async (name) => {
      const [, channel] = await withToken(name)
      await chain.send('open', [channel.args, await channel.opening()])
      await expect(chain.send('deposit', [channel.args, 0n], { from: account(1) })).rejects.toThrow(
        refused('InexactToken'),
      )
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
    expect(await chain.balance(account(1), good)).toBe(deposit)
    expect(await credit(account(1), bad)).toBe(deposit)
    await expect(chain.send('pull', [bad, account(1)], { from: account(1) })).rejects.toThrow(
      refused('PullFailed'),
    )
    expect(await credit(account(1), bad)).toBe(deposit)
  })

  it('that calls back gets in nowhere, and is not believed twice', async () => {
    const token = await deploy('ReentrantToken')
    for (const seat of [1, 2])
      await callOn('ReentrantToken', token, 'mint', [account(seat), deposit])
    const channel = await live({ assets: [token] })
    await callOn('ReentrantToken', token, 'arm', [chain.address, pull(token)])
    await close(channel, [[0n], [2n * deposit]])
    expect(await chain.balance(account(2), token)).toBe(2n * deposit)
    expect(await reasonOf('ReentrantToken', token)).toBe(guarded)
  })
})

describe('a wallet', () => {
  it.each(['RevertingWallet', 'BurningWallet', 'BombWallet'])(
    'that will not be paid (%s) is credited, and the other one is paid',
    async (name) => {
      const wallet = await deploy(name)
      const before = await chain.balance(account(2), zeroAddress)
      const channel = await live({ payouts: [wallet, account(3)] })
      const { gasUsed } = await close(channel, [[deposit + 1n], [deposit - 1n]])
      expect(await chain.balance(account(3), zeroAddress)).toBe(10_000n * 10n ** 18n + deposit - 1n)
      expect(await credit(wallet, zeroAddress)).toBe(deposit + 1n)
      expect(gasUsed).toBeLessThan(300_000n)
      expect(before).toBeGreaterThan(0n)
    },
  )

  it('takes what was credited to wherever it likes, once', async () => {
    const wallet = await deploy('RevertingWallet')
    await close(await live({ payouts: [wallet, account(3)] }), [[7n], [2n * deposit - 7n]])
    const to = `0x${'7'.repeat(40)}` as Address
    await callOn('RevertingWallet', wallet, 'pull', [chain.address, zeroAddress, to])
    expect(await chain.balance(to, zeroAddress)).toBe(7n)
    await expect(
      callOn('RevertingWallet', wallet, 'pull', [chain.address, zeroAddress, to]),
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
      const at = await chain.client.snapshot()
      const { status } = await chain.transact({
        from: chain.operator,
        to: chain.address,
        data,
        gas,
      })
      expect(await credit(account(1), zeroAddress)).toBe(0n)
      if (gas === 90_000n) expect(status).toBe('reverted')
      await chain.client.revert({ id: at })
    }
  })

  it('that calls back while it is paid gets in nowhere', async () => {
    const wallet = await deploy('ReentrantWallet')
    const channel = await live({ payouts: [wallet, account(3)] })
    const lane = channel.lane(0n, 100n, { payer: 1, payee: 0 })
    const body = channel.body([[deposit], [deposit - 100n]], [lane])
    await challenge(channel, body)
    await chain.advance(61)
    const claim = await claimOf(channel, { lane: 0n, base: 60n, indices: [] })
    await callOn('ReentrantWallet', wallet, 'arm', [chain.address, pull(zeroAddress)])
    await chain.send('redeem', [channel.args, channel.leaf(body, 0n), Abis.claim(claim)])
    expect(await chain.balance(wallet, zeroAddress)).toBe(60n)
    expect(await reasonOf('ReentrantWallet', wallet)).toBe(guarded)
  })

  it('that is a contract funds a channel, and a refund goes back there', async () => {
    const wallet = await deploy('FundingWallet')
    await chain.transact({ from: chain.operator, to: wallet, value: deposit })
    const channel = await fresh()
    await chain.send('open', [channel.args, await channel.opening()])
    const data = encodeFunctionData({
      abi: adjudicator.abi as Abi,
      functionName: 'deposit',
      args: [channel.args, 0n],
    })
    await callOn('FundingWallet', wallet, 'run', [chain.address, data, deposit])
    expect(await chain.balance(wallet, zeroAddress)).toBe(0n)
    await chain.advance(1_001)
    await chain.send('refund', [channel.args, 0n])
    expect(await chain.balance(wallet, zeroAddress)).toBe(deposit)
    await expect(chain.send('refund', [channel.args, 0n])).rejects.toThrow(
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
    await chain.advance(61)
    const before = await chain.balance(account(2), zeroAddress)
    await chain.send('redeemBatch', [items])
    expect((await chain.balance(account(2), zeroAddress)) - before).toBe(16n)
    expect(await chain.read('laneOf', [channels[1]?.id, 0n])).toEqual([0n, false])
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
    await chain.advance(61)
    for (let lane = 0n; lane < 12n; lane++) {
      const digits = 1 + below(4)
      const length = 1 + below(1_024 / digits)
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
      await expect(chain.send('redeem', [channel.args, leaf, Abis.claim(wrong)])).rejects.toThrow(
        refused('BadVoucher'),
      )
      await chain.send('redeem', [channel.args, leaf, Abis.claim(claim)])
      const amount = Voucher.claim(claim.signed.voucher, indices)
      expect(await chain.read('laneOf', [channel.id, lane])).toEqual([amount, false])
    }
  })
})

describe('a signature', () => {
  const order = secp256k1.Point.CURVE().n

  it('has one form: no high s, no v of 0 or 1, no twin', async () => {
    const channel = await fresh()
    const good = fromHex(await channel.opening())
    const change = (at: number, bytes: Uint8Array): Hex => {
      const copy = good.slice()
      copy.set(bytes, at)
      return toHex(copy)
    }
    const s = BigInt(toHex(good.slice(32, 64)))
    const v = good[64] as number
    const high = concat(uint(order - s, 32), Uint8Array.of(v === 27 ? 28 : 27))
    const forms = [
      change(32, high),
      change(32, uint(order - s, 32)),
      change(64, Uint8Array.of(v - 27)),
      change(64, Uint8Array.of(55 - v)),
      change(64, Uint8Array.of(v + 2)),
      change(0, new Uint8Array(32)),
      change(32, new Uint8Array(32)),
      toHex(good.slice(0, 129)),
      toHex(concat(good, Uint8Array.of(0))),
      toHex(concat(good.slice(65), good.slice(0, 65))),
      toHex(concat(good.slice(0, 65), good.slice(0, 65))),
      '0x' as Hex,
    ]
    for (const form of forms)
      await expect(chain.send('open', [channel.args, form])).rejects.toThrow(
        refused('BadSignature'),
      )
    await chain.send('open', [channel.args, toHex(good)])
  })

  it('of a wallet on typed data opens a channel and pays a claim', async () => {
    const keys = [1, 2, 3].map((n) => privateKeyToAccount(toHex(uint(0xabc0 + n, 32))))
    const [a, b, session] = keys as [(typeof keys)[0], (typeof keys)[0], (typeof keys)[0]]
    const shaped = await fresh()
    const parameters: Parameters.Parameters = {
      ...shaped.parameters,
      seats: [a, b].map(({ address }, seat) => ({
        signer: address.toLowerCase() as Address,
        payout: account(1 + seat),
      })),
    }
    const id = Parameters.id(chain.domain, parameters)
    const domain = {
      name: 'Sluice',
      version: '1',
      chainId: chain.domain.chainId,
      verifyingContract: chain.address,
    } as const
    const types = {
      State: [
        { name: 'channelId', type: 'bytes32' },
        { name: 'version', type: 'uint64' },
        { name: 'root', type: 'bytes32' },
        { name: 'kind', type: 'uint8' },
      ],
      Voucher: [
        { name: 'channelId', type: 'bytes32' },
        { name: 'lane', type: 'uint64' },
        { name: 'epoch', type: 'uint32' },
        { name: 'base', type: 'uint256' },
        { name: 'unit', type: 'uint128' },
        { name: 'digits', type: 'uint8' },
        { name: 'radix', type: 'uint16' },
        { name: 'length', type: 'uint16' },
        { name: 'anchors', type: 'bytes32' },
        { name: 'context', type: 'bytes32' },
      ],
      Challenge: [
        { name: 'channelId', type: 'bytes32' },
        { name: 'version', type: 'uint64' },
        { name: 'account', type: 'address' },
      ],
    } as const
    const signState = async (version: bigint, root: Uint8Array): Promise<Hex> => {
      const message = { channelId: id, version, root: toHex(root), kind: 0 }
      const all = [a, b].map((key) =>
        key.signTypedData({ domain, types, primaryType: 'State', message }),
      )
      return toHex(concat(...(await Promise.all(all)).map((each) => fromHex(each))))
    }
    const args = Abis.parameters(parameters)
    await chain.send('open', [args, await signState(0n, State.root(id, State.opening(parameters)))])
    for (const seat of [0, 1])
      await chain.send('deposit', [args, BigInt(seat)], { from: account(1 + seat), value: deposit })
    const lane = shaped.lane(0n, 50n, { sessionKey: session.address.toLowerCase() as Address })
    const body = shaped.body([[deposit - 50n], [deposit]], [lane])
    const root = State.root(id, body)
    const word = await b.signTypedData({
      domain,
      types,
      primaryType: 'Challenge',
      message: { channelId: id, version: 3n, account: chain.operator },
    })
    const state = Abis.state({ version: 3n, kind: 0, root })
    await chain.send('challenge', [args, 1n, state, await signState(3n, root), word], {
      value: bond,
    })
    await chain.advance(61)
    const voucher: Voucher.Voucher = {
      channelId: id,
      lane: 0n,
      epoch: 1,
      base: 31n,
      unit: 0n,
      digits: 0,
      radix: 0,
      length: 0,
      anchors: [],
      context: uint(1, 32),
    }
    const signature = await session.signTypedData({
      domain,
      types,
      primaryType: 'Voucher',
      message: {
        ...voucher,
        context: toHex(voucher.context),
        anchors: toHex(Voucher.anchorsHash(voucher)),
      },
    })
    const claim = { signed: { voucher, signature: fromHex(signature) }, indices: [], nodes: [] }
    const [leaf] = Dispute.leaves(id, body)
    await chain.send('redeem', [args, Abis.leaf(leaf as Dispute.Leaf), Abis.claim(claim)])
    expect(await chain.read('laneOf', [id, 0n])).toEqual([31n, false])
  })

  it('is worth nothing for another contract or chain', async () => {
    const channel = await fresh()
    for (const domain of [
      { ...chain.domain, chainId: 1n },
      { ...chain.domain, adjudicator: account(9).toLowerCase() as Address },
    ]) {
      const root = State.root(channel.id, State.opening(channel.parameters))
      const digest = State.digest(domain, { channelId: channel.id, version: 0n, root, kind: 0 })
      const all = await Promise.all(channel.signers.map(({ sign }) => sign(digest)))
      await expect(chain.send('open', [channel.args, Abis.signatures(all)])).rejects.toThrow(
        refused('BadSignature'),
      )
    }
  })
})
