/**
 * Length-prefixed frames, as all Sluice protocols send them: an unsigned varint (LEB128), then that many
 * bytes. The reader never holds more than one frame of `limit` bytes, whatever is sent.
 */
import { SluiceError } from './errors.js'

/** The varint has at most four bytes, so no frame can be longer than this. */
export const sizeMax = 2 ** 28 - 1

/** Room that `seal` may need in front of a body. */
export const headroom = 4

/** Bytes of the varint in front of a body of `size` bytes. */
export function prefixSize(size: number): number {
  if (size > sizeMax)
    throw new FrameError('FRAME_TOO_LARGE', `it has ${size} bytes, the most is ${sizeMax}.`)
  return size < 2 ** 7 ? 1 : size < 2 ** 14 ? 2 : size < 2 ** 21 ? 3 : 4
}

/**
 * One frame whose body is all `parts`, in one piece: a stream is fastest with few, large writes.
 * @throws FrameError `FRAME_TOO_LARGE` above `sizeMax`
 */
export function encode(...parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const frame = new Uint8Array(prefixSize(size) + size)
  let at = writePrefix(frame, 0, size)
  for (const part of parts) {
    frame.set(part, at)
    at += part.length
  }
  return frame
}

/**
 * The frame whose body is `buffer` from `start` on, without copying it: the prefix goes into the bytes
 * just before, of which there must be `headroom`. For large bodies that are read straight into a
 * buffer.
 * @throws FrameError `FRAME_TOO_LARGE` above `sizeMax`
 */
export function seal(buffer: Uint8Array, start: number): Uint8Array {
  const size = buffer.length - start
  const at = start - prefixSize(size)
  writePrefix(buffer, at, size)
  return buffer.subarray(at)
}

function writePrefix(target: Uint8Array, start: number, size: number): number {
  let at = start
  let rest = size
  for (; rest > 0x7f; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80
  target[at++] = rest
  return at
}

export type Deframer = {
  /**
   * Takes the next bytes of the stream and hands every frame that is whole by now to the sink, in
   * order. A frame that lies inside `chunk` is a view of it, any other is assembled by one copy, unless
   * it is taken in parts: those are views, too.
   * @throws FrameError `FRAME_TOO_LARGE`, `BAD_FRAME`: after the sink got all frames before the bad
   *   one; the stream is no good any more, and every later call throws the same
   */
  push(chunk: Uint8Array): void
  /** The stream has ended. @throws FrameError `FRAME_TRUNCATED` in the middle of a frame */
  end(): void
}

/** Takes a frame, or a part of one of which `left` bytes are still to come. */
export type Sink = (bytes: Uint8Array, left: number) => void

/** Which frames are handed on as they arrive, part by part, instead of whole. */
export type Parts = {
  /** Bytes of a body that the first part has at least. */
  readonly headSize: number
  readonly includes: (head: Uint8Array) => boolean
}

/**
 * Cuts a stream into frames of at most `limit` bytes. Memory for a frame is taken only once its length is
 * known to be within the limit. `parts` is a wish: a frame that is whole, or whose head is not, comes whole.
 */
export function deframer(limit: number, sink: Sink, parts?: Parts): Deframer {
  let failure: FrameError | undefined
  /** The prefix read so far: its value, and how many of its bytes we have. */
  let size = 0
  let prefix = 0
  /** The frame being assembled, and how much of it is there. */
  let body: Uint8Array | undefined
  let filled = 0
  /** Bytes still to come of the frame that is taken in parts. */
  let left = 0

  const fail = (code: FrameErrorCode, why: string): never => {
    failure = new FrameError(code, why)
    body = undefined
    throw failure
  }

  return {
    push(chunk) {
      if (failure) throw failure
      let at = 0
      if (body) {
        at = Math.min(body.length - filled, chunk.length)
        body.set(at === chunk.length ? chunk : chunk.subarray(0, at), filled)
        filled += at
        if (filled < body.length) return
        const frame = body
        body = undefined
        sink(frame, 0)
      }
      if (left > 0) {
        at = Math.min(left, chunk.length)
        left -= at
        sink(view(chunk, 0, at), left)
      }
      while (at < chunk.length) {
        const byte = chunk[at++] as number
        size |= (byte & 0x7f) << (7 * prefix++)
        if (byte > 0x7f) {
          if (prefix === headroom) fail('BAD_FRAME', 'its length has more than four bytes.')
          continue
        }
        if (byte === 0 && prefix > 1) fail('BAD_FRAME', 'its length has needless zeroes.')
        if (size > limit) fail('FRAME_TOO_LARGE', `it has ${size} bytes, the limit is ${limit}.`)
        const length = size
        size = prefix = 0
        const end = at + length
        if (end > chunk.length) {
          const here = view(chunk, at, chunk.length)
          if (parts && here.length >= parts.headSize && parts.includes(here)) {
            left = end - chunk.length
            sink(here, left)
            return
          }
          body = new Uint8Array(length)
          body.set(here)
          filled = here.length
          return
        }
        sink(view(chunk, at, end), 0)
        at = end
      }
    },
    end() {
      if (failure) throw failure
      if (body || left > 0 || prefix > 0)
        fail('FRAME_TRUNCATED', 'the stream ended in the middle of it.')
    },
  }
}

/** Not subarray(): of a Buffer it would make a Buffer, whose slice() is not a copy. */
const view = (chunk: Uint8Array, start: number, end: number): Uint8Array =>
  new Uint8Array(chunk.buffer, chunk.byteOffset + start, end - start)

type FrameErrorCode = 'FRAME_TOO_LARGE' | 'BAD_FRAME' | 'FRAME_TRUNCATED'

/** Bytes that are not a sequence of frames, or a frame beyond what this stream allows. */
export class FrameError extends SluiceError {
  constructor(code: FrameErrorCode, why: string) {
    super(code, `A frame is refused: ${why}`)
    this.name = 'FrameError'
  }
}
