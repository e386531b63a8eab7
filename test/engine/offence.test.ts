/** Over real connections, whoever breaks the protocol is told why before the connection ends. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import * as Frame from '../../src/core/frame.js'
import { limits } from '../../src/core/limits.js'
import * as Message from '../../src/core/message.js'
import { frames } from '../../src/engine/frames.js'
import { controlProtocol } from '../../src/engine/link.js'
import type { ByteStream, Connection, Network } from '../../src/engine/ports.js'
import * as Wire from '../../src/engine/wire.js'
import { createLedger, createNode, type Node } from '../../src/index.js'
import { createNetwork } from '../../src/net/libp2p.js'
import { makeScratch } from '../support/processes.js'

const scratch = makeScratch('offence')
let ledger: Awaited<ReturnType<typeof createLedger>>
let node: Node
let stranger: Network
let problems: string[]

/** What comes on a control substream until it ends, by type. */
async function listen(stream: ByteStream): Promise<Message.Message['type'][]> {
  const types: Message.Message['type'][] = []
  for await (const bodies of frames(stream, limits.controlBytesMax))
    for (const body of bodies) types.push(Wire.decode(Message.message, body).type)
  return types
}

/** Connects to the node, and sends it one frame. */
async function say(body: Uint8Array): Promise<{ connection: Connection; stream: ByteStream }> {
  const connection = await stranger.connect(node.addresses[0] ?? '')
  const stream = await connection.open(controlProtocol)
  stream.send(Frame.encode(body))
  return { connection, stream }
}

beforeEach(async () => {
  ledger = await createLedger()
  const home = `${scratch.path}/node`
  node = await createNode({ home, ledger, listen: ['/ip4/127.0.0.1/tcp/0'] })
  problems = []
  node.events.on('problem', ({ code, message }) => problems.push(`${code} ${message}`))
  stranger = await createNetwork({ privateKey: randomBytes(32) })
})

afterEach(async () => {
  await stranger.close()
  await node.stop()
  await ledger.close()
  await scratch.remove()
})

it('a stranger that babbles hears what is wrong with it', async () => {
  const heard = new Promise((resolve, reject) => {
    void stranger.handle(controlProtocol, (stream) => void listen(stream).then(resolve, reject))
  })
  await say(Uint8Array.of(1, 2, 3))
  expect(await heard).toEqual(['hello', 'problem'])
  expect(problems).toEqual([expect.stringMatching('^BAD_MESSAGE ')])
})

it('a node that is told what is wrong with it says so to its owner', async () => {
  const message: Message.Message = { type: 'problem', code: 'TOO_LOUD', message: 'Be quiet.' }
  const { connection, stream } = await say(Wire.encode(Message.message, message))
  void stream.close()
  await connection.close()
  await expect.poll(() => problems).toEqual(['TOO_LOUD The peer says: Be quiet.'])
})
