/**
 * The addresses people type: multiaddrs that say which peer they lead to, or the bare id of a connected
 * peer.
 */
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { NetworkError } from './errors.js'

/** A peer, and one way to it unless only its id was given. */
export type Target = { readonly peer: PeerId; readonly multiaddr: Multiaddr | undefined }

/** @throws NetworkError `BAD_MULTIADDR` */
export function parseTarget(address: string): Target {
  try {
    if (!address.startsWith('/')) return { peer: peerIdFromString(address), multiaddr: undefined }
    const parsed = multiaddr(address)
    const id = parsed.getComponents().findLast(({ code }) => code === CODE_P2P)?.value
    if (id) return { peer: peerIdFromString(id), multiaddr: parsed }
  } catch (cause) {
    throw badMultiaddr(address, 'is not an address', cause)
  }
  throw badMultiaddr(address, 'does not say which peer it leads to')
}

/** @throws NetworkError `BAD_MULTIADDR` */
export function checkListen(address: string): string {
  try {
    multiaddr(address)
    return address
  } catch (cause) {
    throw new NetworkError(
      'BAD_MULTIADDR',
      `"${address}" is not an address to listen on; write one like /ip4/0.0.0.0/tcp/4001.`,
      { cause },
    )
  }
}

const badMultiaddr = (address: string, why: string, cause?: unknown) =>
  new NetworkError(
    'BAD_MULTIADDR',
    `"${address}" ${why}; write one like /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW… as the peer prints it.`,
    { cause },
  )
