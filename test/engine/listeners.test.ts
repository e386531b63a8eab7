import { afterEach, beforeEach, expect, it } from 'vitest'
import * as Price from '../../src/core/price.js'
import { createWorld } from '../support/world.js'
import { bytesOf, take } from './support/wares.js'

const thrown: unknown[] = []
const note = (error: unknown): void => {
  thrown.push(error)
}
let others: NodeJS.UncaughtExceptionListener[] = []

beforeEach(() => {
  others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', note)
})

afterEach(() => {
  process.off('uncaughtException', note)
  for (const other of others) process.on('uncaughtException', other)
})

it('a listener that throws is uncaught, and money moves on', async () => {
  const world = await createWorld()
  const seller = await world.person('seller')
  const buyer = await world.person('buyer', { funds: 5_000n })
  const fault = new Error('a listener of the owner')
  const fail = (): void => {
    throw fault
  }
  for (const { node } of [seller, buyer])
    for (const event of ['channel', 'payment', 'receipt', 'peer'] as const)
      node.events.on(event, fail)
  seller.node.serve('ware', { price: Price.parse('1/B'), ...bytesOf(1_000) })
  const channel = await buyer.node.open(seller.address, { deposit: 3_000n })
  const purchase = await buyer.node.consume(seller.address, 'ware')
  expect((await take(purchase)).length).toBe(1_000)
  await buyer.node.close(channel.id)
  expect(await buyer.balance()).toBe(4_000n)
  expect(await seller.balance()).toBe(1_000n)
  await world.close()
  expect(thrown.length).toBeGreaterThan(0)
  expect(new Set(thrown)).toEqual(new Set([fault]))
})
