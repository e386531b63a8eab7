/** Channels of more than two: opened, paid over, resized and closed by real nodes; and what an absent seat stalls. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Channel } from '../../src/core/channel.js'
import * as Price from '../../src/core/price.js'
import { createWorld, keysOf, type Person, quiet, type World } from '../support/world.js'
import { rawPeer } from './support/raw-peer.js'
import { bytesOf, endlessBytes, take } from './support/wares.js'

const funds = 1_000_000n
const byteByByte = Price.parse('1/B')

let world: World
let people: Person[]

const at = (seat: number): Person => {
  const person = people[seat]
  if (person === undefined) throw new Error(`nobody sits at ${seat}`)
  return person
}

/** Everybody welcomes whatever channel it is offered. */
async function gather(...names: string[]): Promise<void> {
  people = []
  for (const name of names) people.push(await world.person(name, { funds, accept: () => true }))
}

async function openAll(deposit = 100_000n): Promise<Channel> {
  const [first, ...others] = people
  if (first === undefined) throw new Error('there is nobody')
  const channel = await first.node.open(
    others.map(({ address }) => address),
    { deposits: people.map(() => [deposit]) },
  )
  for (const { node } of people)
    await expect.poll(() => node.channel(channel.id)?.phase).toBe('live')
  return channel
}

/** A lane from one seat to another, and everything of a resource bought over it. */
async function sell(id: Channel['id'], from: number, to: number, bytes: number): Promise<void> {
  const name = `from ${from} to ${to}`
  at(to).node.serve(name, { price: byteByByte, ...bytesOf(bytes) })
  await at(from).node.openLane(id, { payee: to, amount: BigInt(bytes) })
  expect((await take(await at(from).node.consume(at(to).address, name))).length).toBe(bytes)
}

const balances = (): Promise<bigint[]> => Promise.all(people.map((person) => person.balance()))

beforeEach(async () => {
  world = await createWorld()
})

afterEach(() => world.close())

describe('three seats', () => {
  beforeEach(() => gather('alice', 'bob', 'carol'))

  it('pay one another in any direction, and close to the unit', async () => {
    const { id } = await openAll()
    await sell(id, 0, 1, 30_000)
    await sell(id, 1, 2, 20_000)
    await sell(id, 2, 0, 5_000)
    await at(1).node.close(id)
    expect(await balances()).toEqual([funds - 25_000n, funds + 10_000n, funds + 15_000n])
  })

  it('fold, top up and withdraw while the channel lives', async () => {
    const { id } = await openAll(50_000n)
    await sell(id, 0, 2, 50_000)
    await at(2).node.fold(id)
    await at(2).node.withdraw(id, { amount: 100_000n })
    expect(await at(2).balance()).toBe(funds + 50_000n)
    await at(0).node.topUp(id, { amount: 7_000n })
    await sell(id, 0, 1, 7_000)
    await at(0).node.close(id)
    expect(await balances()).toEqual([funds - 57_000n, funds + 7_000n, funds + 50_000n])
  })

  it('close though two of them have lost each other while one paid the other', async () => {
    const { id } = await openAll()
    at(2).node.serve('live', { price: byteByByte, ...endlessBytes() })
    await at(1).node.openLane(id, { payee: 2, amount: 100_000n })
    const purchase = await at(1).node.consume(at(2).address, 'live', { acknowledge: 'manual' })
    const data = purchase[Symbol.asyncIterator]()
    while (purchase.position < 65_536n) await data.next()
    // What is paid is durable only when there is no connection any more that would carry it.
    at(1).disk.hold()
    purchase.acknowledge(65_536n)
    const lost = expect(purchase.receipt).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
    world.hub.cut(at(1).node.peer, at(2).node.peer)
    at(1).disk.release()
    await data.next().catch(() => undefined)
    await lost
    await at(0).node.close(id)
    expect(await balances()).toEqual([funds, funds - 65_536n, funds + 65_536n])
  })

  it('put in what was asked for, however often at once', async () => {
    const { id } = await openAll(50_000n)
    await Promise.all([1_000n, 2_000n].map((amount) => at(1).node.topUp(id, { amount })))
    expect(at(1).node.channel(id)?.complete?.body.outcome.balances[1]).toEqual([53_000n])
    expect(await at(1).balance()).toBe(funds - 53_000n)
  })

  it('are paid on their own lanes, whatever a third says of them', async () => {
    const { id } = await openAll()
    const lane = await at(0).node.openLane(id, { payee: 1, amount: 100_000n })
    at(1).node.serve('file', { price: byteByByte, ...bytesOf(100_000) })
    const purchase = await at(0).node.consume(at(1).address, 'file')
    const data = purchase[Symbol.asyncIterator]()
    await data.next()
    const raw = await rawPeer(world, 'mallory', { keys: { signing: keysOf('carol').signing } })
    const link = await raw.upgrade(at(0).address)
    link.send({ type: 'bound', channelId: id, lane, handle: 0, claim: undefined })
    await link.closed()
    while (!(await data.next()).done);
    expect(await purchase.receipt).toMatchObject({ offset: 100_000n })
    expect(link.paid).toEqual([])
  })

  it('stall no lane of two of them when the third is gone, and go on when it is back', async () => {
    const { id } = await openAll()
    await at(0).node.openLane(id, { payee: 1, amount: 40_000n })
    await at(2).crash()
    at(1).node.serve('file', { price: byteByByte, ...bytesOf(30_000) })
    expect((await take(await at(0).node.consume(at(1).address, 'file'))).length).toBe(30_000)
    await expect(at(1).node.fold(id)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await at(2).start()
    await at(1).node.fold(id)
    expect(at(1).node.channel(id)?.complete?.body.outcome.balances).toEqual([
      [60_000n],
      [130_000n],
      [100_000n],
    ])
  })
})

describe('a change that one of three has signed comes about with no further call', () => {
  let id: Channel['id']
  beforeEach(async () => {
    await gather('alice', 'bob', 'carol')
    id = (await openAll()).id
  })

  /** The others have agreed to it, and not signed it yet, when it `happens`; then all come to have it. */
  async function expectCome(happens: () => Promise<void>): Promise<void> {
    const others = [at(1), at(2)]
    const proposals = ({ node }: Person) => node.channel(id)?.proposals ?? []
    for (const { disk } of others) disk.hold()
    const opening = at(0).node.openLane(id, { payee: 1, amount: 1n })
    const refused = expect(opening).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    await expect.poll(() => proposals(at(0)).length).toBe(1)
    at(0).disk.hold()
    for (const { disk } of others) disk.release()
    for (const other of others) await expect.poll(() => proposals(other).length).toBe(1)
    for (const { disk } of others) disk.hold()
    at(0).disk.release()
    await expect.poll(() => proposals(at(0))[0]?.signatures[0]).toBeDefined()
    await happens()
    await refused
    for (const { disk } of others) disk.release()
    for (const { node } of people)
      await expect.poll(() => node.channel(id)?.complete?.version).toBe(1n)
  }

  it('though it loses another before that one has', () =>
    expectCome(async () => world.hub.cut(at(0).node.peer, at(2).node.peer)))

  it('though the others are gone and come back with no reason to call: each is dialled again, and told of once', async () => {
    const [bobs, carols] = [await at(1).disk.copy(), await at(2).disk.copy()]
    await expectCome(async () => {
      await Promise.all([at(1).crash(), at(2).crash()])
      const told = () => at(0).problems.map(({ code }) => code)
      await expect.poll(() => told().length).toBe(2)
      await world.advance(1)
      await quiet(() => told().length)
      expect(told()).toEqual(['PEER_UNREACHABLE', 'PEER_UNREACHABLE'])
      await Promise.all([at(1).start(bobs), at(2).start(carols)])
      await world.advance(2)
    })
  })
})

it('five seats: two gone, the other lanes go on, and the channel closes when all are back', async () => {
  await gather('a', 'b', 'c', 'd', 'e')
  const { id } = await openAll(10_000n)
  await at(0).node.openLane(id, { payee: 1, amount: 5_000n })
  await at(2).node.openLane(id, { payee: 0, amount: 5_000n })
  await Promise.all([at(3).crash(), at(4).crash()])
  for (const [from, to] of [
    [0, 1],
    [2, 0],
  ] as const) {
    at(to).node.serve('file', { price: byteByByte, ...bytesOf(4_000) })
    const purchase = await at(from).node.consume(at(to).address, 'file')
    expect((await take(purchase)).length).toBe(4_000)
  }
  await Promise.all([at(3).start(), at(4).start()])
  await at(2).node.close(id)
  expect(await balances()).toEqual([funds, funds + 4_000n, funds - 4_000n, funds, funds])
})
