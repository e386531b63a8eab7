/**
 * A TCP proxy in front of a network, so that a test can lose a connection without either side's doing.
 */
import { once } from 'node:events'
import net from 'node:net'
import type { Network } from '../../src/engine/ports.js'
import { addressOf } from '../conformance/network.js'

const proxies = new Set<() => void>()

export async function breakable(network: Network): Promise<{ address: string; cut(): void }> {
  const address = addressOf(network)
  const port = Number(/\/tcp\/(\d+)\//.exec(address)?.[1])
  const sockets = new Set<net.Socket>()
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => other.destroy())
      socket.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  proxies.add(() => {
    cut()
    server.close()
  })
  const { port: proxied } = server.address() as net.AddressInfo
  return { address: address.replace(`/tcp/${port}/`, `/tcp/${proxied}/`), cut }
}

/** Closes all proxies of this file. */
export async function releaseProxies(): Promise<void> {
  for (const close of proxies) close()
  proxies.clear()
}
