/**
 * Peers: upgrades connections to links, introduces us, brings both sides to the newest state, and hands on
 * what peers say. Nothing is signed for a channel before its peer has shown what it holds.
 */
import { type Address, type Hex, zeroAddress } from '../core/bytes.js'
import * as Channel from '../core/channel.js'
import { SluiceError, toProblem } from '../core/errors.js'
import * as Introduction from '../core/introduction.js'
import type { Message } from '../core/message.js'
import * as Proposal from '../core/proposal.js'
import * as Said from '../core/said.js'
import * as Voucher from '../core/voucher.js'
import type { Engine } from '../crypto/engine.js'
import { type Gather, gatherer } from '../crypto/gather.js'
import type { Verifier } from '../crypto/pool.js'
import type { Book } from './book.js'
import type { Lanes } from './lanes.js'
import { controlProtocol, Link, LinkError, payProtocol } from './link.js'
import * as PayFrame from './pay-frame.js'
import type { Payer } from './payer.js'
import type { Connection, Ledger, Network, Sleep } from './ports.js'
import { peersOf, seatOf } from './seats.js'
import { Ticks } from './ticks.js'

export type PeersPorts = {
  readonly network: Network
  readonly ledger: Ledger
  readonly sleep: Sleep
  readonly crypto: Engine
  readonly signing: Uint8Array
  readonly book: Book
  readonly lanes: Lanes
  /** Our seat in a channel that a peer offers. @throws SluiceError when the owner does not want it */
  readonly welcome: (offer: Message & { type: 'open' }, link: Link) => Promise<number>
  /** Connects to another seat of a channel, where we are not. */
  readonly reach: (channel: Channel.Channel, signer: Address, signal: AbortSignal) => Promise<Link>
  /** Verifies large batches of vouchers on other threads; without one all are verified on this. */
  readonly verifier?: Verifier | undefined
  /** Resolves once our watchtower has shown what it holds. */
  readonly consulted: (signal: AbortSignal) => Promise<void>
  readonly onPeer: (link: Link, connected: boolean) => void
  /** No connection to a peer is left. */
  readonly onLost: (signer: Address) => void
  readonly onProblem: (error: SluiceError) => void
}

type Peer = {
  readonly link: Link
  /** Its number among all connections: handles count only where they were given out. */
  readonly number: number
  /** Our side of the upgrade is done. */
  isReady: boolean
}

/** What may come of a channel that is forgotten, because it was never funded. */
const mayBeLate: ReadonlySet<Message['type']> = new Set(['sync', 'opened', 'complete'])

/** Milliseconds in which a peer that we connect to has to introduce itself and show what it holds. */
const handshakeMs = 15_000

export class Peers {
  readonly #ports: PeersPorts
  readonly #peers = new Map<string, Peer>()
  /** Signing keys of peers that have shown since our start what they hold. */
  readonly #synced = new Set<Address>()
  readonly #ticks: Ticks
  /** Undefined where there are no other threads. */
  readonly #gather: Gather | undefined
  #connections = 0

  constructor(ports: PeersPorts) {
    this.#ports = ports
    this.#ticks = new Ticks(ports.crypto)
    this.#gather = ports.verifier && gatherer(ports.verifier)
  }

  async start(): Promise<void> {
    const { network } = this.#ports
    await network.handle(controlProtocol, (stream, connection) => {
      void this.#peer(connection).link.readControl(stream)
    })
    await network.handle(payProtocol, (stream, connection) => {
      void this.#peer(connection).link.readPay(stream)
    })
  }

  /** The link to the peer at `address`, upgraded and in step. @throws NetworkError, LinkError */
  async connect(address: string, signal?: AbortSignal): Promise<Link> {
    const connection = await this.#ports.network.connect(
      address,
      signal === undefined ? {} : { signal },
    )
    const { link } = this.#peer(connection)
    const done = new AbortController()
    let isConsulted = false
    this.#ports.consulted(connection.closed).then(
      () => {
        isConsulted = true
      },
      () => undefined,
    )
    const silence = this.#ports.sleep(handshakeMs, done.signal).then(() => {
      if (done.signal.aborted) return
      if (!isConsulted) link.end(towerAway)
      else if (link.introduction === undefined) link.end(silent)
      else link.end(link.isInformed ? unready : ledgerAway)
    })
    try {
      await this.inStep(link, signal)
      return link
    } finally {
      done.abort()
      await silence
    }
  }

  /** Waits until both sides have shown on a link what they hold; before, nothing is signed. */
  inStep(link: Link, signal?: AbortSignal): Promise<void> {
    const peer = this.#peer(link.connection)
    return link.until(() => link.synced && peer.isReady, signal)
  }

  /** The link that a connection was upgraded to; upgrades it if it was not. */
  link(connection: Connection): Link {
    return this.#peer(connection).link
  }

  /** The newest open link to the peer who signs with `signer`. */
  find(signer: Address): Link | undefined {
    return [...this.#peers.values()]
      .map(({ link }) => link)
      .findLast((link) => link.isOpen && link.signer === signer)
  }

  send(signer: Address, message: Message): void {
    this.find(signer)?.send(message)
  }

  #peer(connection: Connection): Peer {
    const known = this.#peers.get(connection.id)
    if (known !== undefined) return known
    const link = new Link(connection, {
      onMessage: (from, message) => this.#onMessage(from, message),
      onPayFrames: (from, bodies) => this.#onPayFrames(from, bodies),
      onProblem: (_, error) => this.#ports.onProblem(error),
      pause: () => this.#ports.sleep(0),
    })
    const peer: Peer = { link, number: ++this.#connections, isReady: false }
    if (connection.closed.aborted) return peer
    this.#peers.set(connection.id, peer)
    connection.closed.addEventListener('abort', () => {
      this.#peers.delete(connection.id)
      this.#ticks.forget(peer.number)
      this.#forget(link)
      this.#moveFrom(link)
      if (link.introduction !== undefined) this.#ports.onPeer(link, false)
    })
    // What ends the link ends the upgrade, and is told to all who wait for it.
    this.#upgrade(link).then(
      () => {
        peer.isReady = true
        link.changed.notify()
      },
      () => undefined,
    )
    return peer
  }

  /** Introduces us, shows what we hold, binds the lanes we pay by, and says when that is done. */
  async #upgrade(link: Link): Promise<void> {
    const { ledger, crypto, signing, network, book, lanes } = this.#ports
    const ours = { from: network.peer, to: link.peer }
    const speaker = Introduction.introduce(ledger.domain, crypto.secp256k1, signing, ours)
    link.send({ type: 'hello', ...speaker, payout: ledger.account })
    await this.#ports.consulted(link.connection.closed)
    await link.until(() => link.introduction !== undefined)
    const signer = link.signer ?? '0x'
    await book.see(signer, link.connection.closed)
    link.isInformed = true
    link.changed.notify()
    // On this very connection: another one may be dead already and not know it.
    for (const message of book.greetings(signer)) link.send(message)
    await Promise.all(lanes.paying(signer).map((payer) => this.#bind(link, payer)))
    link.send({ type: 'synced' })
  }

  /** Whether a peer has shown since our start what it holds: before, no state with it is signed. */
  isSynced(signer: Address): boolean {
    return this.#synced.has(signer)
  }

  /** A channel has changed, perhaps by what the layer says: who waits on a link to its seats looks again. */
  changed(channel: Channel.Channel): void {
    for (const { signer } of peersOf(channel)) this.find(signer)?.changed.notify()
  }

  /** Binds a lane we pay by to the connection; the payee shows what it holds. */
  async bind(link: Link, payer: Payer, signal?: AbortSignal): Promise<void> {
    if (payer.isBoundTo(link)) return
    this.#showLanes(link, payer.channelId)
    await this.#bind(link, payer, signal)
  }

  /** The payee of a lane is shown that it is open: what opened it may still be on its way over another connection. */
  #showLanes(link: Link, channelId: Hex): void {
    const channel = this.#mine(link, channelId)
    link.send(Said.sync(channel, seatOf(channel, link.signer ?? zeroAddress)))
  }

  async #bind(link: Link, payer: Payer, signal?: AbortSignal): Promise<void> {
    const { channelId, id } = payer
    // What a frozen channel opened last a payee on an older disk never learns, and needs not.
    const isOver = (): boolean =>
      payer.isClosed || this.#ports.book.get(channelId)?.phase === 'frozen'
    link.send({ type: 'bind', channelId, lane: id })
    await link.until(() => payer.isBoundTo(link) || isOver(), signal)
  }

  /** A stranger that is gone leaves nothing behind. */
  #forget({ signer }: Link): void {
    if (signer === undefined || this.find(signer) !== undefined) return
    if (this.#ports.book.with(signer).length === 0) this.#synced.delete(signer)
  }

  /** What was said and paid over a link that is gone goes on over another one to the same peer, be it a new one. */
  #moveFrom(gone: Link): void {
    const { book, lanes } = this.#ports
    const { signer } = gone
    if (signer === undefined) return
    const other = this.find(signer)
    if (other === undefined) this.#ports.onLost(signer)
    // One that is being upgraded shows all of it anyhow.
    if (other === undefined || !this.#peer(other.connection).isReady) return
    for (const message of book.greetings(signer)) other.send(message)
    // What ends the other link as well is told to who waits for that one.
    for (const payer of lanes.paying(signer))
      if (payer.isBoundTo(gone)) this.#bind(other, payer).catch(() => undefined)
  }

  /**
   * Has the peers of a channel with more than two seats pay each other what they owe; returns what each lane
   * has proven. @throws LinkError `STREAMS_RUNNING`, or what ended a link
   */
  async settle(
    channelId: Hex,
    links: readonly Link[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<bigint, bigint>> {
    const claims = new Map<bigint, bigint>()
    // Between two, each knows both ends of every lane.
    if (links.length < 2) return claims
    for (const link of links) {
      link.settled.set(channelId, undefined)
      link.send({ type: 'settle', channelId })
    }
    for (const link of links) {
      await link.until(() => link.settled.get(channelId) !== undefined, signal)
      const answer = link.settled.get(channelId)
      link.settled.delete(channelId)
      if (answer?.idle === false)
        throw new LinkError('STREAMS_RUNNING', 'Streams of this channel are running elsewhere.')
      for (const { lane, claim } of answer?.claims ?? []) claims.set(lane, claim)
    }
    return claims
  }

  async #onSettle(link: Link, channelId: Hex): Promise<void> {
    const { lanes } = this.#ports
    // One answer will do: who asks again and again has nobody dialled again and again.
    if (link.settling.has(channelId)) return
    link.settling.add(channelId)
    try {
      const { payers } = lanes.of(channelId)
      const isIdle = lanes.isIdle(channelId)
      const alive = link.connection.closed
      for (const payer of isIdle ? payers : []) {
        // What it was promised last may have been lost with the connection.
        await this.#reachPayee(payer, alive)
        await payer.settle(undefined, alive)
      }
      const claims = lanes.of(channelId).payees.map(({ id, held }) => ({ lane: id, claim: held }))
      link.send({ type: 'settled', channelId, idle: isIdle, claims })
    } catch (error) {
      if (link.isOpen) this.#problem(error)
    } finally {
      link.settling.delete(channelId)
    }
  }

  /** Who is away is told; where nothing is on its way the others need not wait for it. */
  async #reachPayee({ channelId, id }: Payer, signal: AbortSignal): Promise<void> {
    const { book, lanes, reach } = this.#ports
    const [channel, signer] = [book.get(channelId), lanes.payeeOf(channelId, id)]
    if (channel === undefined || signer === undefined) return
    try {
      await reach(channel, signer, signal)
    } catch (error) {
      this.#problem(error)
    }
  }

  #problem(error: unknown): void {
    const { code, message } = toProblem(error)
    this.#ports.onProblem(new LinkError(code, message))
  }

  async #onMessage(link: Link, message: Message): Promise<void> {
    const { book } = this.#ports
    if (message.type === 'hello') return this.#onHello(link, message)
    if (message.type === 'problem')
      return link.end(new LinkError(message.code, `The peer says: ${message.message}`))
    const signer = link.signer
    if (signer === undefined) throw new LinkError('UNEXPECTED', 'A peer introduces itself first.')
    await link.until(() => link.isInformed)
    switch (message.type) {
      case 'synced':
        link.synced = true
        this.#synced.add(signer)
        return book.onSynced(signer)
      case 'open':
        return this.#onOpen(link, message)
      case 'settle':
        void this.#onSettle(link, this.#mine(link, message.channelId).id)
        return
      case 'settled':
        if (link.settled.has(message.channelId)) link.settled.set(message.channelId, message)
        return
      case 'bind':
        return this.#onBind(link, message.channelId, message.lane)
      case 'bound':
        return this.#onBound(link, message)
      default: {
        if (mayBeLate.has(message.type) && book.get(message.channelId) === undefined) return
        const channel = this.#mine(link, message.channelId)
        // An old disk may hold a live channel for one that is being funded; an answer must not be lost for that.
        if ('updates' in message && Proposal.needsLook(channel, message.updates))
          await book.look(channel.id)
        const from = seatOf(channel, signer)
        const known = this.#paying(channel.id, signer)
        await book.update(channel.id, { type: 'message', from, message })
        // An old disk learns of its own lanes here; until they are bound we deny what we promised on them.
        for (const payer of this.#paying(channel.id, signer))
          if (!known.includes(payer)) this.bind(link, payer).catch(() => undefined)
      }
    }
  }

  /** The lanes of a channel by which we pay a peer. */
  #paying(channelId: Hex, signer: Address): Payer[] {
    const { lanes } = this.#ports
    return lanes.of(channelId).payers.filter(({ id }) => lanes.payeeOf(channelId, id) === signer)
  }

  #onHello(link: Link, hello: Message & { type: 'hello' }): void {
    const { ledger, crypto, network } = this.#ports
    const theirs = { from: link.peer, to: network.peer }
    Introduction.check(ledger.domain, crypto.secp256k1.recover, hello, theirs)
    if (link.introduction !== undefined)
      throw new LinkError('UNEXPECTED', 'One introduction is enough.')
    link.introduction = hello
    this.#ports.onPeer(link, true)
  }

  async #onOpen(link: Link, offer: Message & { type: 'open' }): Promise<void> {
    const { book } = this.#ports
    const known = book.get(book.idOf(offer.parameters))
    // What the owner decided stands; the answer may have been lost.
    if (known !== undefined) {
      for (const message of Channel.greet(this.#mine(link, known.id), offer.seat))
        link.send(message)
      return
    }
    try {
      await book.accept(offer, await this.#ports.welcome(offer, link))
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      const { code, message } = toProblem(error)
      const channelId = book.idOf(offer.parameters)
      link.send({ type: 'refuse', channelId, version: 0n, attempt: 0, code, message })
    }
  }

  /** The payer of a lane gets a handle for it, and sees the claim we hold. */
  async #onBind(link: Link, channelId: Hex, lane: bigint): Promise<void> {
    const channel = this.#mine(link, channelId)
    const payee = this.#ports.lanes.payee(channelId, lane)
    // A payer that was away when its lane was closed has not heard of it yet; what opened it is not taken any more once frozen.
    const isPast = lane < (channel.complete?.body.outcome.nextLane ?? 0n)
    if (payee === undefined && (isPast || channel.phase === 'frozen')) {
      const from = seatOf(channel, link.signer ?? zeroAddress)
      for (const message of Channel.greet(channel, from)) link.send(message)
      return
    }
    const peer = this.#peers.get(link.connection.id)
    const isPayer = this.#ports.lanes.payerOf(channelId, lane) === link.signer
    if (payee === undefined || peer === undefined || !isPayer)
      throw new LinkError('LANE_UNKNOWN', `There is no lane ${lane} by which you pay us.`)
    const handle = this.#ticks.bind(peer.number, payee)
    // A payer with an old disk learns only from here what it has promised: it is shown all that we hold, or nothing.
    await payee.persist()
    link.send({ type: 'bound', channelId, lane, handle, claim: payee.claim })
  }

  /** The payee of a lane has given it a handle; no other seat is paid on it. */
  #onBound(link: Link, { channelId, lane, handle, claim }: Message & { type: 'bound' }): void {
    const { lanes } = this.#ports
    this.#mine(link, channelId)
    const payer = lanes.payer(channelId, lane)
    if (payer === undefined) return
    if (lanes.payeeOf(channelId, lane) !== link.signer)
      throw new LinkError('LANE_UNKNOWN', `There is no lane ${lane} by which we pay you.`)
    payer.bind(link, handle, claim)
  }

  /** Vouchers and ticks in the order they came; ticks of one read are verified together. */
  async #onPayFrames(link: Link, bodies: readonly Uint8Array[]): Promise<void> {
    const number = this.#peers.get(link.connection.id)?.number ?? 0
    const frames = bodies.map(PayFrame.decode)
    const signers = await this.#signers(frames)
    let ticks: Uint8Array[] = []
    for (const [at, frame] of frames.entries()) {
      if (frame.type === 'ticks') ticks.push(frame.frames)
      else {
        this.#ticks.take(number, ticks)
        ticks = []
        this.#ticks.payee(number, frame.handle).takeVoucher(frame.signed, signers.get(at))
      }
    }
    this.#ticks.take(number, ticks)
  }

  /** Who signed the vouchers among these, by their place, where it was found out on other threads. */
  async #signers(frames: readonly PayFrame.PayFrame[]): Promise<ReadonlyMap<number, Address>> {
    const known = new Map<number, Address>()
    if (this.#gather === undefined) return known
    const vouchers = [...frames.entries()].flatMap(([at, frame]) =>
      frame.type === 'voucher' ? [{ at, signed: frame.signed }] : [],
    )
    const { domain } = this.#ports.ledger
    const signers = await this.#gather(vouchers.length, () =>
      vouchers.map(({ signed: { voucher, signature } }) => ({
        digest: Voucher.digest(domain, voucher),
        signature,
      })),
    )
    for (const [index, { at }] of vouchers.entries()) {
      const signer = signers[index]
      if (signer !== undefined) known.set(at, signer)
    }
    return known
  }

  /** The channel, which must be one with this peer. */
  #mine(link: Link, channelId: Hex): Channel.Channel {
    const channel = this.#ports.book.get(channelId)
    if (channel === undefined || seatOf(channel, link.signer ?? zeroAddress) < 0)
      throw new LinkError('CHANNEL_UNKNOWN', `There is no channel ${channelId} with you here.`)
    return channel
  }
}

const towerAway = new LinkError(
  'TOWER_AWAY',
  'Our watchtower has not answered since we started, and nothing is signed before; start it, or give the address of one that runs.',
)

const ledgerAway = new LinkError(
  'LEDGER_UNREACHABLE',
  'Our ledger has not shown since we started what became of our channels with this peer, and nothing is signed before; see that it runs, and try again.',
)

const unready = new LinkError(
  'PEER_SILENT',
  'The peer is not ready: it may be waiting for its own watchtower or ledger; try again later.',
)

const silent = new LinkError(
  'PEER_SILENT',
  'The peer takes connections but does not speak Sluice in time; check the address and try again.',
)
