/**
 * The payee's end of one lane: takes vouchers and ticks as they arrive, makes them durable in groups, and
 * only then counts them as accepted and lets the provider send on.
 *
 * A grant of credit lies in the same write as the claim that earned it, and is used only after that write.
 */
import * as Amount from '../core/amount.js'
import type { Address, Hex } from '../core/bytes.js'
import { laneTweak } from '../core/chain.js'
import * as Claim from '../core/claim.js'
import * as Dispute from '../core/dispute.js'
import { SluiceError } from '../core/errors.js'
import type * as Lane from '../core/lane.js'
import * as Meter from '../core/meter.js'
import * as Price from '../core/price.js'
import type * as Tick from '../core/tick.js'
import type { Domain } from '../core/typed-data.js'
import * as Voucher from '../core/voucher.js'
import type { Engine } from '../crypto/engine.js'
import { Notifier } from './notifier.js'
import type { Sleep, Store } from './ports.js'
import * as Records from './records.js'
import { Retry } from './retry.js'

export type PayeePorts = {
  readonly store: Store
  readonly crypto: Engine
  readonly domain: Domain
  readonly sleep: Sleep
  /** What the lane can be counted on to pay. */
  readonly capacity: (payee: Payee) => bigint
  /** The same, what its peer owes elsewhere, and what the owner allows. */
  readonly bounds: (payee: Payee) => Omit<Meter.Bounds, 'accepted' | 'quantumPrice'>
  /** What the payer owes us now. */
  readonly onExposed: (payee: Payee, amount: bigint) => void
  readonly onPaid: (payee: Payee, by: bigint) => void
  /** The exposure fell: others may be granted more. */
  readonly onFreed: (payee: Payee) => void
  /** A stream began: the peer's other lanes have less to themselves. */
  readonly onStarted: (payee: Payee) => void
}

/** The one stream that carries a purchase. */
export type Stream = {
  readonly purchase: Hex
  /** Nothing beyond is ever sent: where the resource ends, the consumer's budget, or the stream itself. */
  limit: bigint
  /** Where it has sent to. What it is granted beyond may be taken back, so it raises this as it sends. */
  sent: bigint
  /** The offset that it waits to be granted; undefined while it waits for none. */
  needed: bigint | undefined
  /** Told when a newer stream of the same purchase takes over. */
  readonly stop: () => void
}

export class Payee {
  readonly channelId: Hex
  readonly id: bigint
  readonly #ports: PayeePorts
  readonly #lane: () => Lane.Lane | undefined
  readonly #tweak: Uint8Array
  readonly #changed = new Notifier()
  /** Running streams in the order they are served; the first has the first call on credit. */
  readonly #streams: Stream[] = []
  /** Newest, perhaps not durable yet. */
  #claim: Claim.Claim | undefined
  #meter: Meter.Meter
  /** As it lies on disk: what counts. */
  #durable: Records.LaneRecord
  /** Writes asked for, and the last one that is durable. */
  #asked = 0
  #saved = 0
  #flushing = false
  /** What is held counts only once it is durable, and perhaps nothing more comes that would be written. */
  readonly #retry: Retry
  #failure: unknown
  /** What was owed after the last write. */
  #exposed: bigint
  #isHeldBack = false
  #settled = 0n
  /** Counters for people: ticks are chain steps. */
  ticks = 0
  vouchers = 0

  constructor(ports: PayeePorts, channelId: Hex, id: bigint, lane: () => Lane.Lane | undefined) {
    this.#ports = ports
    this.channelId = channelId
    this.id = id
    this.#lane = lane
    this.#tweak = laneTweak(channelId, id)
    this.#retry = new Retry(ports.sleep, () => this.#touch())
    const record = Records.read(ports.store, Records.laneKey(channelId, id), Records.lane)
    this.#durable = record ?? { claim: undefined, meter: Meter.empty }
    this.#claim = this.#durable.claim
    this.#meter = this.#durable.meter
    this.#exposed = this.exposure
  }

  /** The newest durable claim: what the adjudicator would pay. */
  get claim(): Claim.Claim | undefined {
    return this.#durable.claim
  }

  /** Its amount, cumulative; or what the layer paid, where that is more. */
  get accepted(): bigint {
    return Amount.larger(Claim.amount(this.#durable.claim), this.#settled)
  }

  /** Amount of the newest claim, durable or not: we agree to no state that pays less. */
  get held(): bigint {
    return Claim.amount(this.#claim)
  }

  /** Owed for everything acknowledged on this lane. */
  get owed(): bigint {
    return Meter.owed(this.#meter)
  }

  /** What we stand to lose if the payer never pays again: all that is granted, less what is durable. */
  get exposure(): bigint {
    return Meter.exposure(this.#meter, this.accepted)
  }

  purchase(id: Hex): Meter.Purchase | undefined {
    return Meter.find(this.#meter, id)
  }

  /** Whether its credit ends where other lanes owe too much: it gains when they pay. */
  get isHeldBack(): boolean {
    return this.#isHeldBack && this.hasStreams
  }

  get hasStreams(): boolean {
    return this.#streams.length > 0
  }

  /** The newest claim, durable or not: what ticks add to. */
  get newest(): Claim.Claim | undefined {
    return this.#claim
  }

  /** Its lane; undefined once it is closed. */
  get lane(): Lane.Lane | undefined {
    return this.#lane()
  }

  get tweak(): Uint8Array {
    return this.#tweak
  }

  /** A claim that our watchtower has kept for us; all of it is proven again. @throws VoucherError, TickError */
  async restore(claim: Claim.Claim): Promise<void> {
    const { crypto, domain } = this.#ports
    const lane = this.#lane()
    if (lane === undefined || Claim.amount(claim) <= this.held) return
    const digest = Voucher.digest(domain, claim.signed.voucher)
    const signer = crypto.secp256k1.recover(digest, claim.signed.signature)
    Dispute.checkClaim(this.channelId, lane, claim, signer, crypto.chain.walk)
    this.#claim = claim
    await this.#save()
  }

  /** The layer has paid so much on the lane, perhaps by a claim that we never saw: it is paid all the same. */
  settle(amount: bigint): void {
    this.#settled = Amount.larger(this.#settled, amount)
    this.#measure(this.#meter)
  }

  /**
   * What comes late for a lane that is closed is worth nothing, and nobody's fault. `known` is who signed it,
   * where that was found out already. @throws VoucherError, SignatureError
   */
  takeVoucher(signed: Voucher.Signed, known?: Address): void {
    const { crypto, domain } = this.#ports
    const lane = this.#lane()
    if (lane === undefined) return
    const signer =
      known ?? crypto.secp256k1.recover(Voucher.digest(domain, signed.voucher), signed.signature)
    const claim = Claim.renew(this.channelId, lane, this.#claim, signed, signer)
    if (claim !== this.#claim) this.vouchers += 1
    this.#take(claim)
  }

  /** @throws TickError */
  takeTicks(frame: Tick.Frame): void {
    const { walk } = this.#ports.crypto.chain
    const lane = this.#lane()
    if (lane === undefined) return
    this.#rise(Claim.advance(lane, this.#tweak, this.#claim, frame, walk))
  }

  /** What the lane table has verified of the newest claim's chains. */
  takeProgress(indices: readonly number[], nodes: readonly Uint8Array[]): void {
    if (this.#claim !== undefined) this.#rise(Claim.raise(this.#claim, indices, nodes))
  }

  #rise(claim: Claim.Claim): void {
    this.ticks += stepsOf(claim) - stepsOf(this.#claim)
    this.#take(claim)
  }

  #take(claim: Claim.Claim): void {
    // The same again after a write that failed is a reason to try once more.
    if (claim === this.#claim && this.#failure === undefined) return
    this.#claim = claim
    this.#touch()
  }

  /**
   * A stream of a purchase begins at `offset`; one that still runs for it is stopped. Resolves once that,
   * and its first grant, are durable. @throws MeterError
   */
  async start(
    stream: Stream,
    begin: Omit<Parameters<typeof Meter.open>[1], 'id'>,
    offset: bigint,
  ): Promise<void> {
    this.#measure(Meter.open(this.#meter, { ...begin, id: stream.purchase }, offset))
    const older = this.#streams.find(({ purchase }) => purchase === stream.purchase)
    if (older !== undefined) {
      this.#remove(older)
      older.stop()
    }
    this.#streams.push(stream)
    this.#ports.onStarted(this)
    await this.#save()
  }

  /** Does not ask for a write of its own: what the consumer called durable it will say again on resume. */
  acknowledge(purchase: Hex, offset: bigint): void {
    const meter = Meter.acknowledge(this.#meter, purchase, offset)
    if (meter === this.#meter) return
    this.#measure(meter)
    this.#changed.notify()
  }

  /** How far a purchase may be sent at this very moment: what lies on disk and was not taken back since. */
  grantOf(purchase: Hex): bigint {
    const grantedBy = (meter: Meter.Meter) => Meter.find(meter, purchase)?.granted ?? 0n
    return Amount.min(grantedBy(this.#durable.meter), grantedBy(this.#meter))
  }

  /**
   * Waits until `offset` may be sent, or `interrupted`, or the lane can never pay for it. Look at `grantOf`
   * afterwards, in the same breath as it is sent. @throws PayeeError `CREDIT_REFUSED`
   */
  async granted(stream: Stream, offset: bigint, interrupted: () => boolean): Promise<void> {
    const { purchase } = stream
    const granted = (): boolean => this.grantOf(purchase) >= offset
    if (granted()) return
    stream.needed = offset
    try {
      this.poke()
      await this.#changed.until(
        () =>
          granted() ||
          interrupted() ||
          this.#failure !== undefined ||
          this.isBeyond(purchase, offset) ||
          this.#isRefused(stream, offset),
      )
    } finally {
      stream.needed = undefined
    }
    if (this.#failure !== undefined) throw this.#failure
    // What was granted may have been taken back in the same breath: the caller waits again.
    const isOver = granted() || interrupted() || this.isBeyond(purchase, offset)
    if (isOver || !this.#isRefused(stream, offset)) return
    throw new PayeeError(
      'CREDIT_REFUSED',
      'The provider gives no credit for this: the peer left too much unpaid on lanes that are closed, ' +
        'or the owner allows less than the next piece costs.',
    )
  }

  #isRefused({ purchase, sent: from }: Stream, offset: bigint): boolean {
    return Meter.isRefused(this.#meter, purchase, { from, offset }, this.#bounds())
  }

  /** Whether the lane can never pay for `purchase` up to `offset`. */
  isBeyond(purchase: Hex, offset: bigint): boolean {
    const lane = this.#lane()
    return (
      lane === undefined ||
      Meter.isBeyond(this.#meter, purchase, offset, this.#ports.capacity(this))
    )
  }

  /**
   * Waits until all of a purchase that was acknowledged is paid, or `interrupted`.
   * @throws PayeeError `LANE_CLOSED` when the peer closed the lane over it
   */
  async paid(purchase: Hex, interrupted: () => boolean): Promise<void> {
    const paid = (): boolean => this.accepted >= Meter.due(this.#meter, purchase)
    const failed = (): boolean => this.#failure !== undefined || this.isForsaken(purchase)
    await this.#changed.until(() => paid() || interrupted() || failed())
    if (this.#failure !== undefined) throw this.#failure
    if (!paid() && !interrupted())
      throw new PayeeError('LANE_CLOSED', 'This lane was closed before all was paid.')
  }

  /** Whether the lane was closed before all of a purchase was paid. */
  isForsaken(purchase: Hex): boolean {
    return this.#lane() === undefined && this.accepted < Meter.due(this.#meter, purchase)
  }

  /** What one purchase cost so far. */
  owedFor(purchase: Hex): bigint {
    const known = Meter.find(this.#meter, purchase)
    return known === undefined ? 0n : Price.owed(known.price, known.acknowledged)
  }

  /** Waits for something that comes in on a stream of this lane; see `wake`. */
  received(condition: () => boolean): Promise<void> {
    return this.#changed.until(condition)
  }

  /** Wakes whoever waits here, so that it looks at its interruption. */
  wake(): void {
    this.#changed.notify()
  }

  /** The stream sends nothing more: the rest of its grant is free for others. */
  stopped(stream: Stream): void {
    stream.limit = stream.sent
    const meter = Meter.release(this.#meter, stream.purchase, stream.sent)
    if (meter === this.#meter) return
    this.#measure(meter)
    this.#touch()
  }

  /** The stream is over; cut off, unless it was drained and paid. */
  async end(stream: Stream, ending: Meter.Ending): Promise<void> {
    if (!this.#remove(stream)) return
    const meter = Meter.release(this.#meter, stream.purchase, stream.sent)
    this.#measure(Meter.end(meter, stream.purchase, ending))
    await this.#save()
  }

  #remove(stream: Stream): boolean {
    const at = this.#streams.indexOf(stream)
    if (at >= 0) this.#streams.splice(at, 1)
    return at >= 0
  }

  /** Looks whether more can be granted, for instance after another lane of the peer was paid. */
  poke(): void {
    if (this.#grant() !== this.#meter) this.#touch()
  }

  /** Gives back what was granted beyond this lane's share of the peer's credit, and not sent. */
  trim(): void {
    const bounds = this.#bounds()
    if (this.exposure <= Meter.laneShare(bounds.quantumPrice ?? 0n, bounds)) return
    const meter = this.#streams.reduce(
      (freed, { purchase, sent }) => Meter.release(freed, purchase, sent),
      this.#meter,
    )
    if (meter === this.#meter) return
    this.#measure(meter)
    this.#touch()
  }

  /** All that changes what the payer owes comes through here: the node adds it up over its lanes. */
  #measure(meter: Meter.Meter): void {
    this.#meter = meter
    this.#ports.onExposed(this, this.exposure)
  }

  /** One write at a time; whatever comes meanwhile shares the next. A failure is told to all who wait here. */
  #touch(): void {
    this.#asked += 1
    if (!this.#flushing) void this.#flush()
  }

  /** Makes durable what is held, also what a full disk has kept in memory so far. @throws StoreError */
  async persist(): Promise<void> {
    if (this.#claim !== this.#durable.claim) await this.#save()
  }

  /** Resolves when all that is known now is durable. */
  async #save(): Promise<void> {
    this.#touch()
    const round = this.#asked
    const saved = (): boolean => this.#saved >= round
    await this.#changed.until(() => saved() || this.#failure !== undefined)
    if (!saved()) throw this.#failure
  }

  async #flush(): Promise<void> {
    this.#flushing = true
    this.#failure = undefined
    try {
      while (this.#saved < this.#asked) {
        await Promise.resolve()
        const round = this.#asked
        this.#measure(this.#grant())
        const record = { claim: this.#claim, meter: this.#meter }
        // A lane that is closed has left the store.
        if (this.#lane() !== undefined) await this.#write(record)
        const by = Claim.amount(record.claim) - this.accepted
        this.#durable = record
        this.#saved = round
        this.#measure(this.#meter)
        this.#changed.notify()
        if (by > 0n) this.#ports.onPaid(this, by)
        const freed = this.exposure < this.#exposed
        this.#exposed = this.exposure
        if (freed) this.#ports.onFreed(this)
      }
    } catch (error) {
      this.#failure = error
      this.#retry.after(error)
    } finally {
      this.#flushing = false
      this.#changed.notify()
    }
  }

  async #write(record: Records.LaneRecord): Promise<void> {
    const { store } = this.#ports
    const key = Records.laneKey(this.channelId, this.id)
    await store.commit([Records.write(key, Records.lane, record)])
    // Its end may have been on its way to the disk before us; what came after it goes again.
    if (this.#lane() === undefined) await store.commit([{ key, value: undefined }])
  }

  /** The meter with every stream granted what it may have; the first in line changes every time. */
  #grant(): Meter.Meter {
    if (this.#lane() === undefined) return this.#meter
    const bounds = this.#bounds()
    this.#isHeldBack = Meter.isHeldBack(bounds)
    const meter = share(this.#meter, this.#streams, bounds)
    const starved = this.#streams.find((stream) => lacks(meter, stream))
    const fed = starved === undefined ? meter : this.#feed(starved, meter, bounds)
    const first = this.#streams.shift()
    if (first !== undefined) this.#streams.push(first)
    return fed
  }

  /**
   * A stream that is granted more than its source yields must not keep the others waiting: what was not sent of
   * all grants is shared anew, the starved stream first. Where that does not help it, all stays as in `meter`.
   * Who has just got what it waits for keeps it: it sends as soon as that is durable.
   */
  #feed(starved: Stream, meter: Meter.Meter, bounds: Meter.Bounds): Meter.Meter {
    const others = this.#streams.filter((stream) => stream !== starved)
    const free = others
      .filter((stream) => stream.needed === undefined || lacks(meter, stream))
      .reduce((freed, { purchase, sent }) => Meter.release(freed, purchase, sent), this.#meter)
    const fed = share(free, [starved, ...others], bounds)
    return lacks(fed, starved) ? meter : fed
  }

  #bounds(): Meter.Bounds {
    return {
      accepted: Claim.amount(this.#claim),
      quantumPrice: this.#largestQuantum(),
      ...this.#ports.bounds(this),
    }
  }

  /** The credit of a lane is one: it is measured by the dearest of the streams that share it. */
  #largestQuantum(): bigint {
    return this.#streams
      .map(({ purchase }) => Meter.find(this.#meter, purchase))
      .map((known) => (known === undefined ? 0n : Price.owed(known.price, known.quantum)))
      .reduce(Amount.larger, 0n)
  }
}

/** The meter with the room that `bounds` leave shared among streams, in their order. */
function share(start: Meter.Meter, streams: readonly Stream[], bounds: Meter.Bounds): Meter.Meter {
  let meter = start
  const wanting = streams.filter(
    ({ purchase, limit }) => (Meter.find(meter, purchase)?.granted ?? limit) < limit,
  )
  let sharers = wanting.length
  for (const { purchase, limit } of wanting) {
    const offset = Meter.grantable(meter, purchase, bounds, sharers)
    meter = Meter.grant(meter, purchase, Amount.min(offset, limit))
    sharers -= 1
  }
  return meter
}

/** Whether a stream waits for more than it is granted. */
const lacks = (meter: Meter.Meter, { purchase, needed }: Stream): boolean =>
  needed !== undefined && (Meter.find(meter, purchase)?.granted ?? needed) < needed

const stepsOf = (claim: Claim.Claim | undefined): number =>
  claim?.indices.reduce((sum, index) => sum + index, 0) ?? 0

/** A lane that was closed under its streams, or that gets no credit. */
export class PayeeError extends SluiceError {
  constructor(code: 'LANE_CLOSED' | 'CREDIT_REFUSED', message: string) {
    super(code, message)
    this.name = 'PayeeError'
  }
}
