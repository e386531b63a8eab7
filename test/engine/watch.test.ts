/** A tower that keeps its client waiting: the client notices, says so, and begins anew. */
import { expect, it } from 'vitest'
import { Watch, type WatchPorts } from '../../src/engine/watch.js'
import { connectLedger, createLedger, loadEngine } from '../../src/sluice.js'
import { createWorld } from '../support/world.js'
import { filler } from '../vectors/reference.js'
import { expectGivesUp } from './support/away.js'
import { pay, quarrel } from './support/quarrel.js'

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
  await expectGivesUp(world, client, peer, 'TOWER_AWAY', /^Our watchtower/)
  await expectGivesUp(world, peer, client, 'PEER_SILENT', /its own watchtower/)
  await world.close()
})

it.each([
  ['by another key', (digest: Uint8Array) => [digest, filler('another key')] as const],
  [
    'for something else',
    (_: Uint8Array, key: Uint8Array) => [filler('something else'), key] as const,
  ],
] as const)('a receipt that is signed %s is none', async (_, lie) => {
  const world = await createWorld()
  const { secp256k1 } = world.engine
  let lies = false
  const sign: typeof secp256k1.sign = (digest, key) => {
    const [signed, by] = lies ? lie(digest, key) : [digest, key]
    return secp256k1.sign(signed, by)
  }
  const engine = { ...world.engine, secp256k1: { ...secp256k1, sign } }
  const { address } = await world.watchtower('tower', { engine })
  const seller = await world.person('seller', { tower: address })
  const it = await quarrel(world, seller)
  await seller.node.watched()
  lies = true
  await pay(it, seller, 120n)
  await expect
    .poll(() => seller.problems, { timeout: 5_000 })
    .toMatchObject([{ code: 'BAD_SIGNATURE' }])
  expect(seller.node.watch).toMatchObject({ isAlive: false, unpushed: 120n })
  lies = false
  await seller.node.watched()
  expect(seller.node.watch).toMatchObject({ isAlive: true, unpushed: 0n })
  await world.close()
})
