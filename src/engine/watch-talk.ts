/**
 * One stream of `/sluice/watch/1`: whole messages in both directions, one after another. Used by the node
 * that asks and by the tower that answers.
 */
import * as Frame from '../core/frame.js'
import { limits } from '../core/limits.js'
import { type WatchMessage, watchMessage } from '../core/watch-message.js'
import { frames } from './frames.js'
import type { ByteStream } from './ports.js'
import * as Wire from './wire.js'

export const watchProtocol = '/sluice/watch/1'

export class Talk {
  readonly #stream: ByteStream
  readonly #messages: AsyncGenerator<WatchMessage, void, undefined>

  constructor(stream: ByteStream) {
    this.#stream = stream
    this.#messages = messagesOf(stream)
  }

  /** Resolves when more may be sent. @throws NetworkError */
  async send(message: WatchMessage, signal?: AbortSignal): Promise<void> {
    const frame = Frame.encode(Wire.encode(watchMessage, message))
    if (!this.#stream.send(frame)) await this.#stream.drained(signal)
  }

  /** The next message; undefined where the other side has ended. @throws CodecError, FrameError, NetworkError */
  async next(): Promise<WatchMessage | undefined> {
    const { value, done } = await this.#messages.next()
    return done === true ? undefined : value
  }

  end(): Promise<void> {
    return this.#stream.close()
  }

  abort(error: Error): void {
    this.#stream.abort(error)
  }
}

async function* messagesOf(stream: ByteStream): AsyncGenerator<WatchMessage, void, undefined> {
  for await (const bodies of frames(stream, limits.watchBytesMax))
    for (const body of bodies) yield Wire.decode(watchMessage, body)
}
