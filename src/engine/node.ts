/**
 * A node: channels, lanes and paid streams over one network and one execution layer. It holds the pieces
 * together; what each of them may do is decided there.
 */
import { EventEmitter, setMaxListeners } from 'node:events'
import { parseAddress } from '../core/address.js'
import { type Address, type Hex, toHex, zeroAddress } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import { SluiceError, toProblem } from '../core/errors.js'
import * as Price from '../core/price.js'
import type * as Quote from '../core/quote.js'
import type * as Receipt from '../core/receipt.js'
import * as Secret from '../core/secret.js'
import type { Engine } from '../crypto/engine.js'
import type { Verifier } from '../crypto/pool.js'
import { Bonds } from './bonds.js'
import { Book } from './book.js'
import {
  type AmountOptions,
  Channels,
  type Offer,
  type OpenManyOptions,
  type OpenOptions,
} from './channels.js'
import { closeAll } from './close-all.js'
import { Contacts } from './contacts.js'
import { Defender, type DisputeView, type WatchView } from './defender.js'
import type { NodeEvents } from './events.js'
import { Lanes } from './lanes.js'
import type { Link } from './link.js'
import { Offers, type ServeOptions } from './offers.js'
import type { Payer } from './payer.js'
import { Peers } from './peers.js'
import type { Ledger, Network, Random, Sleep, Store } from './ports.js'
import * as Purchase from './purchase.js'
import { tell } from './tell.js'

export type NodePorts = {
  readonly network: Network
  readonly store: Store
  readonly ledger: Ledger
  readonly crypto: Engine
  /** Other threads for large batches of signatures; without it all are verified on this one. */
  readonly verifier?: Verifier | undefined
  readonly random: Random
  readonly sleep: Sleep
  /** 32-byte secrets: the seat's state-signing key, and the device's lane key. */
  readonly keys: { readonly signing: Uint8Array; readonly session: Uint8Array }
  /** The most that all peers together may owe us, in base units of each asset; no limit where undefined. */
  readonly exposureMax: bigint | undefined
  /** What channels hold; the native coin where left out. */
  readonly asset?: Address | undefined
  /** About what redeeming a lane of that asset costs, in its base units; the layer's own estimate where left out. */
  readonly redeemFee?: bigint | undefined
  /** Which channels of peers are welcome; by default those that we need not fund, in our asset. */
  readonly accept?: ((offer: Offer) => boolean | Promise<boolean>) | undefined
  /** Multiaddr of our watchtower, with its /p2p part. */
  readonly tower?: string | undefined
  /** Seconds of each challenge window of channels that we propose; a day unless told. */
  readonly challengePeriod?: bigint | undefined
}

export type ConsumeOptions = {
  /** The most it may cost, in base units. */
  readonly budget?: bigint
  /** What is paid in, by default the node's own asset; a resource sold in another one is not bought. */
  readonly asset?: Address
  /** Id of the purchase, by default a new one; that of an older one goes on where it was acknowledged to. */
  readonly purchase?: Hex
  /** The channel that pays; by default the first that can. */
  readonly channel?: Hex
  /** When bytes count as durable: once the next are asked for (`auto`), or only by `acknowledge`. */
  readonly acknowledge?: 'auto' | 'manual'
  /** Told below which offset everything is acknowledged, once a crash cannot undo that: it would resume there. */
  readonly onAcknowledged?: (offset: bigint) => void
  /** Cuts the purchase off. */
  readonly signal?: AbortSignal
}

export type LaneView = {
  /** What was promised (we pay) or accepted (we are paid); cumulative. */
  readonly claim: bigint
  /** For everything acknowledged. */
  readonly owed: bigint
  /** Chain steps and vouchers since this process started. */
  readonly ticks: number
  readonly vouchers: number
}

/** A lane reserves at least so many times what redeeming it costs: dust is never worth a dispute. */
const lanesWorth = 3n

export class Node {
  readonly events = new EventEmitter<NodeEvents>()
  /** What channels hold, and resources cost, unless told. */
  readonly asset: Address
  readonly #ports: NodePorts
  readonly #book: Book
  readonly #lanes: Lanes
  readonly #peers: Peers
  readonly #contacts: Contacts
  readonly #channels: Channels
  readonly #offers: Offers
  readonly #defender: Defender
  readonly #ended = new AbortController()
  #following: Promise<unknown> = Promise.resolve()

  /** Use `createNode`, which makes the ports. */
  constructor(ports: NodePorts) {
    this.#ports = ports
    this.asset = parseAddress(ports.asset ?? zeroAddress)
    // Whatever waits for a peer, the layer or the tower also waits for our end.
    setMaxListeners(0, this.#ended.signal)
    const { store, ledger, crypto, keys, sleep } = ports
    this.#lanes = new Lanes({
      ...ports,
      domain: ledger.domain,
      session: keys.session,
      channel: (id) => this.#book.get(id),
      decided: (id) => this.#book.decided(id),
      onPayment: (role, { channelId, id }, by) => {
        if (role === 'payee') this.#defender.changed(channelId)
        const total = this.#lanes.claim(channelId, id)
        tell(() => this.events.emit('payment', { role, channelId, lane: id, by, total }))
      },
    })
    const redeemFee = (asset: Address): bigint =>
      asset === this.asset && ports.redeemFee !== undefined
        ? ports.redeemFee
        : ledger.redeemFee(asset)
    const reserveMin = (asset: Address): bigint => lanesWorth * redeemFee(asset)
    const context = {
      domain: ledger.domain,
      sign: (digest: Uint8Array) => crypto.secp256k1.sign(digest, keys.signing),
      recover: crypto.secp256k1.recover,
      seal: (...parts: readonly Uint8Array[]) => Secret.derive(keys.signing, 'proposal', ...parts),
    }
    const bonds = new Bonds(store)
    this.#book = new Book(
      {
        store,
        ledger,
        sleep,
        context,
        claim: (channelId, lane) => this.#lanes.due(channelId, lane),
        reserveMin,
        synced: (signer) => this.#peers.isSynced(signer),
        also: (channel) => [...this.#lanes.farewell(channel), ...this.#defender.farewell(channel)],
        send: (signer, message) => this.#peers.send(signer, message),
        onChanged: (channel) => {
          this.#lanes.update(channel)
          this.#peers.changed(channel)
          this.#defender.changed(channel.id)
          tell(() => this.events.emit('channel', channel))
        },
        onMissing: (channel) => this.#contacts.reach(channel),
        versionMax: (id) => bonds.versionMax(id),
        onView: (channel, view) => bonds.heed(channel, view),
        onDispute: (id, root) => this.#defender.disputed(id, root),
        onProblem: (error) => this.#problem(error),
      },
      this.#ended.signal,
    )
    for (const channel of this.#book.all()) this.#lanes.update(channel)
    this.#defender = new Defender(
      {
        ...ports,
        signing: keys.signing,
        redeemFee,
        tower: ports.tower,
        book: this.#book,
        bonds,
        lanes: this.#lanes,
        onProblem: (error) => this.#problem(error),
      },
      this.#ended.signal,
    )
    this.#peers = new Peers({
      ...ports,
      signing: keys.signing,
      consulted: (signal) => this.#defender.consulted(signal),
      book: this.#book,
      lanes: this.#lanes,
      welcome: (offer, link) => this.#channels.welcome(offer, link),
      reach: (channel, signer, signal) => this.#contacts.linkTo(channel, signer, signal),
      onPeer: ({ peer }, connected) => tell(() => this.events.emit('peer', { peer, connected })),
      onLost: (signer) => this.#contacts.lost(signer),
      onProblem: (error) => this.#problem(error),
    })
    this.#contacts = new Contacts({
      ...ports,
      book: this.#book,
      peers: this.#peers,
      onProblem: (error) => this.#problem(error),
      ended: this.#ended.signal,
    })
    this.#channels = new Channels({
      ...ports,
      asset: this.asset,
      reserveMin,
      accept: ports.accept,
      challengePeriod: ports.challengePeriod,
      onProblem: (error) => this.#problem(error),
      book: this.#book,
      lanes: this.#lanes,
      peers: this.#peers,
      contacts: this.#contacts,
      signer: crypto.secp256k1.publicAddress(keys.signing),
      session: crypto.secp256k1.publicAddress(keys.session),
    })
    this.#offers = new Offers({
      ...ports,
      domain: ledger.domain,
      peer: ports.network.peer,
      signing: keys.signing,
      asset: this.asset,
      lanes: this.#lanes,
      channel: (id) => this.#book.get(id),
      ended: this.#ended.signal,
      onReceipt: (receipt) => tell(() => this.events.emit('receipt', receipt)),
      onProblem: (error) => this.#problem(error),
    })
  }

  /** Starts answering peers and following the layer. */
  async start(): Promise<void> {
    await this.#peers.start()
    await this.#ports.network.handle(Purchase.streamProtocol, (stream, connection) => {
      void this.#offers.sell(this.#peers.link(connection), stream)
    })
    const following = [this.#book.follow(), this.#defender.run()]
    this.#following = Promise.all(
      following.map((each) => each.catch((error) => this.#problem(error))),
    )
  }

  /** Stops everything and closes network and store. Money stays as the last durable write has it. */
  async stop(): Promise<void> {
    this.#ended.abort()
    const { network, store } = this.#ports
    await closeAll([() => network.close(), () => this.#following, () => store.close()])
  }

  /** Our libp2p peer id. */
  get peer(): string {
    return this.#ports.network.peer
  }

  /** Where peers reach us. */
  get addresses(): readonly string[] {
    return this.#ports.network.addresses()
  }

  /** Our account on the execution layer. */
  get account(): Address {
    return this.#ports.ledger.account
  }

  /** The execution layer, as this node's account sees it. */
  get ledger(): Ledger {
    return this.#ports.ledger
  }

  channels(): Channel[] {
    return this.#book.all()
  }

  channel(id: Hex): Channel | undefined {
    return this.#book.get(id)
  }

  /** How a lane stands at our end; undefined where it is closed or not ours. */
  lane(channelId: Hex, id: bigint): LaneView | undefined {
    const end = this.#lanes.payer(channelId, id) ?? this.#lanes.payee(channelId, id)
    if (end === undefined) return undefined
    const { owed, ticks, vouchers } = end
    return { claim: this.#lanes.claim(channelId, id), owed, ticks, vouchers }
  }

  /** What `resource` costs at the peer; an empty name asks for its only one. */
  async quote(
    address: string,
    resource = '',
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Quote.Quote> {
    const link = await this.#contacts.connect(address, options.signal)
    const { stream, quote } = await Purchase.ask(link, resource, options.signal)
    await stream.close()
    return quote
  }

  /**
   * The channel with the peer that can still pay `deposit`, or a new one that holds it: opened, funded and
   * live, its whole deposit reserved on one lane to the peer. With several peers: a new channel that all of
   * them sign and fund, each what `deposits` says; seats are ours, then theirs in order. Its lanes are opened
   * by `openLane`.
   * @throws ChannelsError, BookError, NetworkError
   */
  open(address: string, options: OpenOptions): Promise<Channel>
  open(addresses: readonly string[], options: OpenManyOptions): Promise<Channel>
  open(to: string | readonly string[], options: OpenOptions | OpenManyOptions): Promise<Channel> {
    if (typeof to === 'string' && 'deposit' in options) return this.#channels.open(to, options)
    if (typeof to !== 'string' && 'deposits' in options) return this.#channels.openMany(to, options)
    throw new NodeError('BAD_OPTIONS', 'One address takes a deposit, several take deposits.')
  }

  /**
   * Opens a lane from us to another seat, out of our balance; returns its id. This and the other changes of a
   * channel need all seats: they fail where one cannot be reached or goes away, and wait for one that is
   * there and says nothing until `signal` aborts. What failed so may still have been signed by the others:
   * look at the channel once they are back, before doing it again.
   * @throws BookError, NetworkError, ContactError `PEER_UNREACHABLE`
   */
  openLane(id: Hex, options: AmountOptions & { readonly payee: number }): Promise<bigint> {
    return this.#channels.openLane(id, options)
  }

  /** Adds money to a channel while it lives. @throws as `openLane`, LedgerError */
  topUp(id: Hex, options: AmountOptions): Promise<Channel> {
    return this.#channels.topUp(id, options)
  }

  /** Takes money out of our balance in a channel while it lives, to our account. @throws as `openLane` */
  withdraw(id: Hex, options: AmountOptions): Promise<Channel> {
    return this.#channels.withdraw(id, options)
  }

  /** Moves what our lanes have earned into our balance; streams run on meanwhile. @throws as `openLane` */
  fold(id: Hex, options: { readonly signal?: AbortSignal } = {}): Promise<Channel> {
    return this.#channels.fold(id, options)
  }

  /**
   * Closes one of our lanes: what it has paid goes to its payee, the rest of its reserve back to its payer's balance.
   * @throws as `openLane`, ClosingError `STREAMS_RUNNING`, `LANE_UNKNOWN`
   */
  closeLane(
    id: Hex,
    options: { readonly lane: bigint; readonly signal?: AbortSignal },
  ): Promise<Channel> {
    return this.#channels.closeLane(id, options.lane, options.signal)
  }

  /**
   * Closes a channel cooperatively: pays to the unit what is owed, folds every lane, has the final state
   * signed by all and paid out. Resolves once the layer has paid.
   * @throws ClosingError `STREAMS_RUNNING`, BookError, NetworkError `PEER_UNREACHABLE`
   */
  close(id: Hex, options: { readonly signal?: AbortSignal } = {}): Promise<Channel> {
    return this.#channels.close(id, options.signal)
  }

  /**
   * Buys `resource` from the peer: a stream of its bytes, paid as they are acknowledged.
   * @throws PurchaseError, NodeError `BUDGET_TOO_SMALL`, `NO_CHANNEL`, `WRONG_ASSET`, NetworkError
   */
  async consume(
    address: string,
    resource: string,
    options: ConsumeOptions = {},
  ): Promise<Purchase.Purchase> {
    const { budget, signal } = options
    const id = options.purchase ?? toHex(this.#ports.random(32))
    const link = await this.#contacts.connect(address, signal)
    const asked = await Purchase.ask(link, resource, signal)
    try {
      checkAsset(asked.quote, parseAddress(options.asset ?? this.asset))
      let payer = this.#payerFor(link, asked.quote, id, options)
      // What is free on it may be taken by another purchase meanwhile.
      for (; !payer.isBoundTo(link); payer = this.#payerFor(link, asked.quote, id, options))
        await this.#peers.bind(link, payer, signal)
      const { crypto, ledger, keys, network } = this.#ports
      const ports = { crypto, domain: ledger.domain, session: keys.session, peer: network.peer }
      const payee = link.signer ?? zeroAddress
      const { acknowledge = 'auto', onAcknowledged } = options
      const wanted = { purchase: id, budget, acknowledge, onAcknowledged }
      const purchase = new Purchase.Purchase(ports, link, payer, payee, asked, wanted)
      const abort = (): void => purchase.abort()
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted) abort()
      purchase.receipt
        .then((receipt) => tell(() => this.events.emit('receipt', receipt)))
        .catch(() => undefined)
        .finally(() => signal?.removeEventListener('abort', abort))
      return purchase
    } catch (error) {
      asked.stream.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  /** The lane that pays: the one that began the purchase, or the first that holds enough for all of it. */
  #payerFor(
    link: Link,
    quote: Quote.Quote,
    purchase: Hex,
    { budget, channel }: ConsumeOptions,
  ): Payer {
    const total = checkBudget(quote, budget)
    const isWanted = (payer: Payer): boolean =>
      (channel === undefined || channel === payer.channelId) && this.#channels.isUsable(payer)
    const payers = this.#lanes.paying(link.signer ?? zeroAddress, quote.asset).filter(isWanted)
    const begun = payers.find((payer) => payer.acknowledged(purchase) !== undefined)
    const payer = begun ?? payers.find((each) => this.#channels.free(each) >= total)
    if (payer !== undefined) return payer
    throw new NodeError(
      'NO_CHANNEL',
      `No channel with this peer can still pay ${total}; open one with at least that deposit.`,
    )
  }

  /**
   * Offers `resource` at a price until the signal aborts or the returned iteration ends. Iterating yields the
   * receipt of each stream that was drained and paid. @throws OfferError `RESOURCE_TAKEN`
   */
  serve(resource: string, options: ServeOptions): AsyncGenerator<Receipt.Signed, void, undefined> {
    return this.#offers.serve(resource, options)
  }

  /**
   * Opens a challenge with our newest state, which needs nobody's consent: after two windows of the channel's
   * challenge period everything is paid out. Resolves once it is posted; the node does the rest, also after a
   * restart. @throws DefenceError `NOT_LIVE`, LedgerError `INSUFFICIENT_BALANCE`
   */
  async challenge(id: Hex): Promise<void> {
    await this.#channels.inStep(id)
    await this.#defender.challenge(id)
  }

  /** Has all seats agree that a challenged channel lives on. @throws as `openLane` */
  resume(id: Hex, options: { readonly signal?: AbortSignal } = {}): Promise<Channel> {
    return this.#channels.resume(id, options.signal)
  }

  /** How the dispute of a channel stands; undefined where there is none. @throws LedgerError */
  dispute(id: Hex): Promise<DisputeView | undefined> {
    return this.#defender.dispute(id)
  }

  /** How our watchtower stands; undefined without one. */
  get watch(): WatchView | undefined {
    return this.#defender.watch
  }

  /** Resolves once our watchtower has receipted all that is durable here; at once without one. */
  watched(signal?: AbortSignal): Promise<void> {
    return this.#defender.pushed(signal)
  }

  #problem(error: unknown): void {
    if (this.#ended.signal.aborted) return
    const { code, message } = toProblem(error)
    const problem = error instanceof SluiceError ? error : new NodeError(code, message)
    tell(() => this.events.emit('problem', problem))
  }
}

/**
 * What all of a resource costs; 1 where it has no end, for the least that has to be there.
 * @throws NodeError `BUDGET_TOO_SMALL`
 */
export function checkBudget(
  { resource, price, size }: Quote.Quote,
  budget: bigint | undefined,
): bigint {
  const total = size === undefined ? 1n : Price.owed(price, size)
  if (budget === undefined || budget >= total) return total
  throw new NodeError(
    'BUDGET_TOO_SMALL',
    `"${resource}" costs ${total}, the budget is ${budget}: nothing is bought. Give a larger --budget.`,
  )
}

/** Amounts of another asset mean something else. @throws NodeError `WRONG_ASSET` */
export function checkAsset(quote: Quote.Quote, asset: Address): void {
  if (quote.asset === asset) return
  throw new NodeError(
    'WRONG_ASSET',
    `"${quote.resource}" is sold in ${nameOf(quote.asset)}, and you pay in ${nameOf(asset)}. Nothing was paid; ` +
      'choose the asset that the seller takes.',
  )
}

const nameOf = (asset: Address): string => (asset === zeroAddress ? 'the native coin' : asset)

/** What a node refuses its owner or a peer. */
export class NodeError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'NodeError'
  }
}
