/**
 * A libp2p connection as the engine's `Connection`. Closing one never looks to the peer like the proper
 * end of a stream that was still being written.
 */
import { setMaxListeners } from 'node:events'
import type { Stream, Connection as Underlying } from '@libp2p/interface'
import type { ByteStream, Connection } from '../engine/ports.js'
import { within } from './deadline.js'
import { NetworkError } from './errors.js'
import { openError } from './libp2p-errors.js'
import { fromStream, type Libp2pStream } from './libp2p-stream.js'
import { closeTimeoutMs, openTimeoutMs } from './limits.js'

export type Libp2pConnection = Connection & {
  /** A stream that the peer opened. */
  accept(stream: Stream): ByteStream
}

export type ConnectionOptions = {
  /**
   * Whether `close` closes the connection itself; otherwise it drops our streams and leaves the
   * connection to the node's owner.
   */
  readonly owned: boolean
  /** Streams of one protocol that we may open. */
  readonly streamsMax: number
}

export function fromConnection(
  underlying: Underlying,
  { owned, streamsMax }: ConnectionOptions,
): Libp2pConnection {
  const peer = underlying.remotePeer.toString()
  const streams = new Set<Libp2pStream>()
  const gone = new AbortController()
  let closing: Promise<void> | undefined
  setMaxListeners(0, gone.signal)

  const lost = (cause?: unknown) =>
    new NetworkError('CONNECTION_CLOSED', `The connection to ${peer} is closed.`, { cause })

  const onClose = ({ error }: { error?: Error }) => gone.abort(lost(error))
  underlying.addEventListener('close', onClose)
  if (underlying.status !== 'open') gone.abort(lost())

  function adopt(stream: Stream): ByteStream {
    const adopted = fromStream(stream, () => streams.delete(adopted))
    streams.add(adopted)
    if (gone.signal.aborted || closing) adopted.abort(lost())
    return adopted
  }

  /**
   * Resets what is still being written, so that the peer cannot take a cut for an end; flushes the
   * rest.
   */
  async function endStreams() {
    const flushing: Promise<void>[] = []
    for (const stream of [...streams]) {
      const closing = stream.closing()
      if (closing) flushing.push(closing)
      else stream.abort(lost())
    }
    const deadline = AbortSignal.timeout(closeTimeoutMs)
    const late = new Promise((resolve) => deadline.addEventListener('abort', resolve))
    await Promise.race([Promise.allSettled(flushing), late])
  }

  /** Not only until libp2p says so: it may wait for a drain of a connection that is lost. */
  async function closeUnderlying() {
    const lostMeanwhile = new Promise((resolve) => gone.signal.addEventListener('abort', resolve))
    const closed = underlying
      .close({ signal: AbortSignal.timeout(closeTimeoutMs) })
      .catch((error) => underlying.abort(error))
    await Promise.race([closed, lostMeanwhile])
  }

  async function close() {
    if (gone.signal.aborted) return
    await endStreams()
    if (owned) await closeUnderlying()
    else for (const stream of [...streams]) stream.abort(lost())
    underlying.removeEventListener('close', onClose)
    gone.abort(lost())
  }

  return {
    id: underlying.id,
    peer,
    address: underlying.remoteAddr.toString(),
    closed: gone.signal,
    accept: adopt,
    async open(protocol, { signal } = {}) {
      if (gone.signal.aborted || closing) throw lost()
      const late = () =>
        new NetworkError(
          'PEER_UNREACHABLE',
          `${peer} did not answer in ${openTimeoutMs / 1_000} s.`,
        )
      const doing = 'Opening a stream'
      try {
        return await within({ doing, ms: openTimeoutMs, late, signal }, async (signal) =>
          adopt(
            await underlying.newStream(protocol, {
              signal,
              maxOutboundStreams: streamsMax,
            }),
          ),
        )
      } catch (error) {
        if (error instanceof NetworkError) throw error
        throw underlying.status === 'open' ? openError(error, protocol, peer) : lost(error)
      }
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}
