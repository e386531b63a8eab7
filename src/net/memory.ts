/**
 * A network inside one process, for tests, simulations and nodes that share a program. Peers are who
 * they say they are by construction; it opens no socket and reads no clock, and connections break only
 * when told to.
 */
import type { Network } from '../engine/ports.js'
import { checkListen, parseTarget } from './address.js'
import { aborted, NetworkError } from './errors.js'
import { peerFrom } from './identity.js'
import { link, type MemoryNode } from './memory-connection.js'

export type MemoryNetworkOptions = {
  /** Seed of the ed25519 key that is the peer's identity; 32 bytes. */
  readonly privateKey: Uint8Array
  /** `/memory/NUMBER`, where 0 takes a free one; none to dial only. */
  readonly listen?: readonly string[]
}

/** All networks that can reach one another. */
export type MemoryHub = {
  /** @throws NetworkError `BAD_MULTIADDR`, `PORT_IN_USE`, `LISTEN_FAILED` */
  createNetwork(options: MemoryNetworkOptions): Promise<Network>
  /** Breaks the connections of a peer, or only the one with `other`, as if a cable had been pulled. */
  cut(peer: string, other?: string): void
}

export function memoryHub(): MemoryHub {
  const listeners = new Map<string, MemoryNode>()
  const nodes = new Set<MemoryNode>()
  let links = 0

  function listen(node: MemoryNode, address: string): string {
    if (!/^\/memory\/\d+$/.test(checkListen(address)))
      throw new NetworkError('LISTEN_FAILED', `Cannot listen on ${address}: use /memory/NUMBER.`)
    let place = address
    for (let port = 1; place === '/memory/0'; port++)
      if (!listeners.has(`/memory/${port}`)) place = `/memory/${port}`
    if (listeners.has(place))
      throw new NetworkError('PORT_IN_USE', `Cannot listen on ${place}: it is in use.`)
    listeners.set(place, node)
    return place
  }

  function forget(node: MemoryNode) {
    nodes.delete(node)
    for (const [place, listener] of listeners) if (listener === node) listeners.delete(place)
  }

  function overNode(node: MemoryNode, places: readonly string[]): Network {
    const assertOpen = () => {
      if (!nodes.has(node)) throw new NetworkError('CONNECTION_CLOSED', 'This network is closed.')
    }
    return {
      peer: node.peer,
      addresses: () => places.map((place) => `${place}/p2p/${node.peer}`),
      async connect(address, { signal } = {}) {
        const target = parseTarget(address)
        // Takes a moment, as any connection does: long enough to be aborted.
        await null
        assertOpen()
        if (signal?.aborted) throw aborted('Connecting', signal)
        const peer = target.peer.toString()
        const existing = node.connections.get(peer)
        if (existing) return existing
        const unreachable = (why: string) =>
          new NetworkError('PEER_UNREACHABLE', `Cannot reach ${address}: ${why}.`)
        const listener = listeners.get(address.split('/p2p/')[0] ?? '')
        if (peer === node.peer) throw unreachable('it is this node itself')
        if (!target.multiaddr) throw unreachable('it is not connected; use its full address')
        if (!listener) throw unreachable('nothing listens there')
        if (listener.peer !== peer)
          throw unreachable(`another peer answers there, ${listener.peer}`)
        return link(`memory-${++links}`, node, listener, address)
      },
      async handle(protocol, handler) {
        assertOpen()
        if (node.handlers.has(protocol))
          throw new NetworkError('PROTOCOL_TAKEN', `${protocol} is handled already.`)
        node.handlers.set(protocol, handler)
      },
      async close() {
        forget(node)
        await Promise.all([...node.connections.values()].map((connection) => connection.close()))
      },
    }
  }

  return {
    async createNetwork({ privateKey, listen: wanted = [] }) {
      const peer = await peerFrom(privateKey)
      const node: MemoryNode = { peer, handlers: new Map(), connections: new Map() }
      try {
        const places = wanted.map((address) => listen(node, address))
        nodes.add(node)
        return overNode(node, places)
      } catch (error) {
        forget(node)
        throw error
      }
    },
    cut(peer, other) {
      for (const node of nodes)
        if (node.peer === peer)
          for (const connection of [...node.connections.values()])
            if (other === undefined || connection.peer === other) connection.sever()
    },
  }
}
