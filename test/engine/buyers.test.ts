import { afterEach, beforeEach, expect, it } from 'vitest'
import * as Price from '../../src/core/price.js'
import { createWorld, type Person, quiet, type World } from '../support/world.js'
import { type RawPeer, rawPeer } from './support/raw-peer.js'
import { bytesOf } from './support/wares.js'

let world: World
let seller: Person
let raw: RawPeer

beforeEach(async () => {
  world = await createWorld()
  seller = await world.person('seller')
  raw = await rawPeer(world, 'mallory', { funds: 100_000_000n })
})

afterEach(async () => {
  await world.close()
})

it('a buyer that never pays gets one quantum', async () => {
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(1_000_000) })
  const link = await raw.upgrade(seller.address)
  const lane = await raw.open(link, 1_000_000n)
  const stream = await link.consume('file', lane)
  await quiet(() => stream.bytes)
  expect(stream.bytes).toBe(65_536)
})
