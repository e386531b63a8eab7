/**
 * What libp2p throws, as a `NetworkError` that tells a person what to do. libp2p's errors carry their
 * class in `name` and those of the system a `code`; where neither says enough, the message is looked
 * at.
 */
import { NetworkError } from './errors.js'

/** Why `address` (a multiaddr, or a bare peer id) could not be connected. */
export function dialError(cause: unknown, address: string): NetworkError {
  if (cause instanceof NetworkError) return cause
  return unreachable(address, whyUnreachable(cause, address.startsWith('/')), cause)
}

const unreachable = (address: string, why: string, cause?: unknown): NetworkError =>
  new NetworkError('PEER_UNREACHABLE', `Cannot reach ${address}: ${why}.`, { cause })

function whyUnreachable(cause: unknown, full: boolean): string {
  const { name, message, code } = describe(cause)
  const stranger = /identity key (\w+) does not match/.exec(message)?.[1]
  if (stranger) return `another peer answers there, ${stranger}; check the part after /p2p/`
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  switch (name) {
    case 'EncryptionFailedError':
    case 'MuxerUnavailableError':
      return 'what answers there refused us, or is no libp2p node'
    case 'InvalidPeerIdError':
      return 'it is this node itself'
    case 'NoValidAddressesError':
      return full
        ? 'this node cannot dial addresses of that kind'
        : 'it is not connected; use its full address, like /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW…'
    default:
      return message
  }
}

/** Why a stream for `protocol` could not be opened on a connection that is still there. */
export function openError(cause: unknown, protocol: string, peer: string): NetworkError {
  switch (describe(cause).name) {
    case 'UnsupportedProtocolError':
      return new NetworkError(
        'PROTOCOL_UNSUPPORTED',
        `${peer} does not speak ${protocol}; it does not run Sluice, or another version of it.`,
        { cause },
      )
    case 'TooManyOutboundProtocolStreamsError':
      return new NetworkError(
        'STREAM_LIMIT',
        `Too many streams to ${peer} are open; close some first.`,
        { cause },
      )
    case 'ConnectionClosedError':
    case 'MuxerClosedError':
      return new NetworkError('CONNECTION_CLOSED', `The connection to ${peer} is closing.`, {
        cause,
      })
    // The last two: reset after the peer had answered, or before.
    case 'StreamResetError':
    case 'StreamStateError':
    case 'UnexpectedEOFError':
      return new NetworkError(
        'STREAM_RESET',
        `${peer} dropped the stream as soon as it was open.`,
        { cause },
      )
    default:
      return unreachable(peer, describe(cause).message, cause)
  }
}

/** Why the node would not take a handler. */
export function handleError(cause: unknown, protocol: string): unknown {
  if (describe(cause).name !== 'DuplicateProtocolHandlerError') return cause
  const message = `This libp2p node handles ${protocol} already; run one Sluice node on it.`
  return new NetworkError('PROTOCOL_TAKEN', message, { cause })
}

/** Why the node could not listen. libp2p gathers all reasons into one text. */
export function listenError(cause: unknown, addresses: readonly string[]): NetworkError {
  const { message } = describe(cause)
  const wanted = addresses.join(', ')
  if (message.includes('EADDRINUSE'))
    return new NetworkError(
      'PORT_IN_USE',
      `Cannot listen on ${wanted}: the port is in use. Stop what uses it, or take another (0 is any).`,
      { cause },
    )
  const reason = /listen (E\w+: [^\n]*)/.exec(message)?.[1] ?? 'only TCP addresses will do'
  return new NetworkError(
    'LISTEN_FAILED',
    `Cannot listen on ${wanted}: ${reason}. Give an address of this machine; /ip4/0.0.0.0/tcp/0 is all of them.`,
    { cause },
  )
}

function describe(error: unknown): { name: string; message: string; code: unknown } {
  if (!(error instanceof Error)) return { name: '', message: String(error), code: undefined }
  return {
    name: error.name,
    message: error.message,
    code: 'code' in error ? error.code : undefined,
  }
}
