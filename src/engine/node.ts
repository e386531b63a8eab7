/**
 * A node: channels, lanes and paid streams over one network and one execution layer. It holds the pieces
 * together; what each of them may do is decided there.
 */
import { EventEmitter } from 'node:events'
import * as Amount from '../core/amount.js'
import { type Address, equals, type Hex, toHex, zeroAddress, zeroes } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import { SluiceError, toProblem } from '../core/errors.js'
import * as Lane from '../core/lane.js'
import type { Message } from '../core/message.js'
import * as Parameters from '../core/parameters.js'
import * as Price from '../core/price.js'
import type * as Quote from '../core/quote.js'
import type * as Receipt from '../core/receipt.js'
import type { Update } from '../core/update.js'
import type { Engine } from '../crypto/engine.js'
import { Book, isOpen, signerOf } from './book.js'
import type { NodeEvents } from './events.js'
import { Lanes } from './lanes.js'
import type { Link } from './link.js'
import { Offers, type ServeOptions } from './offers.js'
import type { Payer } from './payer.js'
import { Peers } from './peers.js'
import type { Ledger, Network, Random, Sleep, Store } from './ports.js'
import * as Purchase from './purchase.js'

export type NodePorts = {
  readonly network: Network
  readonly store: Store
  readonly ledger: Ledger
  readonly crypto: Engine
  readonly random: Random
  readonly sleep: Sleep
  /** 32-byte secrets: the seat's state-signing key, and the device's lane key. */
  readonly keys: { readonly signing: Uint8Array; readonly session: Uint8Array }
  /** The most that all peers together may owe us, in base units; no limit where undefined. */
  readonly exposureMax: bigint | undefined
}

export type ConsumeOptions = {
  /** The most it may cost, in base units. */
  readonly budget?: bigint
  /** Id of the purchase, by default a new one; that of an older one goes on where it was acknowledged to. */
  readonly purchase?: Hex
  /** When bytes count as durable: once the next are asked for (`auto`), or only by `acknowledge`. */
  readonly acknowledge?: 'auto' | 'manual'
  /** Cuts the purchase off; breaking off its iteration drains it instead. */
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

/** Seconds that the seats have for their deposits; and the most that a peer may ask for. */
const fundWithin = 600n
const fundWithinMax = 3_600n
/** Seconds of each challenge window, where the layer does not want more. */
const challengePeriodDefault = 86_400n

export class Node {
  readonly events = new EventEmitter<NodeEvents>()
  readonly #ports: NodePorts
  readonly #signer: Address
  readonly #book: Book
  readonly #lanes: Lanes
  readonly #peers: Peers
  readonly #offers: Offers
  readonly #ended = new AbortController()
  #following: Promise<void> = Promise.resolve()

  /** Use `createNode`, which makes the ports. */
  constructor(ports: NodePorts) {
    this.#ports = ports
    const { store, ledger, crypto, keys, sleep } = ports
    this.#signer = crypto.secp256k1.publicAddress(keys.signing)
    this.#lanes = new Lanes({
      ...ports,
      domain: ledger.domain,
      session: keys.session,
      channel: (id) => this.#book.get(id),
      onPayment: (role, { channelId, id }, by) => {
        const total = this.#lanes.claim(channelId, id)
        this.events.emit('payment', { role, channelId, lane: id, by, total })
      },
    })
    const context = {
      domain: ledger.domain,
      sign: (digest: Uint8Array) => crypto.secp256k1.sign(digest, keys.signing),
      recover: crypto.secp256k1.recover,
    }
    this.#book = new Book(
      {
        store,
        ledger,
        sleep,
        context,
        claim: (channelId, lane) => this.#lanes.due(channelId, lane),
        also: (channel) => this.#lanes.farewell(channel),
        send: (signer, message) => this.#peers.send(signer, message),
        onChanged: (channel) => {
          this.#lanes.update(channel)
          this.events.emit('channel', channel)
        },
        onProblem: (error) => this.#problem(error),
      },
      this.#ended.signal,
    )
    for (const channel of this.#book.all()) this.#lanes.update(channel)
    this.#peers = new Peers({
      ...ports,
      signing: keys.signing,
      book: this.#book,
      lanes: this.#lanes,
      welcome: (offer, link) => this.#welcome(offer, link),
      onPeer: ({ peer }, connected) => this.events.emit('peer', { peer, connected }),
      onProblem: (error) => this.#problem(error),
    })
    this.#offers = new Offers({
      ...ports,
      domain: ledger.domain,
      peer: ports.network.peer,
      signing: keys.signing,
      lanes: this.#lanes,
      channel: (id) => this.#book.get(id),
      ended: this.#ended.signal,
      onReceipt: (receipt) => this.events.emit('receipt', receipt),
      onProblem: (error) => this.#problem(error),
    })
  }

  /** Starts answering peers and following the layer. */
  async start(): Promise<void> {
    await this.#peers.start()
    await this.#ports.network.handle(Purchase.streamProtocol, (stream, connection) => {
      void this.#offers.sell(this.#peers.link(connection), stream)
    })
    this.#following = this.#book.follow().catch((error) => {
      if (!this.#ended.signal.aborted) this.#problem(error)
    })
  }

  /** Stops everything and closes network and store. Money stays as the last durable write has it. */
  async stop(): Promise<void> {
    this.#ended.abort()
    await this.#ports.network.close()
    await this.#following
    await this.#ports.store.close()
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
    const link = await this.#connect(address, options.signal)
    const { stream, quote } = await Purchase.ask(link, resource, options.signal)
    await stream.close()
    return quote
  }

  /**
   * The channel with the peer that can still pay `deposit`, or a new one that holds it: opened, funded and
   * live, its whole deposit reserved on one lane to the peer.
   */
  async open(
    address: string,
    options: { readonly deposit: bigint; readonly asset?: Address; readonly signal?: AbortSignal },
  ): Promise<Channel> {
    const { deposit, signal } = options
    const link = await this.#connect(address, signal)
    const signer = link.signer ?? zeroAddress
    const known = this.#book.with(signer).find((channel) => this.#spendable(channel) >= deposit)
    const id = known?.id ?? (await this.#propose(link, deposit, options.asset ?? zeroAddress))
    const settled = (channel: Channel): boolean =>
      channel.phase !== 'opening' && channel.phase !== 'funding'
    const alive = whileOpen(link, signal)
    const channel = await this.#book.until(id, settled, alive)
    if (channel.phase !== 'live')
      throw (
        this.#book.fate(id) ?? new NodeError('CHANNEL_DEAD', 'The channel was not funded in time.')
      )
    return this.#reserve(channel, alive)
  }

  async #propose(link: Link, deposit: bigint, asset: Address): Promise<Hex> {
    const { ledger, random } = this.#ports
    const { introduction } = link
    if (introduction === undefined) throw new NodeError('CONNECTION_LOST', 'The peer is gone.')
    const balance = await ledger.balance(ledger.account, asset)
    if (balance < deposit)
      throw new NodeError(
        'INSUFFICIENT_BALANCE',
        `The account ${ledger.account} holds ${balance}, the deposit needs ${deposit}.`,
      )
    return this.#book.propose(
      {
        seats: [
          { signer: this.#signer, payout: ledger.account },
          { signer: introduction.signer, payout: introduction.payout },
        ],
        assets: [asset],
        deposits: [[deposit], [0n]],
        fundBy: (await ledger.time()) + fundWithin,
        challengePeriod: Amount.larger(ledger.minChallengePeriod, challengePeriodDefault),
        codeHash: Parameters.noCode,
        salt: random(32),
      },
      0,
    )
  }

  /** Puts what is left of our balance on a lane, unless there is none or a lane has it already. */
  async #reserve(channel: Channel, signal: AbortSignal): Promise<Channel> {
    const sessionKey = this.#ports.crypto.secp256k1.publicAddress(this.#ports.keys.session)
    const [payer, payee] = [channel.seat, 1 - channel.seat]
    const open = (now: Channel): readonly Update[] | undefined => {
      const reserved = balanceOf(now)
      if (reserved === 0n && this.#lanes.of(now.id).payers.length > 0) return undefined
      return [{ type: 'lane-open', payer, payee, asset: 0, reserved, sessionKey }]
    }
    return this.#book.change(channel.id, open, signal)
  }

  /** What we can still pay in a channel: our balance, and what our lanes reserve and do not owe. */
  #spendable(channel: Channel): bigint {
    if (channel.phase === 'opening' || channel.phase === 'funding')
      return channel.parameters.deposits[channel.seat]?.[0] ?? 0n
    if (channel.phase !== 'live') return -1n
    return this.#lanes
      .of(channel.id)
      .payers.reduce((sum, payer) => sum + this.#free(payer), balanceOf(channel))
  }

  #free(payer: Payer): bigint {
    const lane = this.#laneOf(payer.channelId, payer.id)
    if (lane === undefined) return 0n
    return Lane.capacity(lane) - Amount.larger(payer.owed, payer.promised)
  }

  #laneOf(channelId: Hex, id: bigint): Lane.Lane | undefined {
    return this.#book.get(channelId)?.complete?.body.lanes.find((lane) => lane.id === id)
  }

  /**
   * Buys `resource` from the peer: a stream of its bytes, paid as they are acknowledged.
   * @throws PurchaseError, NodeError `BUDGET_TOO_SMALL`, `NO_CHANNEL`, NetworkError
   */
  async consume(
    address: string,
    resource: string,
    options: ConsumeOptions = {},
  ): Promise<Purchase.Purchase> {
    const { budget, signal } = options
    const id = options.purchase ?? toHex(this.#ports.random(32))
    const link = await this.#connect(address, signal)
    const asked = await Purchase.ask(link, resource, signal)
    try {
      const payer = this.#payerFor(link, asked.quote, id, budget)
      await this.#peers.bind(link, payer, signal)
      const { crypto, ledger, keys, network } = this.#ports
      const ports = { crypto, domain: ledger.domain, session: keys.session, peer: network.peer }
      const purchase = new Purchase.Purchase(
        ports,
        link,
        payer,
        link.signer ?? zeroAddress,
        asked,
        {
          purchase: id,
          budget,
          acknowledge: options.acknowledge ?? 'auto',
        },
      )
      const abort = (): void => purchase.abort()
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted) abort()
      purchase.receipt
        .then((receipt) => this.events.emit('receipt', receipt))
        .catch(() => undefined)
        .finally(() => signal?.removeEventListener('abort', abort))
      return purchase
    } catch (error) {
      asked.stream.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  /** The lane that pays: the one that began the purchase, or the first that holds enough for all of it. */
  #payerFor(link: Link, quote: Quote.Quote, purchase: Hex, budget: bigint | undefined): Payer {
    const total = checkBudget(quote, budget)
    const live = (payer: Payer): boolean => this.#book.get(payer.channelId)?.phase === 'live'
    const payers = this.#lanes.paying(link.signer ?? zeroAddress).filter(live)
    const begun = payers.find((payer) => payer.acknowledged(purchase) !== undefined)
    const payer = begun ?? payers.find((each) => this.#free(each) >= total)
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
   * Closes a channel cooperatively: pays to the unit what is owed, folds every lane, has the final state
   * signed by both and paid out. Resolves once the layer has paid.
   * @throws NodeError `STREAMS_RUNNING`, BookError, NetworkError `PEER_UNREACHABLE`
   */
  async close(id: Hex, options: { readonly signal?: AbortSignal } = {}): Promise<Channel> {
    const { signal } = options
    const channel = this.#book.get(id)
    if (channel === undefined)
      throw new NodeError('CHANNEL_UNKNOWN', `There is no channel ${id} here.`)
    if (channel.phase === 'live') {
      const link = await this.#linkTo(signerOf(channel), signal)
      await this.#fold(channel, whileOpen(link, signal))
    }
    return this.#book.until(id, (now) => !isOpen(now), signal)
  }

  async #fold(channel: Channel, signal: AbortSignal): Promise<void> {
    const { payers, payees } = this.#lanes.of(channel.id)
    if (payers.some((payer) => !payer.isIdle) || payees.some((payee) => payee.hasStreams))
      throw new NodeError(
        'STREAMS_RUNNING',
        'Streams of this channel are running; drain them first.',
      )
    for (const payer of payers) await payer.settle(undefined, signal)
    const updates = (now: Channel): readonly Update[] | undefined => {
      if (now.phase !== 'live') return undefined
      const closed = (now.complete?.body.lanes ?? []).map(
        ({ id, folded }): Update => ({
          type: 'lane-close',
          lane: id,
          claim: Amount.larger(folded, this.#lanes.due(now.id, id)),
        }),
      )
      return [...closed, { type: 'final' }]
    }
    await this.#book.change(channel.id, updates, signal)
  }

  /** A link to the peer, over the connection that exists or the address it was last reached at. */
  async #linkTo(signer: Address, signal: AbortSignal | undefined): Promise<Link> {
    const link = this.#peers.find(signer)
    if (link !== undefined) {
      await this.#peers.inStep(link, signal)
      return link
    }
    const address = this.#ports.store.get(addressKey(signer))
    if (address === undefined)
      throw new NodeError(
        'PEER_UNREACHABLE',
        'The peer is not connected, and it never listened for us.',
      )
    return this.#connect(new TextDecoder().decode(address), signal)
  }

  async #connect(address: string, signal: AbortSignal | undefined): Promise<Link> {
    const link = await this.#peers.connect(address, signal)
    const key = addressKey(link.signer ?? zeroAddress)
    const value = new TextEncoder().encode(address)
    if (address.includes('/p2p/') && !equals(this.#ports.store.get(key) ?? zeroes(0), value))
      await this.#ports.store.commit([{ key, value }])
    return link
  }

  /** The owner's policy for channels that peers offer: theirs to fund, ours to be paid by. */
  async #welcome({ parameters, seat }: Message & { type: 'open' }, link: Link): Promise<number> {
    const time = await this.#ports.ledger.time()
    const own = Parameters.seatOf(parameters, this.#signer)
    const theirs = parameters.seats[seat]
    const refuse = (condition: boolean, why: string): void => {
      if (condition)
        throw new NodeError('CHANNEL_REFUSED', `The peer refuses this channel: ${why}.`)
    }
    refuse(own === undefined || own === seat, 'it has no seat in it')
    refuse(theirs?.signer !== link.signer, 'its proposer does not sit in it')
    refuse(
      parameters.seats[own ?? 0]?.payout !== this.account,
      'it does not pay out to its account',
    )
    refuse(
      (parameters.deposits[own ?? 0] ?? []).some((amount) => amount > 0n),
      'it does not deposit',
    )
    refuse(
      parameters.assets.length !== 1 || parameters.assets[0] !== zeroAddress,
      'it takes the native coin only',
    )
    refuse(
      parameters.challengePeriod < this.#ports.ledger.minChallengePeriod,
      'its challenge period is too short',
    )
    refuse(parameters.fundBy > time + fundWithinMax, 'it would wait too long for deposits')
    refuse(toHex(parameters.codeHash) !== toHex(Parameters.noCode), 'it runs no contracts')
    return own ?? 0
  }

  #problem(error: unknown): void {
    if (this.#ended.signal.aborted) return
    const { code, message } = toProblem(error)
    const problem = error instanceof SluiceError ? error : new NodeError(code, message)
    this.events.emit('problem', problem)
  }
}

const addressKey = (signer: Address): string => `peer/${signer}`

/** Aborts with the caller, and when the peer is gone: nothing it still owes an answer to can come. */
const whileOpen = ({ connection }: Link, signal: AbortSignal | undefined): AbortSignal =>
  signal === undefined ? connection.closed : AbortSignal.any([connection.closed, signal])

/** Our balance in a channel's newest state. */
const balanceOf = ({ complete, seat }: Channel): bigint =>
  complete?.body.outcome.balances[seat]?.[0] ?? 0n

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
    `"${resource}" costs ${total}, the budget is ${budget}. Nothing was paid; give a larger --budget.`,
  )
}

/** What a node refuses its owner or a peer. */
export class NodeError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'NodeError'
  }
}
