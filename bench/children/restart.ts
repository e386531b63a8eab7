/** What a bench of restarts works on: a home with many channels, a lane with many ticks, and a fresh start of either. */
import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import type { Hex } from '../../src/core/bytes.js'
import { limits } from '../../src/core/limits.js'
import { Node } from '../../src/engine/node.js'
import type { Store } from '../../src/engine/ports.js'
import { createLedger, createNode, type EmbeddedLayer, parsePrice } from '../../src/index.js'
import { memoryHub } from '../../src/net/memory.js'
import { connectLedger, loadEngine, openIdentity } from '../../src/sluice.js'
import * as Home from '../../src/store/home.js'
import * as Lmdb from '../../src/store/lmdb.js'
import * as Memory from '../../src/store/memory.js'
import { answer } from './child.js'

export type Started = { readonly seconds: number; readonly channels: number }
export type Streamed = { readonly ticks: bigint; readonly steps: number; readonly bytes: number }

/** What each channel holds, all of it on one lane. */
const deposit = 1_000n
/** Peers that open channels at the same time. */
const atOnce = 32

let node: Node

answer({
  /** Has `channels` channels opened to the node of a home, each with a lane, on a layer of its own. */
  async fill(options: { home: string; layerHome: string; channels: number }) {
    const layer = await createLedger({ home: options.layerHome })
    const home = await Home.open(options.home)
    const ground = { layer, engine: await loadEngine(), hub: memoryHub() }
    const store = Lmdb.open(home.storePath)
    const payee = await person(ground, home.keys, store, ['/memory/1'])
    let left = options.channels
    const peer = async (): Promise<void> => {
      while (left > 0) {
        const share = Math.min(left, limits.channelsPerPeerMax)
        left -= share
        await openMany(ground, payee.addresses[0] ?? '', share)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, peer))
    await payee.stop()
    await home.close()
    await layer.close()
    return statSync(home.storePath).size
  },

  /** A node from this process's first line on: until it answers peers. */
  async start(options: { home: string; ledger: string }): Promise<Started> {
    const begin = performance.now()
    node = await createNode({ ...options, listen: ['/ip4/127.0.0.1/tcp/0'] })
    const seconds = (performance.now() - begin) / 1_000
    return { seconds, channels: node.channels().length }
  },

  /**
   * Pays on the one lane between two homes until it has carried `ticks` more: in `epochs` epochs, each begun by
   * a voucher that stands for all but 1,024 of its ticks, and these then revealed step by step.
   */
  async stream(options: {
    payee: string
    payer: string
    ledger: string
    ticks: bigint
    epochs: number
  }): Promise<Streamed> {
    const { ledger, ticks, epochs } = options
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const { account, accountKey } = await openIdentity(options.payer)
    const payee = await createNode({ home: options.payee, ledger, listen })
    const payer = await createNode({ home: options.payer, ledger })
    const [address = ''] = payee.addresses
    if (payer.channels().length === 0) {
      const funds = 4_000_000_000n
      await (await connectLedger(ledger, accountKey)).faucet(account, funds)
      await payer.open(address, { deposit: funds })
    }
    const [channel] = payer.channels()
    const id = channel?.id ?? '0x'
    const before = payee.lane(id, 0n)?.claim ?? 0n
    const ended = new AbortController()
    const price = parsePrice('1/item')
    // The finest stream of a lane says what a tick is worth: one unit, however large the pieces of the other.
    payee.serve('fine', { price, signal: ended.signal, open: silent })
    const size = positions(ticks, epochs).at(-1) ?? 0n
    const quantum = size / BigInt(epochs)
    payee.serve('coarse', {
      price,
      size,
      quantum,
      async *open() {
        for (const position of positions(ticks, epochs)) {
          yield { data: Uint8Array.of(1), position }
          await paid(payee, id, before + position)
        }
      },
    })
    const fine = await payer.consume(address, 'fine')
    const waiting = fine[Symbol.asyncIterator]().next()
    for await (const _ of await payer.consume(address, 'coarse'));
    ended.abort()
    await waiting.catch(() => undefined)
    const lane = payee.lane(id, 0n)
    await Promise.all([payer.stop(), payee.stop()])
    return {
      ticks: (lane?.claim ?? 0n) - before,
      steps: lane?.ticks ?? 0,
      bytes: sizeOf(Home.inspect(options.payee)),
    }
  },
})

type Ground = {
  readonly layer: EmbeddedLayer
  readonly engine: Awaited<ReturnType<typeof loadEngine>>
  readonly hub: ReturnType<typeof memoryHub>
}

/** A node of this process, wired as `createNode` does, but that its network is memory. */
async function person(
  { layer, engine, hub }: Ground,
  keys: Home.Keys,
  store: Store,
  listen: readonly string[],
): Promise<Node> {
  const node = new Node({
    network: await hub.createNetwork({ privateKey: keys.peer, listen }),
    store,
    ledger: await connectLedger(layer, keys.account, engine),
    crypto: engine,
    random: (size) => new Uint8Array(randomBytes(size)),
    sleep: (ms, signal) => after(ms, undefined, signal && { signal }).catch(() => undefined),
    keys,
    exposureMax: undefined,
  })
  await node.start()
  return node
}

/** A peer that opens so many channels, and goes. */
async function openMany(ground: Ground, address: string, channels: number): Promise<void> {
  const secret = (): Uint8Array => new Uint8Array(randomBytes(32))
  const keys = { account: secret(), signing: secret(), session: secret(), peer: secret() }
  const peer = await person(ground, keys, Memory.open(), [])
  await ground.layer.faucet(peer.account, deposit * BigInt(channels))
  for (let count = 0; count < channels; count++) {
    const { id } = await peer.open([address], { deposits: [[deposit], [0n]] })
    await peer.openLane(id, { payee: 1, amount: deposit })
  }
  await peer.stop()
}

/** Where each piece ends: what an epoch's voucher stands for, and then its steps. */
function positions(ticks: bigint, epochs: number): bigint[] {
  const steps = BigInt(limits.chainStepsMax)
  const epoch = ticks / BigInt(epochs)
  return Array.from({ length: epochs }, (_, at) => BigInt(at) * epoch).flatMap((begin) => [
    begin + epoch - steps,
    begin + epoch,
  ])
}

/** Resolves once the claim on the lane is durable up to `amount`. */
async function paid(payee: Node, id: Hex, amount: bigint): Promise<void> {
  while ((payee.lane(id, 0n)?.claim ?? 0n) < amount)
    await new Promise((resolve) => payee.events.once('payment', resolve))
}

/** Of all that a home keeps of its channels. */
const sizeOf = ({ storePath, journalPath }: Home.View): number =>
  [storePath, journalPath].reduce(
    (sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0),
    0,
  )

async function* silent(_: bigint, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}
