import '../../src/net/polyfill.js'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { noise } from '@chainsafe/libp2p-noise'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { privateKeyFrom } from '../../src/net/identity.js'
import { fromLibp2p } from '../../src/net/libp2p.js'
import { echoStream } from '../conformance/echo.js'
import { aborts, networkSuite, readAll, roundTrip } from '../conformance/network.js'
import { breakable, releaseProxies } from './proxy.js'

const anyPort = '/ip4/127.0.0.1/tcp/0'

/** A node as an embedding program may have it: everything libp2p's own defaults. */
async function createNode(privateKey: Uint8Array, listen: readonly string[] = []) {
  return createLibp2p({
    privateKey: await privateKeyFrom(privateKey),
    addresses: { listen: [...listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // So that this file may connect as often as it likes from one machine.
    connectionManager: { inboundConnectionThreshold: 1_000 },
  })
}

networkSuite('network on a libp2p node of the user', {
  async create({ privateKey, listen }) {
    const node = await createNode(privateKey, listen)
    const network = fromLibp2p(node)
    const close = async () => {
      await network.close()
      await node.stop()
    }
    return { ...network, close }
  },
  anyPort,
  nowhere: (peer) => `/ip4/127.0.0.1/tcp/1/p2p/${peer}`,
  breakable,
  // libp2p's own windows grow to 16 MiB.
  aheadMax: 2 * 16_777_216 + 2_097_152,
  ownsNode: false,
  release: releaseProxies,
})

describe('upgrading the connection that exists', () => {
  const nodes: Libp2p[] = []

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()))
  })

  /** Two nodes, connected by their user, who talks over a protocol of their own. */
  async function connected() {
    const server = await createNode(randomBytes(32), [anyPort])
    const client = await createNode(randomBytes(32))
    nodes.push(server, client)
    const [address] = server.getMultiaddrs()
    if (!address) throw new Error('the node does not listen')
    await server.handle('/user/1', (stream) => {
      stream.addEventListener('message', ({ data }) => stream.send(data))
    })
    const connection = await client.dial(address)
    const hello = async () => {
      const stream = await connection.newStream('/user/1')
      const reply = once(stream, 'message')
      stream.send(Buffer.from('still mine'))
      const [{ data }] = await reply
      stream.abort(new Error('done'))
      return String(Buffer.from(data.subarray()))
    }
    return { server, client, connection, address: address.toString(), hello }
  }

  it('uses it both ways, dials nothing, and knows it by its id', async () => {
    const { server, client, connection, address } = await connected()
    const ours = fromLibp2p(client)
    const theirs = fromLibp2p(server)
    await theirs.handle('/test/echo/1', echoStream)
    const upgraded = await ours.connect(address)
    await roundTrip(upgraded)
    expect(upgraded.id).toBe(connection.id)
    expect(await ours.connect(theirs.peer)).toBe(upgraded)
    expect((await theirs.connect(ours.peer)).peer).toBe(ours.peer)
    expect(client.getConnections()).toEqual([connection])
    expect(server.getConnections()).toHaveLength(1)
  })

  it('leaves the node, its connection and its other protocols alone when closed', async () => {
    const { server, client, connection, address, hello } = await connected()
    const ours = fromLibp2p(client)
    const theirs = fromLibp2p(server)
    await theirs.handle('/test/sink/1', () => {})
    const upgraded = await ours.connect(address)
    const stream = await upgraded.open('/test/sink/1')
    await ours.close()
    await expect(readAll(stream)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    expect(upgraded.closed.aborted).toBe(true)
    expect(connection.status).toBe('open')
    expect(await hello()).toBe('still mine')
    const again = await fromLibp2p(client).connect(address)
    await again.open('/test/sink/1')
    await theirs.close()
    await expect(again.open('/test/sink/1')).rejects.toMatchObject({
      code: 'PROTOCOL_UNSUPPORTED',
    })
    expect(await hello()).toBe('still mine')
  })

  it('notices when the user hangs up', async () => {
    const { server, client, address } = await connected()
    const upgraded = await fromLibp2p(client).connect(address)
    await client.hangUp(server.peerId)
    await aborts(upgraded.closed)
    expect(upgraded.closed.reason).toMatchObject({ code: 'CONNECTION_CLOSED' })
  })
})
