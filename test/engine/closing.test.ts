/** Lanes and channels that their seats close together: what was paid on them counts, and the rest goes back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/core/bytes.js'
import * as Price from '../../src/core/price.js'
import * as Records from '../../src/engine/records.js'
import { createWorld, type Person, quiet, type World } from '../support/world.js'
import { quarrel } from './support/quarrel.js'
import { RawLane } from './support/raw-lane.js'
import { rawPeer } from './support/raw-peer.js'
import { bytesOf, endlessBytes, take } from './support/wares.js'

const funds = 1_000_000n
const deposit = 100_000n
const price = Price.parse('1/B')

let world: World
let seller: Person
let buyer: Person

beforeEach(async () => {
  world = await createWorld()
  seller = await world.person('seller')
  buyer = await world.person('buyer', { funds })
})

afterEach(() => world.close())

/** A channel in which so many bytes were bought over lane 0. */
async function bought(bytes: number): Promise<Hex> {
  seller.node.serve('file', { price, ...bytesOf(bytes) })
  const { id } = await buyer.node.open(seller.address, { deposit })
  const purchase = await buyer.node.consume(seller.address, 'file')
  expect((await take(purchase)).length).toBe(bytes)
  await purchase.receipt
  return id
}

describe('a lane', () => {
  it.each(['buyer', 'seller'] as const)('closed by the %s pays both ends', async (who) => {
    const id = await bought(30_000)
    const closer = who === 'buyer' ? buyer : seller
    await closer.node.closeLane(id, { lane: 0n })
    for (const { node, disk } of [buyer, seller]) {
      const body = () => node.channel(id)?.complete?.body
      await expect.poll(() => body()?.lanes).toEqual([])
      expect(body()?.outcome.balances).toEqual([[70_000n], [30_000n]])
      expect(node.lane(id, 0n)).toBeUndefined()
      expect([...disk.open().entries(Records.lanePrefix)]).toEqual([])
    }
  })

  it('frees its reserve, to be taken out or put on another lane', async () => {
    const id = await bought(30_000)
    await buyer.node.closeLane(id, { lane: 0n })
    await buyer.node.withdraw(id, { amount: 20_000n })
    expect(await buyer.balance()).toBe(funds - deposit + 20_000n)
    await buyer.node.open(seller.address, { deposit: 50_000n })
    expect(buyer.node.channel(id)?.complete?.body.lanes).toMatchObject([
      { id: 1n, reserved: 50_000n },
    ])
    expect((await take(await buyer.node.consume(seller.address, 'file'))).length).toBe(30_000)
    await buyer.node.close(id)
    expect(await seller.balance()).toBe(60_000n)
  })

  it('is not asked for again on the next connection', async () => {
    const payee = await rawPeer(world, 'payee')
    const link = await payee.upgrade(buyer.address)
    const { id } = await buyer.node.open([payee.address], { deposits: [[100n], [0n]] })
    for (let count = 0; count < 2; count++) await buyer.node.openLane(id, { payee: 1, amount: 50n })
    await buyer.node.closeLane(id, { lane: 0n })
    await link.connection.close()
    const { inbox } = await payee.upgrade(buyer.address)
    expect(inbox.filter(({ type }) => type === 'bind')).toMatchObject([{ lane: 1n }])
  })

  it('leaves nothing on the disk of its payee, whatever is paid on it while its end is being written', async () => {
    const { raw, link, lane, id } = await quarrel(world, seller)
    const handle = await link.bind(lane)
    raw.onMessage = (_, { type }) => {
      if (type === 'agree') seller.disk.hold()
      return false
    }
    await raw.change(link, id, [{ type: 'lane-close', lane: 0n, claim: 0n }])
    await quiet(() => seller.disk.syncs)
    link.pay(RawLane.frame(handle, lane.voucher(120n)))
    await expect.poll(() => seller.node.lane(id, 0n)?.vouchers).toBe(1)
    seller.disk.release()
    await expect.poll(() => seller.node.lane(id, 0n)).toBeUndefined()
    await quiet(() => seller.disk.syncs)
    expect([...seller.disk.open().entries(Records.lanePrefix)]).toEqual([])
  })

  it('is not closed under a stream', async () => {
    seller.node.serve('radio', { price, ...endlessBytes() })
    const { id } = await buyer.node.open(seller.address, { deposit })
    const purchase = await buyer.node.consume(seller.address, 'radio', { budget: 50_000n })
    await purchase[Symbol.asyncIterator]().next()
    for (const { node } of [buyer, seller])
      await expect(node.closeLane(id, { lane: 0n })).rejects.toMatchObject({
        code: 'STREAMS_RUNNING',
      })
    await purchase.stop()
    await purchase.receipt
    await buyer.node.closeLane(id, { lane: 0n })
  })

  it('that is being closed begins no purchase and goes on with none', async () => {
    seller.node.serve('radio', { price, ...endlessBytes() })
    const { id } = await buyer.node.open(seller.address, { deposit })
    const first = await buyer.node.consume(seller.address, 'radio')
    first.abort()
    seller.disk.hold()
    const closing = buyer.node.closeLane(id, { lane: 0n })
    await expect.poll(() => buyer.node.channel(id)?.proposals).toHaveLength(1)
    for (const options of [{}, { purchase: first.id }])
      await expect(buyer.node.consume(seller.address, 'radio', options)).rejects.toMatchObject({
        code: 'NO_CHANNEL',
      })
    seller.disk.release()
    await closing
  })

  it.each(['close', 'closeLane'] as const)(
    'is not closed by %s under a stream that begins meanwhile',
    async (how) => {
      seller.node.serve('file', { price, ...bytesOf(50_000) })
      const { id } = await buyer.node.open(seller.address, { deposit })
      await buyer.node.quote(seller.address)
      buyer.disk.hold()
      const closing = buyer.node[how](id, { lane: 0n })
      const refused = expect(closing).rejects.toMatchObject({ code: 'STREAMS_RUNNING' })
      const purchase = await buyer.node.consume(seller.address, 'file')
      buyer.disk.release()
      await refused
      expect(await take(purchase)).toHaveLength(50_000)
      expect(seller.node.lane(id, 0n)?.claim).toBe(50_000n)
    },
  )

  it('that is paid on while its closing waits for the disk is closed by all that was paid', async () => {
    const { raw, link, lane, id } = await quarrel(world, seller)
    const handle = await link.bind(lane)
    raw.claimOn = () => 120n
    seller.disk.hold()
    await raw.ledger.topUp(raw.channel(id).parameters, 0, 0, 2_000n)
    await quiet(() => seller.disk.syncs)
    const closing = seller.node.closeLane(id, { lane: 0n })
    link.pay(RawLane.frame(handle, lane.voucher(120n)))
    await quiet(() => seller.node.lane(id, 0n)?.claim)
    seller.disk.release()
    expect((await closing).complete?.body.outcome.balances).toEqual([[880n], [120n]])
  })

  it('of others, or of nobody, is none of ours', async () => {
    const id = await bought(1_000)
    await expect(buyer.node.closeLane(id, { lane: 7n })).rejects.toMatchObject({
      code: 'LANE_UNKNOWN',
    })
  })
})
