import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Hex, toHex } from '../../src/core/bytes.js'
import * as Price from '../../src/core/price.js'
import { Notifier } from '../../src/engine/notifier.js'
import type { ServeOptions } from '../../src/engine/offers.js'
import type { Purchase } from '../../src/engine/purchase.js'
import { createWorld, type Person, quiet, type World } from '../support/world.js'
import { rawPeer } from './support/raw-peer.js'
import { bytesOf, content, endlessBytes, piecesOf, take } from './support/wares.js'

const funds = 50_000_000n

let world: World
let seller: Person
let buyer: Person

beforeEach(async () => {
  world = await createWorld()
  seller = await world.person('seller')
  buyer = await world.person('buyer', { funds })
})

afterEach(async () => {
  await world.close()
})

/** Ends the channel, and says what it moved: what the buyer paid is what the seller got. */
async function settled(id: Hex): Promise<bigint> {
  await buyer.node.close(id)
  const [left, got] = [await buyer.balance(), await seller.balance()]
  expect(left + got).toBe(funds)
  return got
}

/** Buys all of what is offered on a channel that holds just enough; returns it and what it cost. */
async function buy(ware: Omit<ServeOptions, 'price'> & { size: bigint }, text: string) {
  const price = Price.parse(text)
  seller.node.serve('ware', { price, ...ware })
  const owed = Price.owed(price, ware.size)
  const channel = await buyer.node.open(seller.address, { deposit: owed })
  const purchase = await buyer.node.consume(seller.address, 'ware', { budget: owed })
  const bytes = await take(purchase)
  const receipt = await purchase.receipt
  expect(receipt).toMatchObject({ offset: ware.size, owed, reason: 'complete' })
  expect(await settled(channel.id)).toBe(owed)
  return { bytes, owed }
}

describe('by the byte', () => {
  for (const price of ['1/B', '1/GiB', '7/3000B', '3/KiB'])
    for (const size of [0, 1, 65_535, 65_537, 1_000_003])
      it(`${size} bytes at ${price} come whole and cost what they cost`, async () => {
        const { bytes } = await buy({ ...bytesOf(size), size: BigInt(size) }, price)
        expect(bytes.equals(content(size))).toBe(true)
      })

  it('chunks of any size come whole: one byte, and more than a frame holds', async () => {
    const { bytes } = await buy({ ...bytesOf(1_000_003, 700_001), size: 1_000_003n }, '1/KiB')
    expect(bytes.equals(content(1_000_003))).toBe(true)
    const again = await world.person('again')
    again.node.serve('ware', { price: Price.parse('1/B'), ...bytesOf(1_000, 1) })
    await buyer.node.open(again.address, { deposit: 1_000n })
    const purchase = await buyer.node.consume(again.address, 'ware')
    expect((await take(purchase)).equals(content(1_000))).toBe(true)
  })
})

describe('by the second, on the resource’s own timeline', () => {
  for (const [price, size, owed] of [
    ['5/s', 10_000n, 50n],
    ['5/s', 9_999n, 50n],
    ['5/s', 10_001n, 51n],
    ['1/s', 1n, 1n],
    ['7/min', 61_000n, 8n],
  ] as const)
    it(`${size} ms at ${price} cost ${owed}`, async () => {
      const bought = await buy(piecesOf(size, 250n), price)
      expect(bought.owed).toBe(owed)
      expect(bought.bytes.toString()).toMatch(new RegExp(`-${size};$`))
    })
})

describe('a stream by the second', () => {
  /** Half a second at a time up to `size`, and no further than `gate` says, whatever the wall's clock shows. */
  function film(size: bigint) {
    const changed = new Notifier()
    let gate = 0n
    let shown = 0n
    const open: ServeOptions['open'] = async function* (offset) {
      for (let at = offset + 500n; at <= size; at += 500n) {
        await changed.until(() => at <= gate)
        shown = at
        yield { data: content(100), position: at }
      }
    }
    const allow = (to: bigint): void => {
      gate = to
      changed.notify()
    }
    return { open, allow, shown: () => shown }
  }

  it('costs nothing while it stalls, and goes on where it stood', async () => {
    const { open, allow } = film(10_000n)
    seller.node.serve('film', { price: Price.parse('5/s'), open, size: 10_000n })
    const { id } = await buyer.node.open(seller.address, { deposit: 50n })
    const purchase = await buyer.node.consume(seller.address, 'film')
    const taken = take(purchase)
    allow(3_000n)
    await quiet(() => purchase.acknowledged)
    const stalled = { owed: purchase.owed, at: purchase.acknowledged }
    expect(stalled).toEqual({ owed: 15n, at: 3_000n })
    await after(400)
    expect({ owed: purchase.owed, at: purchase.acknowledged }).toEqual(stalled)
    expect(buyer.node.lane(id, 0n)?.claim).toBeLessThanOrEqual(15n)
    allow(10_000n)
    expect((await taken).length).toBe(2_000)
    expect(await settled(id)).toBe(50n)
  })

  it('that nobody watches is sent no further than its window, and costs what was watched', async () => {
    const { open, allow, shown } = film(100_000n)
    seller.node.serve('film', { price: Price.parse('5/s'), open, size: 100_000n })
    await buyer.node.open(seller.address, { deposit: 500n })
    const purchase = await buyer.node.consume(seller.address, 'film')
    allow(100_000n)
    const pieces = purchase[Symbol.asyncIterator]()
    for (let watched = 500n; watched <= 2_000n; watched += 500n) await pieces.next()
    await quiet(shown)
    expect(purchase.owed).toBeLessThanOrEqual(10n)
    expect(shown()).toBeLessThanOrEqual(2_000n + 3_000n + 500n)
  })
})

it('is not bought in another asset than the one it is sold in', async () => {
  const asset = `0x${'77'.repeat(20)}` as const
  seller.node.serve('gold', { price: Price.parse('1/B'), asset, ...bytesOf(1_000) })
  const { id } = await buyer.node.open(seller.address, { deposit: 1_000n })
  const about = { code: 'WRONG_ASSET', message: expect.stringContaining(asset) }
  await expect(buyer.node.consume(seller.address, 'gold')).rejects.toMatchObject(about)
  const paying = buyer.node.consume(seller.address, 'gold', { asset })
  await expect(paying).rejects.toMatchObject({ code: 'NO_CHANNEL' })
  expect(buyer.node.lane(id, 0n)?.owed).toBe(0n)
})

describe('a quiet stream', () => {
  const silent: ServeOptions['open'] = async function* (_, signal) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    yield new Uint8Array()
  }

  it('does not keep the credit that its lane-mates wait for', async () => {
    seller.node.serve('quiet', { price: Price.parse('1/B'), open: silent })
    seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(300_000) })
    await buyer.node.open(seller.address, { deposit: 400_000n })
    const quietly = await buyer.node.consume(seller.address, 'quiet', { budget: 100_000n })
    const waiting = take(quietly)
    await quiet(() => seller.node.lane(quietly.channelId, quietly.lane)?.owed)
    const file = await buyer.node.consume(seller.address, 'file')
    expect(file.lane).toBe(quietly.lane)
    expect((await take(file)).length).toBe(300_000)
    quietly.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('that goes on while its credit is being written down for a lane-mate waits for its turn, and neither is refused', async () => {
    const price = Price.parse('1/B')
    const file = bytesOf(300_000)
    let goOn = (): void => undefined
    const paused = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const pausing: ServeOptions['open'] = async function* () {
      await paused
      yield content(100_000)
    }
    const holding: ServeOptions['open'] = (...from) => {
      seller.disk.hold()
      return file.open(...from)
    }
    seller.node.serve('slow', { price, size: 100_000n, open: pausing })
    seller.node.serve('file', { ...file, price, open: holding })
    await buyer.node.open(seller.address, { deposit: 400_000n })
    const slowly = await buyer.node.consume(seller.address, 'slow')
    const waiting = take(slowly)
    await quiet(() => seller.disk.syncs)
    const taken = take(await buyer.node.consume(seller.address, 'file'))
    await quiet(() => seller.disk.syncs)
    goOn()
    await quiet(() => slowly.position)
    expect(slowly.position).toBe(0n)
    seller.disk.release()
    expect((await taken).length).toBe(300_000)
    expect((await waiting).length).toBe(100_000)
  })

  describe('on each of four lanes, which take all that their payer may owe,', () => {
    const price = Price.parse('1/item')
    const sold = 70n
    let last: Hex
    let purchases: Purchase[]
    let waiting: Promise<unknown>[]
    let goOn: () => void

    beforeEach(async () => {
      const paused = new Promise<void>((resolve) => {
        goOn = resolve
      })
      const pausing: ServeOptions['open'] = async function* (_, signal) {
        for (let position = 1n; ; position++) {
          if (position === sold + 1n)
            await Promise.race([
              paused,
              new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })),
            ])
          yield { data: Uint8Array.of(1), position }
        }
      }
      seller.node.serve('quiet', { price, open: pausing })
      seller.node.serve('items', { price, ...piecesOf(100n, 1n) })
      const channels: Hex[] = []
      // Four windows of 64 quanta are all that a peer may owe.
      for (let count = 0; count < 5; count++) {
        const { id } = await buyer.node.open([seller.address], { deposits: [[500n], [0n]] })
        await buyer.node.openLane(id, { payee: 1, amount: 500n })
        channels.push(id)
      }
      last = channels.pop() ?? '0x'
      purchases = []
      for (const channel of channels)
        purchases.push(await buyer.node.consume(seller.address, 'quiet', { channel, budget: 200n }))
      expect(purchases.map(({ channelId }) => channelId)).toEqual(channels)
      waiting = purchases.map((purchase) => take(purchase).catch(({ code }) => code))
      await expect
        .poll(() => channels.map((id) => seller.node.lane(id, 0n)?.claim))
        .toEqual(channels.map(() => sold))
    })

    it('does not keep the credit that another lane waits for', async () => {
      const items = await buyer.node.consume(seller.address, 'items', { channel: last })
      expect((await take(items)).length).toBeGreaterThan(0)
      expect((await items.receipt).offset).toBe(100n)
      await buyer.node.stop()
      await Promise.all(waiting)
    })

    it('is sent nothing of the credit that another lane took, though that is not durable yet', async () => {
      seller.disk.hold()
      const items = take(await buyer.node.consume(seller.address, 'items', { channel: last }))
      await quiet(() => seller.disk.syncs)
      goOn()
      await quiet(() => purchases.map(({ position }) => position).join())
      seller.disk.release()
      expect((await items).length).toBeGreaterThan(0)
      expect(await Promise.all(waiting)).toMatchObject(purchases.map(() => ({ length: 200 })))
    })
  })
})

describe('a provider that gives no credit', () => {
  it('says so where its owner allows less than a piece costs', async () => {
    const wary = await world.person('wary', { exposureMax: 4n })
    wary.node.serve('film', { price: Price.parse('5/s'), ...piecesOf(10_000n, 1_000n) })
    await buyer.node.open(wary.address, { deposit: 50n })
    const purchase = await buyer.node.consume(wary.address, 'film')
    await expect(take(purchase)).rejects.toMatchObject({ code: 'CREDIT_REFUSED' })
    expect(purchase.owed).toBe(0n)
  })

  it('only makes others wait where the owner allows a little: all of it comes', async () => {
    const wary = await world.person('wary', { exposureMax: 30_000n })
    wary.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(100_000) })
    await buyer.node.open(wary.address, { deposit: 100_000n })
    const purchase = await buyer.node.consume(wary.address, 'file')
    expect((await take(purchase)).length).toBe(100_000)
  })
})

describe('by the item', () => {
  for (const [price, size, owed] of [
    ['2/item', 7n, 14n],
    ['3/2item', 7n, 11n],
    ['3/2item', 1n, 2n],
    ['1/100item', 0n, 0n],
  ] as const)
    it(`${size} items at ${price} cost ${owed}`, async () => {
      const bought = await buy(piecesOf(size, 1n), price)
      expect(bought.owed).toBe(owed)
      expect(bought.bytes.toString().split(';')).toHaveLength(Number(size) + 1)
    })

  it('an item larger than any frame comes in parts and is counted once', async () => {
    const data = content(700_000)
    const open: ServeOptions['open'] = async function* (offset) {
      for (let item = offset; item < 3n; item++) yield { data, position: item + 1n }
    }
    const { bytes } = await buy({ open, size: 3n }, '2/item')
    expect(bytes.equals(Buffer.concat([data, data, data]))).toBe(true)
  })
})

it('many streams with different prices share a lane, all finish, and it owes their sum', async () => {
  const wares: [text: string, ware: Omit<ServeOptions, 'price'> & { size: bigint }][] = [
    ['1/B', { ...bytesOf(500_001), size: 500_001n }],
    ['1/GiB', { ...bytesOf(1_500_001), size: 1_500_001n }],
    ['7/3000B', { ...bytesOf(400_003), size: 400_003n }],
    ['3/2item', piecesOf(33n, 1n)],
    ['5/s', piecesOf(20_001n, 500n)],
  ]
  let sum = 0n
  for (const [text, ware] of wares) {
    seller.node.serve(text, { price: Price.parse(text), ...ware })
    sum += Price.owed(Price.parse(text), ware.size)
  }
  const channel = await buyer.node.open(seller.address, { deposit: sum })
  const receipts = await Promise.all(
    wares.map(async ([text]) => {
      const purchase = await buyer.node.consume(seller.address, text)
      await take(purchase)
      return purchase.receipt
    }),
  )
  for (const [at, [text, { size }]] of wares.entries())
    expect(receipts[at]).toMatchObject({
      offset: size,
      owed: Price.owed(Price.parse(text), size),
      reason: 'complete',
    })
  for (const { node } of [buyer, seller])
    expect(node.lane(channel.id, 0n)).toMatchObject({ claim: sum, owed: sum })
  expect(await settled(channel.id)).toBe(sum)
})

it('vouchers roll over without a pause: a stream of many chains keeps moving', async () => {
  const size = 80_000_000n
  const price = Price.parse('1/B')
  const chunk = content(1_000_000)
  const open: ServeOptions['open'] = async function* (offset) {
    for (let at = offset; at < size; at += 1_000_000n) yield chunk
  }
  seller.node.serve('ware', { price, open, size, quantum: 65_536n })
  const rich = await world.person('rich', { funds: size })
  const { id } = await rich.node.open(seller.address, { deposit: size })
  const purchase = await rich.node.consume(seller.address, 'ware')
  let bytes = 0
  for await (const data of purchase) bytes += data.length
  expect(bytes).toBe(Number(size))
  const view = seller.node.lane(id, 0n)
  expect(view).toMatchObject({ claim: size, owed: size })
  // 2,441 ticks of half a quantum at least: more than two chains hold.
  expect(view?.ticks).toBeGreaterThan(2 * 1_024)
  expect(view?.vouchers).toBeGreaterThanOrEqual(3)
})

it('a lane that is used up ends the stream where it ends', async () => {
  seller.node.serve('live', { price: Price.parse('1/B'), open: bytesOf(1_000_000).open })
  const { id } = await buyer.node.open(seller.address, { deposit: 100_001n })
  const purchase = await buyer.node.consume(seller.address, 'live')
  const bytes = await take(purchase)
  expect(bytes.equals(content(100_001))).toBe(true)
  expect(await purchase.receipt).toMatchObject({
    offset: 100_001n,
    owed: 100_001n,
    reason: 'budget-exhausted',
  })
  expect(await settled(id)).toBe(100_001n)
})

it('a lane that cannot pay for two pays for one of them whole, and the other does not begin', async () => {
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(60_000) })
  const { id } = await buyer.node.open(seller.address, { deposit: 100_000n })
  const buy = async () => take(await buyer.node.consume(seller.address, 'file'))
  const outcomes = await Promise.allSettled([buy(), buy()])
  expect(outcomes).toMatchObject([
    { status: 'fulfilled', value: { length: 60_000 } },
    { status: 'rejected', reason: { code: 'NO_CHANNEL' } },
  ])
  expect(await settled(id)).toBe(60_000n)
})

it('a channel of which no lane holds a deposit is not taken for one that does', async () => {
  seller.node.serve('small', { price: Price.parse('1/B'), ...bytesOf(60_000) })
  seller.node.serve('large', { price: Price.parse('1/B'), ...bytesOf(100_000) })
  const first = await buyer.node.open(seller.address, { deposit: 100_000n })
  await take(await buyer.node.consume(seller.address, 'small'))
  await buyer.node.topUp(first.id, { amount: 60_000n })
  const second = await buyer.node.open(seller.address, { deposit: 100_000n })
  expect(await take(await buyer.node.consume(seller.address, 'large'))).toHaveLength(100_000)
  for (const { id } of [first, second]) await buyer.node.close(id)
  expect(await seller.balance()).toBe(160_000n)
})

it('two channels with one peer pay by a lane each', async () => {
  const price = Price.parse('1/B')
  seller.node.serve('a', { price, ...bytesOf(100_000) })
  seller.node.serve('b', { price, ...bytesOf(120_000) })
  const first = await buyer.node.open(seller.address, { deposit: 100_000n })
  const one = await buyer.node.consume(seller.address, 'a')
  const second = await buyer.node.open(seller.address, { deposit: 120_000n })
  const two = await buyer.node.consume(seller.address, 'b')
  expect(second.id).not.toBe(first.id)
  expect([one.channelId, two.channelId]).toEqual([first.id, second.id])
  await Promise.all([take(one), take(two)])
  await Promise.all([buyer.node.close(first.id), buyer.node.close(second.id)])
  expect(await seller.balance()).toBe(220_000n)
})

it('money that comes back is reserved on a second lane of the same channel', async () => {
  const price = Price.parse('1/B')
  seller.node.serve('a', { price, ...bytesOf(100_000) })
  buyer.node.serve('b', { price, ...bytesOf(60_000) })
  const { id } = await buyer.node.open(seller.address, { deposit: 100_000n })
  await take(await buyer.node.consume(seller.address, 'a'))
  // Folding would give the seller a balance of its own; it pays by a channel of its own until then.
  await expect(seller.node.consume(buyer.address, 'b')).rejects.toMatchObject({
    code: 'NO_CHANNEL',
  })
  await settled(id)
})

it('two peers sell to each other over one connection at the same time', async () => {
  const price = Price.parse('1/KiB')
  const other = await world.person('other', { funds: 1_000n })
  buyer.node.serve('mine', { price, ...bytesOf(900_001) })
  other.node.serve('yours', { price, ...bytesOf(700_001) })
  const there = await buyer.node.open(other.address, { deposit: 1_000n })
  const back = await other.node.open(buyer.address, { deposit: 1_000n })
  const [yours, mine] = await Promise.all([
    buyer.node.consume(other.address, 'yours').then(take),
    other.node.consume(buyer.address, 'mine').then(take),
  ])
  expect(yours.equals(content(700_001))).toBe(true)
  expect(mine.equals(content(900_001))).toBe(true)
  await buyer.node.close(there.id)
  await buyer.node.close(back.id)
  expect(await buyer.balance()).toBe(funds - 684n + 879n)
  expect(await other.balance()).toBe(1_000n - 879n + 684n)
})

it('a dozen streams of one resource at once are nothing to be warned of', async () => {
  const warnings: string[] = []
  const warn = ({ name }: Error): void => void warnings.push(name)
  process.on('warning', warn)
  seller.node.serve('file', { price: Price.parse('1/KiB'), ...endlessBytes() })
  await buyer.node.open(seller.address, { deposit: 10_000n })
  for (let count = 0; count < 12; count++)
    await buyer.node.consume(seller.address, 'file', { budget: 100n })
  // A warning comes a turn later.
  await quiet(() => warnings.length)
  process.off('warning', warn)
  expect(warnings).toEqual([])
})

it('a connection that exists is upgraded: nothing is dialled twice', async () => {
  const price = Price.parse('1/KiB')
  seller.node.serve('file', { price, ...bytesOf(5_000) })
  await buyer.node.quote(seller.address)
  const connected: string[] = []
  seller.node.events.on('peer', ({ peer }) => connected.push(peer))
  await buyer.node.open(seller.address, { deposit: 5n })
  await take(await buyer.node.consume(seller.address, ''))
  expect(connected).toEqual([])
})

it('two connections, of which the one that pays is lost, leave one that pays: the purchase goes on', async () => {
  seller.node.serve('ware', { price: Price.parse('1/B'), ...bytesOf(1_000_000) })
  const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
  const purchase = await buyer.node.consume(seller.address, 'ware')
  const data = purchase[Symbol.asyncIterator]()
  let bytes = (await data.next()).value?.length ?? 0
  // As where both have dialled at once.
  const twin = await rawPeer(world, 'seller')
  const channel = seller.node.channel(id)
  if (channel !== undefined) twin.channels.set(id, channel)
  const link = await twin.upgrade(buyer.address)
  await link.connection.close()
  for (let next = await data.next(); !next.done; next = await data.next())
    bytes += next.value.length
  expect(bytes).toBe(1_000_000)
  expect(await settled(id)).toBe(1_000_000n)
})

it('a purchase goes by its own id: asked again when it is done, it gives its receipt again', async () => {
  seller.node.serve('file', { price: Price.parse('1/KiB'), ...bytesOf(100_000) })
  await buyer.node.open(seller.address, { deposit: 98n })
  const id = toHex(world.random(32))
  const first = await buyer.node.consume(seller.address, 'file', { purchase: id })
  await take(first)
  const second = await buyer.node.consume(seller.address, 'file', { purchase: id })
  expect(await take(second)).toHaveLength(0)
  expect(await second.receipt).toEqual(await first.receipt)
})
