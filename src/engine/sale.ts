/**
 * The provider's side of one paid stream: quotes, checks who opens, sends as far as credit reaches, pauses
 * where it ends, and drains to a receipt. It never sends a byte beyond a durable grant.
 */
import * as Amount from '../core/amount.js'
import { fromHex, type Hex, toHex } from '../core/bytes.js'
import { SluiceError, toProblem } from '../core/errors.js'
import type { Lane } from '../core/lane.js'
import type * as Meter from '../core/meter.js'
import * as StreamOpening from '../core/opening.js'
import * as Quote from '../core/quote.js'
import * as Receipt from '../core/receipt.js'
import { offsetMax, payloadMax, type StreamMessage } from '../core/stream-message.js'
import type { Domain } from '../core/typed-data.js'
import type { Engine } from '../crypto/engine.js'
import type { Link } from './link.js'
import type { Payee, Stream } from './payee.js'
import type { ByteStream, Random } from './ports.js'
import * as StreamFrame from './stream-frame.js'

/** A part of a resource on its own timeline: where it stands once these bytes are taken. */
export type Piece = { readonly data: Uint8Array; readonly position: bigint }

/** What a provider offers: a quote, and the content from any offset on. */
export type Offer = {
  readonly quote: Quote.Quote
  /** Bytes (priced per byte) or pieces (per second, per item), from `offset` steps on. */
  readonly open: (
    offset: bigint,
    signal: AbortSignal,
  ) => AsyncIterable<Uint8Array> | AsyncIterable<Piece>
  /** Aborts when the owner withdraws the offer: running streams are drained. */
  readonly withdrawn: AbortSignal
  readonly onReceipt: (receipt: Receipt.Signed) => void
  /** The source failed; what it had yielded is paid all the same. */
  readonly onProblem: (error: unknown) => void
}

export type SalePorts = {
  readonly crypto: Engine
  readonly domain: Domain
  readonly random: Random
  /** Our libp2p peer id. */
  readonly peer: string
  /** The seat's key. */
  readonly signing: Uint8Array
  /** The offer of a name; the only one for an empty name. @throws OfferError `RESOURCE_UNKNOWN` */
  readonly find: (resource: string) => Offer
  /** The lane that the peer of this link pays us by. @throws OfferError `LANE_UNKNOWN`, `WRONG_ASSET` */
  readonly lane: (link: Link, opening: Opening) => Promise<{ payee: Payee; lane: Lane }>
}

/** The lane that a consumer names, and what it is to pay for. */
export type Opening = {
  readonly channelId: Hex
  readonly lane: bigint
  readonly quote: Quote.Quote
}

/** Serves one stream to its end; everything a peer does wrong is told to it and thrown. */
export async function serve(
  ports: SalePorts,
  link: Link,
  stream: ByteStream,
  reader: StreamFrame.StreamReader,
): Promise<void> {
  try {
    await new Sale(ports, link, stream, reader).run()
    await stream.close()
  } catch (error) {
    if (link.connection.closed.aborted) return
    const { code, message } = toProblem(error)
    const problem = {
      type: 'problem',
      code: code.slice(0, 64),
      message: message.slice(0, 1_024),
    } as const
    try {
      stream.send(StreamFrame.encodeMessage(problem))
      await stream.close()
    } catch {
      stream.abort(new SaleError(code, message))
    }
    throw error
  }
}

class Sale {
  readonly #ports: SalePorts
  readonly #link: Link
  readonly #stream: ByteStream
  readonly #reader: StreamFrame.StreamReader
  /** Aborts when nothing more is to be sent. */
  readonly #stop = new AbortController()
  #reason: Receipt.Reason = 'complete'
  #failure: unknown
  /** The offset after the last piece that was sent whole. */
  #position = 0n
  /** No byte beyond is sent: here the resource ends, or the consumer's budget. */
  #limit = 0n
  #receipt: Uint8Array | undefined

  constructor(ports: SalePorts, link: Link, stream: ByteStream, reader: StreamFrame.StreamReader) {
    this.#ports = ports
    this.#link = link
    this.#stream = stream
    this.#reader = reader
  }

  async run(): Promise<void> {
    const ask = await this.#message('ask')
    if (ask === undefined) return
    const offer = this.#ports.find(ask.resource)
    const nonce = this.#ports.random(32)
    this.#send({ type: 'quote', quote: offer.quote, nonce })
    const open = await this.#message('open')
    if (open === undefined) return
    const { payee, lane } = await this.#ports.lane(this.#link, {
      ...open,
      quote: offer.quote,
    })
    this.#checkOpening(open, lane, offer.quote, nonce)
    const { price, quantum } = offer.quote
    const terms = { quote: toHex(Quote.hash(offer.quote)), price, quantum }
    this.#limit = Amount.min(offer.quote.size ?? offsetMax, open.limit ?? offsetMax)
    const limit = this.#limit
    const stream: Stream = {
      purchase: open.purchase,
      limit,
      sent: open.offset,
      needed: undefined,
      stop: () => this.#supersede(payee),
    }
    const wake = (): void => payee.wake()
    const { closed } = this.#link.connection
    closed.addEventListener('abort', wake)
    try {
      await payee.start(stream, terms, open.offset)
      this.#position = open.offset
      void this.#listen(payee, open.purchase)
      await this.#deliver(offer, payee, stream)
      stream.sent = this.#position
      payee.stopped(stream)
      await this.#settle(offer, payee, stream, lane, open)
    } finally {
      closed.removeEventListener('abort', wake)
      this.#end('provider-stopped', payee)
      stream.sent = this.#position
      await payee.end(stream, 'cut')
    }
  }

  #supersede(payee: Payee): void {
    this.#failure ??= new SaleError('SUPERSEDED', 'A newer stream carries this purchase.')
    this.#end('provider-stopped', payee)
  }

  /** The next frame, which must be this message; undefined where the consumer only asked and left. */
  async #message<T extends StreamMessage['type']>(
    type: T,
  ): Promise<(StreamMessage & { type: T }) | undefined> {
    const frame = await this.#reader.next()
    if (frame === undefined) return undefined
    if (frame.type !== 'message' || frame.message.type !== type)
      throw new SaleError('UNEXPECTED', `A paid stream expects ${type} here.`)
    return frame.message as StreamMessage & { type: T }
  }

  #checkOpening(
    open: StreamMessage & { type: 'open' },
    lane: Lane,
    quote: Quote.Quote,
    nonce: Uint8Array,
  ): void {
    const opening: StreamOpening.Opening = {
      channelId: open.channelId,
      lane: open.lane,
      payer: this.#link.peer,
      payee: this.#ports.peer,
      quote: Quote.hash(quote),
      nonce,
    }
    const digest = StreamOpening.digest(this.#ports.domain, opening)
    if (this.#ports.crypto.secp256k1.recover(digest, open.signature) !== lane.sessionKey)
      throw new SaleError('BAD_SIGNATURE', "The stream is not opened by the lane's session key.")
  }

  /** Takes acknowledgements, the wish to stop and the receipt as they come. */
  async #listen(payee: Payee, purchase: Hex): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#reader.next()
        if (frame === undefined)
          throw new SaleError('CONSUMER_GONE', 'The consumer left the stream.')
        if (frame.type === 'acknowledgement') {
          if (frame.position > this.#position)
            throw new SaleError('UNEXPECTED', `Offset ${frame.position} was never sent.`)
          payee.acknowledge(purchase, frame.position)
        } else if (frame.type === 'message' && frame.message.type === 'drain')
          this.#end(frame.message.reason, payee)
        else if (frame.type === 'message' && frame.message.type === 'receipt') {
          this.#receipt = frame.message.signature
          payee.wake()
          return
        } else throw new SaleError('UNEXPECTED', 'The consumer sent what no consumer sends.')
      }
    } catch (error) {
      this.#failure ??= error
      this.#end('provider-failed', payee)
    }
  }

  /** Sends what the source yields, as far as it is granted, until the end or until told to stop. */
  async #deliver(offer: Offer, payee: Payee, stream: Stream): Promise<void> {
    const { signal } = this.#stop
    const withdraw = (): void => this.#end('provider-stopped', payee)
    offer.withdrawn.addEventListener('abort', withdraw, { once: true })
    if (offer.withdrawn.aborted) withdraw()
    let source: AsyncIterator<Uint8Array | Piece> | undefined
    try {
      if (!this.#isWhole(offer, payee, stream.purchase))
        source = offer.open(this.#position, signal)[Symbol.asyncIterator]()
      while (source !== undefined && !signal.aborted) {
        if (this.#position >= this.#limit && this.#position !== offer.quote.size) {
          this.#end('budget-exhausted', payee)
          break
        }
        const next = await nextOf(source, signal)
        if (next === undefined) break
        if (next.done) {
          checkEnd(offer.quote, this.#position)
          break
        }
        await this.#sendPiece(next.value, offer, payee, stream)
      }
    } catch (error) {
      if (this.#failure === undefined) {
        if (!this.#link.isOpen) throw error
        offer.onProblem(error)
      }
      this.#end('provider-failed', payee)
    } finally {
      offer.withdrawn.removeEventListener('abort', withdraw)
      // A source that ignores its signal must not hold up the drain.
      void source?.return?.()?.catch(() => undefined)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Nothing is left to send: all of it was, or the purchase is finished and asks for its receipt again. */
  #isWhole({ quote }: Offer, payee: Payee, purchase: Hex): boolean {
    return this.#position === quote.size || payee.purchase(purchase)?.finished === true
  }

  async #sendPiece(
    piece: Uint8Array | Piece,
    { quote }: Offer,
    payee: Payee,
    stream: Stream,
  ): Promise<void> {
    const data = piece instanceof Uint8Array ? piece : piece.data
    const start = this.#position
    const target = piece instanceof Uint8Array ? start + BigInt(data.length) : piece.position
    const divisible = quote.price.unit === 'byte'
    checkPiece(quote, start, data, target)
    for (let at = 0; at < data.length; ) {
      const needed = divisible ? this.#position + 1n : target
      if (needed > this.#limit) return this.#end('budget-exhausted', payee)
      await this.#granted(payee, stream, needed)
      if (this.#stop.signal.aborted) return
      // From here to the end of the turn nobody can take the grant back.
      const granted = payee.grantOf(stream.purchase)
      if (granted < needed) {
        if (!payee.isBeyond(stream.purchase, needed)) continue
        return this.#end('budget-exhausted', payee)
      }
      const room = divisible
        ? Number(Amount.min(granted, this.#limit) - this.#position)
        : data.length
      const part = data.subarray(at, at + Math.min(room, payloadMax))
      at += part.length
      if (divisible) this.#position += BigInt(part.length)
      else if (at === data.length) this.#position = target
      // A piece is paid whole or not at all, and its grant is in use from its first part on.
      stream.sent = divisible ? this.#position : target
      if (!this.#write(StreamFrame.encodeData(this.#position, part)))
        await this.#stream.drained(this.#stop.signal).catch((error) => {
          if (!this.#stop.signal.aborted) throw error
        })
    }
  }

  /** Waits for credit; that there will never be any is told to the consumer. */
  async #granted(payee: Payee, stream: Stream, needed: bigint): Promise<void> {
    try {
      await payee.granted(stream, needed, () => this.#stop.signal.aborted)
    } catch (error) {
      this.#failure ??= error
      throw error
    }
  }

  /** Says where it ended, waits for the rest of the money, and exchanges receipts. */
  async #settle(
    { quote, onReceipt }: Offer,
    payee: Payee,
    stream: Stream,
    lane: Lane,
    open: StreamMessage & { type: 'open' },
  ): Promise<void> {
    this.#send({ type: 'end', reason: this.#reason, offset: this.#position })
    const failed = (): boolean => this.#failure !== undefined || !this.#link.isOpen
    const forsaken = (): boolean => payee.isForsaken(open.purchase)
    await payee.received(() => this.#receipt !== undefined || failed() || forsaken())
    await payee.paid(open.purchase, failed)
    if (this.#failure !== undefined) throw this.#failure
    const purchase = payee.purchase(open.purchase)
    if (purchase === undefined || this.#receipt === undefined) return
    const receipt: Receipt.Receipt = {
      channelId: open.channelId,
      lane: open.lane,
      quote: Quote.hash(quote),
      purchase: fromHex(open.purchase, 32),
      offset: purchase.acknowledged,
      owed: payee.owedFor(open.purchase),
      reason: this.#reason,
    }
    const { recover, sign } = this.#ports.crypto.secp256k1
    const digest = Receipt.digest(this.#ports.domain, receipt)
    if (recover(digest, this.#receipt) !== lane.sessionKey)
      throw new SaleError('BAD_SIGNATURE', 'The receipt is not what this stream delivered.')
    await payee.end(stream, this.#ending(quote, purchase.acknowledged))
    const signature = sign(digest, this.#ports.signing)
    this.#send({ type: 'receipt', signature })
    onReceipt({ ...receipt, signatures: { payer: this.#receipt, payee: signature } })
  }

  /** A consumer that left something unacknowledged, and would have it again, is taken for one that was cut off. */
  #ending({ size }: Quote.Quote, acknowledged: bigint): Meter.Ending {
    if (Receipt.isOver(this.#reason, size)) return 'finished'
    return acknowledged === this.#position ? 'paused' : 'cut'
  }

  #end(reason: Receipt.Reason, payee: Payee): void {
    if (this.#stop.signal.aborted) return
    this.#reason = reason
    this.#stop.abort()
    payee.wake()
  }

  #send(message: StreamMessage): void {
    this.#write(StreamFrame.encodeMessage(message))
  }

  #write(frame: Uint8Array): boolean {
    try {
      return this.#stream.send(frame)
    } catch (error) {
      this.#failure ??= error
      throw error
    }
  }
}

/**
 * What the source yields next, undefined once aborted. Every wait has its own listener: racing each piece
 * against one promise that lasts would keep them all.
 */
const nextOf = (
  source: AsyncIterator<Uint8Array | Piece>,
  signal: AbortSignal,
): Promise<IteratorResult<Uint8Array | Piece> | undefined> =>
  new Promise((resolve, reject) => {
    const stop = (): void => resolve(undefined)
    signal.addEventListener('abort', stop, { once: true })
    source
      .next()
      .finally(() => signal.removeEventListener('abort', stop))
      .then(resolve, reject)
  })

/**
 * A piece that no consumer could follow, or that no window could ever hold, is the source's fault.
 * @throws SaleError `BAD_SOURCE`
 */
function checkPiece(quote: Quote.Quote, sent: bigint, data: Uint8Array, target: bigint): void {
  const refuse = (condition: boolean, why: string): void => {
    if (condition) throw new SaleError('BAD_SOURCE', `The source of "${quote.resource}" ${why}.`)
  }
  refuse(quote.size !== undefined && target > quote.size, 'yields more than its size')
  if (quote.price.unit === 'byte')
    refuse(target !== sent + BigInt(data.length), 'counts other bytes than it yields')
  else {
    refuse(target < sent, 'goes back on its timeline')
    refuse(
      target - sent > quote.quantum,
      'yields a piece longer than a quantum; offer a larger one',
    )
    refuse(target > sent && data.length === 0, 'moves on without any bytes')
  }
}

/** A file that was cut short while it is on offer, for instance. @throws SaleError `BAD_SOURCE` */
function checkEnd({ resource, size }: Quote.Quote, position: bigint): void {
  if (size === undefined || position === size) return
  throw new SaleError(
    'BAD_SOURCE',
    `The source of "${resource}" ends at ${position}, before its size of ${size}.`,
  )
}

/** A stream that cannot be served, or a consumer that breaks the protocol. */
export class SaleError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'SaleError'
  }
}
