/**
 * A libp2p stream as the engine's `ByteStream`. It exists because three habits of js-libp2p 3 are
 * unsafe for money: its own iterator buffers without bound, `onDrain` resolves at once after its first
 * use, and a lost connection ends a stream as if the peer had ended it.
 */
import type { Stream } from '@libp2p/interface'
import type { ByteStream } from '../engine/ports.js'
import { aborted, NetworkError } from './errors.js'
import { inbox } from './inbox.js'
import { atEndOfTurn } from './turn.js'

/** A stream that its connection can close in good order. */
export type Libp2pStream = ByteStream & {
  /** Settles once a `close` that was asked for has flushed; undefined if nobody asked. */
  closing(): Promise<void> | undefined
}

/**
 * Unread bytes at which we stop granting the sender window. Below it, granting runs ahead of the
 * reader.
 */
const unreadMax = 1_048_576

/**
 * While we grant none, the window the sender already has may still arrive: yamux's own default maximum.
 */
const pausedBytesMax = 16_777_216 + 1_024

/** `done` is called once, when the stream is over in both directions. */
export function fromStream(stream: Stream, done: () => void): Libp2pStream {
  let failure: Error | undefined
  let ended = stream.remoteWriteStatus === 'closed' && stream.status === 'open'
  let closing: Promise<void> | undefined
  let inOrder = false
  let over = () => {}
  const isOver = new Promise<void>((resolve) => {
    over = resolve
  })
  void isOver.then(done)
  let waiting: (() => void)[] = []
  const unread = inbox(refill)

  const wake = () => {
    const all = waiting
    waiting = []
    for (const resolve of all) resolve()
  }

  /** A grant of window is due at the end of this turn of the event loop. */
  let due = false
  /** There is too much to read: no grant before half of it is taken. */
  let full = false
  let resuming = false
  const isReadable = () => stream.readStatus === 'readable'

  /**
   * Yamux grants window for every frame that arrives, each grant a packet of its own, unless the stream is
   * paused. So it is, to the end of the turn: then one grant is for all that came in it. Not inside
   * `resume`: libp2p would go on granting window to a paused stream.
   */
  function pause() {
    if (resuming || !isReadable()) return
    stream.pause()
    if (due) return
    due = true
    atEndOfTurn(() => {
      due = false
      full = unread.weight() >= unreadMax
      if (!full) resume()
    })
  }

  function refill() {
    if (!full || unread.weight() >= unreadMax / 2) return
    full = false
    resume()
  }

  function resume() {
    if (stream.readStatus !== 'paused') return
    resuming = true
    try {
      stream.resume()
    } catch {
      // It hands over what it holds, then cannot tell a peer that is gone.
    }
    resuming = false
    full = unread.weight() >= unreadMax && isReadable()
    if (full) stream.pause()
  }

  /** Not on libp2p's `end`: it may come before bytes that arrived while the protocol was agreed on. */
  function endIfRead() {
    if (ended && stream.readBufferLength === 0) unread.finish()
  }

  /** The stream is over, whoever ended it. What has arrived before may still be read. */
  function onClose(cause?: Error) {
    resume()
    inOrder = ended && stream.status === 'closed'
    if (inOrder) failure ??= new NetworkError('STREAM_CLOSED', 'The stream is closed.')
    failure ??= stream.status === 'reset' ? wasReset(cause) : connectionLost(cause)
    unread.finish(inOrder ? undefined : failure)
    wake()
    over()
  }

  /** Not only until `stream.close()` settles: after an abort it may wait for a drain that never comes. */
  async function flush() {
    if (failure) throw failure
    try {
      await Promise.race([stream.close(), isOver])
    } catch (cause) {
      throw failure ?? connectionLost(cause)
    }
    if (failure && !inOrder) throw failure
  }

  stream.maxReadBufferLength = Math.max(stream.maxReadBufferLength, pausedBytesMax)
  stream.addEventListener('message', ({ data }) => {
    // Plain views, because a Buffer's slice() is not a copy.
    for (const part of data instanceof Uint8Array ? [data] : data)
      unread.push(new Uint8Array(part.buffer, part.byteOffset, part.length))
    endIfRead()
    pause()
  })
  stream.addEventListener('remoteCloseWrite', () => {
    ended = true
    endIfRead()
  })
  stream.addEventListener('drain', wake)
  stream.addEventListener('close', ({ error }) => onClose(error))
  // What happened before we listened; the microtask lets bytes that arrived till then come first.
  if (stream.status === 'open') endIfRead()
  else queueMicrotask(onClose)

  return {
    protocol: stream.protocol,
    [Symbol.asyncIterator]: unread.read,
    closing: () => closing,
    send(bytes) {
      if (failure) throw failure
      if (closing) throw new NetworkError('STREAM_CLOSED', 'The stream was closed for writing.')
      try {
        return stream.send(bytes)
      } catch (cause) {
        throw failure ?? connectionLost(cause)
      }
    },
    async drained(signal) {
      signal?.addEventListener('abort', wake)
      try {
        for (;;) {
          if (failure) throw failure
          if (signal?.aborted) throw aborted('Waiting to send', signal)
          if (!stream.writableNeedsDrain) return
          await new Promise<void>((resolve) => waiting.push(resolve))
        }
      } finally {
        signal?.removeEventListener('abort', wake)
      }
    },
    close() {
      if (!closing) {
        closing = flush()
        // Whoever does not await it need not hear of it: readers and writers do.
        closing.catch(() => {})
      }
      return closing
    },
    abort(error) {
      failure ??= error
      unread.discard(error)
      stream.abort(error)
    },
  }
}

const wasReset = (cause: unknown) =>
  new NetworkError('STREAM_RESET', 'The other side dropped the stream.', { cause })

const connectionLost = (cause: unknown) =>
  new NetworkError('CONNECTION_CLOSED', 'The connection to the peer was lost.', { cause })
