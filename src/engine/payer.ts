/**
 * The payer's end of one lane: turns acknowledged offsets into the cheapest promise that covers them. What
 * it acknowledges and signs is durable before it leaves; ticks are not, the payee shows them on resume.
 */

import * as Amount from '../core/amount.js'
import { type Address, equals, fromHex, type Hex, toHex, uint, zeroes } from '../core/bytes.js'
import * as Chain from '../core/chain.js'
import type { Claim } from '../core/claim.js'
import { assert, SluiceError } from '../core/errors.js'
import { capacity, type Lane } from '../core/lane.js'
import { limits } from '../core/limits.js'
import * as Meter from '../core/meter.js'
import * as Price from '../core/price.js'
import * as Promised from '../core/promise.js'
import * as Quote from '../core/quote.js'
import * as Secret from '../core/secret.js'
import * as Tick from '../core/tick.js'
import type { Domain } from '../core/typed-data.js'
import * as Voucher from '../core/voucher.js'
import type { Engine } from '../crypto/engine.js'
import type { Link } from './link.js'
import { Notifier } from './notifier.js'
import * as PayFrame from './pay-frame.js'
import type { Sleep, Store } from './ports.js'
import * as Records from './records.js'
import { Retry } from './retry.js'

export type PayerPorts = {
  readonly store: Store
  readonly crypto: Engine
  readonly domain: Domain
  /** The device's session key: signs vouchers and openings, and seeds the chains. */
  readonly session: Uint8Array
  readonly sleep: Sleep
  readonly onPaid: (payer: Payer, by: bigint) => void
}

/** The stream that a purchase pays for. */
export type PayingStream = {
  /** Tells the provider, once it is durable here. */
  readonly acknowledge: (offset: bigint) => void
  /** Paying failed on our side, for instance on a full disk. */
  readonly fail: (error: unknown) => void
}

/** A running purchase, as its lane sees it. */
type Running = {
  readonly quote: Quote.Quote
  readonly stream: PayingStream
  sent: bigint
  /** The stream is draining: the promise must reach what is owed to the unit. */
  exact: boolean
}

/** Where the lane is bound on a connection, and what the payee has been shown there. */
type Binding = { readonly link: Link; readonly handle: number; epoch: number; index: number }

/** So long may a remainder stay unpaid that ticks cannot express, once nothing moves. */
const remainderMs = 250

export class Payer {
  readonly channelId: Hex
  readonly id: bigint
  readonly #ports: PayerPorts
  readonly #lane: () => Lane | undefined
  readonly #running = new Map<Hex, Running>()
  readonly #changed = new Notifier()
  readonly #tweak: Uint8Array
  #meter: Meter.Meter
  /** Newest, perhaps not durable yet. */
  #promised: Promised.Promised | undefined
  /** As it lies on disk: what may be said. */
  #durable: Promised.Promised | undefined
  #chain: { readonly epoch: number; readonly nodes: Uint8Array } | undefined
  #binding: Binding | undefined
  #failure: unknown
  /** Rounds asked for, and the last one that is durable and said. */
  #asked = 0
  #said = 0
  #flushing = false
  #waiting = false
  /** What was decided is said all the same: the payee waits for it, and cannot close the lane without it. */
  readonly #retry: Retry
  /** The next round pays to the unit, whatever the streams allow. */
  #exactly = false
  /** Counters for people: ticks are chain steps revealed. */
  ticks = 0
  vouchers = 0

  /** `lane` reads the co-signed record; undefined once the lane is closed. */
  constructor(ports: PayerPorts, channelId: Hex, id: bigint, lane: () => Lane | undefined) {
    this.#ports = ports
    this.channelId = channelId
    this.id = id
    this.#lane = lane
    this.#tweak = Chain.laneTweak(channelId, id)
    this.#retry = new Retry(ports.sleep, () => this.#touch())
    const record = Records.read(ports.store, Records.laneKey(channelId, id), Records.lane)
    this.#meter = record?.meter ?? Meter.empty
    if (record?.claim !== undefined)
      this.#promised = { signed: record.claim.signed, index: record.claim.indices[0] ?? 0 }
    this.#durable = this.#promised
  }

  /** The newest promise, cumulative. */
  get promised(): bigint {
    return Promised.amount(this.#promised)
  }

  /** Owed for everything acknowledged on this lane. */
  get owed(): bigint {
    return Meter.owed(this.#meter)
  }

  /** What it will owe once all that is being bought has come, where that has a size. */
  get expected(): bigint {
    let expected = this.owed
    for (const [purchase, { quote }] of this.#running)
      if (quote.size !== undefined)
        expected +=
          Price.owed(quote.price, quote.size) -
          Price.owed(quote.price, this.acknowledged(purchase) ?? 0n)
    return expected
  }

  get isClosed(): boolean {
    return this.#lane() === undefined
  }

  get isIdle(): boolean {
    return this.#running.size === 0
  }

  /** Whether no purchase that was begun here is to be resumed. */
  get isFinished(): boolean {
    return Meter.isFinished(this.#meter)
  }

  /** What a purchase was acknowledged to; undefined where it is unknown. */
  acknowledged(purchase: Hex): bigint | undefined {
    return Meter.find(this.#meter, purchase)?.acknowledged
  }

  isBoundTo(link: Link): boolean {
    return this.#binding?.link === link
  }

  /**
   * The payee has given the lane a handle on `link` and shown what it holds. Whatever it lacks is sent again;
   * what we lack of our own, because our disk is an old one, is adopted.
   * @throws PayerError `BAD_CLAIM` when it shows what we never signed or revealed
   */
  bind(link: Link, handle: number, shown: Claim | undefined): void {
    if (shown !== undefined) this.#checkShown(shown)
    this.#promised = Promised.adopt(this.#promised, shown)
    // We never promise more than we owe: what is beyond was owed for purchases that the disk lost.
    if (this.promised > this.owed)
      this.#meter = Meter.restore(this.#meter, this.promised - this.owed)
    const epoch = shown?.signed.voucher.epoch ?? 0
    // One that is gone by now must not take the place of another.
    if (link.isOpen) this.#binding = { link, handle, epoch, index: shown?.indices[0] ?? 0 }
    this.#sendPromise()
    if (this.#promised !== this.#durable || this.#isBehind) this.#touch()
  }

  /** Wakes whoever waits here, for instance because the lane was closed. */
  wake(): void {
    this.#changed.notify()
  }

  #checkShown({ signed, indices, nodes }: Claim): void {
    const { voucher, signature } = signed
    const ours = this.#ports.crypto.secp256k1
    const foreign =
      voucher.channelId !== this.channelId ||
      voucher.lane !== this.id ||
      ours.recover(Voucher.digest(this.#ports.domain, voucher), signature) !== this.sessionAddress
    const [index, node] = [indices[0] ?? 0, nodes[0] ?? zeroes()]
    if (
      foreign ||
      voucher.digits > 1 ||
      index > voucher.length ||
      indices.length !== voucher.digits
    )
      throw new PayerError('BAD_CLAIM', 'The payee shows a voucher that this lane never signed.')
    if (voucher.digits === 1 && !equals(this.#node(voucher, index), node))
      throw new PayerError('BAD_CLAIM', 'The payee shows a tick that this lane never revealed.')
  }

  get sessionAddress(): Address {
    return this.#ports.crypto.secp256k1.publicAddress(this.#ports.session)
  }

  /**
   * A stream of `purchase` starts at `offset`; everything below is durable here. Resolves once that is
   * written, too: before, the provider must not be told.
   * @throws MeterError, PayerError `PURCHASE_RUNNING`, at once
   */
  start(purchase: Hex, quote: Quote.Quote, offset: bigint, stream: PayingStream): Promise<void> {
    if (this.#running.has(purchase))
      throw new PayerError('PURCHASE_RUNNING', 'This purchase is running already.')
    const known = Meter.grant(this.#meter, purchase, offset)
    const { price, quantum } = quote
    const begin = { id: purchase, quote: toHex(Quote.hash(quote)), price, quantum }
    this.#meter = Meter.open(known, begin, offset)
    this.#running.set(purchase, { quote, stream, sent: offset, exact: false })
    this.#touch()
    return this.#spoken(() => true)
  }

  /** Everything below `offset` is durable here: it will be acknowledged and paid. */
  acknowledge(purchase: Hex, offset: bigint): void {
    this.#meter = Meter.acknowledge(Meter.grant(this.#meter, purchase, offset), purchase, offset)
    this.#touch()
  }

  /** Pays everything acknowledged to the unit, for `purchase` or all; resolves once it is on its way. */
  async settle(purchase: Hex | undefined, signal?: AbortSignal): Promise<void> {
    for (const [id, running] of this.#running)
      if (purchase === undefined || id === purchase) running.exact = true
    const target = this.#target()
    this.#touch()
    // Other streams raise what is owed meanwhile, and a lane that is closed owes nothing any more.
    const paid = (): boolean => Promised.amount(this.#durable) >= Amount.min(target, this.#target())
    await this.#spoken(paid, signal)
  }

  /** Waits until all that was decided so far is durable and said, and `condition`. */
  async #spoken(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    const round = this.#asked
    const spoken = (): boolean => this.#said >= round && condition()
    await this.#changed.until(() => this.#failure !== undefined || spoken(), signal)
    if (!spoken()) throw this.#failure
  }

  /** The stream of `purchase` is over; cut off, unless it was drained and receipted. */
  async end(purchase: Hex, ending: Meter.Ending): Promise<void> {
    this.#running.delete(purchase)
    if (ending === 'cut') return
    this.#meter = Meter.end(this.#meter, purchase, ending)
    await this.#commit()
  }

  #target(): bigint {
    const lane = this.#lane()
    if (lane === undefined) return 0n
    return Amount.min(this.owed, capacity(lane))
  }

  #touch(): void {
    this.#asked += 1
    if (!this.#flushing) void this.#flush()
  }

  /** One round: decide, make durable, then speak. Acknowledgements that come meanwhile share the next. */
  async #flush(): Promise<void> {
    this.#flushing = true
    this.#failure = undefined
    try {
      while (this.#said < this.#asked) {
        // Whatever else this turn acknowledges joins this round.
        await Promise.resolve()
        const round = this.#asked
        this.#raise()
        const promised = this.#promised
        const acknowledged = [...this.#running].map(([purchase, running]) => ({
          running,
          offset: Meter.find(this.#meter, purchase)?.acknowledged ?? 0n,
        }))
        await this.#commit()
        const by = Promised.amount(promised) - Promised.amount(this.#durable)
        this.#durable = promised
        this.#said = round
        for (const { running, offset } of acknowledged) {
          if (offset <= running.sent) continue
          running.sent = offset
          running.stream.acknowledge(offset)
        }
        this.#sendPromise()
        if (by > 0n) this.#ports.onPaid(this, by)
        this.#changed.notify()
      }
      if (this.#isBehind) void this.#payRemainder()
    } catch (error) {
      this.#failure = error
      for (const { stream } of this.#running.values()) stream.fail(error)
      this.#retry.after(error)
    } finally {
      this.#flushing = false
      this.#changed.notify()
    }
  }

  /**
   * A provider may grant less than its window, to keep below what its owner allows, and then waits for money
   * that we hold back: what is still owed when nothing has moved for a while is paid to the unit.
   */
  async #payRemainder(): Promise<void> {
    if (this.#waiting) return
    this.#waiting = true
    for (let round = -1; round !== this.#asked; ) {
      round = this.#asked
      await this.#ports.sleep(remainderMs)
    }
    this.#waiting = false
    if (!this.#isBehind) return
    this.#exactly = true
    this.#touch()
  }

  /** Whether more could be promised than is. */
  get #isBehind(): boolean {
    return this.#binding !== undefined && this.#target() > this.promised
  }

  /**
   * Raises the promise to what is owed, by ticks where they reach, else by a new voucher. Before the payee has
   * shown what it holds nothing is signed: our disk might be an old one.
   */
  #raise(): void {
    const lane = this.#lane()
    if (lane === undefined || this.#binding === undefined) return
    const move = Promised.next(lane, this.#promised, this.owed, this.#terms())
    this.#exactly = false
    if (move === undefined) return
    if (move.type === 'tick') {
      assert(this.#promised !== undefined, 'ticks follow a voucher')
      this.ticks += move.index - this.#promised.index
      this.#promised = { ...this.#promised, index: move.index }
      return
    }
    const anchor = (epoch: number, length: number): Uint8Array => this.#generate(epoch, length)
    const context = this.#context()
    const voucher = Promised.draft(this.channelId, this.id, this.#promised, move, anchor, context)
    const digest = Voucher.digest(this.#ports.domain, voucher)
    const signature = this.#ports.crypto.secp256k1.sign(digest, this.#ports.session)
    this.#promised = { signed: { voucher, signature }, index: 0 }
    this.vouchers += 1
  }

  /** How the running streams want to be paid: the finest of their units, the tightest of their slacks. */
  #terms(): Promised.Terms {
    let [unit, slack]: [bigint | undefined, bigint | undefined] = [undefined, undefined]
    let isSized = true
    for (const { quote, exact } of this.#running.values()) {
      const quantumPrice = Quote.quantumPrice(quote)
      const terms = Promised.termsOf(quote, Meter.credit(quantumPrice, this.promised))
      unit = unit === undefined || terms.unit < unit ? terms.unit : unit
      const allowed = exact ? 0n : terms.slack
      slack = slack === undefined || allowed < slack ? allowed : slack
      isSized &&= quote.size !== undefined
    }
    const expected = isSized ? this.expected : undefined
    return { unit: unit ?? 1n, slack: this.#exactly ? 0n : (slack ?? 0n), expected }
  }

  /** The price list a voucher pays: the one quote that runs, or none. */
  #context(): Uint8Array {
    const [only, ...others] = [...this.#running.values()]
    return only === undefined || others.length > 0 ? zeroes() : Quote.hash(only.quote)
  }

  /** A fresh chain for `epoch`; returns its anchor. */
  #generate(epoch: number, length: number): Uint8Array {
    const lane = [fromHex(this.channelId, 32), uint(this.id, 8), uint(epoch, 4)]
    const seed = Secret.derive(this.#ports.session, 'chain', ...lane)
    const position = { tweak: this.#tweak, epoch, digit: 0 }
    this.#chain = { epoch, nodes: this.#ports.crypto.chain.generate(position, length, seed) }
    return this.#chain.nodes.slice(0, 32)
  }

  #node(voucher: Voucher.Voucher, index: number): Uint8Array {
    if (this.#chain?.epoch !== voucher.epoch) this.#generate(voucher.epoch, voucher.length)
    return (this.#chain?.nodes ?? zeroes()).slice(index * 32, index * 32 + 32)
  }

  /** Sends the newest promise over the bound link, as far as the payee has not been shown it. */
  #sendPromise(): void {
    const [binding, promised] = [this.#binding, this.#durable]
    if (binding === undefined || promised === undefined || !binding.link.isOpen) return
    const { voucher } = promised.signed
    if (voucher.epoch > binding.epoch) {
      binding.link.pay(PayFrame.encodeVoucher(binding.handle, promised.signed))
      binding.epoch = voucher.epoch
      binding.index = 0
    }
    if (voucher.epoch !== binding.epoch) return
    while (binding.index < promised.index) {
      const index = Math.min(binding.index + limits.frameStepsMax, promised.index)
      const entry = { digit: 0, index, node: this.#node(voucher, index) }
      const frame = { handle: binding.handle, epoch: voucher.epoch, entries: [entry] }
      binding.link.pay(PayFrame.encodeTicks(Tick.encode(frame)))
      binding.index = index
    }
  }

  async #commit(): Promise<void> {
    const claim = this.#promised && {
      signed: this.#promised.signed,
      indices: this.#promised.signed.voucher.digits === 0 ? [] : [this.#promised.index],
      nodes: [],
    }
    const record = { claim, meter: this.#meter }
    const { store } = this.#ports
    const key = Records.laneKey(this.channelId, this.id)
    await store.commit([Records.write(key, Records.lane, record)])
    // A lane that was closed meanwhile leaves nothing behind.
    if (this.isClosed) await store.commit([{ key, value: undefined }])
  }
}

/** A payee that shows what we never gave it, or a purchase that runs twice. */
export class PayerError extends SluiceError {
  constructor(code: 'BAD_CLAIM' | 'PURCHASE_RUNNING', message: string) {
    super(code, message)
    this.name = 'PayerError'
  }
}
