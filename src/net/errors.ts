/**
 * The errors of every network adapter, so that callers need not know which one they run on.
 */
import { SluiceError } from '../core/errors.js'

export type NetworkErrorCode =
  /** Not a multiaddr, or one that does not say which peer it leads to. */
  | 'BAD_MULTIADDR'
  /** No connection: refused, timed out, not known, or another peer answered. */
  | 'PEER_UNREACHABLE'
  /** Somebody listens on that port already. */
  | 'PORT_IN_USE'
  /** An address to listen on that this machine does not have, or may not use. */
  | 'LISTEN_FAILED'
  /** The peer does not speak that protocol. */
  | 'PROTOCOL_UNSUPPORTED'
  /** This node already has a handler for the protocol. */
  | 'PROTOCOL_TAKEN'
  /** Too many streams are open on one connection. */
  | 'STREAM_LIMIT'
  /** The other side dropped the stream. */
  | 'STREAM_RESET'
  /** A write after our own close. */
  | 'STREAM_CLOSED'
  /** The connection is gone, or the network is closed. */
  | 'CONNECTION_CLOSED'
  /** The caller's signal aborted. */
  | 'ABORTED'

/** What went wrong between two peers. Nothing it says came over the wire. */
export class NetworkError extends SluiceError {
  declare readonly code: NetworkErrorCode

  constructor(code: NetworkErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(code, message, options)
    this.name = 'NetworkError'
  }
}

/** The caller's signal aborted while `doing` ("opening a stream"). */
export function aborted(doing: string, signal?: AbortSignal): NetworkError {
  return new NetworkError('ABORTED', `${doing} was aborted.`, { cause: signal?.reason })
}
