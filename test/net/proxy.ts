/**
 * A proxy in front of a network, so that a test can lose a connection without either side's doing.
 */
import type { Network } from '../../src/engine/ports.js'
import { addressOf } from '../conformance/network.js'
import { TcpProxy } from '../support/proxy.js'

const proxies = new Set<TcpProxy>()

export async function breakable(network: Network): Promise<{ address: string; cut(): void }> {
  const address = addressOf(network)
  const port = Number(/\/tcp\/(\d+)\//.exec(address)?.[1])
  const proxy = await TcpProxy.open({ host: '127.0.0.1', port })
  proxies.add(proxy)
  return {
    address: address.replace(`/tcp/${port}/`, `/tcp/${proxy.port}/`),
    cut: () => proxy.cut(),
  }
}

/** Closes all proxies of this file. */
export async function releaseProxies(): Promise<void> {
  for (const proxy of proxies) proxy.close()
  proxies.clear()
}
