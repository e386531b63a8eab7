/**
 * What every `Network` adapter promises, as one suite that each of them runs.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { ByteStream, Connection, Network } from '../../src/engine/ports.js'
import { echoStream } from './echo.js'

export type NetworkHarness = {
  create(options: { privateKey: Uint8Array; listen?: readonly string[] }): Promise<Network>
  /** Listens on a free port. */
  readonly anyPort: string
  /** An address of `peer` where nobody listens. */
  nowhere(peer: string): string
  /** An address of `network` whose connections `cut` breaks without telling either side. */
  breakable(network: Network): Promise<{ address: string; cut(): void }>
  /** How far a sender that awaits `drained` may be ahead of a reader that does not read, in bytes. */
  readonly aheadMax: number
  /** Whether closing a network ends its connections: not if its node belongs to somebody else. */
  readonly ownsNode: boolean
  /** Frees what the harness itself made. */
  release(): Promise<void>
}

const echo = '/test/echo/1'
const sink = '/test/sink/1'

export function networkSuite(name: string, harness: NetworkHarness): void {
  const networks: Network[] = []
  /** For networks on a node of their own; what a user's node does is the user's. */
  const ifOwned: typeof it | (() => void) = harness.ownsNode ? it : () => undefined

  afterEach(async () => {
    await Promise.all(networks.splice(0).map((network) => network.close()))
    await harness.release()
  })

  async function create(listen: readonly string[] = []): Promise<Network> {
    const network = await harness.create({ privateKey: randomBytes(32), listen })
    networks.push(network)
    return network
  }

  /** A network that echoes, and one that listens to nobody, connected to it. */
  async function pair() {
    const server = await create([harness.anyPort])
    await server.handle(echo, echoStream)
    const client = await create()
    const connection = await client.connect(addressOf(server))
    return { server, client, connection }
  }

  /** Both ends of one fresh stream. */
  async function streamPair(connection: Connection, server: Network, protocol = sink) {
    const accepted = new Promise<{ stream: ByteStream; connection: Connection }>((resolve) => {
      void server.handle(protocol, (stream, connection) => resolve({ stream, connection }))
    })
    const near = await connection.open(protocol)
    const { stream: far, connection: back } = await accepted
    return { near, far, back }
  }

  describe(name, () => {
    it('connects peers that know who the other is', async () => {
      const { server, client, connection } = await pair()
      const { near, far, back } = await streamPair(connection, server)
      expect(connection.peer).toBe(server.peer)
      expect(connection.address).toBe(addressOf(server))
      expect(back.peer).toBe(client.peer)
      expect(back.address).toMatch(new RegExp(`^/.*/p2p/${client.peer}$`))
      expect([near.protocol, far.protocol]).toEqual([sink, sink])
    })

    it('carries bytes both ways, and goes on in one direction when the other is closed', async () => {
      const { connection } = await pair()
      const stream = await connection.open(echo)
      stream.send(Buffer.from('first '))
      stream.send(Buffer.from('second'))
      await stream.close()
      expect(String(await readAll(stream))).toBe('first second')
    })

    it('lets the far side go on sending after our half has ended', async () => {
      const { server, connection } = await pair()
      const { near, far } = await streamPair(connection, server)
      await near.close()
      expect(await readAll(far)).toHaveLength(0)
      far.send(Buffer.from('still here'))
      await far.close()
      expect(String(await readAll(near))).toBe('still here')
    })

    it('refuses to send after close', async () => {
      const { connection } = await pair()
      const stream = await connection.open(echo)
      await stream.close()
      expect(() => stream.send(randomBytes(1))).toThrow(
        expect.objectContaining({ name: 'NetworkError', code: 'STREAM_CLOSED' }),
      )
      await stream.close()
    })

    it('hands out plain bytes that are nobody else’s', async () => {
      const { server, connection } = await pair()
      const { near, far } = await streamPair(connection, server)
      const sent = Buffer.from('mine')
      near.send(sent)
      await near.close()
      for await (const chunk of far) {
        expect(chunk.constructor).toBe(Uint8Array)
        chunk.fill(0)
      }
      expect(String(sent)).toBe('mine')
    })

    it('goes on where a reader stopped reading', async () => {
      const { connection } = await pair()
      const stream = await connection.open(echo)
      stream.send(Buffer.from('one'))
      let text = ''
      for await (const chunk of stream) {
        text += Buffer.from(chunk)
        if (text === 'one') break
      }
      stream.send(Buffer.from('two'))
      await stream.close()
      expect(String(await readAll(stream))).toBe('two')
    })

    it('stops a sender that awaits drained while nobody reads, and loses nothing', async () => {
      const { server, connection } = await pair()
      const { near, far } = await streamPair(connection, server)
      const total = harness.aheadMax + 8_388_608
      const chunk = randomBytes(65_536)
      let sent = 0
      const sending = (async () => {
        for (; sent < total; sent += chunk.length) if (!near.send(chunk)) await near.drained()
        await near.close()
      })()
      await untilIdle(connection, () => sent)
      expect(sent).toBeLessThanOrEqual(harness.aheadMax)
      let received = 0
      for await (const part of far) received += part.length
      await sending
      expect(received).toBe(sent)
    })

    it('carries 64 MiB to a slow reader unharmed, never far ahead of it', async () => {
      const { server, connection } = await pair()
      const { near, far } = await streamPair(connection, server)
      const chunk = randomBytes(262_144)
      const total = 64 * 1_048_576
      const sentHash = createHash('sha256')
      const gotHash = createHash('sha256')
      let sent = 0
      let ahead = 0
      let received = 0
      const sending = (async () => {
        for (; sent < total; sent += chunk.length) {
          // The same bytes in another order each time, so that a swap or a repeat shows.
          const piece = chunk.subarray(sent / chunk.length)
          sentHash.update(piece)
          if (!near.send(piece)) await near.drained()
        }
        await near.close()
      })()
      for await (const part of far) {
        gotHash.update(part)
        received += part.length
        ahead = Math.max(ahead, sent - received)
        await setImmediate()
      }
      await sending
      expect(gotHash.digest('hex')).toBe(sentHash.digest('hex'))
      expect(ahead).toBeLessThanOrEqual(harness.aheadMax)
    })

    it('stops waiting to send when the signal aborts, and the stream lives on', async () => {
      const { server, connection } = await pair()
      const { near, far } = await streamPair(connection, server)
      while (near.send(randomBytes(65_536)));
      const controller = new AbortController()
      const waiting = near.drained(controller.signal)
      controller.abort()
      await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
      const reading = readAll(far)
      await near.drained()
      await near.close()
      expect((await reading).length % 65_536).toBe(0)
    })

    it('shows an abort to the other side as an error, to our own as what it was', async () => {
      const { server, connection } = await pair()
      const { near, far } = await streamPair(connection, server)
      while (far.send(randomBytes(65_536)));
      const farWaits = expect(far.drained()).rejects.toMatchObject({ code: 'STREAM_RESET' })
      const farReads = expect(readAll(far)).rejects.toMatchObject({ code: 'STREAM_RESET' })
      near.abort(new Error('no more'))
      await expect(readAll(near)).rejects.toThrow('no more')
      await expect(near.drained()).rejects.toThrow('no more')
      expect(() => near.send(randomBytes(1))).toThrow('no more')
      await Promise.all([farWaits, farReads])
      expect(() => far.send(randomBytes(1))).toThrow(
        expect.objectContaining({ code: 'STREAM_RESET' }),
      )
    })

    it('lets a reader have what arrived before an abort', async () => {
      const { server, connection } = await pair()
      const { near, far } = await streamPair(connection, server)
      near.send(Buffer.from('voucher'))
      const chunks = far[Symbol.asyncIterator]()
      expect(String(Buffer.from((await chunks.next()).value))).toBe('voucher')
      near.abort(new Error('gone'))
      await expect(chunks.next()).rejects.toMatchObject({ code: 'STREAM_RESET' })
    })

    it('aborts closed and every stream when the connection is lost', async () => {
      const server = await create([harness.anyPort])
      await server.handle(echo, echoStream)
      const client = await create()
      const { address, cut } = await harness.breakable(server)
      const connection = await client.connect(address)
      const { near, far, back } = await streamPair(connection, server)
      const lost = { name: 'NetworkError', code: 'CONNECTION_CLOSED' }
      while (near.send(randomBytes(65_536)));
      const waits = expect(near.drained()).rejects.toMatchObject(lost)
      const reads = [near, far].map((s) => expect(readAll(s)).rejects.toMatchObject(lost))
      const gone = [connection, back].map(({ closed }) => aborts(closed))
      cut()
      await Promise.all([waits, ...reads, ...gone])
      expect(connection.closed.reason).toMatchObject(lost)
      await expect(connection.open(echo)).rejects.toMatchObject(lost)
      const again = await client.connect(address)
      expect(again.id).not.toBe(connection.id)
      await roundTrip(again)
    })

    ifOwned(
      'closes a connection in good order: finished streams end, unfinished ones break',
      async () => {
        const { server, connection } = await pair()
        const finished = await streamPair(connection, server, '/test/finished/1')
        const unfinished = await streamPair(connection, server, '/test/unfinished/1')
        finished.near.send(Buffer.from('all of it'))
        unfinished.near.send(Buffer.from('half of'))
        void finished.near.close()
        const reads = [
          expect(readAll(finished.far).then(String)).resolves.toBe('all of it'),
          expect(readAll(unfinished.far)).rejects.toMatchObject({ name: 'NetworkError' }),
        ]
        await connection.close()
        await Promise.all([...reads, aborts(finished.back.closed)])
        expect(connection.closed.aborted).toBe(true)
        await expect(connection.open(echo)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
      },
    )

    it('shares one connection between concurrent connects', async () => {
      const server = await create([harness.anyPort])
      const seen = new Set<string>()
      await server.handle(echo, async (stream, connection) => {
        seen.add(connection.id)
        await echoStream(stream)
      })
      const client = await create()
      const impatient = new AbortController()
      const aborted = expect(
        client.connect(addressOf(server), { signal: impatient.signal }),
      ).rejects.toMatchObject({ code: 'ABORTED' })
      impatient.abort()
      const connections = await Promise.all(
        Array.from({ length: 10 }, () => client.connect(addressOf(server))),
      )
      await aborted
      expect(new Set(connections).size).toBe(1)
      await Promise.all(connections.map(roundTrip))
      expect(seen.size).toBe(1)
    })

    it('uses the connection that a peer made to us, by its bare id', async () => {
      const { server, client, connection } = await pair()
      await client.handle(echo, echoStream)
      await roundTrip(connection)
      const back = await server.connect(client.peer)
      expect(back.peer).toBe(client.peer)
      await roundTrip(back)
    })

    it('says when a peer does not speak the protocol', async () => {
      const { connection } = await pair()
      await expect(connection.open('/test/unknown/1')).rejects.toMatchObject({
        name: 'NetworkError',
        code: 'PROTOCOL_UNSUPPORTED',
      })
      await roundTrip(connection)
    })

    it('says when somebody else handles the protocol already', async () => {
      const { server } = await pair()
      await expect(server.handle(echo, () => {})).rejects.toMatchObject({ code: 'PROTOCOL_TAKEN' })
    })

    it.each(['', 'not an address', '/ip4/127.0.0.1/tcp/4001', '/ip4/300.0.0.1/tcp/1/p2p/x', '/'])(
      'refuses %j, which is no address of a peer, and shows one',
      async (address) => {
        const client = await create()
        await expect(client.connect(address)).rejects.toMatchObject({
          name: 'NetworkError',
          code: 'BAD_MULTIADDR',
          message: expect.stringContaining('/ip4/127.0.0.1/tcp/4001/p2p/'),
        })
      },
    )

    it('says when nobody, somebody else or nobody known is at the address', async () => {
      const server = await create([harness.anyPort])
      const client = await create([harness.anyPort])
      const stranger = await create()
      const place = addressOf(server).split('/p2p/')[0]
      const unreachable = { name: 'NetworkError', code: 'PEER_UNREACHABLE' }
      await expect(client.connect(harness.nowhere(server.peer))).rejects.toMatchObject(unreachable)
      await expect(client.connect(addressOf(client))).rejects.toMatchObject(unreachable)
      await expect(client.connect(stranger.peer)).rejects.toMatchObject(unreachable)
      await expect(client.connect(`${place}/p2p/${stranger.peer}`)).rejects.toMatchObject({
        ...unreachable,
        message: expect.stringContaining(server.peer),
      })
    })

    ifOwned('says when the port is in use, and leaves it to who has it', async () => {
      const server = await create([harness.anyPort])
      await server.handle(echo, echoStream)
      const place = addressOf(server).split('/p2p/')[0] ?? ''
      await expect(create([place])).rejects.toMatchObject({
        name: 'NetworkError',
        code: 'PORT_IN_USE',
        message: expect.stringContaining(place),
      })
      await roundTrip(await (await create()).connect(addressOf(server)))
    })

    ifOwned('refuses to listen on nonsense', async () => {
      await expect(create(['somewhere'])).rejects.toMatchObject({ code: 'BAD_MULTIADDR' })
    })

    it('resets the stream of a handler that throws, and nothing else', async () => {
      const { server, connection } = await pair()
      await server.handle('/test/throws/1', () => {
        throw new Error('handler')
      })
      await server.handle('/test/rejects/1', async () => {
        await setImmediate()
        throw 'not even an error'
      })
      for (const protocol of ['/test/throws/1', '/test/rejects/1']) {
        const stream = await connection.open(protocol)
        await expect(readAll(stream)).rejects.toMatchObject({ code: 'STREAM_RESET' })
      }
      await roundTrip(connection)
    })

    it('carries 200 streams at once on a fresh connection', async () => {
      const { connection } = await pair()
      // libp2p's default refuses more than ten streams of a peer it has just met.
      if (!harness.ownsNode) await roundTrip(connection)
      await Promise.all(Array.from({ length: 200 }, () => roundTrip(connection)))
    })

    it('aborts connecting and opening with the caller’s signal', async () => {
      const { server, client, connection } = await pair()
      const signal = AbortSignal.abort(new Error('changed my mind'))
      const aborted = { code: 'ABORTED', cause: { message: 'changed my mind' } }
      const other = await create()
      await expect(other.connect(addressOf(server), { signal })).rejects.toMatchObject(aborted)
      await expect(connection.open(echo, { signal })).rejects.toMatchObject(aborted)
      await roundTrip(await client.connect(server.peer))
    })

    it('ends everything on close, and can be closed twice', async () => {
      const { server, client, connection } = await pair()
      const { near, far } = await streamPair(connection, server)
      const reads = expect(readAll(far)).rejects.toMatchObject({ name: 'NetworkError' })
      await Promise.all([client.close(), client.close()])
      await reads
      await expect(readAll(near)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
      const closed = { name: 'NetworkError', code: 'CONNECTION_CLOSED' }
      await expect(client.connect(addressOf(server))).rejects.toMatchObject(closed)
      await expect(client.handle('/test/late/1', () => {})).rejects.toMatchObject(closed)
    })
  })
}

/** Where `network` listens. */
export function addressOf(network: Network): string {
  const [address] = network.addresses()
  if (!address) throw new Error('the network does not listen')
  return address
}

export async function readAll(stream: ByteStream): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** One stream there and back. */
export async function roundTrip(connection: Connection): Promise<void> {
  const stream = await connection.open(echo)
  const bytes = randomBytes(1_000)
  stream.send(bytes)
  await stream.close()
  expect((await readAll(stream)).equals(bytes)).toBe(true)
}

export const aborts = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })

/**
 * Until `progress` has not moved during three round trips, each of which follows all that was under
 * way.
 */
async function untilIdle(connection: Connection, progress: () => number): Promise<void> {
  for (let still = 0, last = -1; still < 3; last = progress()) {
    still = progress() === last ? still + 1 : 0
    await roundTrip(connection)
  }
}
