import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { ByteStream, Network } from '../../src/engine/ports.js'
import { NetworkError } from '../../src/net/errors.js'
import { createNetwork } from '../../src/net/libp2p.js'
import { memoryHub } from '../../src/net/memory.js'
import { addressOf } from '../conformance/network.js'
import { breakable, releaseProxies } from './proxy.js'

const protocol = '/test/endings/1'

/** What one side of a stream does: how much it sends and reads, and what it does then. */
type Part = { chunks: number; reads: number; ending: 'close' | 'abort' | 'neither' }
type Plan = { streams: (readonly [Part, Part])[]; finale: 'cut' | 'close' | 'closePeer' }

const part: fc.Arbitrary<Part> = fc.record({
  chunks: fc.constantFrom(0, 1, 3, 400),
  reads: fc.constantFrom(0, 1, 5, Number.POSITIVE_INFINITY),
  ending: fc.constantFrom('close', 'abort', 'neither'),
})
const plan: fc.Arbitrary<Plan> = fc.record({
  streams: fc.array(fc.tuple(part, part), { minLength: 1, maxLength: 12 }),
  finale: fc.constantFrom('cut', 'close', 'closePeer'),
})

const chunk = randomBytes(40_000)
const aborted = new Error('on purpose')

/**
 * Settles when both directions of our part have. Whatever they throw must be ours, and an end must be
 * the other side's own, with all it sent before it.
 */
async function play(stream: ByteStream, { chunks, reads, ending }: Part, other: Part) {
  const writing = (async () => {
    for (let sent = 0; sent < chunks; sent++) if (!stream.send(chunk)) await stream.drained()
    if (ending === 'close') await stream.close()
    if (ending === 'abort') stream.abort(aborted)
  })()
  const reading = (async () => {
    let count = 0
    let received = 0
    if (reads === 0) return
    for await (const { length } of stream) {
      received += length
      if (++count >= reads) return
    }
    expect({ ending: 'close', received }).toEqual({
      ending: other.ending,
      received: other.chunks * chunk.length,
    })
  })()
  for (const settled of await Promise.allSettled([writing, reading]))
    if (settled.status === 'rejected' && !isOurs(settled.reason)) throw settled.reason
}

const isOurs = (error: unknown) => error === aborted || error instanceof NetworkError

/** However streams and their connection end, together or apart, every promise settles. */
function endings(create: () => Promise<Scene>, numRuns: number) {
  return fc.assert(
    fc.asyncProperty(plan, async ({ streams, finale }) => {
      const { server, client, address, cut } = await create()
      const parts: Promise<void>[] = []
      let accepted = 0
      await server.handle(protocol, (stream) => {
        const [far, near] = streams[accepted++] as readonly [Part, Part]
        parts.push(play(stream, near, far))
      })
      const connection = await client.connect(address)
      for (const [near, far] of streams) {
        // The other side may abort it before we even know that it is open.
        const opened = await connection.open(protocol).catch((error: unknown) => error)
        if (opened instanceof Error) expect(opened).toMatchObject({ code: 'STREAM_RESET' })
        else parts.push(play(opened as ByteStream, near, far))
      }
      if (finale === 'cut') cut()
      if (finale === 'close') await connection.close()
      if (finale === 'closePeer') await server.close()
      await Promise.all(parts)
      await Promise.all([client.close(), server.close()])
    }),
    { numRuns },
  )
}

type Scene = { server: Network; client: Network; address: string; cut(): void }

describe('every ending settles every promise', () => {
  const runs = Number(process.env.FC_NUM_RUNS ?? 100)

  it('in memory', async () => {
    const hub = memoryHub()
    await endings(async () => {
      const options = { privateKey: randomBytes(32) }
      const server = await hub.createNetwork({ ...options, listen: ['/memory/0'] })
      const client = await hub.createNetwork({ privateKey: randomBytes(32) })
      return { server, client, address: addressOf(server), cut: () => hub.cut(server.peer) }
    }, runs)
  })

  it(
    'over libp2p',
    async () => {
      await endings(
        async () => {
          const listen = ['/ip4/127.0.0.1/tcp/0']
          const server = await createNetwork({ privateKey: randomBytes(32), listen })
          const client = await createNetwork({ privateKey: randomBytes(32) })
          return { server, client, ...(await breakable(server)) }
        },
        Math.ceil(runs / 4),
      )
    },
    60_000 + runs * 500,
  )

  afterAll(releaseProxies)
})
