/** A bench's payer: opens channels to the payee, pays for every item over each, and co-signs what it folds. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Hex } from '../../src/core/bytes.js'
import { noble } from '../../src/crypto/noble.js'
import { createNode, type Node } from '../../src/index.js'
import { createNetwork } from '../../src/net/libp2p.js'
import { connectLedger, loadEngine, openIdentity } from '../../src/sluice.js'
import * as Journal from '../../src/store/journal.js'
import * as Lmdb from '../../src/store/lmdb.js'
import { floorProtocol, respond, type Sizes } from '../floor.js'
import { answer } from './child.js'

let node: Node
let home: string

answer({
  /** Opens so many channels that hold `deposit` each, all of it on one lane; returns their ids. */
  async start(options: {
    home: string
    ledger: string
    payee: string
    channels: number
    deposit: bigint
  }) {
    const { ledger, payee, channels, deposit } = options
    home = options.home
    const { account, accountKey } = await openIdentity(home)
    const layer = await connectLedger(ledger, accountKey)
    await layer.faucet(account, deposit * BigInt(channels))
    node = await createNode({ home, ledger })
    const ids: Hex[] = []
    for (let count = 0; count < channels; count++) {
      const { id } = await node.open([payee], { deposits: [[deposit], [0n]] })
      await node.openLane(id, { payee: 1, amount: deposit })
      ids.push(id)
    }
    return ids
  },

  /** Consumes, over each channel, what the payee offers for it; goes on until the process ends. */
  async consume({ payee, channels }: { payee: string; channels: readonly Hex[] }) {
    for (const id of channels) {
      const purchase = await node.consume(payee, id, { channel: id })
      void (async () => {
        for await (const _ of purchase);
      })()
    }
  },

  /** Milliseconds of processor time so far. */
  async cpu() {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  },

  async floor({ sizes, library }: { sizes: Sizes; library: string }) {
    const { secp256k1 } = library === 'noble' ? noble : await loadEngine()
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const network = await createNetwork({ privateKey: randomBytes(32), listen })
    const place = join(home, `floor-${library}`)
    const store = await Journal.open(Lmdb.open(`${place}.mdb`), `${place}.journal`)
    await network.handle(floorProtocol, (stream) => {
      void respond({ stream, store, secp256k1, sizes })
    })
    return network.addresses()[0] ?? ''
  },
})
