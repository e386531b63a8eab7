/** Peers that lie, stop, repeat and babble: what each gets, and what it does to the others. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat, fromHex, type Hex, uint, zeroAddress } from '../../src/core/bytes.js'
import * as Channel from '../../src/core/channel.js'
import * as Frame from '../../src/core/frame.js'
import { limits } from '../../src/core/limits.js'
import * as Meter from '../../src/core/meter.js'
import type { Parameters } from '../../src/core/parameters.js'
import * as Price from '../../src/core/price.js'
import * as Quote from '../../src/core/quote.js'
import * as Receipt from '../../src/core/receipt.js'
import { controlProtocol, payProtocol } from '../../src/engine/link.js'
import { streamProtocol } from '../../src/engine/purchase.js'
import * as Records from '../../src/engine/records.js'
import { challengePeriod, createWorld, type Person, quiet, type World } from '../support/world.js'
import { expectGivesUp } from './support/away.js'
import { happened } from './support/quarrel.js'
import { RawLane } from './support/raw-lane.js'
import { oversized, type RawLink, type RawPeer, rawPeer, truncated } from './support/raw-peer.js'
import { RawStream } from './support/raw-stream.js'
import { bytesOf, take } from './support/wares.js'

const byteByByte = Price.parse('1/B')
const quantum = 65_536
const funds = 1_000_000_000n

let world: World
let seller: Person
let raw: RawPeer

beforeEach(async () => {
  world = await createWorld()
  seller = await world.person('seller')
  raw = await rawPeer(world, 'mallory', { funds })
})

afterEach(() => world.close())

/** An honest buyer is served in full, whatever happened before on the same node. */
async function checkHonest(): Promise<void> {
  const honest = await world.person('honest', { funds: 1_000_000n })
  await honest.node.open(seller.address, { deposit: 300_000n })
  const bought = await take(await honest.node.consume(seller.address, 'file'))
  expect(bought.length).toBe(300_000)
  await honest.crash()
}

/** Offers the seller a channel that is never funded; returns its id. */
async function offer(link: RawLink, wanted: Partial<Parameters> = {}): Promise<Hex> {
  const parameters = { ...(await link.raw.parameters(link, 1_000n)), ...wanted }
  const { channel, effects } = Channel.propose(link.raw.context, parameters, 0)
  for (const effect of effects) if (effect.type === 'send') link.send(effect.message)
  return channel.id
}

const codes = (): string[] => seller.problems.map(({ code }) => code)

describe('a buyer', () => {
  it('that stops paying gets its window more, and no byte beyond', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(50_000_000) })
    const link = await raw.upgrade(seller.address)
    const lane = await raw.open(link, 50_000_000n)
    const handle = await link.bind(lane)
    const stream = await link.consume('file', lane)
    for (const paidQuanta of [1, 2, 10, 63, 64, 100]) {
      link.pay(RawLane.frame(handle, lane.voucher(BigInt(paidQuanta * quantum))))
      await quiet(() => stream.bytes)
      const window = Math.min(64, 1 + paidQuanta)
      expect(stream.bytes).toBe((paidQuanta + window) * quantum)
    }
    // Nor is it sent more before that is durable.
    seller.disk.hold()
    link.pay(RawLane.frame(handle, lane.voucher(BigInt(101 * quantum))))
    await quiet(() => stream.bytes)
    stream.acknowledge(BigInt(quantum))
    await quiet(() => stream.bytes)
    expect(stream.bytes).toBe(164 * quantum)
    seller.disk.release()
    await expect.poll(() => stream.bytes).toBe(165 * quantum)
  })

  it.each([
    ['has signed its receipt', [{ type: 'receipt', signature: new Uint8Array(65) }]],
    ['has not', []],
  ] as const)(
    'that closes its lane without paying what it took hears so at once, where it %s',
    async (_, said) => {
      seller.node.serve('file', { price: byteByByte, ...bytesOf(1_000) })
      const link = await raw.upgrade(seller.address)
      const lane = await raw.open(link, 1_000n)
      const stream = await link.consume('file', lane)
      await stream.next('end')
      stream.acknowledge(1_000n)
      for (const message of said) stream.send(message)
      await quiet(() => seller.node.lane(lane.channelId, lane.id)?.owed)
      await raw.change(link, lane.channelId, [{ type: 'lane-close', lane: lane.id, claim: 0n }])
      expect(await stream.problem()).toBe('LANE_CLOSED')
    },
  )

  it('gets no more by streams at once: what was sent to one is not granted to another', async () => {
    const size = 100
    const price = { price: byteByByte, quantum: BigInt(size) }
    seller.node.serve('file', { ...price, ...bytesOf(1_000_000) })
    const link = await raw.upgrade(seller.address)
    const first = await raw.open(link, 1_000_000n, 100_000n)
    let unpaid = 0
    for (let count = 0; count < 5; count++) {
      const lane = count === 0 ? first : await raw.openLane(link, first.channelId, 100_000n)
      link.pay(RawLane.frame(await link.bind(lane), lane.voucher(BigInt(64 * size))))
      unpaid -= 64 * size
      for (let streams = 0; streams < (count === 0 ? 3 : 1); streams++) {
        const stream = await link.consume('file', lane)
        await quiet(() => stream.bytes)
        unpaid += stream.bytes
      }
      expect(unpaid).toBe(Math.min(64 * (count + 1), Number(Meter.window.peer)) * size)
    }
  })

  it('that would keep the money for a century, should it not sign the end, gets no channel', async () => {
    const link = await raw.upgrade(seller.address)
    for (const challengePeriod of [2_592_001n, 2n ** 32n - 1n]) {
      const channelId = await offer(link, { challengePeriod })
      expect(await link.next('refuse')).toMatchObject({ channelId, code: 'CHANNEL_REFUSED' })
    }
  })

  it('gets no more channels than one may have, nor do all of them more than may wait for deposits', async () => {
    const { channelsPerPeerMax, unfundedMax } = limits
    const answered = async (link: RawLink, offers: number): Promise<string[]> => {
      for (let count = 0; count < offers; count++) await offer(link)
      const answers = () =>
        link.inbox.flatMap((message) => {
          if (message.type === 'refuse') return `${message.code}: ${message.message}`
          return message.type === 'opened' ? message.type : []
        })
      await link.changed.until(() => answers().length === offers)
      return answers()
    }
    const opened = Array(channelsPerPeerMax).fill('opened')
    const stranger = async (name: string) => (await rawPeer(world, name)).upgrade(seller.address)
    for (let count = 0; count < unfundedMax; count += channelsPerPeerMax)
      expect(await answered(await stranger(`stranger ${count}`), channelsPerPeerMax + 1)).toEqual([
        ...opened,
        expect.stringMatching(/^CHANNEL_LIMIT: .*with this peer/),
      ])
    expect(await answered(await stranger('one more'), 1)).toEqual([
      expect.stringMatching(/^CHANNEL_LIMIT: .*wait for deposits/),
    ])
  })

  it('that acknowledges what was never sent loses its stream, and pays for nothing', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(300_000) })
    const link = await raw.upgrade(seller.address)
    const lane = await raw.open(link, 300_000n)
    const stream = await link.consume('file', lane)
    await stream.until(() => stream.bytes === quantum)
    stream.acknowledge(BigInt(quantum) + 1n)
    expect(await stream.problem()).toBe('UNEXPECTED')
    expect(seller.node.lane(lane.channelId, lane.id)).toMatchObject({ claim: 0n, owed: 0n })
    await checkHonest()
  })

  it('gets no more by a thousand streams, purchases, lanes, channels and connections than the caps', async () => {
    const small = 100
    const offer = () =>
      seller.node.serve('file', {
        price: byteByByte,
        quantum: BigInt(small),
        ...bytesOf(1_000_000),
      })
    offer()
    let unpaid = 0
    const grab = async (link: RawLink, lane: RawLane): Promise<void> => {
      const stream = await link.consume('file', lane)
      await quiet(() => [stream.bytes, stream.over].join())
      unpaid += stream.bytes
      stream.abort()
    }
    let link = await raw.upgrade(seller.address)
    const first = await raw.open(link, 1_000_000n, 1_000n)
    for (let time = 0; time < 300; time++) await grab(link, first)
    expect(unpaid, 'one lane').toBe(small)
    for (let lanes = 1; lanes < 150; lanes++)
      await grab(link, await raw.openLane(link, first.channelId, 1_000n))
    expect(unpaid, 'a quantum a lane').toBe(150 * small)
    link = await reconnect(link)
    for (let time = 0; time < 100; time++) await grab(link, first)
    const second = await raw.open(link, 1_000_000n, 1_000n)
    for (let lanes = 1; lanes < 150; lanes++)
      await grab(link, await raw.openLane(link, second.channelId, 1_000n))
    expect(unpaid, 'one peer').toBe(Number(Meter.window.peer) * small)
    await seller.crash()
    await seller.start()
    offer()
    link = await raw.upgrade(seller.address)
    for (let time = 0; time < 200; time++) await grab(link, second)
    expect(unpaid, 'after a restart').toBe(Number(Meter.window.peer) * small)
  })

  async function reconnect(link: RawLink): Promise<RawLink> {
    world.hub.cut(raw.network.peer)
    await link.closed()
    return raw.upgrade(seller.address)
  }
})

describe('a stranger whose streams were refused, and that does not end them,', () => {
  const refused = async (link: RawLink): Promise<RawStream> => {
    const stream = new RawStream(await link.connection.open(streamProtocol))
    stream.send({ type: 'ask', resource: 'nothing of the kind' })
    await stream.problem()
    return stream
  }

  it('may send on and on, and nothing of it is kept', async () => {
    const { stream } = await refused(await raw.upgrade(seller.address))
    for (let time = 0; time < 8; time++)
      if (!stream.send(world.random(1 << 20))) await stream.drained()
  })

  it('gets no more of them than may be open at once', async () => {
    const link = await raw.upgrade(seller.address)
    for (let count = 0; count < limits.streamsPerPeerMax; count++) await refused(link)
    await expect(refused(link)).rejects.toThrow('the stream ended')
  })

  it('has nothing kept for it by announcing a long frame', async () => {
    const link = await raw.upgrade(seller.address)
    const stream = new RawStream(await link.connection.open(streamProtocol))
    stream.write(Frame.encode(new Uint8Array(limits.consumerBytesMax + 1)).subarray(0, 8))
    expect(await stream.problem()).toBe('FRAME_TOO_LARGE')
  })
})

describe('a stream that the lane did not authorise gets nothing:', () => {
  let link: RawLink
  let lane: RawLane
  beforeEach(async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(300_000) })
    link = await raw.upgrade(seller.address)
    lane = await raw.open(link, 300_000n)
  })

  const checkRefused = async (stream: RawStream, code: string): Promise<void> => {
    expect(await stream.problem()).toBe(code)
    expect(stream.bytes).toBe(0)
    await checkHonest()
  }

  it('signed by another key', async () => {
    const { ledger, engine } = raw
    const forged = new RawLane(engine, ledger.domain, raw.keys.account, lane.channelId, lane.id)
    await checkRefused(await link.consume('file', forged), 'BAD_SIGNATURE')
  })

  it('an opening that was signed for another nonce', async () => {
    const [one, two] = [await link.ask('file'), await link.ask('file')]
    const parties = { payer: raw.network.peer, payee: link.connection.peer }
    const signature = lane.opening({ ...parties, ...(await one.quote()) })
    await two.quote()
    const purchase = `0x${'11'.repeat(32)}` as const
    const open = { type: 'open', channelId: lane.channelId, lane: lane.id, purchase } as const
    two.send({ ...open, offset: 0n, limit: undefined, signature })
    await checkRefused(two, 'BAD_SIGNATURE')
  })

  it('a lane that is not there', async () => {
    await checkRefused(await link.consume('file', raw.lane(lane.channelId, 9n)), 'LANE_UNKNOWN')
  })

  it('a lane that holds another asset than the price counts', async () => {
    const asset = `0x${'77'.repeat(20)}` as const
    seller.node.serve('gold', { price: byteByByte, asset, ...bytesOf(300_000) })
    await checkRefused(await link.consume('gold', lane), 'WRONG_ASSET')
  })

  it("another peer's lane, even with its session key", async () => {
    const other = await rawPeer(world, 'other', { funds })
    const theirs = await other.open(await other.upgrade(seller.address), 300_000n)
    await checkRefused(await link.consume('file', theirs), 'LANE_UNKNOWN')
  })
})

describe('a pay frame', () => {
  let link: RawLink
  let lane: RawLane
  let handle: number
  const held = () => seller.node.lane(lane.channelId, lane.id)?.claim
  beforeEach(async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(300_000) })
    link = await raw.upgrade(seller.address)
    lane = await raw.open(link, 300_000n)
    handle = await link.bind(lane)
    link.pay(RawLane.frame(handle, lane.chained(1_000n, 10n, 600)))
    await quiet(held)
    expect(held()).toBe(1_000n)
  })

  const bad: readonly [string, () => Uint8Array][] = [
    ['of an unknown handle', () => RawLane.frame(handle + 1, lane.voucher(2_000n))],
    [
      'of another channel',
      () => RawLane.frame(handle, lane.voucher(2_000n, { channelId: `0x${'22'.repeat(32)}` })),
    ],
    ['of another lane', () => RawLane.frame(handle, lane.voucher(2_000n, { lane: 7n }))],
    ['with a base below what is proven', () => RawLane.frame(handle, lane.voucher(999n))],
    ['that the lane does not hold', () => RawLane.frame(handle, lane.voucher(300_001n))],
    [
      'of the held epoch with other contents',
      () => RawLane.frame(handle, lane.voucher(1_500n, { epoch: 1 })),
    ],
    [
      'signed by another key',
      () => {
        const { signature } = lane.voucher(3_000n)
        const { voucher } = lane.voucher(2_000n)
        return RawLane.frame(handle, { voucher, signature })
      },
    ],
    [
      'with the tick of another lane',
      () => {
        const signed = lane.chained(1_000n, 10n, 600)
        const foreign = raw.lane(lane.channelId, 5n).tick(handle, signed, 3)
        return RawLane.ticks({ ...foreign, epoch: 1 })
      },
    ],
    [
      'with a tick of an epoch to come',
      () =>
        RawLane.ticks({
          handle,
          epoch: 9,
          entries: [{ digit: 0, index: 1, node: new Uint8Array(32) }],
        }),
    ],
    [
      'that jumps too far',
      () =>
        RawLane.ticks({
          handle,
          epoch: 1,
          entries: [{ digit: 0, index: 257, node: lane.node(1, 600, 257) }],
        }),
    ],
    ['that is none', () => Uint8Array.of(9, 9, 9)],
    ['that is cut short', () => Uint8Array.of(2, 0, 0)],
  ]

  it.each(bad)(
    '%s ends the connection with a word on why, and changes nothing',
    async (_, frame) => {
      link.pay(frame())
      const { code } = await link.next('problem')
      await link.closed()
      expect(held()).toBe(1_000n)
      expect(codes()).toEqual([code])
      await checkHonest()
    },
  )

  it('that repeats an older one changes nothing, and is no offence', async () => {
    const newer = lane.voucher(2_000n)
    link.pay(RawLane.frame(handle, newer), RawLane.frame(handle, newer))
    link.pay(
      RawLane.ticks({
        handle,
        epoch: 1,
        entries: [{ digit: 0, index: 3, node: lane.node(1, 600, 3) }],
      }),
    )
    await quiet(held)
    expect(held()).toBe(2_000n)
    expect(link.isClosed).toBe(false)
    expect(codes()).toEqual([])
  })

  it('with ticks is worth what they reveal, however they are split or repeated', async () => {
    const tick = (index: number) =>
      RawLane.ticks({
        handle,
        epoch: 1,
        entries: [{ digit: 0, index, node: lane.node(1, 600, index) }],
      })
    link.pay(tick(200), tick(100), tick(200), tick(400))
    await quiet(held)
    expect(held()).toBe(1_000n + 4_000n)
  })
})

describe('babble', () => {
  const protocols = [controlProtocol, payProtocol, streamProtocol] as const
  const limitOf = {
    [controlProtocol]: limits.controlBytesMax,
    [payProtocol]: limits.payBytesMax,
    [streamProtocol]: limits.streamBytesMax,
  }
  const noise = Uint8Array.from({ length: 500 }, (_, at) => (at * 167 + 13) % 256)

  it.each(protocols)('on %s is refused, and nobody else notices', async (protocol) => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(300_000) })
    const junk = [
      noise,
      oversized(limitOf[protocol]),
      truncated(64, 10),
      Frame.encode(noise),
      concat(uint(0, 1), noise),
    ]
    for (const bytes of junk) {
      const link = await raw.upgrade(seller.address)
      link.write(protocol, bytes)
      await link.finish(protocol)
      await quiet(() => codes().length)
      world.hub.cut(raw.network.peer)
      await link.closed()
    }
    expect(codes().length).toBeGreaterThanOrEqual(3)
    expect(new Set(codes()).has('INTERNAL')).toBe(false)
    await checkHonest()
  })

  it('an introduction that another key signed, or for another ledger, ends the connection', async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(300_000) })
    const told: string[] = []
    for (const change of [{ signer: `0x${'33'.repeat(20)}` }, { chainId: 1n }] as const) {
      const link = await raw.connect(seller.address)
      link.send({ ...raw.hello(link), ...change })
      told.push((await link.next('problem')).code)
      await link.closed()
    }
    expect(told).toEqual(['BAD_SIGNATURE', 'WRONG_LEDGER'])
    expect(codes()).toEqual(told)
    await checkHonest()
  })

  it("about somebody else's channel ends the connection", async () => {
    seller.node.serve('file', { price: byteByByte, ...bytesOf(300_000) })
    const other = await rawPeer(world, 'other', { funds })
    const { channelId } = await other.open(await other.upgrade(seller.address), 1_000n)
    const link = await raw.upgrade(seller.address)
    link.send({ type: 'bind', channelId, lane: 0n })
    await link.closed()
    expect(codes()).toEqual(['CHANNEL_UNKNOWN'])
    await checkHonest()
  })
})

describe('a seller', () => {
  let buyer: Person
  let link: RawLink
  beforeEach(async () => {
    buyer = await world.person('buyer', { funds })
    link = await raw.upgrade(buyer.address)
  })

  const quote = {
    resource: 'file',
    price: byteByByte,
    asset: zeroAddress,
    quantum: 65_536n,
    size: 100_000n,
    sha256: undefined,
  }

  /** A seller that takes the opening, sends what `send` sends, and stops. */
  function sells(send: (stream: RawStream) => void): void {
    raw.onStream = async (stream) => {
      await stream.next('ask')
      stream.send({ type: 'quote', quote, nonce: new Uint8Array(32) })
      await stream.next('open')
      send(stream)
      await stream.until(() => false)
    }
  }

  it('that stops sending is paid for what came, and nothing more', async () => {
    sells((stream) => stream.data(1_000n, new Uint8Array(1_000)))
    const { id } = await buyer.node.open(raw.address, { deposit: 200_000n })
    const purchase = await buyer.node.consume(raw.address, 'file')
    const bytes = purchase[Symbol.asyncIterator]()
    expect((await bytes.next()).value?.length).toBe(1_000)
    void bytes.next().catch(() => undefined)
    const promised = () => buyer.node.lane(id, 0n)?.claim ?? 0n
    await quiet(promised)
    expect(promised()).toBeLessThanOrEqual(1_000n)
    expect(buyer.node.lane(id, 0n)?.owed).toBe(1_000n)
  })

  it.each([
    [
      'counts bytes it did not send',
      (stream: RawStream) => stream.data(5_000n, new Uint8Array(1_000)),
    ],
    ['counts backwards', (stream: RawStream) => stream.data(10n, new Uint8Array(1_000))],
    [
      'sends more than it offered',
      (stream: RawStream) => stream.data(200_000n, new Uint8Array(200_000)),
    ],
    [
      'ends where it did not get',
      (stream: RawStream) => stream.send({ type: 'end', reason: 'complete', offset: 9n }),
    ],
  ])('that %s is refused and paid nothing', async (_, send) => {
    sells(send)
    const { id } = await buyer.node.open(raw.address, { deposit: 200_000n })
    const purchase = await buyer.node.consume(raw.address, 'file')
    await expect(take(purchase)).rejects.toMatchObject({ code: 'BAD_OFFSET' })
    expect(buyer.node.lane(id, 0n)).toMatchObject({ claim: 0n, owed: 0n })
  })

  it('that gives a lane another handle sees no promise that is not durable yet', async () => {
    sells((stream) => stream.data(100_000n, new Uint8Array(100_000)))
    const { id } = await buyer.node.open(raw.address, { deposit: 200_000n })
    const purchase = await buyer.node.consume(raw.address, 'file', { acknowledge: 'manual' })
    const data = purchase[Symbol.asyncIterator]()
    while (purchase.position < 65_536n) await data.next()
    buyer.disk.hold()
    purchase.acknowledge(65_536n)
    await expect.poll(() => buyer.node.lane(id, 0n)?.claim).toBe(65_536n)
    link.grant(id, 0n)
    await quiet(() => link.paid.length)
    expect(link.paid).toEqual([])
    buyer.disk.release()
    await expect.poll(() => link.paid).toMatchObject([{ type: 'voucher' }])
  })

  it('that was promised money by a buyer which is killed at once is remembered by it, though it shows nothing', async () => {
    sells((stream) => stream.data(100_000n, new Uint8Array(100_000)))
    const { id } = await buyer.node.open(raw.address, { deposit: 200_000n })
    const purchase = await buyer.node.consume(raw.address, 'file', { acknowledge: 'manual' })
    const data = purchase[Symbol.asyncIterator]()
    while (purchase.position < 65_536n) await data.next()
    purchase.acknowledge(65_536n)
    await expect.poll(() => link.paid).toMatchObject([{ type: 'voucher' }])
    await buyer.start()
    expect(buyer.node.lane(id, 0n)).toMatchObject({ claim: 65_536n, owed: 65_536n })
  })

  it('that asks to be paid and goes before it has shown what it holds gets nothing signed, and keeps no disk at work', async () => {
    const acknowledged = new Promise<void>((resolve) =>
      sells((stream) => {
        stream.data(1_000n, new Uint8Array(1_000))
        void stream.until(() => stream.acknowledged === 1_000n).then(resolve)
      }),
    )
    const { id } = await buyer.node.open(raw.address, { deposit: 200_000n })
    const purchase = await buyer.node.consume(raw.address, 'file', { acknowledge: 'manual' })
    await purchase[Symbol.asyncIterator]().next()
    purchase.acknowledge(1_000n)
    // Too little to be paid at once: it is still owed when the buyer starts anew.
    await acknowledged
    raw.onMessage = (_, { type }) => type === 'bind'
    await buyer.start()
    const again = await raw.connect(buyer.address)
    again.send(raw.hello(again))
    await again.next('bind')
    again.send({ type: 'settle', channelId: id })
    await quiet(() => buyer.node.lane(id, 0n)?.claim)
    await again.connection.close()
    await quiet(() => buyer.disk.syncs)
    const { syncs } = buyer.disk
    for (let seconds = 0; seconds < 4; seconds++) await world.advance(1)
    expect(buyer.disk.syncs).toBe(syncs)
    expect(buyer.node.lane(id, 0n)).toMatchObject({ claim: 0n, owed: 1_000n })
    raw.onMessage = () => false
    await raw.upgrade(buyer.address)
    await expect.poll(() => buyer.node.lane(id, 0n)?.claim).toBe(1_000n)
  })

  /** The buyer agrees that its lane is closed, with nothing paid on it. */
  const closes = (id: Hex) => raw.change(link, id, [{ type: 'lane-close', lane: 0n, claim: 0n }])

  /** A stream has begun on which nothing came yet; who takes it waits for the rest. */
  async function begin() {
    const opened = new Promise<RawStream>(sells)
    const { id } = await buyer.node.open(raw.address, { deposit: 200_000n })
    const purchase = await buyer.node.consume(raw.address, 'file')
    const taken = take(purchase).catch(() => undefined)
    return { id, purchase, taken, stream: await opened }
  }

  /** The stream is brought to its end, and the channel is closed: the seller has earned nothing. */
  async function expectFree(id: Hex, stream: RawStream, taken: Promise<unknown>): Promise<void> {
    await stream.next('receipt')
    expect([...buyer.disk.open().entries(Records.lanePrefix)]).toEqual([])
    await buyer.node.close(id)
    expect(await buyer.balance()).toBe(funds)
    stream.abort()
    await taken
  }

  it('that closes the lane before anything is owed is paid nothing, and keeps nobody waiting', async () => {
    const { id, stream, taken } = await begin()
    await closes(id)
    stream.data(1_000n, new Uint8Array(1_000))
    stream.send({ type: 'end', reason: 'provider-stopped', offset: 1_000n })
    await expectFree(id, stream, taken)
  })

  it('that closes the lane while what it is owed waits for the disk is paid nothing, either', async () => {
    const { id, stream, taken, purchase } = await begin()
    buyer.disk.hold()
    stream.data(1_000n, new Uint8Array(1_000))
    await expect.poll(() => purchase.acknowledged).toBe(1_000n)
    stream.send({ type: 'end', reason: 'provider-stopped', offset: 1_000n })
    await quiet(() => purchase.acknowledged)
    const closed = closes(id)
    await quiet(() => buyer.node.lane(id, 0n)?.claim)
    buyer.disk.release()
    await closed
    await expectFree(id, stream, taken)
  })

  it('that never says who it is gets the blame, and not our ledger', async () => {
    const mute = await rawPeer(world, 'mute')
    await expectGivesUp(world, buyer, mute, 'PEER_SILENT', /does not speak Sluice/)
  })

  it('that gives a lane no handle keeps its buyer no longer than the channel lives: the others go on', async () => {
    const { id } = await buyer.node.open(raw.address, { deposit: 200_000n })
    await buyer.node.challenge(id)
    await world.advance(challengePeriod + 1)
    await happened({ ledger: buyer.ledger, id }, 'frozen')
    world.hub.cut(raw.network.peer)
    raw.onMessage = (_, { type }) => type === 'bind'
    const link = await raw.connect(buyer.address)
    link.send(raw.hello(link))
    await link.next('bind')
    await link.next('synced')
  })

  it('that never quotes a price is waited for until the buyer has enough of it', async () => {
    for (const begin of ['quote', 'consume'] as const) {
      const impatience = new AbortController()
      const { signal } = impatience
      raw.onStream = async () => impatience.abort()
      await expect(buyer.node[begin](raw.address, 'file', { signal })).rejects.toMatchObject({
        code: 'ABORTED',
      })
    }
  })

  it('that has sent its receipt may send on and on, and nothing of it is kept', async () => {
    const { ledger } = raw
    let sent: Promise<void> | undefined
    raw.onStream = async (stream) => {
      await stream.next('ask')
      stream.send({ type: 'quote', quote, nonce: new Uint8Array(32) })
      const { channelId, lane, purchase } = await stream.next('open')
      stream.data(1_000n, new Uint8Array(1_000))
      const reason = 'complete'
      stream.send({ type: 'end', reason, offset: 1_000n })
      await stream.next('receipt')
      const terms = { channelId, lane, quote: Quote.hash(quote), purchase: fromHex(purchase, 32) }
      const receipt = { ...terms, offset: 1_000n, owed: 1_000n, reason } as const
      stream.send({ type: 'receipt', signature: raw.sign(Receipt.digest(ledger.domain, receipt)) })
      sent = (async () => {
        for (let time = 0; time < 8; time++)
          if (!stream.stream.send(world.random(1 << 20))) await stream.stream.drained()
      })()
    }
    await buyer.node.open(raw.address, { deposit: 200_000n })
    const purchase = await buyer.node.consume(raw.address, 'file')
    expect((await take(purchase)).length).toBe(1_000)
    await sent
  })

  it('whose receipt is not signed by its seat is found out', async () => {
    sells((stream) => {
      stream.data(100_000n, new Uint8Array(100_000))
      stream.send({ type: 'end', reason: 'complete', offset: 100_000n })
      void stream
        .next('receipt')
        .then(() => stream.send({ type: 'receipt', signature: new Uint8Array(65).fill(27) }))
    })
    await buyer.node.open(raw.address, { deposit: 200_000n })
    const purchase = await buyer.node.consume(raw.address, 'file')
    await expect(take(purchase)).rejects.toMatchObject({ code: 'BAD_SIGNATURE' })
  })
})
