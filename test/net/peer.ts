/**
 * A peer in a process of its own, for tests that kill it or watch it end. It tells its parent where it
 * listens and, on the message `exit`, closes its network and must then end by itself.
 */
import { randomBytes } from 'node:crypto'
import { createNetwork } from '../../src/net/libp2p.js'
import { echoStream } from '../conformance/echo.js'

const network = await createNetwork({
  privateKey: randomBytes(32),
  listen: ['/ip4/127.0.0.1/tcp/0'],
})
await network.handle('/test/echo/1', echoStream)
await network.handle('/test/source/1', async (stream) => {
  const chunk = randomBytes(65_536)
  for (;;) if (!stream.send(chunk)) await stream.drained()
})
await network.handle('/test/sink/1', async (stream) => {
  for await (const _ of stream);
})
await network.handle('/test/deaf/1', () => {})
process.send?.(network.addresses()[0])
process.once('message', async () => {
  await network.close()
  process.disconnect()
})
