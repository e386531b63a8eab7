/** An adjudicator that every test of a file finds as new, and the channels that its tests begin with. */
import type { Address, Hex } from 'viem'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import { zeroAddress } from '../../../src/core/bytes.js'
import type * as State from '../../../src/core/state.js'
import { bond, type Chain, startChain } from './chain.js'
import { type Channel, channelOf, type Shape } from './channel.js'

export const deposit = 10n ** 12n

export const refused = (name: string) =>
  expect.objectContaining({ message: expect.stringContaining(name) })

export function scene() {
  let chain: Chain
  let snapshot: Hex
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

  async function challenge(channel: Channel, body: State.Body, version = 5n): Promise<void> {
    const { state, signatures } = await channel.show(version, 0, body)
    const word = await channel.word(0, version, chain.operator)
    await chain.send('challenge', [channel.args, 0n, state, signatures, word], { value: bond })
  }

  return {
    get chain() {
      return chain
    },
    account,
    fresh,
    live,
    challenge,
  }
}
