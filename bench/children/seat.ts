/** A seat of a channel of five: sells bytes without end to one neighbour, and buys from another. */
import { setTimeout as after } from 'node:timers/promises'
import { type Hex, zeroAddress } from '../../src/core/bytes.js'
import { createNode, type Node, type Purchase, parsePrice } from '../../src/index.js'
import { connectLedger, openIdentity } from '../../src/sluice.js'
import { answer } from './child.js'

/** Bytes of each piece that is offered. */
const pieceBytes = 16_384

let node: Node
let purchase: Purchase
let received = 0
let draining = false
let arrived = (): void => undefined

answer({
  /** A node that welcomes whatever it is offered, on an account that holds `funds`. */
  async start({ home, ledger, funds }: { home: string; ledger: string; funds: bigint }) {
    const { account, accountKey } = await openIdentity(home)
    const layer = await connectLedger(ledger, accountKey)
    await layer.faucet(account, funds)
    node = await createNode({ home, ledger, listen: ['/ip4/127.0.0.1/tcp/0'], accept: () => true })
    return node.addresses[0] ?? ''
  },

  async open({ peers, deposit }: { peers: readonly string[]; deposit: bigint }) {
    const deposits = [undefined, ...peers].map(() => [deposit])
    return (await node.open(peers, { deposits })).id
  },

  openLane: ({ id, payee, amount }: { id: Hex; payee: number; amount: bigint }) =>
    node.openLane(id, { payee, amount }),

  /** Offers bytes at 1/KiB without end: as fast as they are taken, and a little at a time. */
  async offer() {
    for (const [resource, pauseMs] of [
      ['fast', 0],
      ['slow', 50],
    ] as const)
      node.serve(resource, { price: parsePrice('1/KiB'), open: () => pieces(pauseMs) })
  },

  /** Begins to buy. */
  async buy({ address, resource }: { address: string; resource: 'fast' | 'slow' }) {
    purchase = await node.consume(address, resource)
    // What ends it early is what its receipt rejects with.
    take(purchase).catch(() => undefined)
  },

  /** Resolves once so many more bytes have come. */
  async receive(bytes: number) {
    const target = received + bytes
    while (received < target)
      await new Promise<void>((resolve) => {
        arrived = resolve
      })
  },

  /** Bytes a second that come meanwhile. */
  async measure(milliseconds: number) {
    const [before, begin] = [received, performance.now()]
    await after(milliseconds)
    return ((received - before) * 1_000) / (performance.now() - begin)
  },

  /** Drains the purchase; what it cost. */
  async drain() {
    draining = true
    return (await purchase.receipt).owed
  },

  async close(id: Hex) {
    await node.close(id)
  },

  balance: () => node.ledger.balance(node.account, zeroAddress),
})

async function take(purchase: Purchase): Promise<void> {
  for await (const data of purchase) {
    received += data.length
    arrived()
    if (draining) break
  }
}

async function* pieces(pauseMs: number): AsyncGenerator<Uint8Array> {
  for (;;) {
    if (pauseMs > 0) await after(pauseMs)
    yield new Uint8Array(pieceBytes)
  }
}
