/** Frames of a paid stream: what `core/stream-message` lays out, to and from bytes. */
import { toBigInt } from '../core/bytes.js'
import { CodecError } from '../core/codec.js'
import * as Frame from '../core/frame.js'
import { limits } from '../core/limits.js'
import * as StreamMessage from '../core/stream-message.js'
import { frames } from './frames.js'
import type { ByteStream } from './ports.js'
import * as Wire from './wire.js'

export type StreamFrame =
  | { readonly type: 'message'; readonly message: StreamMessage.StreamMessage }
  | { readonly type: 'data'; readonly position: bigint; readonly data: Uint8Array }
  | { readonly type: 'acknowledgement'; readonly position: bigint }

const { kinds, dataHeadSize } = StreamMessage

export const encodeMessage = (message: StreamMessage.StreamMessage): Uint8Array =>
  Frame.encode(Uint8Array.of(kinds.message), Wire.encode(StreamMessage.message, message))

export const encodeData = (position: bigint, data: Uint8Array): Uint8Array =>
  Frame.encode(head(kinds.data, position), data)

export const encodeAcknowledgement = (position: bigint): Uint8Array =>
  Frame.encode(head(kinds.acknowledgement, position))

function head(kind: number, position: bigint): Uint8Array {
  const bytes = new Uint8Array(dataHeadSize)
  bytes[0] = kind
  new DataView(bytes.buffer).setBigUint64(1, position)
  return bytes
}

/** Data is a view of `body`. @throws CodecError `BAD_MESSAGE` */
export function decode(body: Uint8Array): StreamFrame {
  if (body[0] === kinds.message)
    return { type: 'message', message: Wire.decode(StreamMessage.message, body.subarray(1)) }
  const position = toBigInt(body.subarray(1, dataHeadSize))
  if (body[0] === kinds.data && body.length > dataHeadSize)
    return { type: 'data', position, data: body.subarray(dataHeadSize) }
  if (body[0] === kinds.acknowledgement && body.length === dataHeadSize)
    return { type: 'acknowledgement', position }
  throw new CodecError('A stream frame is a message, data or an acknowledgement.')
}

/** The frames that come on a paid stream, one at a time, read no faster than they are taken. */
export class StreamReader {
  readonly #batches: AsyncGenerator<Uint8Array[]>
  #batch: Uint8Array[] = []
  #at = 0

  constructor(stream: ByteStream) {
    this.#batches = frames(stream, limits.streamBytesMax)
  }

  /** The next frame, undefined at the end. @throws FrameError, CodecError, and what the stream throws */
  async next(): Promise<StreamFrame | undefined> {
    if (this.#at === this.#batch.length) {
      const { value, done } = await this.#batches.next()
      if (done) return undefined
      this.#batch = value
      this.#at = 0
    }
    const body = this.#batch[this.#at++]
    return body && decode(body)
  }
}
