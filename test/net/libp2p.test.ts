import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Network } from '../../src/engine/ports.js'
import { peerFrom } from '../../src/net/identity.js'
import { createNetwork, type NetworkOptions } from '../../src/net/libp2p.js'
import { networkLimits } from '../../src/net/limits.js'
import { echoStream } from '../conformance/echo.js'
import { addressOf, networkSuite, readAll, roundTrip } from '../conformance/network.js'
import { breakable, releaseProxies } from './proxy.js'

const anyPort = '/ip4/127.0.0.1/tcp/0'

networkSuite('libp2p network', {
  create: createNetwork,
  anyPort,
  nowhere: (peer) => `/ip4/127.0.0.1/tcp/1/p2p/${peer}`,
  breakable,
  // A window of it handed to us, another on its way, what is unread before we stop, and one send.
  aheadMax: 2 * networkLimits.streamWindow + 2_097_152,
  ownsNode: true,
  release: releaseProxies,
})

describe('libp2p network and strangers', () => {
  const networks: Network[] = []

  afterEach(async () => {
    await Promise.all(networks.splice(0).map((network) => network.close()))
  })

  async function create(options: Partial<NetworkOptions> = {}) {
    const network = await createNetwork({ privateKey: randomBytes(32), ...options })
    networks.push(network)
    return network
  }

  async function createServer(limits: NetworkOptions['limits'] = {}) {
    const server = await create({ listen: [anyPort], limits })
    await server.handle('/test/echo/1', echoStream)
    return server
  }

  it('is the same peer whenever it has the same key', async () => {
    const privateKey = randomBytes(32)
    const { peer } = await create({ privateKey })
    expect(peer).toBe(await peerFrom(privateKey))
    expect(peer).toMatch(/^12D3KooW/)
  })

  it('says that a real address cannot be listened on', async () => {
    // 192.0.2.1 is reserved for documentation: no machine has it.
    await expect(create({ listen: ['/ip4/192.0.2.1/tcp/0'] })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      message: expect.stringContaining('EADDRNOTAVAIL'),
    })
    await expect(create({ listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
    })
  })

  it('refuses connections above its limit and serves those it has', async () => {
    const server = await createServer({ connectionsMax: 2 })
    const first = await (await create()).connect(addressOf(server))
    const second = await (await create()).connect(addressOf(server))
    await Promise.all([roundTrip(first), roundTrip(second)])
    const third = (await create()).connect(addressOf(server))
    await expect(third).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await Promise.all([roundTrip(first), roundTrip(second)])
  })

  it('opens no more streams of a protocol than its limit', async () => {
    const server = await createServer()
    const client = await create({ limits: { streamsMax: 3 } })
    const connection = await client.connect(addressOf(server))
    const open = () => connection.open('/test/echo/1')
    const streams = [await open(), await open(), await open()]
    await expect(open()).rejects.toMatchObject({ name: 'NetworkError', code: 'STREAM_LIMIT' })
    for (const stream of streams) await stream.close()
    for (const stream of streams) await readAll(stream)
    await roundTrip(connection)
  })

  it('resets streams above its limit that a peer opens all the same', async () => {
    const server = await createServer({ streamsMax: 3 })
    const connection = await (await create()).connect(addressOf(server))
    const held = [1, 2, 3].map(() => connection.open('/test/echo/1'))
    for (const stream of await Promise.all(held)) {
      stream.send(randomBytes(1))
      await stream[Symbol.asyncIterator]().next()
    }
    const more = await connection.open('/test/echo/1')
    await expect(readAll(more)).rejects.toMatchObject({ code: 'STREAM_RESET' })
  })

  it('writes what all its streams send in one turn at once', async () => {
    const server = await createServer()
    const connection = await (await create()).connect(addressOf(server))
    const streams = await Promise.all(
      Array.from({ length: 8 }, () => connection.open('/test/echo/1')),
    )
    for (const stream of streams) stream.send(randomBytes(1))
    for (const stream of streams) await stream[Symbol.asyncIterator]().next()
    const write = vi.spyOn(net.Socket.prototype, 'write')
    try {
      for (const stream of streams) stream.send(randomBytes(1))
      await new Promise((resolve) => setImmediate(resolve))
      // A grant of window for what came before may leave beside them.
      expect(write.mock.calls.length).toBeLessThan(4)
    } finally {
      write.mockRestore()
    }
  })

  it('survives junk, silence and hang-ups on its port', async () => {
    const server = await createServer()
    const port = Number(/\/tcp\/(\d+)\//.exec(addressOf(server))?.[1])
    for (const junk of [
      randomBytes(100_000),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      randomBytes(0),
    ]) {
      const socket = net.connect(port, '127.0.0.1')
      const hungUp = new Promise((resolve) => socket.on('close', resolve))
      socket.on('error', () => {})
      socket.end(junk)
      socket.resume()
      await hungUp
    }
    await roundTrip(await (await create()).connect(addressOf(server)))
  })

  it('says what answers when it is no libp2p node', async () => {
    const { peer } = await create()
    const server = net.createServer((socket) => socket.end('220 mail.example ESMTP\r\n'))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as net.AddressInfo
    const connecting = (await create()).connect(`/ip4/127.0.0.1/tcp/${port}/p2p/${peer}`)
    await expect(connecting).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      message: expect.stringContaining('is no libp2p node'),
    })
    server.close()
  })

  it('stops waiting for a port that stays silent when the caller does', async () => {
    const { peer } = await create()
    const server = net.createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as net.AddressInfo
    const controller = new AbortController()
    const { signal } = controller
    const connecting = (await create()).connect(`/ip4/127.0.0.1/tcp/${port}/p2p/${peer}`, {
      signal,
    })
    const [socket] = await once(server, 'connection')
    controller.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'ABORTED' })
    socket.destroy()
    server.close()
  })

  it('rejects a close that could not flush', async () => {
    const server = await createServer()
    const { address, cut } = await breakable(server)
    const connection = await (await create()).connect(address)
    await server.handle('/test/sink/1', () => {})
    const stream = await connection.open('/test/sink/1')
    while (stream.send(randomBytes(65_536)));
    const closing = stream.close()
    cut()
    await expect(closing).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    await expect(stream.close()).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    const dropped = await (await (await create()).connect(addressOf(server))).open('/test/sink/1')
    while (dropped.send(randomBytes(65_536)));
    const flushing = dropped.close()
    dropped.abort(new Error('dropped'))
    await expect(flushing).rejects.toThrow('dropped')
    await releaseProxies()
  })
})
