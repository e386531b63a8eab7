/** A tower that keeps its client waiting: the client notices, says so, and begins anew. */
import { expect, it } from 'vitest'
import { Watch, type WatchPorts } from '../../src/engine/watch.js'
import { connectLedger, createLedger, loadEngine } from '../../src/sluice.js'
import { createWorld } from '../support/world.js'
import { filler } from '../vectors/reference.js'

it.each([
  ['reads nothing', false],
  ['answers nothing', true],
])('a tower that %s is told of in time, and its stream is given up', async (_, reads) => {
  const [layer, crypto] = await Promise.all([createLedger(), loadEngine()])
  const signing = filler('signing')
  const ledger = await connectLedger(layer, signing)
  const ended = new AbortController()
  const given: Error[] = []
  const stream = {
    protocol: '',
    send: () => reads,
    drained: () => new Promise<void>(() => undefined),
    close: () => Promise.resolve(),
    abort: (error: Error) => void given.push(error),
    async *[Symbol.asyncIterator]() {
      await new Promise(() => undefined)
    },
  }
  const connection = { closed: new AbortController().signal, peer: 'tower', open: () => stream }
  // Its patience is over at once; the next try never comes.
  const sleep = (ms: number) =>
    ms > 1_000 ? Promise.resolve() : new Promise<void>(() => undefined)
  const problem = new Promise((onProblem) => {
    const network = { peer: 'client', connect: async () => connection }
    const ports = { network, ledger, crypto, sleep, signing, onProblem }
    void new Watch(ports as unknown as WatchPorts, 'address', ended.signal).run()
  })
  expect(await problem).toMatchObject({ code: 'TOWER_SILENT' })
  expect(given).toMatchObject([{ code: 'TOWER_SILENT' }])
  await layer.close()
})

it('who waits for a tower that is away says so, and is not taken for the peer that keeps silent', async () => {
  const world = await createWorld()
  const away = await world.watchtower('tower')
  const { address } = away
  await away.crash()
  const client = await world.person('client', { tower: address })
  const peer = await world.person('peer')
  for (const [from, to, code, message] of [
    [client, peer, 'TOWER_AWAY', /^Our watchtower/],
    [peer, client, 'PEER_SILENT', /its own watchtower/],
  ] as const) {
    const refused = expect(from.node.quote(to.address, 'file')).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
    await world.advance(16)
    await refused
  }
  await world.close()
})
