/**
 * A link: one connection, upgraded. Each side opens its own control substream, and its own pay substream
 * once it pays; what it says there is bound to the peer that libp2p authenticated.
 */
import { type Address, concat, type Hex } from '../core/bytes.js'
import { SluiceError, toProblem } from '../core/errors.js'
import * as Frame from '../core/frame.js'
import { limits } from '../core/limits.js'
import * as Message from '../core/message.js'
import { frames } from './frames.js'
import { Notifier } from './notifier.js'
import type { ByteStream, Connection } from './ports.js'
import { Turns } from './turns.js'
import * as Wire from './wire.js'

export const controlProtocol = '/sluice/channel/1'
export const payProtocol = '/sluice/pay/1'

/** What a link hands up. A handler that throws a SluiceError refuses the input; the peer is told. */
export type LinkHandlers = {
  readonly onMessage: (link: Link, message: Message.Message) => Promise<void>
  readonly onPayFrames: (link: Link, frames: readonly Uint8Array[]) => Promise<void>
  readonly onProblem: (link: Link, error: SluiceError) => void
  /** Resolves once everything else that has come in has had its turn. */
  readonly pause: () => Promise<void>
}

/**
 * Messages that are handled before others have their turn. What they have changed is on its way to the disk while the
 * next are handled, and the peer at work on the answers: over 64 channels 1,260 updates a second instead of 960.
 */
const burst = 8

export type Introduction = Message.Message & { type: 'hello' }

export class Link {
  readonly connection: Connection
  readonly changed = new Notifier()
  /** Who the peer says it is; signatures prove it. */
  introduction: Introduction | undefined
  /** Our tower and the layer have told what became of our channels with the peer: before, nothing is shown or heard. */
  isInformed = false
  /** The peer has told us all it holds: states may be signed from here on. */
  synced = false
  /** The last answer to a `settle`, per channel; only what we asked for is kept. */
  readonly settled = new Map<Hex, (Message.Message & { type: 'settled' }) | undefined>()
  /** Channels for which an answer to a `settle` of the peer is being made. */
  readonly settling = new Set<Hex>()
  /** Why the link is of no more use. */
  failure: SluiceError | undefined
  readonly #handlers: LinkHandlers
  readonly #control: Writer
  readonly #pay: Writer
  #controlRead = false
  #payRead = false

  constructor(connection: Connection, handlers: LinkHandlers) {
    this.connection = connection
    this.#handlers = handlers
    this.#control = new Writer(connection, controlProtocol, (error) => this.#fail(error))
    this.#pay = new Writer(connection, payProtocol, (error) => this.#fail(error))
    connection.closed.addEventListener('abort', () => this.changed.notify(), { once: true })
  }

  get peer(): string {
    return this.connection.peer
  }

  get signer(): Address | undefined {
    return this.introduction?.signer
  }

  get isOpen(): boolean {
    return this.failure === undefined && !this.connection.closed.aborted
  }

  send(message: Message.Message): void {
    this.#control.send(Frame.encode(Wire.encode(Message.message, message)))
  }

  /** Queues a frame of the pay substream; all that is queued in one turn leaves in one write. */
  pay(body: Uint8Array): void {
    this.#pay.send(Frame.encode(body))
  }

  /** Waits until `condition`, or throws what ended the link. */
  async until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    await this.changed.until(() => condition() || !this.isOpen, signal)
    if (!this.isOpen) throw this.failure ?? connectionLost
  }

  /** Reads a control substream that the peer opened; it may open one. */
  async readControl(stream: ByteStream): Promise<void> {
    if (this.#controlRead) return stream.abort(duplicate)
    this.#controlRead = true
    const turns = new Turns(limits.underWayBytesMax, (error) => this.#refuse(error))
    await this.#read(stream, limits.controlBytesMax, async (bodies) => {
      for (const [at, body] of bodies.entries()) {
        if (at > 0 && at % burst === 0) await this.#handlers.pause()
        const message = Wire.decode(Message.message, body)
        await turns.take(topicOf(message), body.length, async () => {
          if (!this.isOpen) return
          await this.#handlers.onMessage(this, message)
          this.changed.notify()
        })
      }
    })
  }

  /** Reads a pay substream that the peer opened; it may open one. */
  async readPay(stream: ByteStream): Promise<void> {
    if (this.#payRead) return stream.abort(duplicate)
    this.#payRead = true
    await this.#read(stream, limits.payBytesMax, (bodies) =>
      this.#handlers.onPayFrames(this, bodies),
    )
  }

  /** What a peer sends against the protocol ends its link, and nothing else. */
  async #read(
    stream: ByteStream,
    limit: number,
    handle: (bodies: readonly Uint8Array[]) => Promise<void>,
  ): Promise<void> {
    try {
      for await (const bodies of frames(stream, limit)) {
        if (!this.isOpen) return
        await handle(bodies)
      }
    } catch (error) {
      this.#refuse(error)
    }
  }

  #refuse(error: unknown): void {
    if (!this.isOpen) return
    const problem = toProblem(error)
    if (problem.code === 'STREAM_RESET') {
      this.#leave()
      return
    }
    this.send({
      type: 'problem',
      code: problem.code.slice(0, 64),
      message: problem.message.slice(0, 1_024),
    })
    this.#fail(new LinkError(problem.code, problem.message))
  }

  /** The link is of no more use. */
  end(error: SluiceError): void {
    this.#fail(error)
  }

  #fail(error: SluiceError): void {
    if (!this.isOpen) return
    this.#leave(error)
    this.#handlers.onProblem(this, error)
  }

  /** The link is of no more use; a peer that went is no problem of ours. */
  #leave(error: SluiceError = connectionLost): void {
    if (!this.isOpen) return
    this.failure = error
    this.changed.notify()
    // What the peer is told last is why.
    void this.#control.end().then(() => this.connection.close().catch(() => undefined))
  }
}

/**
 * What a message is about: messages of one channel keep their order, and no channel waits for another. What is
 * about none of them, or brings a new one, comes between all that was said before it and after it.
 */
const topicOf = (message: Message.Message): Hex | undefined =>
  'channelId' in message ? message.channelId : undefined

/** Writes frames to a substream that it opens at the first; back-pressure gathers them into larger writes. */
class Writer {
  readonly #connection: Connection
  readonly #protocol: string
  readonly #onFailure: (error: SluiceError) => void
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #running = false
  #opened: Promise<ByteStream> | undefined

  constructor(connection: Connection, protocol: string, onFailure: (error: SluiceError) => void) {
    this.#connection = connection
    this.#protocol = protocol
    this.#onFailure = onFailure
  }

  send(frame: Uint8Array): void {
    if (this.#connection.closed.aborted) return
    this.#queuedBytes += frame.length
    if (this.#queuedBytes > limits.queuedBytesMax) {
      this.#onFailure(new LinkError('PEER_TOO_SLOW', 'The peer does not read what it is sent.'))
      return
    }
    this.#queue.push(frame)
    if (!this.#running) {
      this.#running = true
      void this.#run()
    }
  }

  /** Ends the substream after what is queued: nothing more is said on it. */
  async end(): Promise<void> {
    try {
      const stream = await this.#opened
      if (this.#queue.length > 0) stream?.send(this.#take())
      // Whoever ends the connection waits for it, as long as is reasonable.
      stream?.close().catch(() => undefined)
    } catch {
      // There is nobody to tell.
    }
  }

  #take(): Uint8Array {
    const batch = concat(...this.#queue)
    this.#queue = []
    this.#queuedBytes = 0
    return batch
  }

  async #run(): Promise<void> {
    try {
      this.#opened ??= this.#connection.open(this.#protocol)
      const stream = await this.#opened
      await Promise.resolve()
      while (this.#queue.length > 0)
        if (!stream.send(this.#take())) await stream.drained(this.#connection.closed)
    } catch (error) {
      if (this.#connection.closed.aborted) return
      const { code, message } = toProblem(error)
      this.#onFailure(new LinkError(code, message))
    } finally {
      this.#running = false
    }
  }
}

/** Aborts with the caller, and when a peer is gone: nothing it still owes an answer to can come. */
export const whileOpen = (links: readonly Link[], signal: AbortSignal | undefined): AbortSignal =>
  AbortSignal.any([
    ...links.map(({ connection }) => connection.closed),
    ...(signal === undefined ? [] : [signal]),
  ])

/** A connection that is gone, or a peer that broke the protocol. */
export class LinkError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'LinkError'
  }
}

const connectionLost = new LinkError(
  'CONNECTION_LOST',
  'The connection to the peer is gone; try again.',
)

const duplicate = new LinkError('UNEXPECTED', 'This connection has such a substream already.')
