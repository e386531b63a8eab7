/** A tower that keeps its client waiting: the client notices, says so, and begins anew. */
import { expect, it } from 'vitest'
import { Watch, type WatchPorts } from '../../src/engine/watch.js'
import { connectLedger, createLedger, loadEngine } from '../../src/sluice.js'
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
