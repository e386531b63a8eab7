/**
 * A pair of connected byte streams in one process, with the bounded buffers and the endings of real
 * ones. It never hands one side's memory to the other, and never keeps chunks as they were sent.
 */
import type { ByteStream } from '../engine/ports.js'
import { aborted, NetworkError } from './errors.js'
import { inbox } from './inbox.js'

/** Unread bytes at which the sender is told to wait; what yamux grants at first. */
const memoryWindow = 262_144

/** Sends are cut into pieces of this size, as noise cuts them: nobody may rely on the chunks. */
const pieceSize = 65_519

export type MemoryStream = ByteStream & {
  /** Whether our direction was closed in good order. */
  isClosed(): boolean
  /** Ends both directions with `error`; what arrived before may still be read. */
  sever(error: NetworkError): void
}

/** @param done called by each side, once, when its stream is over in both directions */
export function streamPair(
  protocol: string,
  done: (stream: MemoryStream) => void,
): readonly [MemoryStream, MemoryStream] {
  const left = half(protocol, () => right, done)
  const right = half(protocol, () => left, done)
  return [left, right]
}

type Half = MemoryStream & {
  /** What the other side does to this one. */
  receive(bytes: Uint8Array): void
  receiveEnd(): void
  isFull(): boolean
  wake(): void
}

function half(protocol: string, other: () => Half, done: (stream: MemoryStream) => void): Half {
  let failure: Error | undefined
  let sentEnd = false
  let gotEnd = false
  let waiting: (() => void)[] = []
  const unread = inbox(() => other().wake())

  function over(error: Error) {
    if (failure) return
    failure = error
    self.wake()
    done(self)
  }

  function overIfEnded() {
    if (sentEnd && gotEnd) over(new NetworkError('STREAM_CLOSED', 'The stream is closed.'))
  }

  const self: Half = {
    protocol,
    [Symbol.asyncIterator]: unread.read,
    isClosed: () => sentEnd,
    send(bytes) {
      if (failure) throw failure
      if (sentEnd) throw new NetworkError('STREAM_CLOSED', 'The stream was closed for writing.')
      other().receive(bytes)
      return !other().isFull()
    },
    async drained(signal) {
      signal?.addEventListener('abort', self.wake)
      try {
        for (;;) {
          if (failure) throw failure
          if (signal?.aborted) throw aborted('Waiting to send', signal)
          if (!other().isFull()) return
          await new Promise<void>((resolve) => waiting.push(resolve))
        }
      } finally {
        signal?.removeEventListener('abort', self.wake)
      }
    },
    async close() {
      if (sentEnd) return
      if (failure) throw failure
      // What we sent is in the other's inbox already: there is nothing to flush.
      sentEnd = true
      other().receiveEnd()
      overIfEnded()
    },
    abort(error) {
      over(error)
      unread.discard(error)
      other().sever(new NetworkError('STREAM_RESET', 'The other side dropped the stream.'))
    },
    sever(error) {
      over(error)
      unread.finish(error)
    },
    receive(bytes) {
      for (let at = 0; at < bytes.length; at += pieceSize)
        unread.push(new Uint8Array(bytes.subarray(at, at + pieceSize)))
    },
    receiveEnd() {
      gotEnd = true
      unread.finish()
      overIfEnded()
    },
    isFull: () => unread.weight() >= memoryWindow,
    wake() {
      const all = waiting
      waiting = []
      for (const resolve of all) resolve()
    },
  }
  return self
}
