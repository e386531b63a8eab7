/**
 * The consumer's side of one paid stream: takes bytes, acknowledges what the owner calls durable, pays for
 * exactly that, and drains to a receipt. It never acknowledges beyond its budget.
 */
import * as Amount from '../core/amount.js'
import { type Address, fromHex, type Hex } from '../core/bytes.js'
import { SluiceError } from '../core/errors.js'
import * as Opening from '../core/opening.js'
import * as Price from '../core/price.js'
import * as Quote from '../core/quote.js'
import * as Receipt from '../core/receipt.js'
import { offsetMax, type StreamMessage } from '../core/stream-message.js'
import type { Domain } from '../core/typed-data.js'
import type { Engine } from '../crypto/engine.js'
import type { Link } from './link.js'
import { Notifier } from './notifier.js'
import type { Payer } from './payer.js'
import type { ByteStream } from './ports.js'
import * as StreamFrame from './stream-frame.js'

export const streamProtocol = '/sluice/stream/1'

export type PurchasePorts = {
  readonly crypto: Engine
  readonly domain: Domain
  /** Our libp2p peer id. */
  readonly peer: string
  readonly session: Uint8Array
}

export type PurchaseOptions = {
  /** 32-byte id; the same one resumes the purchase, where it was acknowledged to. */
  readonly purchase: Hex
  /** The most this purchase may cost. */
  readonly budget: bigint | undefined
  /** When bytes count as durable: once the next are asked for, or only by `acknowledge`. */
  readonly acknowledge: 'auto' | 'manual'
  /** Told below which offset everything is acknowledged, once a crash cannot undo that. */
  readonly onAcknowledged: ((offset: bigint) => void) | undefined
}

/** A quote with the nonce that an opening is to be signed for. */
export type Asked = {
  readonly stream: ByteStream
  readonly reader: StreamFrame.StreamReader
  readonly quote: Quote.Quote
  readonly nonce: Uint8Array
}

/** Opens a substream and asks what `resource` costs. @throws what the provider refuses it with */
export async function ask(link: Link, resource: string, signal?: AbortSignal): Promise<Asked> {
  const stream = await link.connection.open(streamProtocol, signal === undefined ? {} : { signal })
  const leave = (): void => stream.abort(unanswered)
  signal?.addEventListener('abort', leave)
  try {
    if (signal?.aborted) leave()
    const reader = new StreamFrame.StreamReader(stream)
    stream.send(StreamFrame.encodeMessage({ type: 'ask', resource }))
    const answer = await reader.next()
    if (answer?.type !== 'message' || answer.message.type !== 'quote') throw refusal(answer)
    const { quote, nonce } = answer.message
    Price.check(quote.price)
    if (quote.quantum < 1n) throw new PurchaseError('BAD_QUOTE', 'The provider quotes no quantum.')
    reader.inParts = quote.price.unit === 'byte'
    return { stream, reader, quote, nonce }
  } catch (error) {
    stream.abort(error instanceof Error ? error : new PurchaseError('ABORTED', String(error)))
    throw error
  } finally {
    signal?.removeEventListener('abort', leave)
  }
}

/** What a provider that does not go on has said. */
const refusal = (frame: StreamFrame.StreamFrame | undefined): SluiceError => {
  if (frame === undefined)
    return new PurchaseError('STREAM_LOST', 'The provider ended the stream; try again.')
  if (frame.type === 'message' && frame.message.type === 'problem')
    return new PurchaseError(frame.message.code, frame.message.message)
  return new PurchaseError('UNEXPECTED', 'The provider sent what no provider sends.')
}

/**
 * A paid stream. Iterate it for the bytes. Leaving the loop drains it; where `acknowledge` is `manual` it cuts the
 * stream off, and `stop` drains it.
 */
export class Purchase implements AsyncIterable<Uint8Array> {
  readonly id: Hex
  readonly channelId: Hex
  readonly lane: bigint
  readonly quote: Quote.Quote
  /** The receipt, once drained and paid; rejects with what ended the stream before that. */
  readonly receipt: Promise<Receipt.Signed>
  readonly #ports: PurchasePorts
  readonly #link: Link
  readonly #payer: Payer
  readonly #asked: Asked
  readonly #payee: Address
  readonly #mode: 'auto' | 'manual'
  readonly #onAcknowledged: PurchaseOptions['onAcknowledged']
  readonly #limit: bigint
  readonly #changed = new Notifier()
  #position: bigint
  #acknowledged: bigint
  #end: (StreamMessage & { type: 'end' }) | undefined
  #draining = false
  /** The last read: one at a time, or each would miss a part of the stream. */
  #last: Promise<unknown> = Promise.resolve()
  /** Whoever stops the stream takes the rest of it; settles at its end. */
  #rest: Promise<undefined> | undefined
  /** Resolves once the provider was told where to begin, or that failed: nothing is said before. */
  readonly #opened: Promise<void>
  #failure: unknown
  #settling: Promise<Receipt.Signed> | undefined
  #resolve: (receipt: Receipt.Signed) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  constructor(
    ports: PurchasePorts,
    link: Link,
    payer: Payer,
    payee: Address,
    asked: Asked,
    options: PurchaseOptions,
  ) {
    this.#ports = ports
    this.#link = link
    this.#payer = payer
    this.#payee = payee
    this.#asked = asked
    this.#mode = options.acknowledge
    this.#onAcknowledged = options.onAcknowledged
    this.id = options.purchase
    this.channelId = payer.channelId
    this.lane = payer.id
    this.quote = asked.quote
    this.#position = payer.acknowledged(options.purchase) ?? 0n
    this.#acknowledged = this.#position
    this.#limit = Price.affordable(asked.quote.price, options.budget ?? Amount.max)
    this.receipt = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.receipt.catch(() => undefined)
    this.#opened = this.#open()
  }

  /** Offset after the last bytes yielded; at first, where the stream starts. */
  get position(): bigint {
    return this.#position
  }

  /** Everything below has been called durable. */
  get acknowledged(): bigint {
    return this.#acknowledged
  }

  /** What the purchase costs so far. */
  get owed(): bigint {
    return Price.owed(this.quote.price, this.#acknowledged)
  }

  #open(): Promise<void> {
    const { crypto, domain, peer, session } = this.#ports
    const opening: Opening.Opening = {
      channelId: this.channelId,
      lane: this.lane,
      payer: peer,
      payee: this.#link.peer,
      quote: Quote.hash(this.quote),
      nonce: this.#asked.nonce,
    }
    const signature = crypto.secp256k1.sign(Opening.digest(domain, opening), session)
    const { channelId, lane, id: purchase } = this
    const offset = this.#position
    const limit = this.#limit <= offsetMax ? this.#limit : undefined
    return this.#payer
      .start(purchase, this.quote, offset, {
        acknowledge: (upTo) => {
          this.#write(StreamFrame.encodeAcknowledgement(upTo))
          this.#tell(upTo)
        },
        fail: (error) => this.#fail(error),
      })
      .then(() => this.#send({ type: 'open', channelId, lane, purchase, offset, limit, signature }))
      .catch((error) => this.#fail(error))
  }

  /** Everything below `offset` is durable here and will be paid. */
  acknowledge(offset: bigint): void {
    if (offset > this.#position)
      throw new PurchaseError('OFFSET_UNKNOWN', `Offset ${offset} has not been received yet.`)
    const upTo = Amount.min(offset, this.#limit)
    if (upTo <= this.#acknowledged) return
    this.#acknowledged = upTo
    this.#payer.acknowledge(this.id, upTo)
    this.#changed.notify()
  }

  /** What the owner's callback throws ends this purchase, and none of those that share its lane. */
  #tell(upTo: bigint): void {
    try {
      this.#onAcknowledged?.(upTo)
    } catch (error) {
      this.#fail(error)
    }
  }

  /**
   * Ends the stream: what is on its way is received, acknowledged and paid; an iteration yields no more of it.
   * Resolves with the receipt.
   */
  async stop(reason: Receipt.Reason = 'consumer-stopped'): Promise<Receipt.Signed> {
    this.#drain(reason)
    this.#rest ??= this.#skip()
    await this.#rest
    return this.receipt
  }

  async #skip(): Promise<undefined> {
    while ((await this.#next()) !== undefined);
  }

  /** Cuts the stream off: what was acknowledged is billed, no more, and the purchase can be resumed. */
  abort(): void {
    this.#fail(new PurchaseError('ABORTED', 'The purchase was interrupted; it can be resumed.'))
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    let over = false
    try {
      for (;;) {
        if (this.#mode === 'auto') this.acknowledge(this.#position)
        if (this.#position >= this.#limit && this.#position !== this.quote.size)
          this.#drain('budget-exhausted')
        const data = await (this.#rest ?? this.#next())
        if (data === undefined) break
        yield data
      }
      over = true
      if (this.#mode === 'auto') await this.receipt
    } finally {
      if (!over && this.#failure === undefined) await this.#leave()
    }
  }

  /** Whoever says itself what is durable has not said it of what came last: an exception must not pay for that. */
  async #leave(): Promise<void> {
    if (this.#mode === 'auto' || this.#draining) await this.stop()
    else this.abort()
  }

  #drain(reason: Receipt.Reason): void {
    if (this.#draining || this.#end !== undefined) return
    this.#draining = true
    void this.#opened.then(() => this.#send({ type: 'drain', reason }))
  }

  /** The next bytes, undefined at the end. Who asks while another one waits for them gets those that follow. */
  #next(): Promise<Uint8Array | undefined> {
    const next = this.#last.then(() => this.#read())
    this.#last = next.catch(() => undefined)
    return next
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#end !== undefined) return undefined
    try {
      const frame = await this.#asked.reader.next()
      if (frame?.type === 'data') {
        this.#take(frame)
        return frame.data
      }
      if (frame?.type !== 'message' || frame.message.type !== 'end') throw refusal(frame)
      if (frame.message.offset !== this.#position)
        throw new PurchaseError('BAD_OFFSET', 'The provider ends the stream where it did not get.')
      this.#end = frame.message
      this.#settling ??= this.#settle(frame.message)
      this.#settling.then(this.#resolve, (error) => this.#fail(error))
      return undefined
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  #take({ position, end, data }: StreamFrame.StreamFrame & { type: 'data' }): void {
    const { price, quantum, size } = this.quote
    const step = position - this.#position
    // A piece of more than a quantum never leaves a provider: it would be paid for at once, unseen.
    const fits =
      price.unit === 'byte' ? step === BigInt(data.length) : step >= 0n && step <= quantum
    if (!fits || (size !== undefined && end > size))
      throw new PurchaseError('BAD_OFFSET', 'The provider counts other offsets than it sends.')
    this.#position = position
  }

  /** Waits until the owner has called everything durable, pays it to the unit, and exchanges receipts. */
  async #settle(end: StreamMessage & { type: 'end' }): Promise<Receipt.Signed> {
    if (this.#draining || this.#mode === 'auto') this.acknowledge(this.#position)
    const last = Amount.min(end.offset, this.#limit)
    const lost = (): boolean => !this.#link.isOpen
    await this.#changed.until(() => this.#acknowledged >= last || lost())
    await this.#payer.settle(this.id, this.#link.connection.closed)
    const receipt: Receipt.Receipt = {
      channelId: this.channelId,
      lane: this.lane,
      quote: Quote.hash(this.quote),
      purchase: fromHex(this.id, 32),
      offset: this.#acknowledged,
      owed: this.owed,
      reason: end.reason,
    }
    const { crypto, domain, session } = this.#ports
    const digest = Receipt.digest(domain, receipt)
    const signature = crypto.secp256k1.sign(digest, session)
    this.#send({ type: 'receipt', signature })
    const answer = await this.#asked.reader.next()
    if (answer?.type !== 'message' || answer.message.type !== 'receipt') throw refusal(answer)
    if (crypto.secp256k1.recover(digest, answer.message.signature) !== this.#payee)
      throw new PurchaseError(
        'BAD_SIGNATURE',
        "The receipt does not bear the provider's signature.",
      )
    await this.#payer.end(
      this.id,
      Receipt.isOver(end.reason, this.quote.size) ? 'finished' : 'paused',
    )
    await this.#asked.stream.close()
    // What nobody waits for must not pile up.
    void this.#asked.reader.discard()
    return { ...receipt, signatures: { payer: signature, payee: answer.message.signature } }
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = this.#link.isOpen ? error : (this.#link.failure ?? lostConnection)
    void this.#payer.end(this.id, 'cut')
    this.#asked.stream.abort(error instanceof Error ? error : lostConnection)
    this.#reject(this.#failure)
    this.#changed.notify()
  }

  #send(message: StreamMessage): void {
    this.#write(StreamFrame.encodeMessage(message))
  }

  /** Acknowledgements and messages are few and small: the provider's own pace bounds what waits here. */
  #write(frame: Uint8Array): void {
    if (this.#failure !== undefined) return
    try {
      this.#asked.stream.send(frame)
    } catch (error) {
      this.#fail(error)
    }
  }
}

/** A purchase that was refused or cut off. */
export class PurchaseError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'PurchaseError'
  }
}

const unanswered = new PurchaseError(
  'ABORTED',
  'Asking for the price was interrupted before the provider answered; nothing was paid.',
)

const lostConnection = new PurchaseError(
  'CONNECTION_LOST',
  'The connection to the provider is gone; buy again with the same purchase to go on where it stopped.',
)
