/**
 * A peer made of the core's codecs and state machine alone, with no engine that would keep it honest: it does
 * on the wire exactly what a test tells it to. What no test speaks for, it does as the protocol wants it.
 */
import {
  type Address,
  concat,
  type Hex,
  toHex,
  uint,
  zeroAddress,
} from '../../../src/core/bytes.js'
import * as Channel from '../../../src/core/channel.js'
import * as Claim from '../../../src/core/claim.js'
import * as Dispute from '../../../src/core/dispute.js'
import * as Frame from '../../../src/core/frame.js'
import * as Introduction from '../../../src/core/introduction.js'
import type { Lane } from '../../../src/core/lane.js'
import { limits } from '../../../src/core/limits.js'
import * as Message from '../../../src/core/message.js'
import * as Parameters from '../../../src/core/parameters.js'
import * as Secret from '../../../src/core/secret.js'
import * as Tick from '../../../src/core/tick.js'
import type { Update } from '../../../src/core/update.js'
import type { Engine } from '../../../src/crypto/engine.js'
import { frames } from '../../../src/engine/frames.js'
import { controlProtocol, payProtocol } from '../../../src/engine/link.js'
import { Notifier } from '../../../src/engine/notifier.js'
import * as PayFrame from '../../../src/engine/pay-frame.js'
import type { ByteStream, Connection, Network } from '../../../src/engine/ports.js'
import { streamProtocol } from '../../../src/engine/purchase.js'
import * as Wire from '../../../src/engine/wire.js'
import type { EmbeddedLedger } from '../../../src/ledger/embedded/client.js'
import { connectLedger } from '../../../src/sluice.js'
import { fund, type Keys, keysOf, type World } from '../../support/world.js'
import { RawLane } from './raw-lane.js'
import { RawStream } from './raw-stream.js'

type Msg = Message.Message
type MessageOf<T extends Msg['type']> = Msg & { type: T }

export type RawOptions = { readonly funds?: bigint; readonly keys?: Partial<Keys> }

/** The peer is connected to nobody yet. */
export async function rawPeer(
  world: World,
  name: string,
  options: RawOptions = {},
): Promise<RawPeer> {
  const keys = { ...keysOf(name), ...options.keys }
  const ledger = await connectLedger(world.layer, keys.account, world.engine)
  await fund(ledger, options.funds ?? 0n)
  const network = await world.hub.createNetwork({ privateKey: keys.peer, listen: ['/memory/0'] })
  return new RawPeer(world, keys, ledger, network)
}

export class RawPeer {
  readonly world: World
  readonly keys: Keys
  readonly ledger: EmbeddedLedger
  readonly network: Network
  readonly engine: Engine
  readonly signer: Address
  readonly sessionKey: Address
  readonly channels = new Map<Hex, Channel.Channel>()
  readonly changed = new Notifier()
  readonly #links = new Map<string, RawLink>()
  /** Speaks for the peer where it returns true; by default nobody does. */
  onMessage: (link: RawLink, message: Msg) => boolean = () => false
  /** What we say to hold, or to have promised, on a lane: whatever the other side says is fine by us. */
  claimOn: (lane: bigint) => bigint = () => 0n
  /** Serves the paid streams that come in. */
  onStream: (stream: RawStream, link: RawLink) => Promise<void> = async (stream) => stream.abort()
  /** What we hold on a lane that pays us. */
  readonly claims = new Map<string, Claim.Claim>()

  constructor(world: World, keys: Keys, ledger: EmbeddedLedger, network: Network) {
    this.world = world
    this.keys = keys
    this.ledger = ledger
    this.network = network
    this.engine = world.engine
    this.signer = this.engine.secp256k1.publicAddress(keys.signing)
    this.sessionKey = this.engine.secp256k1.publicAddress(keys.session)
    void network.handle(controlProtocol, (stream, connection) => {
      void this.link(connection).readControl(stream)
    })
    void network.handle(payProtocol, (stream, connection) => {
      void this.link(connection).readPay(stream)
    })
    void network.handle(streamProtocol, (stream, connection) => {
      const link = this.link(connection)
      void this.onStream(new RawStream(stream), link).catch(() => undefined)
    })
  }

  get address(): string {
    return this.network.addresses()[0] ?? ''
  }

  /** A link to the node at `address`; a new connection where there is none. */
  async connect(address: string): Promise<RawLink> {
    return this.link(await this.network.connect(address))
  }

  link(connection: Connection): RawLink {
    const known = this.#links.get(connection.id)
    if (known !== undefined) return known
    const link = new RawLink(this, connection)
    this.#links.set(connection.id, link)
    return link
  }

  /** An upgraded link, as an honest peer has it. */
  async upgrade(address: string): Promise<RawLink> {
    const link = await this.connect(address)
    link.send(this.hello(link))
    await link.next('hello')
    for (const channel of this.channels.values())
      for (const message of Channel.greet(channel, 1 - channel.seat)) link.send(message)
    link.send({ type: 'synced' })
    await link.next('synced')
    return link
  }

  hello(link: RawLink): MessageOf<'hello'> {
    const { domain } = this.ledger
    const introduction = { from: this.network.peer, to: link.connection.peer }
    return {
      type: 'hello',
      chainId: domain.chainId,
      adjudicator: domain.adjudicator,
      signer: this.signer,
      payout: this.ledger.account,
      signature: this.sign(Introduction.digest(domain, introduction)),
    }
  }

  sign(digest: Uint8Array): Uint8Array {
    return this.engine.secp256k1.sign(digest, this.keys.signing)
  }

  get context(): Channel.Context {
    return {
      domain: this.ledger.domain,
      sign: (digest) => this.sign(digest),
      recover: this.engine.secp256k1.recover,
      claim: (lane) => this.claimOn(lane),
      seal: (...parts) => Secret.derive(this.keys.signing, 'proposal', ...parts),
      reserveMin: () => 0n,
      synced: true,
    }
  }

  channel(id: Hex): Channel.Channel {
    const channel = this.channels.get(id)
    if (channel === undefined) throw new Error(`the raw peer has no channel ${id}`)
    return channel
  }

  /** Parameters of a channel that we fund with `deposit`, and the peer of `link` not at all. */
  async parameters(link: RawLink, deposit: bigint): Promise<Parameters.Parameters> {
    const { signer, payout } = link.remote
    return {
      seats: [
        { signer: this.signer, payout: this.ledger.account },
        { signer, payout },
      ],
      assets: [zeroAddress],
      deposits: [[deposit], [0n]],
      fundBy: (await this.ledger.time()) + 600n,
      challengePeriod: 86_400n,
      codeHash: Parameters.noCode,
      salt: this.world.random(32),
    }
  }

  /** A live channel with the peer of `link`, all of it on one lane. */
  async open(link: RawLink, deposit: bigint, reserved = deposit): Promise<RawLane> {
    const { channel, effects } = Channel.propose(
      this.context,
      await this.parameters(link, deposit),
      0,
    )
    this.channels.set(channel.id, channel)
    await this.#perform(link, channel.id, effects)
    await this.changed.until(() => this.channel(channel.id).phase === 'live')
    return this.openLane(link, channel.id, reserved)
  }

  async openLane(link: RawLink, id: Hex, reserved: bigint): Promise<RawLane> {
    const { seat } = this.channel(id)
    await this.change(link, id, [
      {
        type: 'lane-open',
        payer: seat,
        payee: 1 - seat,
        asset: 0,
        reserved,
        sessionKey: this.sessionKey,
      },
    ])
    const lane = this.channel(id).complete?.body.lanes.at(-1)
    if (lane === undefined) throw new Error('the lane was not opened')
    return this.lane(id, lane.id)
  }

  lane(channelId: Hex, id: bigint): RawLane {
    return new RawLane(this.engine, this.ledger.domain, this.keys.session, channelId, id)
  }

  laneOf(channelId: Hex, id: bigint): Lane | undefined {
    return this.channel(channelId).complete?.body.lanes.find((lane) => lane.id === id)
  }

  /** Proposes `updates` and waits until both have signed them. */
  async change(link: RawLink, id: Hex, updates: readonly Update[]): Promise<void> {
    const before = this.channel(id).complete?.version ?? 0n
    await this.step(link, id, { type: 'propose', updates })
    await this.changed.until(() => (this.channel(id).complete?.version ?? 0n) > before)
  }

  async step(link: RawLink, id: Hex, input: Channel.Input): Promise<void> {
    const { channel, effects } = Channel.step(this.context, this.channel(id), input)
    this.channels.set(id, channel)
    this.changed.notify()
    await this.#perform(link, id, effects)
  }

  async #perform(link: RawLink, id: Hex, effects: readonly Channel.Effect[]): Promise<void> {
    for (const effect of effects) {
      if (effect.type === 'send') link.send(effect.message)
      if (effect.type === 'submit') await this.#submit(link, id, effect.call)
    }
  }

  async #submit(link: RawLink, id: Hex, call: Channel.LedgerCall): Promise<void> {
    const { parameters, seat, complete } = this.channel(id)
    const { ledger } = this
    if (call === 'deposit') await ledger.deposit(parameters, seat)
    if (call === 'refund') await ledger.refund(parameters, seat)
    if (call === 'open' && complete) await ledger.open(parameters, complete.signatures)
    if (call === 'close' && complete) {
      const preimage = Dispute.preimage(id, complete.body)
      await ledger.close(parameters, Dispute.posting(id, complete), preimage)
    }
    await this.look(link, id)
  }

  async look(link: RawLink, id: Hex): Promise<void> {
    const [view, time] = [await this.ledger.channel(id), await this.ledger.time()]
    await this.step(link, id, { type: 'ledger', view, time })
  }

  /** What an honest peer does with a message. */
  async answer(link: RawLink, message: Msg): Promise<void> {
    if (message.type === 'open') {
      const seat = Parameters.seatOf(message.parameters, this.signer) ?? 0
      const { channel, effects } = Channel.accept(this.context, message, seat)
      this.channels.set(channel.id, channel)
      await this.#perform(link, channel.id, effects)
    } else if (message.type === 'bind') link.grant(message.channelId, message.lane)
    else if ('channelId' in message && message.type !== 'bound') {
      const channel = this.channels.get(message.channelId)
      if (channel === undefined) return
      if (channel.phase === 'funding') await this.look(link, channel.id)
      await this.step(link, channel.id, { type: 'message', from: 1 - channel.seat, message })
    }
  }
}

/** One connection of a raw peer. */
export class RawLink {
  readonly raw: RawPeer
  readonly connection: Connection
  /** Control messages that nobody has taken yet. */
  readonly inbox: Msg[] = []
  /** Everything that came on the pay substream. */
  readonly paid: PayFrame.PayFrame[] = []
  readonly changed = new Notifier()
  /** Introduction of the other side. */
  #remote: MessageOf<'hello'> | undefined
  readonly #outgoing = new Map<string, Promise<ByteStream>>()
  readonly #handles: { channelId: Hex; lane: bigint }[] = []
  #turn: Promise<void> = Promise.resolve()
  #reading: Promise<void> = Promise.resolve()

  constructor(raw: RawPeer, connection: Connection) {
    this.raw = raw
    this.connection = connection
    connection.closed.addEventListener('abort', () => this.changed.notify())
  }

  get remote(): MessageOf<'hello'> {
    if (this.#remote === undefined) throw new Error('the other side did not introduce itself')
    return this.#remote
  }

  get isClosed(): boolean {
    return this.connection.closed.aborted
  }

  /** Resolves once the other side has ended the connection. */
  async closed(): Promise<void> {
    await this.changed.until(() => this.isClosed)
  }

  send(message: Msg): void {
    this.write(controlProtocol, Frame.encode(Wire.encode(Message.message, message)))
  }

  pay(...bodies: readonly Uint8Array[]): void {
    this.write(payProtocol, concat(...bodies.map((body) => Frame.encode(body))))
  }

  /** Any bytes on a substream of ours, in the order of the calls. */
  write(protocol: string, bytes: Uint8Array): void {
    const known = this.#outgoing.get(protocol) ?? this.connection.open(protocol)
    const next = known.then((stream) => {
      stream.send(bytes)
      return stream
    })
    next.catch(() => undefined)
    this.#outgoing.set(protocol, next)
  }

  /** Half-closes a substream of ours, as if it ended there. */
  async finish(protocol: string): Promise<void> {
    await (await this.#outgoing.get(protocol))?.close()
  }

  /** Takes the next message of a type out of the inbox. */
  async next<T extends Msg['type']>(type: T): Promise<MessageOf<T>> {
    const find = (): number => this.inbox.findIndex((message) => message.type === type)
    await this.changed.until(() => find() >= 0 || this.isClosed)
    // What came before the end is still read.
    if (find() < 0) await this.#reading
    const [message] = this.inbox.splice(find(), find() < 0 ? 0 : 1)
    if (message === undefined) throw new Error(`the connection ended before any ${type} came`)
    return message as MessageOf<T>
  }

  readControl(stream: ByteStream): Promise<void> {
    const read = async (): Promise<void> => {
      for await (const bodies of frames(stream, limits.controlBytesMax))
        for (const body of bodies) this.#take(Wire.decode(Message.message, body))
    }
    this.#reading = read().catch(() => undefined)
    return this.#reading
  }

  #take(message: Msg): void {
    if (message.type === 'hello') this.#remote = message
    this.inbox.push(message)
    this.changed.notify()
    if (this.raw.onMessage(this, message)) return
    this.#turn = this.#turn
      .then(() => this.raw.answer(this, message))
      .catch((error) => {
        if (!this.isClosed) throw error
      })
  }

  async readPay(stream: ByteStream): Promise<void> {
    try {
      for await (const bodies of frames(stream, limits.payBytesMax))
        for (const body of bodies) this.#takePay(PayFrame.decode(body))
    } catch (error) {
      if (!this.isClosed) throw error
    }
  }

  /** What pays us is checked as a payee does. */
  #takePay(frame: PayFrame.PayFrame): void {
    this.paid.push(frame)
    const { engine, claims, ledger } = this.raw
    const on = (handle: number) => {
      const { channelId, lane: id } = this.#handles[handle] ?? { channelId: '0x', lane: 0n }
      const lane = this.raw.laneOf(channelId, id)
      if (lane === undefined) throw new Error(`no handle ${handle}`)
      return { channelId, lane, key: `${channelId} ${id}` }
    }
    if (frame.type === 'voucher') {
      const { channelId, lane, key } = on(frame.handle)
      const { signed } = frame
      const signer = engine.secp256k1.recover(
        RawLane.digest(ledger.domain, signed),
        signed.signature,
      )
      claims.set(key, Claim.renew(channelId, lane, claims.get(key), signed, signer))
    } else
      for (const tick of Tick.decodeAll(frame.frames)) {
        const { channelId, lane, key } = on(tick.handle)
        const tweak = RawLane.tweak(channelId, lane.id)
        claims.set(key, Claim.advance(lane, tweak, claims.get(key), tick, engine.chain.walk))
      }
    this.raw.changed.notify()
  }

  /** Answers a `bind`: the payer may pay on this lane here. */
  grant(channelId: Hex, lane: bigint): void {
    const handle = this.#handles.push({ channelId, lane }) - 1
    const claim = this.raw.claims.get(`${channelId} ${lane}`)
    this.send({ type: 'bound', channelId, lane, handle, claim })
  }

  /** Binds a lane of ours, and gives the handle that the payee has for it. */
  async bind(lane: RawLane): Promise<number> {
    const { channelId, id } = lane
    this.send({ type: 'bind', channelId, lane: id })
    return (await this.next('bound')).handle
  }

  /** Opens a paid stream, and asks what `resource` costs. */
  async ask(resource: string): Promise<RawStream> {
    const stream = new RawStream(await this.connection.open(streamProtocol))
    stream.send({ type: 'ask', resource })
    return stream
  }

  /** A running stream of `resource` on `lane`; `quote` is taken as it comes. */
  async consume(
    resource: string,
    lane: RawLane,
    options: { purchase?: Hex; offset?: bigint } = {},
  ): Promise<RawStream> {
    const stream = await this.ask(resource)
    const { purchase = toHex(this.raw.world.random(32)), offset = 0n } = options
    const asked = await stream.quote()
    const parties = { payer: this.raw.network.peer, payee: this.connection.peer }
    const signature = lane.opening({ ...parties, ...asked })
    stream.send({
      type: 'open',
      channelId: lane.channelId,
      lane: lane.id,
      purchase,
      offset,
      limit: undefined,
      signature,
    })
    stream.begin(purchase, offset)
    return stream
  }
}

/** A frame's length, and then less than that. */
export const truncated = (size: number, sent: number): Uint8Array =>
  Frame.encode(new Uint8Array(size)).subarray(0, sent + 1)

/** The beginning of a frame longer than `limit`. */
export const oversized = (limit: number): Uint8Array => {
  const size = limit + 1
  return concat(Frame.encode(new Uint8Array(size)).subarray(0, 4), uint(0, 8))
}
