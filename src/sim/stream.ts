/**
 * A pair of connected byte streams over the simulated network: reliable and in order while their connection
 * lives, cut into other chunks than were sent, with the bounded buffers of real ones.
 */
import type { ByteStream } from '../engine/ports.js'
import { aborted, NetworkError } from '../net/errors.js'
import { chunkWeight, inbox } from '../net/inbox.js'
import type { Life } from './life.js'

/** What names a stream to those who watch. */
export type StreamName = {
  readonly connection: string
  /** Counts the streams of a world. */
  readonly id: number
  readonly protocol: string
  readonly opener: string
}

/** One direction's way to the other side. */
export type Carrier = {
  readonly life: Life
  /** What the network carries of what is sent. */
  readonly leave: (stream: StreamName, bytes: Uint8Array) => readonly Uint8Array[]
  /** Runs `action` at the other side when what was sent now arrives there. */
  readonly arrive: (order: { atMs: number }, action: () => void) => void
  readonly onChunk: (stream: StreamName, chunk: Uint8Array) => void
  /** Bytes unread and on their way at which the sender is told to wait. */
  readonly windowBytes: number
}

export type Half = ByteStream & {
  /** Ends both directions at this side; what arrived before may still be read. */
  sever(error: NetworkError): void
}

/** `carriers`: from the opener's side, and back. `done` is called once a side is over in both directions. */
export function pair(
  name: StreamName,
  carriers: readonly [Carrier, Carrier],
  done: (half: Half) => void,
): readonly [Half, Half] {
  const near: Inner = half(name, carriers[0], () => far, done)
  const far: Inner = half(name, carriers[1], () => near, done)
  return [near, far]
}

type Inner = Half & {
  receive(chunk: Uint8Array): void
  receiveEnd(): void
  /** The other side has read so much. */
  taken(bytes: number): void
}

function half(
  name: StreamName,
  carrier: Carrier,
  other: () => Inner,
  done: (half: Half) => void,
): Inner {
  let failure: Error | undefined
  let sentEnd = false
  let gotEnd = false
  /** Sent, and not read by the other side yet. */
  let outstanding = 0
  let waiting: (() => void)[] = []
  /** In this direction nothing overtakes anything. */
  const order = { atMs: 0 }
  let unread = 0
  const arrived = inbox(() => {
    other().taken(unread - arrived.weight())
    unread = arrived.weight()
  })
  const wake = (): void => {
    const all = waiting
    waiting = []
    for (const resume of all) resume()
  }
  const over = (error: Error): void => {
    if (failure !== undefined) return
    failure = error
    wake()
    done(self)
  }
  const overIfEnded = (): void => {
    if (sentEnd && gotEnd) over(new NetworkError('STREAM_CLOSED', 'The stream is closed.'))
  }
  const isFull = (): boolean => outstanding >= carrier.windowBytes
  const self: Inner = {
    protocol: name.protocol,
    [Symbol.asyncIterator]: arrived.read,
    send(bytes) {
      if (failure !== undefined) throw failure
      if (sentEnd) throw new NetworkError('STREAM_CLOSED', 'The stream was closed for writing.')
      if (!carrier.life.cross()) return true
      for (const chunk of carrier.leave(name, bytes)) {
        outstanding += weightOf(chunk)
        carrier.arrive(order, () => other().receive(chunk))
      }
      carrier.life.cross()
      return !isFull()
    },
    async drained(signal) {
      signal?.addEventListener('abort', wake)
      try {
        for (;;) {
          if (failure !== undefined) throw failure
          if (signal?.aborted) throw aborted('Waiting to send', signal)
          if (!isFull()) return
          await new Promise<void>((resolve) => waiting.push(resolve))
        }
      } finally {
        signal?.removeEventListener('abort', wake)
      }
    },
    async close() {
      if (sentEnd) return
      if (failure !== undefined) throw failure
      sentEnd = true
      carrier.arrive(order, () => other().receiveEnd())
      overIfEnded()
    },
    abort(error) {
      if (failure !== undefined) return
      over(error)
      arrived.discard(error)
      const reset = new NetworkError('STREAM_RESET', 'The other side dropped the stream.')
      carrier.arrive(order, () => other().sever(reset))
    },
    sever(error) {
      over(error)
      arrived.finish(error)
    },
    receive(chunk) {
      carrier.onChunk(name, chunk)
      arrived.push(chunk)
      unread = arrived.weight()
    },
    receiveEnd() {
      gotEnd = true
      arrived.finish()
      overIfEnded()
    },
    taken(bytes) {
      outstanding = Math.max(0, outstanding - bytes)
      if (!isFull()) wake()
    },
  }
  return self
}

/** As the inbox counts it: many tiny chunks are no free memory. */
const weightOf = (chunk: Uint8Array): number => chunk.length + chunkWeight
