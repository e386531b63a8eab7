import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import * as Price from '../../src/core/price.js'
import { buyFile } from '../../src/market/buy-file.js'
import { bytesOf, content } from '../engine/support/wares.js'
import { createWorld, type Person, type World } from '../support/world.js'

let world: World
let buyer: Person
let seller: Person
let directory: string
let out: string

beforeEach(async () => {
  world = await createWorld()
  buyer = await world.person('buyer', { funds: 10_000_000n })
  seller = await world.person('seller')
  directory = mkdtempSync(join(tmpdir(), 'sluice-buy-'))
  out = join(directory, 'file')
})

afterEach(async () => {
  rmSync(directory, { recursive: true })
  await world.close()
})

it('a file is paid by the channel that was opened for it, not by another one that is kept', async () => {
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(1_000) })
  const kept = await buyer.node.open(seller.address, { deposit: 5_000n })
  const { channelId, owed } = await buyFile(buyer.node, seller.address, { out, budget: 6_000n })
  expect(readFileSync(out).length).toBe(1_000)
  expect(owed).toBe(1_000n)
  expect(channelId).not.toBe(kept.id)
  expect(buyer.node.lane(kept.id, 0n)?.claim).toBe(0n)
})

it('goes on where it said it was, if it dies at that very moment', async () => {
  const size = 2_000_000
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(size) })
  const budget = BigInt(size)
  let reached = 0n
  await new Promise<void>((resolve) => {
    const onProgress = (bytes: bigint): void => {
      if (reached > 0n) return
      reached = bytes
      buyer.disk.crash()
      resolve()
    }
    buyFile(buyer.node, seller.address, { out, budget, onProgress }).catch(() => undefined)
  })
  await buyer.crash()
  await buyer.start()
  let from = -1n
  await buyFile(buyer.node, seller.address, {
    out,
    budget,
    onStart: ({ position }) => {
      from = position
    },
  })
  expect(from).toBe(reached)
  expect(readFileSync(out).equals(content(size))).toBe(true)
})
