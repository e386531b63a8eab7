/** A peer that is away when a channel is to be changed: its owner is told, and money stays where it is. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/core/bytes.js'
import * as Price from '../../src/core/price.js'
import type { Node } from '../../src/engine/node.js'
import { createWorld, type Person, type World } from '../support/world.js'
import { rawPeer } from './support/raw-peer.js'
import { bytesOf, take } from './support/wares.js'

const funds = 1_000_000n

let world: World
let buyer: Person
let seller: Person
let id: Hex

beforeEach(async () => {
  world = await createWorld()
  buyer = await world.person('buyer', { funds })
  seller = await world.person('seller', { funds: 5_000n })
  seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(1_000) })
  id = (await buyer.node.open(seller.address, { deposit: 100_000n })).id
  await take(await buyer.node.consume(seller.address, 'file'))
})

afterEach(() => world.close())

type Change = (node: Node, signal?: AbortSignal) => Promise<unknown>

const changes: Readonly<Record<string, Change>> = {
  fold: (node, signal) => node.fold(id, { ...(signal && { signal }) }),
  withdraw: (node, signal) => node.withdraw(id, { amount: 10n, ...(signal && { signal }) }),
  'top up': (node, signal) => node.topUp(id, { amount: 10n, ...(signal && { signal }) }),
  'open a lane': (node, signal) =>
    node.openLane(id, { payee: 0, amount: 10n, ...(signal && { signal }) }),
}

describe.each(Object.entries(changes))('to %s', (_, change) => {
  beforeEach(async () => {
    await seller.node.fold(id)
    await buyer.node.consume(seller.address, 'file').then(take)
  })

  it('fails at once when the peer is not there, and does what it says when it is back', async () => {
    const version = seller.node.channel(id)?.complete?.version ?? 0n
    await buyer.crash()
    await expect(change(seller.node)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    expect(seller.node.channel(id)).toMatchObject({ proposals: [], complete: { version } })
    await buyer.start()
    await buyer.node.quote(seller.address, 'file')
    await change(seller.node)
    expect(seller.node.channel(id)?.complete?.version).toBe(version + 1n)
  })

  it('fails when the peer goes away before it answers; what was proposed stands until it is back', async () => {
    const version = seller.node.channel(id)?.complete?.version ?? 0n
    buyer.disk.hold()
    const changing = change(seller.node)
    await expect.poll(() => seller.node.channel(id)?.proposals.length).toBe(1)
    const refused = expect(changing).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    await buyer.crash()
    await refused
    await buyer.start()
    await buyer.node.quote(seller.address, 'file')
    await expect.poll(() => seller.node.channel(id)?.complete?.version).toBe(version + 1n)
    await buyer.node.close(id)
    expect((await buyer.balance()) + (await seller.balance())).toBe(funds + 5_000n)
  })

  it('is given up when its owner says so while the peer is silent', async () => {
    buyer.disk.hold()
    const controller = new AbortController()
    const changing = change(seller.node, controller.signal)
    await expect.poll(() => seller.node.channel(id)?.proposals.length).toBe(1)
    controller.abort()
    await expect(changing).rejects.toMatchObject({ name: 'AbortError' })
    buyer.disk.release()
    await expect.poll(() => seller.node.channel(id)?.proposals.length).toBe(0)
    await buyer.node.close(id)
    expect((await buyer.balance()) + (await seller.balance())).toBe(funds + 5_000n)
  })
})

it('a change that waits for another one is given up when its owner says so', async () => {
  buyer.disk.hold()
  const controller = new AbortController()
  const first = seller.node.fold(id)
  const second = seller.node.withdraw(id, { amount: 10n, signal: controller.signal })
  await expect.poll(() => seller.node.channel(id)?.proposals.length).toBe(1)
  controller.abort()
  await expect(second).rejects.toMatchObject({ name: 'AbortError' })
  buyer.disk.release()
  const version = (await first).complete?.version
  expect((await seller.node.withdraw(id, { amount: 10n })).complete?.version).toBe(
    (version ?? 0n) + 1n,
  )
})

it('what was said over one of two connections, and is lost with it, is said again over the other', async () => {
  const version = seller.node.channel(id)?.complete?.version ?? 0n
  // As where both have dialled at once. The twin of the buyer hears what is proposed, and answers nothing.
  const twin = await rawPeer(world, 'buyer')
  const channel = buyer.node.channel(id)
  if (channel !== undefined) twin.channels.set(id, channel)
  twin.onMessage = (_, { type }) => type === 'propose'
  const link = await twin.upgrade(seller.address)
  const refused = expect(seller.node.fold(id)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
  await link.next('propose')
  await link.connection.close()
  await refused
  await expect.poll(() => seller.node.channel(id)?.complete?.version).toBe(version + 1n)
  expect(seller.problems).toEqual([])
})

it('a lane is shown on the connection that it is bound to: what opened it may still be on its way over another', async () => {
  const payee = await rawPeer(world, 'payee')
  const first = await payee.upgrade(buyer.address)
  const { id } = await buyer.node.open([payee.address], { deposits: [[100n], [0n]] })
  // As where both have dialled at once. What is said over the second connection is late, but for the proposal.
  const twin = await rawPeer(world, 'payee')
  twin.channels.set(id, payee.channel(id))
  await twin.upgrade(buyer.address)
  twin.onMessage = (_, message) => {
    if (message.type === 'propose') void payee.answer(first, message)
    return true
  }
  await buyer.node.openLane(id, { payee: 1, amount: 100n })
  const { lane } = await first.next('bind')
  expect(payee.laneOf(id, lane)).toMatchObject({ payer: 0, reserved: 100n })
})
