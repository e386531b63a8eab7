/** Frames of a paid stream: what `core/stream-message` lays out, to and from bytes. */
import { toBigInt } from '../core/bytes.js'
import { CodecError } from '../core/codec.js'
import * as Frame from '../core/frame.js'
import { limits } from '../core/limits.js'
import * as StreamMessage from '../core/stream-message.js'
import { batches } from './frames.js'
import type { ByteStream } from './ports.js'
import * as Wire from './wire.js'

export type StreamFrame =
  | { readonly type: 'message'; readonly message: StreamMessage.StreamMessage }
  /** `position` is where these bytes end, `end` where their frame does: more of it may be on its way. */
  | {
      readonly type: 'data'
      readonly position: bigint
      readonly end: bigint
      readonly data: Uint8Array
    }
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
    return { type: 'data', position, end: position, data: body.subarray(dataHeadSize) }
  if (body[0] === kinds.acknowledgement && body.length === dataHeadSize)
    return { type: 'acknowledgement', position }
  throw new CodecError('A stream frame is a message, data or an acknowledgement.')
}

/** The frames that come on a paid stream, one at a time, read no faster than they are taken. */
export class StreamReader {
  /**
   * Data is divisible, one byte a step: a frame of it is taken as it arrives, each part like a frame of its own.
   */
  inParts = false
  readonly #stream: ByteStream
  readonly #batches: AsyncGenerator<StreamFrame[]>
  #batch: StreamFrame[] = []
  #at = 0
  /** The frame that is being taken in parts. */
  #open: (StreamFrame & { type: 'data' }) | undefined

  constructor(stream: ByteStream, bytesMax: number = limits.streamBytesMax) {
    this.#stream = stream
    const parts: Frame.Parts = {
      headSize: dataHeadSize + 1,
      includes: (head) => this.inParts && head[0] === kinds.data,
    }
    this.#batches = batches(stream, (sink) =>
      Frame.deframer(bytesMax, (bytes, left) => sink(this.#take(bytes, left)), parts),
    )
  }

  /** The next frame, undefined at the end. @throws FrameError, CodecError, and what the stream throws */
  async next(): Promise<StreamFrame | undefined> {
    if (this.#at === this.#batch.length) {
      const { value, done } = await this.#batches.next()
      if (done) return undefined
      this.#batch = value
      this.#at = 0
    }
    return this.#batch[this.#at++]
  }

  /** Reads on until the other side has ended, too, and keeps nothing: what nobody waits for must not pile up. */
  async discard(): Promise<void> {
    try {
      while ((await this.next()) !== undefined);
    } catch {
      // What is no frame ends the frames, not the stream.
    }
    await drain(this.#stream).catch(() => undefined)
  }

  #take(bytes: Uint8Array, left: number): StreamFrame {
    const frame = this.#open === undefined ? decode(bytes) : { ...this.#open, data: bytes }
    if (frame.type !== 'data') return frame
    this.#open = left > 0 ? frame : undefined
    return { ...frame, position: frame.end - BigInt(left) }
  }
}

async function drain(stream: ByteStream): Promise<void> {
  for await (const _ of stream);
}
