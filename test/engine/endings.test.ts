import { recoverTypedDataAddress } from 'viem'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromHex, type Hex, toHex } from '../../src/core/bytes.js'
import * as Price from '../../src/core/price.js'
import * as Quote from '../../src/core/quote.js'
import { type Receipt, reasons } from '../../src/core/receipt.js'
import type { Piece } from '../../src/engine/sale.js'
import { createWorld, type Person, quiet, type World } from '../support/world.js'
import { RawLane } from './support/raw-lane.js'
import { type RawPeer, rawPeer } from './support/raw-peer.js'
import { bytesOf, content, endlessBytes, piecesOf, take } from './support/wares.js'

const funds = 10_000_000n
const byteByByte = Price.parse('1/B')

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

async function settled(id: Hex): Promise<bigint> {
  await buyer.node.close(id)
  const [left, got] = [await buyer.balance(), await seller.balance()]
  expect(left + got).toBe(funds)
  return got
}

describe('a budget', () => {
  for (const [text, budget, offset] of [
    ['1/B', 100_001n, 100_001n],
    ['7/3000B', 1_000n, 428_571n],
    ['3/KiB', 1n, 341n],
  ] as const)
    it(`of ${budget} ends an endless stream at ${text} after ${offset} bytes, all of them paid`, async () => {
      seller.node.serve('live', { price: Price.parse(text), ...endlessBytes() })
      const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
      const purchase = await buyer.node.consume(seller.address, 'live', { budget })
      for await (const _ of purchase) expect(purchase.owed).toBeLessThanOrEqual(budget)
      expect(await purchase.receipt).toMatchObject({ offset, reason: 'budget-exhausted' })
      const owed = Price.owed(Price.parse(text), offset)
      expect(owed).toBeLessThanOrEqual(budget)
      expect(await settled(id)).toBe(owed)
    })

  it('used up again and again leaves no debt behind: the lane goes on', async () => {
    seller.node.serve('live', { price: byteByByte, ...endlessBytes() })
    const { id } = await buyer.node.open(seller.address, { deposit: 2_000_000n })
    for (let time = 0; time < 12; time++) {
      const purchase = await buyer.node.consume(seller.address, 'live', { budget: 100_001n })
      await take(purchase)
      expect(await purchase.receipt).toMatchObject({ offset: 100_001n })
    }
    expect(await settled(id)).toBe(12n * 100_001n)
  })

  it('too small for the whole of a resource is refused before anything is paid', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000) })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000n })
    await expect(
      buyer.node.consume(seller.address, 'file', { budget: 999n }),
    ).rejects.toMatchObject({ code: 'BUDGET_TOO_SMALL' })
    expect(await settled(id)).toBe(0n)
  })
})

describe('a consumer that breaks off', () => {
  it('drains: what is on its way is received, paid and receipted', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000_000) })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
    const purchase = await buyer.node.consume(seller.address, 'file')
    let bytes = 0
    for await (const data of purchase) {
      bytes += data.length
      if (bytes > 200_000) break
    }
    const receipt = await purchase.receipt
    expect(receipt.reason).toBe('consumer-stopped')
    expect(receipt.offset).toBeGreaterThanOrEqual(BigInt(bytes))
    expect(receipt.owed).toBe(receipt.offset)
    expect(await settled(id)).toBe(receipt.owed)
  })

  it('before the first byte was asked for pays for what came all the same', async () => {
    seller.node.serve('live', { price: Price.parse('5/s'), open: piecesOf(9_000n, 500n).open })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000n })
    const purchase = await buyer.node.consume(seller.address, 'live')
    const receipt = await purchase.stop()
    expect(receipt).toMatchObject({ reason: 'consumer-stopped' })
    expect(receipt.owed).toBe(Price.owed(purchase.quote.price, receipt.offset))
    expect(await settled(id)).toBe(receipt.owed)
  })
})

describe('a stream that is stopped from outside its loop', () => {
  it('ends the loop at a whole piece of what came, and is receipted', async () => {
    seller.node.serve('live', { price: byteByByte, ...endlessBytes() })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
    const purchase = await buyer.node.consume(seller.address, 'live')
    const parts: Uint8Array[] = []
    const looping = (async () => {
      for await (const data of purchase) parts.push(new Uint8Array(data))
    })()
    // While the loop waits for the next bytes, and twice: an owner may be impatient.
    const [receipt, again] = await Promise.all([purchase.stop(), purchase.stop()])
    await looping
    expect(receipt).toMatchObject({ reason: 'consumer-stopped' })
    expect(again).toEqual(receipt)
    const bytes = Buffer.concat(parts)
    expect(bytes.equals(content(bytes.length))).toBe(true)
    expect(await settled(id)).toBe(receipt.owed)
  })

  it('is receipted while its source yields nothing', async () => {
    async function* open() {
      yield content(1_000)
      await new Promise(() => undefined)
    }
    seller.node.serve('live', { price: byteByByte, open })
    await buyer.node.open(seller.address, { deposit: 1_000_000n })
    const purchase = await buyer.node.consume(seller.address, 'live')
    const data = purchase[Symbol.asyncIterator]()
    await data.next()
    const waiting = data.next()
    expect(await purchase.stop()).toMatchObject({ offset: 1_000n, reason: 'consumer-stopped' })
    expect(await waiting).toMatchObject({ done: true })
  })
})

it('a consumer that chokes on what it is told ends its own purchase, and not those that share its lane', async () => {
  seller.node.serve('file', { price: byteByByte, ...bytesOf(400_000) })
  await buyer.node.open(seller.address, { deposit: 1_000_000n })
  const onAcknowledged = (): void => {
    throw new Error('a full disk')
  }
  const choking = await buyer.node.consume(seller.address, 'file', { onAcknowledged })
  const other = await buyer.node.consume(seller.address, 'file')
  const failed = expect(take(choking)).rejects.toThrow('a full disk')
  expect(await take(other)).toHaveLength(400_000)
  await failed
})

describe('a provider that withdraws', () => {
  it('drains its running streams: delivered is paid and receipted, the rest is not', async () => {
    const withdraw = new AbortController()
    const receipts = seller.node.serve('live', {
      price: byteByByte,
      ...endlessBytes(),
      signal: withdraw.signal,
    })
    const { id } = await buyer.node.open(seller.address, { deposit: 5_000_000n })
    const purchase = await buyer.node.consume(seller.address, 'live')
    let bytes = 0
    for await (const data of purchase) {
      bytes += data.length
      if (bytes > 200_000) withdraw.abort()
    }
    const receipt = await purchase.receipt
    expect(receipt).toMatchObject({ offset: BigInt(bytes), reason: 'provider-stopped' })
    expect((await receipts.next()).value).toEqual(receipt)
    expect((await receipts.next()).done).toBe(true)
    await expect(buyer.node.quote(seller.address, 'live')).rejects.toMatchObject({
      code: 'RESOURCE_UNKNOWN',
    })
    expect(await settled(id)).toBe(BigInt(bytes))
  })

  it('by a signal that was aborted before offers nothing', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(10), signal: AbortSignal.abort() })
    await expect(buyer.node.quote(seller.address, 'file')).rejects.toMatchObject({
      code: 'RESOURCE_UNKNOWN',
    })
  })

  it('by ending its iteration may offer the name again', async () => {
    const receipts = seller.node.serve('file', { price: byteByByte, ...bytesOf(10) })
    await buyer.node.open(seller.address, { deposit: 100n })
    void buyer.node.consume(seller.address, 'file').then(take)
    for await (const receipt of receipts) {
      expect(receipt.offset).toBe(10n)
      break
    }
    seller.node.serve('file', { price: byteByByte, ...bytesOf(20) })
    expect(await buyer.node.quote(seller.address, 'file')).toMatchObject({ size: 20n })
  })

  it('ends a stream that waits for a source which never says anything more', async () => {
    const withdraw = new AbortController()
    seller.node.serve('silent', {
      price: byteByByte,
      signal: withdraw.signal,
      async *open() {
        yield content(1_000)
        await new Promise(() => undefined)
      },
    })
    await buyer.node.open(seller.address, { deposit: 100_000n })
    const purchase = await buyer.node.consume(seller.address, 'silent')
    for await (const _ of purchase) withdraw.abort()
    expect(await purchase.receipt).toMatchObject({ offset: 1_000n, reason: 'provider-stopped' })
  })
})

describe('a purchase that is aborted', () => {
  it('is billed for exactly what was acknowledged, and goes on from there', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000_000) })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
    const cut = new AbortController()
    const first = await buyer.node.consume(seller.address, 'file', {
      acknowledge: 'manual',
      signal: cut.signal,
    })
    let bytes = 0
    const consume = async () => {
      for await (const data of first) {
        bytes += data.length
        if (bytes <= 300_000) first.acknowledge(BigInt(bytes))
        if (bytes > 350_000) cut.abort()
      }
    }
    await expect(consume()).rejects.toMatchObject({ code: 'ABORTED' })
    const { acknowledged } = first
    expect(acknowledged).toBeLessThan(BigInt(bytes))
    expect(buyer.node.lane(id, 0n)?.owed).toBe(acknowledged)
    await expect(first.receipt).rejects.toMatchObject({ code: 'ABORTED' })

    const second = await buyer.node.consume(seller.address, 'file', { purchase: first.id })
    expect(second.position).toBe(acknowledged)
    const rest = await take(second)
    expect(rest.equals(content(1_000_000 - Number(acknowledged), Number(acknowledged)))).toBe(true)
    expect(await second.receipt).toMatchObject({ offset: 1_000_000n, owed: 1_000_000n })
    expect(await settled(id)).toBe(1_000_000n)
  })

  it('by an exception in its loop is billed for what its owner called durable, and no more', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000_000) })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
    const purchase = await buyer.node.consume(seller.address, 'file', { acknowledge: 'manual' })
    const consume = async (): Promise<void> => {
      for await (const _ of purchase) {
        if (purchase.position > 200_000n) throw new Error('the disk is full')
        purchase.acknowledge(purchase.position)
      }
    }
    await expect(consume()).rejects.toThrow('the disk is full')
    const { acknowledged } = purchase
    expect(acknowledged).toBeLessThanOrEqual(200_000n)
    await expect(purchase.receipt).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await settled(id)).toBe(acknowledged)
  })

  it('by its owner, who calls it off, is drained to a receipt', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000_000) })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
    const purchase = await buyer.node.consume(seller.address, 'file', { acknowledge: 'manual' })
    for await (const _ of purchase) {
      await purchase.stop()
      break
    }
    const { offset, owed, reason } = await purchase.receipt
    expect(reason).toBe('consumer-stopped')
    expect(owed).toBe(offset)
    expect(await settled(id)).toBe(offset)
  })

  it('costs what was acknowledged where it is never resumed', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000_000) })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
    const purchase = await buyer.node.consume(seller.address, 'file')
    const consume = async (): Promise<void> => {
      for await (const _ of purchase) if (purchase.acknowledged > 200_000n) purchase.abort()
    }
    await expect(consume()).rejects.toMatchObject({ code: 'ABORTED' })
    const { acknowledged } = purchase
    expect(await settled(id)).toBe(acknowledged)
  })

  it('by a signal that outlives it leaves nothing on the signal', async () => {
    const { signal } = new AbortController()
    let listeners = 0
    const [add, remove] = [signal.addEventListener, signal.removeEventListener]
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1
      add.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1
      remove.apply(signal, args)
    }
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000) })
    await buyer.node.open(seller.address, { deposit: 10_000n, signal })
    for (let time = 0; time < 5; time++)
      await take(await buyer.node.consume(seller.address, 'file', { signal }))
    await quiet(() => listeners)
    expect(listeners).toBe(0)
  })
})

describe('a source', () => {
  const sell = (open: () => AsyncIterable<Uint8Array> | AsyncIterable<Piece>, text = '1/B') =>
    seller.node.serve('bad', { price: Price.parse(text), open, size: 100_000n })

  async function outcome(): Promise<Receipt> {
    const { id } = await buyer.node.open(seller.address, { deposit: 100_000n })
    const purchase = await buyer.node.consume(seller.address, 'bad')
    await take(purchase)
    const receipt = await purchase.receipt
    expect(await settled(id)).toBe(receipt.owed)
    return receipt
  }

  it('that fails ends the stream; what came is paid, and its owner is told why', async () => {
    sell(async function* () {
      yield content(10_000)
      throw new Error('the tape broke')
    })
    expect(await outcome()).toMatchObject({ offset: 10_000n, reason: 'provider-failed' })
    expect(seller.problems.map(({ message }) => message).join()).toContain('the tape broke')
  })

  it('that ends before its size is told to its owner, and is bought no further', async () => {
    sell(async function* () {
      yield content(10_000)
    })
    expect(await outcome()).toMatchObject({ offset: 10_000n, reason: 'provider-failed' })
    expect(seller.problems).toMatchObject([{ code: 'BAD_SOURCE' }])
  })

  it('that cannot even be opened is told to its owner, not to the buyer', async () => {
    sell(() => {
      throw new Error('/home/alice/secret is gone')
    })
    expect(await outcome()).toMatchObject({ offset: 0n, reason: 'provider-failed' })
    expect(seller.problems.map(({ message }) => message).join()).toContain('secret')
    expect(buyer.problems).toEqual([])
  })

  it('that yields more than the quote says is cut off where the quote ends', async () => {
    sell(async function* () {
      yield content(99_000)
      yield content(2_000)
    })
    expect(await outcome()).toMatchObject({ offset: 99_000n, reason: 'provider-failed' })
    expect(seller.problems).toMatchObject([{ code: 'BAD_SOURCE' }])
  })

  for (const [what, pieces] of [
    ['goes back', [2_000n, 1_000n]],
    ['takes more than a quantum at once', [1_000n, 2_001n]],
  ] as const)
    it(`whose timeline ${what} fails instead of waiting for ever`, async () => {
      sell(async function* () {
        for (const position of pieces) yield { data: content(10), position }
      }, '5/s')
      const first = pieces[0] > 1_000n ? 0n : 1_000n
      expect(await outcome()).toMatchObject({ offset: first, reason: 'provider-failed' })
      expect(seller.problems).toMatchObject([{ code: 'BAD_SOURCE' }])
    })

  it('with a piece of no bytes fails: nobody could tell that it came', async () => {
    sell(async function* () {
      yield { data: new Uint8Array(), position: 500n }
    }, '5/s')
    expect(await outcome()).toMatchObject({ offset: 0n, reason: 'provider-failed' })
  })
})

describe('receipts', () => {
  const types = {
    Receipt: [
      ['channelId', 'bytes32'],
      ['lane', 'uint64'],
      ['quote', 'bytes32'],
      ['purchase', 'bytes32'],
      ['offset', 'uint64'],
      ['owed', 'uint256'],
      ['reason', 'uint8'],
    ].map(([name, type]) => ({ name: name ?? '', type: type ?? '' })),
  }

  const signerOf = ({ domain }: Person['ledger'], receipt: Receipt, signature: Uint8Array) =>
    recoverTypedDataAddress({
      domain: {
        name: 'Sluice',
        version: '1',
        chainId: domain.chainId,
        verifyingContract: domain.adjudicator,
      },
      types,
      primaryType: 'Receipt',
      message: {
        ...receipt,
        quote: toHex(receipt.quote),
        purchase: toHex(receipt.purchase),
        reason: reasons.indexOf(receipt.reason),
      },
      signature: toHex(signature),
    })

  const addressOf = (key: Uint8Array): Hex => world.engine.secp256k1.publicAddress(key)

  it('bear the signature of the provider’s seat', async () => {
    const raw: RawPeer = await rawPeer(world, 'raw', { funds })
    seller.node.serve('file', { price: byteByByte, ...bytesOf(10_000) })
    const link = await raw.upgrade(seller.address)
    const lane = await raw.open(link, 10_000n)
    const handle = await link.bind(lane)
    const stream = await link.consume('file', lane)
    expect(await stream.next('end')).toMatchObject({ offset: 10_000n, reason: 'complete' })
    stream.acknowledge(10_000n)
    link.pay(RawLane.frame(handle, lane.voucher(10_000n)))
    const receipt: Receipt = {
      channelId: lane.channelId,
      lane: lane.id,
      quote: stream.asked ? Quote.hash(stream.asked.quote) : new Uint8Array(),
      purchase: fromHex(stream.purchase),
      offset: 10_000n,
      owed: 10_000n,
      reason: 'complete',
    }
    stream.send({ type: 'receipt', signature: lane.receipt(receipt) })
    const { signature } = await stream.next('receipt')
    expect((await signerOf(raw.ledger, receipt, signature)).toLowerCase()).toBe(
      addressOf(seller.keys.signing),
    )
  })
})
