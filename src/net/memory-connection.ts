/**
 * A connection between two nodes of one process: two ends that share a fate. It never delivers a stream
 * to a node that has no handler for it.
 */
import { setMaxListeners } from 'node:events'
import type { Connection } from '../engine/ports.js'
import { aborted, NetworkError } from './errors.js'
import { type Handler, serve } from './handler.js'
import { networkLimits } from './limits.js'
import { type MemoryStream, streamPair } from './memory-stream.js'

/** A node as the others see it. */
export type MemoryNode = {
  readonly peer: string
  readonly handlers: Map<string, Handler>
  /** By the peer at the other end. */
  readonly connections: Map<string, MemoryConnection>
}

export type MemoryConnection = Connection & {
  /** Ends the connection at once, on both ends. */
  sever(): void
}

type End = MemoryConnection & {
  adopt(stream: MemoryStream): void
  serve(stream: MemoryStream, handler: Handler): void
  done(stream: MemoryStream): void
  ended(): void
}

/** Connects `from` to the node that listens at `address`, and returns the end of `from`. */
export function link(id: string, from: MemoryNode, to: MemoryNode, address: string): Connection {
  const near = end(id, from, to, address, () => far)
  const far = end(id, to, from, `/memory/0/p2p/${from.peer}`, () => near)
  from.connections.set(to.peer, near)
  to.connections.set(from.peer, far)
  return near
}

function end(id: string, own: MemoryNode, remote: MemoryNode, address: string, other: () => End) {
  const streams = new Set<MemoryStream>()
  const gone = new AbortController()
  setMaxListeners(0, gone.signal)
  const lost = () =>
    new NetworkError('CONNECTION_CLOSED', `The connection to ${remote.peer} is closed.`)

  const self: End = {
    id,
    peer: remote.peer,
    address,
    closed: gone.signal,
    async open(protocol, { signal } = {}) {
      if (signal?.aborted) throw aborted('Opening a stream', signal)
      if (gone.signal.aborted) throw lost()
      const handler = remote.handlers.get(protocol)
      if (!handler)
        throw new NetworkError(
          'PROTOCOL_UNSUPPORTED',
          `${remote.peer} does not speak ${protocol}; it does not run Sluice, or another version of it.`,
        )
      const open = [...streams].filter((stream) => stream.protocol === protocol)
      if (open.length >= networkLimits.streamsMax)
        throw new NetworkError(
          'STREAM_LIMIT',
          `Too many streams to ${remote.peer} are open; close some first.`,
        )
      const [near, far] = streamPair(protocol, (stream) => {
        self.done(stream)
        other().done(stream)
      })
      self.adopt(near)
      other().adopt(far)
      other().serve(far, handler)
      return near
    },
    async close() {
      for (const stream of [...streams]) if (!stream.isClosed()) stream.abort(lost())
      self.sever()
    },
    sever() {
      self.ended()
      other().ended()
    },
    adopt: (stream) => streams.add(stream),
    serve: (stream, handler) => void serve(handler, stream, self),
    done: (stream) => streams.delete(stream),
    ended() {
      if (gone.signal.aborted) return
      if (own.connections.get(remote.peer) === self) own.connections.delete(remote.peer)
      for (const stream of [...streams]) stream.sever(lost())
      gone.abort(lost())
    },
  }
  return self
}
