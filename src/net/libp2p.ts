/**
 * The network over js-libp2p: TCP, noise and yamux for a node of our own, or a node that the embedding
 * program already runs. Connections that exist are used as they are; nothing is dialled that is
 * connected or being dialled.
 */
import './polyfill.js'
import type { Libp2p, Connection as Underlying } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { Network } from '../engine/ports.js'
import { checkListen, parseTarget, type Target } from './address.js'
import { unlessAborted } from './deadline.js'
import { NetworkError } from './errors.js'
import { gatheredNoise } from './gathered.js'
import { serve } from './handler.js'
import { privateKeyFrom } from './identity.js'
import {
  type ConnectionOptions,
  fromConnection,
  type Libp2pConnection,
} from './libp2p-connection.js'
import { dialError, handleError, listenError } from './libp2p-errors.js'
import { connectTimeoutMs, type NetworkLimits, networkLimits } from './limits.js'

export type NetworkOptions = {
  /** Seed of the ed25519 key that is the peer's identity; 32 bytes, secret. */
  readonly privateKey: Uint8Array
  /** Multiaddrs to listen on, `/ip4/127.0.0.1/tcp/0` for any free port; none to dial only. */
  readonly listen?: readonly string[]
  readonly limits?: Partial<NetworkLimits>
}

/**
 * A network on a libp2p node of its own, started and listening.
 * @throws NetworkError `BAD_MULTIADDR`, `PORT_IN_USE`, `LISTEN_FAILED`
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const limits = { ...networkLimits, ...options.limits }
  const listen = (options.listen ?? []).map(checkListen)
  const node = await createLibp2p({
    start: false,
    privateKey: await privateKeyFrom(options.privateKey),
    addresses: { listen },
    transports: [tcp({ maxConnections: limits.connectionsMax + limits.pendingInboundMax })],
    connectionEncrypters: [gatheredNoise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: limits.streamsOfAllProtocolsMax,
        maxOutboundStreams: limits.streamsOfAllProtocolsMax,
        // A dialler may open all its streams in the packet that completes the handshake.
        maxEarlyStreams: limits.streamsOfAllProtocolsMax,
        streamOptions: { maxStreamWindowSize: limits.streamWindow },
      }),
    ],
    connectionManager: {
      dialTimeout: connectTimeoutMs,
      addressDialTimeout: connectTimeoutMs,
      maxConnections: limits.connectionsMax,
      maxIncomingPendingConnections: limits.pendingInboundMax,
      inboundUpgradeTimeout: limits.inboundUpgradeMs,
      inboundConnectionThreshold: limits.inboundPerSecondAndHost,
    },
    connectionMonitor: {
      pingInterval: limits.pingIntervalMs,
      pingTimeout: { minTimeout: limits.pingTimeoutMs },
    },
  })
  // Or the book of peers would grow with every stranger that ever connected.
  node.addEventListener('peer:disconnect', ({ detail }) => {
    node.peerStore.delete(detail).catch(() => {})
  })
  try {
    await node.start()
  } catch (error) {
    throw listenError(error, listen)
  }
  return overNode(node, { owned: true, streamsMax: limits.streamsMax })
}

/**
 * A network on a started node of yours. Closing it, or one of its connections, ends Sluice's streams
 * and handlers only: the node and its connections stay yours.
 */
export function fromLibp2p(node: Libp2p): Network {
  return overNode(node, { owned: false, streamsMax: networkLimits.streamsMax })
}

function overNode(node: Libp2p, options: ConnectionOptions): Network {
  const { owned, streamsMax } = options
  const peer = node.peerId.toString()
  const connections = new Map<Underlying, Libp2pConnection>()
  const dials = new Map<string, Promise<Underlying>>()
  const protocols: string[] = []
  let closing: Promise<void> | undefined

  function adopt(underlying: Underlying): Libp2pConnection {
    const known = connections.get(underlying)
    if (known) return known
    const connection = fromConnection(underlying, options)
    if (connection.closed.aborted) return connection
    connections.set(underlying, connection)
    connection.closed.addEventListener('abort', () => connections.delete(underlying))
    return connection
  }

  /**
   * Shared by all who want the same address, and not stopped when they lose patience: libp2p lets later
   * callers join a dial that has just been aborted, and fail with it.
   */
  function dial({ peer, multiaddr }: Target): Promise<Underlying> {
    const address = String(multiaddr ?? peer)
    const dialling =
      dials.get(address) ??
      node
        .dial(multiaddr ?? peer)
        .catch((error) => {
          throw closing ? closed() : dialError(error, address)
        })
        .finally(() => dials.delete(address))
    dials.set(address, dialling)
    return dialling
  }

  async function close() {
    if (!owned) await node.unhandle(protocols)
    await Promise.all([...connections.values()].map((connection) => connection.close()))
    if (owned) await node.stop()
  }

  return {
    peer,
    addresses: () => node.getMultiaddrs().map(String),
    async connect(address, { signal } = {}) {
      const target = parseTarget(address)
      if (closing) throw closed()
      // The newest: an older one may be dead already and not know it.
      const existing = node
        .getConnections(target.peer)
        .findLast(({ status, limits }) => status === 'open' && !limits)
      return adopt(existing ?? (await unlessAborted(dial(target), 'Connecting', signal)))
    },
    async handle(protocol, handler) {
      if (closing) throw closed()
      try {
        await node.handle(
          protocol,
          (stream, underlying) => {
            const connection = adopt(underlying)
            void serve(handler, connection.accept(stream), connection)
          },
          { maxInboundStreams: streamsMax, maxOutboundStreams: streamsMax },
        )
      } catch (error) {
        throw handleError(error, protocol)
      }
      protocols.push(protocol)
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}

const closed = () => new NetworkError('CONNECTION_CLOSED', 'This network is closed.')
