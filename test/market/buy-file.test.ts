import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Hex } from '../../src/core/bytes.js'
import { limits } from '../../src/core/limits.js'
import * as Price from '../../src/core/price.js'
import { type BuyFileOptions, buyFile } from '../../src/market/buy-file.js'
import { bytesOf, content, endlessBytes } from '../engine/support/wares.js'
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

/** Begins to buy, and is interrupted once some of it is paid. */
async function begin(options: BuyFileOptions): Promise<void> {
  const interrupt = new AbortController()
  const { signal } = interrupt
  const onProgress = (): void => interrupt.abort()
  const buying = buyFile(buyer.node, seller.address, { ...options, signal, onProgress })
  await expect(buying).rejects.toMatchObject({ code: 'ABORTED' })
}

it.each([
  ['holds what it costs', 1_000n],
  ['holds less', 999n],
])('a file is paid by a channel that was kept, if that %s', async (_, deposit) => {
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(1_000) })
  const kept = await buyer.node.open(seller.address, { deposit })
  const { channelId, owed } = await buyFile(buyer.node, seller.address, { out, budget: 6_000n })
  expect(readFileSync(out).length).toBe(1_000)
  expect(owed).toBe(1_000n)
  const isKept = channelId === kept.id
  expect(isKept).toBe(deposit >= owed)
  expect(buyer.node.lane(kept.id, 0n)?.claim).toBe(isKept ? owed : 0n)
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

it('leaves a channel alone by which another file is to be bought to its end', async () => {
  seller.node.serve('long', { price: Price.parse('1/B'), ...bytesOf(2_000_000) })
  seller.node.serve('short', { price: Price.parse('1/B'), ...bytesOf(10) })
  const long = { out, budget: 3_000_000n, resource: 'long' }
  await begin(long)
  const short = { out: `${out}.short`, budget: 20n, resource: 'short' }
  const bought = await buyFile(buyer.node, seller.address, short)
  await buyer.node.close(bought.channelId ?? '0x')
  const { channelId, owed } = await buyFile(buyer.node, seller.address, long)
  expect(channelId).not.toBe(bought.channelId)
  expect(owed).toBe(2_000_000n)
})

it.each([
  ['closed', () => buyer, async (id: Hex) => void (await buyer.node.close(id))],
  ['closed by force', () => buyer, (id: Hex) => buyer.node.challenge(id)],
  ['of another home', () => world.person('other', { funds: 10_000_000n }), async () => undefined],
])('is not begun anew over what a channel has paid that is %s', async (_, who, end) => {
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(2_000_000) })
  const buying = { out, budget: 3_000_000n }
  await begin(buying)
  const before = readFileSync(`${out}.part`)
  await end(buyer.node.channels()[0]?.id ?? '0x')
  const { node } = await who()
  const count = node.channels().length
  await expect(buyFile(node, seller.address, buying)).rejects.toMatchObject({
    code: 'CHANNEL_CLOSED',
  })
  expect(node.channels()).toHaveLength(count)
  expect(readFileSync(`${out}.part`).equals(before)).toBe(true)
})

it.each([
  ['seller', '1/B', () => world.person('rival')],
  ['price', '2/B', async () => seller],
])('says that it was begun with another %s', async (_, price, who) => {
  const wares = bytesOf(2_000_000)
  const stop = new AbortController()
  seller.node.serve('file', { price: Price.parse('1/B'), ...wares, signal: stop.signal })
  const buying = { out, budget: 5_000_000n }
  await begin(buying)
  stop.abort()
  const other = await who()
  other.node.serve('file', { price: Price.parse(price), ...wares })
  const before = readFileSync(`${out}.part`)
  const again = buyFile(buyer.node, other.address, buying)
  await expect(again).rejects.toMatchObject({ code: 'OTHER_PURCHASE' })
  expect(readFileSync(`${out}.part`).equals(before)).toBe(true)
  expect(buyer.node.channels()).toHaveLength(1)
})

it('is bought once more where it was taken away before its purchase was forgotten', async () => {
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(1_000) })
  const buy = () => buyFile(buyer.node, seller.address, { out, budget: 3_000n })
  await buy()
  expect(await buy()).toMatchObject({ receipt: undefined })
  rmSync(out)
  expect(await buy()).toMatchObject({ receipt: { offset: 1_000n } })
  expect(readFileSync(out).equals(content(1_000))).toBe(true)
  expect(buyer.node.channels()).toHaveLength(1)
})

it('replaces nothing that came to lie in its place meanwhile', async () => {
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(1_000) })
  const buy = (onStart?: () => void) =>
    buyFile(buyer.node, seller.address, { out, budget: 3_000n, ...(onStart && { onStart }) })
  await expect(buy(() => writeFileSync(out, 'mine'))).rejects.toMatchObject({ code: 'FILE_EXISTS' })
  expect(readFileSync(out, 'utf8')).toBe('mine')
  rmSync(out)
  expect(await buy()).toMatchObject({ bytes: 1_000n, owed: 1_000n })
  expect(readFileSync(out).equals(content(1_000))).toBe(true)
})

it('goes on where its seller stopped, once that one is back', async () => {
  const price = Price.parse('1/B')
  const stop = new AbortController()
  seller.node.serve('file', { price, ...bytesOf(2_000_000), signal: stop.signal })
  const buying = { out, budget: 3_000_000n }
  const onProgress = (): void => stop.abort()
  await expect(
    buyFile(buyer.node, seller.address, { ...buying, onProgress }),
  ).rejects.toMatchObject({ code: 'SELLER_STOPPED' })
  seller.node.serve('file', { price, ...bytesOf(2_000_000) })
  let from = 0n
  const onStart = ({ position }: { readonly position: bigint }): void => {
    from = position
  }
  const { owed } = await buyFile(buyer.node, seller.address, { ...buying, onStart })
  expect(from).toBeGreaterThan(0n)
  expect(owed).toBe(2_000_000n)
  expect(readFileSync(out).equals(content(2_000_000))).toBe(true)
})

it('asks as often as it likes for a file that cannot be read, and has it once it can', async () => {
  let isReadable = false
  const whole = bytesOf(1_000)
  seller.node.serve('file', {
    ...whole,
    price: Price.parse('1/B'),
    open(offset, signal) {
      if (isReadable) return whole.open(offset, signal)
      throw new Error('the file changed')
    },
  })
  const buy = () => buyFile(buyer.node, seller.address, { out, budget: 6_000n })
  for (let times = 0; times <= limits.restartsMax; times++)
    await expect(buy()).rejects.toMatchObject({ code: 'SELLER_STOPPED' })
  isReadable = true
  expect(await buy()).toMatchObject({ bytes: 1_000n, owed: 1_000n })
})

it('asks for a name before anything is bought', async () => {
  const buying = buyFile(buyer.node, seller.address, { out: '', budget: 6_000n })
  await expect(buying).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
})

it('takes a stream of no known size for no file, and pays nothing', async () => {
  seller.node.serve('radio', { price: Price.parse('1/B'), ...endlessBytes() })
  const buying = buyFile(buyer.node, seller.address, { out, budget: 6_000n })
  await expect(buying).rejects.toMatchObject({ code: 'NOT_A_FILE' })
  expect(buyer.node.channels()).toEqual([])
  expect(readdirSync(directory)).toEqual([])
})
