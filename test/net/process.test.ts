import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Connection, Network } from '../../src/engine/ports.js'
import { createNetwork } from '../../src/net/libp2p.js'
import { aborts, roundTrip } from '../conformance/network.js'

/** Enough to be in full flight. */
const bytesBefore = 8_388_608

describe('a libp2p peer in another process', () => {
  let child: ChildProcess
  let network: Network
  let connection: Connection

  beforeEach(async () => {
    child = fork(new URL('./peer.ts', import.meta.url), { execArgv: ['--import', 'tsx'] })
    network = await createNetwork({ privateKey: randomBytes(32) })
    const [address] = await once(child, 'message')
    connection = await network.connect(address)
  })

  afterEach(async () => {
    child.kill('SIGKILL')
    await network.close()
  })

  const lost = expect.objectContaining({ name: 'NetworkError', code: 'CONNECTION_CLOSED' })

  it('is an error to its reader, never an end, when it is killed while it sends', async () => {
    const stream = await connection.open('/test/source/1')
    let received = 0
    const reading = (async () => {
      for await (const chunk of stream) {
        received += chunk.length
        if (received >= bytesBefore) child.kill('SIGKILL')
      }
    })()
    await expect(reading).rejects.toEqual(lost)
    await aborts(connection.closed)
  })

  it.each(['/test/sink/1', '/test/deaf/1'])(
    'is an error to its writer when it is killed while it is sent to (%s)',
    async (protocol) => {
      const stream = await connection.open(protocol)
      const chunk = randomBytes(65_536)
      let sent = 0
      const writing = (async () => {
        for (;;) {
          const more = stream.send(chunk)
          sent += chunk.length
          if (sent >= bytesBefore || (protocol.includes('deaf') && !more)) child.kill('SIGKILL')
          if (!more) await stream.drained()
        }
      })()
      await expect(writing).rejects.toEqual(lost)
      await expect(stream.close()).rejects.toEqual(lost)
      await aborts(connection.closed)
    },
  )

  it('ends by itself once it has closed its network', async () => {
    await roundTrip(connection)
    const ended = once(child, 'exit')
    child.send('exit')
    expect(await ended).toEqual([0, null])
    await aborts(connection.closed)
  })
})
