/**
 * What each call costs, to the unit: hardfork, compiler, keys and times are fixed, so a change of the contract is
 * a change of contracts/gas.json. `GAS_WRITE=1` writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as Abi from '../../src/ledger/evm/abi.js'
import { bond, type Chain, encodeRedeem, startChain } from './support/chain.js'
import { type Channel, channelOf, claimOf, type Promised } from './support/channel.js'

const path = join(import.meta.dirname, '../../contracts/gas.json')
const measured: Record<string, number> = {}

let chain: Chain
let number = 0
const fundBy = 2_000_000_000n
const deposit = 10n ** 12n
/** Seconds of a challenge period: this machine is never that slow. */
const day = 86_400

beforeAll(async () => {
  chain = await startChain()
})
afterAll(async () => {
  await chain.stop()
})

const payouts = () => [chain.accounts[1], chain.accounts[2]] as [Hex, Hex]

const plain = (): Channel =>
  channelOf(chain.domain, {
    payouts: payouts(),
    deposits: [[deposit], [deposit]],
    fundBy,
    period: BigInt(day),
    number: number++,
  })

async function gas(key: string, call: Promise<{ gasUsed: bigint }>, share = 1): Promise<void> {
  measured[key] = Math.floor(Number((await call).gasUsed) / share)
}

async function live(channel: Channel): Promise<Channel> {
  await chain.send('open', [channel.args, await channel.opening()])
  for (const [seat, from] of payouts().entries())
    await chain.send('deposit', [channel.args, BigInt(seat)], { from, value: deposit })
  return channel
}

const lanes = (channel: Channel) =>
  channel.body(
    [[deposit / 2n], [deposit]],
    Array.from({ length: 64 }, (_, id) => channel.lane(BigInt(id), deposit / 128n)),
  )

/** The `nth` lane that lies under six siblings, as half of 64 would in a balanced tree: depth costs gas. */
function typical(channel: Channel, nth: number): bigint {
  const body = lanes(channel)
  const six = body.lanes.filter(({ id }) => channel.leaf(body, id).siblings.length === 6)
  return (six[nth] as (typeof six)[0]).id
}

/** Posts a state of 64 lanes, and lets the time to answer it pass. */
async function frozen(channels: readonly Channel[]): Promise<void> {
  for (const channel of channels) {
    await live(channel)
    const shown = await channel.show(5n, 0, lanes(channel))
    const word = await channel.word(0, 5n, chain.operator)
    const args = [channel.args, 0n, shown.state, shown.signatures, word]
    await chain.send('challenge', args, { value: bond })
  }
  await chain.advance(day + 1)
}

it('opens, takes deposits and closes', async () => {
  const channel = plain()
  await gas('open-2', chain.send('open', [channel.args, await channel.opening()]))
  const [a, b] = payouts()
  await gas(
    'deposit-native',
    chain.send('deposit', [channel.args, 0n], { from: a, value: deposit }),
  )
  await chain.send('deposit', [channel.args, 1n], { from: b, value: deposit })
  const { state, preimage, signatures } = await channel.show(
    7n,
    1,
    channel.body([[1n], [2n * deposit - 1n]]),
  )
  await gas('close-2', chain.send('close', [channel.args, state, preimage, signatures]))

  const token = channelOf(chain.domain, {
    payouts: payouts(),
    assets: [chain.token],
    deposits: [[deposit], [deposit]],
    fundBy,
    period: BigInt(day),
    number: number++,
  })
  await chain.send('open', [token.args, await token.opening()])
  await chain.mint(a, 2n * deposit)
  await chain.approve(a, 2n * deposit)
  await gas('deposit-erc20', chain.send('deposit', [token.args, 0n], { from: a }))
})

it('is challenged, answered, frozen, redeemed and swept', async () => {
  const channel = await live(plain())
  const body = lanes(channel)
  const old = await channel.show(4n, 0, body)
  const word = await channel.word(0, 4n, chain.operator)
  const posted = [channel.args, 0n, old.state, old.signatures, word]
  await gas('challenge', chain.send('challenge', posted, { value: bond }))
  const newer = await channel.show(5n, 0, body)
  await gas('answer', chain.send('answer', [channel.args, newer.state, newer.signatures]))
  await chain.advance(day + 1)
  await gas('freeze-2', chain.send('freeze', [channel.args, newer.preimage]))
  const redeem = async (
    key: string,
    promise: Omit<Promised, 'base' | 'lane'> & { nth: number },
  ) => {
    const lane = typical(channel, promise.nth)
    const claim = await claimOf(channel, { ...promise, lane, base: 1_000n })
    const leaf = channel.leaf(body, lane)
    await gas(key, chain.send('redeem', [channel.args, leaf, Abi.claim(claim)]))
  }
  await redeem('redeem-0', { nth: 0, indices: [0] })
  await redeem('redeem-255', { nth: 1, indices: [255] })
  await redeem('redeem-1023', { nth: 2, indices: [1_023] })
  await redeem('redeem-d4', { nth: 3, indices: [256, 256, 256, 256], radix: 4, length: 256 })
  await chain.advance(day + 1)
  await gas(
    'sweep-lane',
    chain.send('sweep', [channel.args, channel.leaf(body, typical(channel, 4))]),
  )
})

it('is redeemed in batches over many channels', async () => {
  for (const size of [1, 10, 100]) {
    const channels = Array.from({ length: size }, plain)
    await frozen(channels)
    const items = await Promise.all(
      channels.map(async (channel) => {
        const lane = typical(channel, 0)
        const claim = await claimOf(channel, { lane, base: 1_000n, indices: [255] })
        const args = [channel.args, channel.leaf(lanes(channel), lane), Abi.claim(claim)]
        return encodeRedeem(args)
      }),
    )
    await gas(`redeem-batch-${size}`, chain.send('redeemBatch', [items]), size)
    for (const channel of channels)
      expect(await chain.read('laneOf', [channel.id, typical(channel, 0)])).toEqual([1_255n, false])
  }
})

it('costs what contracts/gas.json says', () => {
  if (process.env.GAS_WRITE === '1') writeFileSync(path, `${JSON.stringify(measured, null, 2)}\n`)
  expect(measured).toEqual(JSON.parse(readFileSync(path, 'utf8')))
  expect(measured['close-2']).toBeLessThanOrEqual(90_000)
  expect(measured['redeem-255']).toBeLessThanOrEqual(150_000)
})
