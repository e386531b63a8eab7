/** Crashes, full and older disks, and repeats: after each of them both nodes agree again, and can pay. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/core/bytes.js'
import * as Channel from '../../src/core/channel.js'
import * as Claim from '../../src/core/claim.js'
import type { Message } from '../../src/core/message.js'
import * as Price from '../../src/core/price.js'
import type { Node } from '../../src/engine/node.js'
import type { Store, Write } from '../../src/engine/ports.js'
import { LedgerError } from '../../src/ledger/error.js'
import * as Disk from '../support/disk.js'
import { createWorld, type Person, quiet, type World } from '../support/world.js'
import { expectGivesUp, takeLedger } from './support/away.js'
import { quarrel } from './support/quarrel.js'
import { RawLane } from './support/raw-lane.js'
import { rawPeer } from './support/raw-peer.js'
import { bytesOf, endlessBytes, take } from './support/wares.js'

const funds = 1_000_000n
const byteByByte = Price.parse('1/B')

let world: World

beforeEach(async () => {
  world = await createWorld()
})

afterEach(() => world.close())

/** A disk that remembers every write, so that any earlier state of it can be had again. */
function journalled() {
  const journal: (readonly Write[])[] = []
  const store = (disk: Store): Store => ({
    ...disk,
    async commit(writes) {
      await disk.commit(writes)
      journal.push(writes)
    },
  })
  async function asOf(count: number): Promise<Disk.Disk> {
    const disk = Disk.create()
    for (const writes of journal.slice(0, count)) await disk.open().commit(writes)
    return disk
  }
  return { journal, store, asOf }
}

/** A buyer pays a seller again, over the channel there is. */
async function expectPays(buyer: Person, seller: Person, id: Hex, name: string): Promise<void> {
  seller.node.serve(name, { price: byteByByte, ...bytesOf(1_000) })
  const { id: used } = await buyer.node.open(seller.address, { deposit: 1_000n })
  expect(used).toBe(id)
  expect((await take(await buyer.node.consume(seller.address, name))).length).toBe(1_000)
}

describe('a node on an older disk', () => {
  it.each(['buyer', 'seller'] as const)('goes on from any earlier write of the %s', async (who) => {
    const { journal, store, asOf } = journalled()
    const make = (name: string) =>
      world.person(name, {
        funds: name === 'buyer' ? funds : 0n,
        ...(name === who ? { store } : {}),
      })
    const [buyer, seller] = [await make('buyer'), await make('seller')]
    const old = who === 'buyer' ? buyer : seller
    const { id } = await buyer.node.open(seller.address, { deposit: 100_000n })
    const begun = journal.length
    await expectPays(buyer, seller, id, 'first')
    await seller.node.fold(id)
    const versions: bigint[] = []
    for (let count = begun; count <= journal.length && count < begun + 12; count++) {
      await old.start(await asOf(count))
      await expectPays(buyer, seller, id, `after write ${count}`)
      await seller.node.fold(id)
      versions.push(seller.node.channel(id)?.complete?.version ?? 0n)
      const version = (): unknown => buyer.node.channel(id)?.complete?.version
      await quiet(version)
      expect(version()).toBe(versions.at(-1))
    }
    // Every fold was a version of its own: none was signed again with another content.
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => Number(a - b)))
    await buyer.node.close(id)
    expect((await buyer.balance()) + (await seller.balance())).toBe(funds)
  })
})

describe('a disk that is full', () => {
  it('lets nothing be signed, and the channel goes on when there is room', async () => {
    const buyer = await world.person('buyer', { funds })
    const seller = await world.person('seller')
    const { id } = await buyer.node.open(seller.address, { deposit: 100_000n })
    await expectPays(buyer, seller, id, 'first')
    seller.disk.full = true
    const before = seller.node.channel(id)?.complete?.version
    await expect(seller.node.fold(id)).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(seller.node.channel(id)?.complete?.version).toBe(before)
    expect(buyer.node.channel(id)?.proposals).toEqual([])
    seller.disk.full = false
    await seller.node.fold(id)
    await buyer.node.close(id)
    expect(await seller.balance()).toBe(1_000n)
  })
})

describe('a payee whose disk is full', () => {
  const fill = (disk: Disk.Disk): void => {
    disk.full = true
  }

  /** It holds a claim of 120, and could not write it. */
  async function holding(stop = fill) {
    const seller = await world.person('seller')
    const { raw, link, lane, id } = await quarrel(world, seller)
    const handle = await link.bind(lane)
    stop(seller.disk)
    link.pay(RawLane.frame(handle, lane.voucher(120n)))
    await quiet(() => seller.node.lane(id, 0n)?.claim)
    return { seller, raw, link, id }
  }

  it('shows a payer no less than it holds: one that has forgotten would promise it anew', async () => {
    const { seller, raw, link, id } = await holding()
    await link.connection.close()
    const again = await raw.upgrade(seller.address)
    again.send({ type: 'bind', channelId: id, lane: 0n })
    await expect(again.next('bound')).rejects.toThrow('the connection ended')
    expect(seller.problems.map(({ code }) => code)).toContain('DISK_FULL')
    seller.disk.full = false
    const last = await raw.upgrade(seller.address)
    last.send({ type: 'bind', channelId: id, lane: 0n })
    expect(Claim.amount((await last.next('bound')).claim)).toBe(120n)
  })

  it('agrees to no state that pays less than it holds, and earns all of it, though that is not durable yet', async () => {
    const { seller, raw, link, id } = await holding()
    seller.disk.full = false
    const updates = [{ type: 'lane-close', lane: 0n, claim: 0n }] as const
    await raw.step(link, id, { type: 'propose', updates })
    expect(await link.next('refuse')).toMatchObject({ code: 'UNDER_FOLD' })
    raw.claimOn = () => 120n
    await seller.node.fold(id)
    expect(seller.node.channel(id)?.complete?.body.lanes).toMatchObject([{ folded: 120n }])
  })

  it.each<[string, (node: Node, id: Hex) => Promise<Channel.Channel>]>([
    ['a lane', (node, id) => node.closeLane(id, { lane: 0n })],
    ['its channel', (node, id) => node.close(id)],
  ])('closes %s by all that it holds, however long the disk takes', async (_, close) => {
    const { seller, raw, id } = await holding((disk) => disk.hold())
    raw.claimOn = () => 120n
    const closing = expect(close(seller.node, id)).resolves.toMatchObject({
      complete: { body: { lanes: [], outcome: { balances: [[880n], [120n]] } } },
    })
    for (let tries = 0; tries < 8; tries++) await world.advance(1)
    seller.disk.release()
    await closing
  })

  it('makes durable what it holds as soon as there is room, though nothing more comes', async () => {
    const { seller, id } = await holding()
    expect(seller.node.lane(id, 0n)?.claim).toBe(0n)
    seller.disk.full = false
    await expect.poll(() => seller.node.lane(id, 0n)?.claim, { timeout: 5_000 }).toBe(120n)
  })
})

describe('a payer whose disk was full', () => {
  it('says what it could not write before as soon as there is room, and its channel can be closed', async () => {
    const buyer = await world.person('buyer', { funds })
    const seller = await world.person('seller')
    seller.node.serve('live', { price: Price.parse('1/B'), ...endlessBytes() })
    const { id } = await buyer.node.open(seller.address, { deposit: 1_000_000n })
    const purchase = await buyer.node.consume(seller.address, 'live', { acknowledge: 'manual' })
    const data = purchase[Symbol.asyncIterator]()
    while (purchase.position < 65_536n) await data.next()
    buyer.disk.full = true
    purchase.acknowledge(65_536n)
    await expect(purchase.receipt).rejects.toMatchObject({ code: 'DISK_FULL' })
    buyer.disk.full = false
    await expect.poll(() => seller.node.lane(id, 0n)?.claim, { timeout: 5_000 }).toBe(65_536n)
    await seller.node.close(id)
    expect(await seller.balance()).toBe(65_536n)
  })
})

describe('an offer', () => {
  it('that is repeated is answered again, and the owner is asked once', async () => {
    let asked = 0
    const seller = await world.person('seller', {
      accept: () => {
        asked += 1
        return true
      },
    })
    const raw = await rawPeer(world, 'mallory', { funds })
    const link = await raw.upgrade(seller.address)
    const parameters = await raw.parameters(link, 1_000n)
    const { channel, effects } = Channel.propose(raw.context, parameters, 0)
    const [open] = effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))
    for (let time = 0; time < 3; time++) {
      link.send(open as Message)
      await quiet(() => link.inbox.length)
    }
    expect(asked).toBe(1)
    expect(link.inbox.filter(({ type }) => type === 'opened')).toHaveLength(1)
    // Between two it is complete with the first answer, which every further one shows.
    expect(
      link.inbox.filter((message) => message.type === 'sync' && message.complete),
    ).toHaveLength(2)
    expect(seller.node.channel(channel.id)?.phase).toBe('funding')
  })

  it('that the ledger never heard of keeps nobody waiting, also after a restart', async () => {
    const seller = await world.person('seller')
    const raw = await rawPeer(world, 'mallory', { funds })
    const link = await raw.upgrade(seller.address)
    const { effects } = Channel.propose(raw.context, await raw.parameters(link, 1_000n), 0)
    for (const effect of effects) if (effect.type === 'send') link.send(effect.message)
    await link.next('opened')
    await seller.start()
    await raw.upgrade(seller.address)
  })
})

it('an offer that comes twice at once makes one channel: what the owner says to it last takes nothing back', async () => {
  const answers: ((isWelcome: boolean) => void)[] = []
  const accept = () => new Promise<boolean>((answer) => answers.push(answer))
  const seller = await world.person('seller', { accept })
  const twin = await rawPeer(world, 'mallory')
  const other = await twin.upgrade(seller.address)
  const raw = await rawPeer(world, 'mallory', { funds })
  const opened = raw.open(await raw.upgrade(seller.address), 1_000n)
  await expect.poll(() => answers.length).toBe(1)
  for (const channel of raw.channels.values())
    for (const message of Channel.greet(channel, 1)) other.send(message)
  await expect.poll(() => answers.length).toBe(2)
  answers[0]?.(true)
  const { channelId } = await opened
  answers[1]?.(true)
  const channel = () => seller.node.channel(channelId)
  await quiet(channel)
  expect(channel()).toMatchObject({ phase: 'live', complete: { version: 1n } })
})

describe('a peer that has not shown what it holds', () => {
  it('gets no signature for what it proposes, until it has', async () => {
    const seller = await world.person('seller')
    const raw = await rawPeer(world, 'mallory', { funds })
    const lane = await raw.open(await raw.upgrade(seller.address), 10_000n, 4_000n)
    await seller.start()
    const link = await raw.connect(seller.address)
    link.send(raw.hello(link))
    await link.next('synced')
    const { sessionKey } = raw
    const wanted = {
      type: 'lane-open',
      payer: 0,
      payee: 1,
      asset: 0,
      reserved: 9n,
      sessionKey,
    } as const
    await raw.step(link, lane.channelId, { type: 'propose', updates: [wanted] })
    await quiet(() => link.inbox.length)
    const isSigned = (message: Message): boolean =>
      message.type === 'agree' && message.version === 2n
    expect(link.inbox.filter(isSigned)).toEqual([])
    link.send({ type: 'synced' })
    await raw.changed.until(() => raw.channel(lane.channelId).complete?.version === 2n)
  })
})

describe('a node whose ledger has not answered since its start, so that its channels may be over', () => {
  /** What is returned brings the ledger back, and lets the node ask it again. */
  function away(person: Person, only?: Hex): () => Promise<void> {
    const bringBack = takeLedger(person, only)
    return async () => {
      bringBack()
      await world.advance(1)
    }
  }

  it('says so, waits for it, and goes on once it is back', async () => {
    const buyer = await world.person('buyer', { funds })
    const seller = await world.person('seller')
    const { id } = await buyer.node.open(seller.address, { deposit: 100_000n })
    const bringBack = away(seller)
    await seller.start()
    await expectGivesUp(world, seller, buyer, 'LEDGER_UNREACHABLE', /^Our ledger/)
    await expectGivesUp(world, buyer, seller, 'PEER_SILENT', /or ledger/)
    await bringBack()
    await expectPays(buyer, seller, id, 'file')
  })

  it('goes on with who has been waiting for it meanwhile', async () => {
    const buyer = await world.person('buyer', { funds })
    const seller = await world.person('seller')
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000) })
    await buyer.node.open(seller.address, { deposit: 100_000n })
    const bringBack = away(buyer)
    await buyer.start()
    const buying = buyer.node.consume(seller.address, 'file')
    await world.advance(1)
    await bringBack()
    expect((await take(await buying)).length).toBe(1_000)
  })

  it('asks it no oftener for a peer that connects again and again, and not at all about what it has seen', async () => {
    const seller = await world.person('seller')
    const { raw, link } = await quarrel(world, seller)
    await link.connection.close()
    let asked = 0
    seller.ledger.channel = () => {
      asked++
      return Promise.reject(new LedgerError('LEDGER_UNREACHABLE', 'Away.'))
    }
    async function connect(): Promise<void> {
      const link = await raw.connect(seller.address)
      link.send(raw.hello(link))
      await link.next('hello')
      await quiet(() => asked)
      await link.connection.close()
    }
    await connect()
    expect(asked).toBe(0)
    await seller.start()
    for (let times = 0; times < 16; times++) await connect()
    expect(asked).toBeLessThan(16)
  })

  it('asks again, for who comes back even after an error for good, and waits for no answer about others', async () => {
    const seller = await world.person('seller')
    const one = await quarrel(world, seller)
    const other = await quarrel(world, seller, 'another buyer')
    const [first, { raw }] = one.id < other.id ? [one, other] : [other, one]
    const { channel } = seller.ledger
    // Nor does it hear of anything that happens.
    seller.ledger.events = async function* () {}
    const errors = ['LEDGER_UNREACHABLE', 'LEDGER_BEHIND'] as const
    const left = [...errors]
    seller.ledger.channel = async (id) => {
      if (id === first.id) await new Promise(() => undefined)
      const code = left.shift()
      if (code !== undefined) throw new LedgerError(code, 'It is of no use now.')
      return channel(id)
    }
    await seller.start()
    const link = await raw.connect(seller.address)
    link.send(raw.hello(link))
    const codes = () => seller.problems.map(({ code }) => code)
    await expect.poll(codes, { timeout: 5_000 }).toEqual(errors)
    await link.connection.close()
    await raw.upgrade(seller.address)
  })

  it.each(['buyer', 'seller'] as const)(
    'waits for it with no channel that is newer, where the %s has such a one',
    async (who) => {
      const buyer = await world.person('buyer', { funds })
      const seller = await world.person('seller')
      seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000) })
      await buyer.node.open(seller.address, { deposit: 100_000n })
      away(who === 'buyer' ? buyer : seller)
      buyer.node.open(seller.address, { deposit: 500_000n }).catch(() => undefined)
      await expect.poll(() => seller.node.channels().length).toBe(2)
      world.hub.cut(seller.node.peer)
      expect((await take(await buyer.node.consume(seller.address, 'file'))).length).toBe(1_000)
    },
  )

  it('sells nothing in one that is over, though its disk had no room to say so', async () => {
    const seller = await world.person('seller')
    const { raw, link, lane, id } = await quarrel(world, seller)
    await link.bind(lane)
    const old = await seller.disk.copy()
    await seller.node.close(id)
    old.full = true
    await seller.start(old)
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000) })
    await expect.poll(() => seller.problems.map(({ code }) => code)).toContain('DISK_FULL')
    const bringBack = away(seller)
    old.full = false
    // The buyer knows, and keeps silent.
    raw.onMessage = () => true
    const again = await raw.connect(seller.address)
    again.send(raw.hello(again))
    await again.next('hello')
    const stream = await again.consume('file', lane)
    await quiet(() => stream.bytes)
    expect([stream.bytes, stream.over]).toEqual([0, false])
    await bringBack()
    expect(await stream.problem()).toBe('LANE_UNKNOWN')
  })

  it('signs and sends nothing to who asks all the same, though of another channel with it all is known', async () => {
    const seller = await world.person('seller')
    const { raw, link: before, lane, id } = await quarrel(world, seller)
    await raw.open(before, 1_000n)
    const bringBack = away(seller, id)
    await seller.start()
    seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000) })
    const link = await raw.connect(seller.address)
    for (const message of [raw.hello(link), { type: 'synced' } as const]) link.send(message)
    await link.next('hello')
    const updates = [{ type: 'lane-close', lane: 0n, claim: 0n }] as const
    const stream = await link.consume('file', lane)
    await raw.step(link, id, { type: 'propose', updates })
    await quiet(() => stream.bytes + link.inbox.length)
    expect([stream.bytes, stream.over, link.inbox]).toEqual([0, false, []])
    expect(seller.node.channel(id)?.proposals).not.toContainEqual(
      expect.objectContaining({ version: 2n }),
    )
    await bringBack()
    await stream.changed.until(() => stream.bytes > 0 || stream.over)
    await raw.changed.until(() => raw.channel(id).complete?.version === 2n)
  })
})
