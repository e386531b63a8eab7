/** A bench's buyer: takes the seller's file, paid or unpaid, and writes, hashes and syncs it alike. */
import { randomBytes } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import type { Network } from '../../src/engine/ports.js'
import { buyFile, createNode, type Node } from '../../src/index.js'
import { PartFile } from '../../src/market/part-file.js'
import { createNetwork } from '../../src/net/libp2p.js'
import { connectLedger, openIdentity } from '../../src/sluice.js'
import { answer, residentMemory } from './child.js'
import type { Offered } from './seller.js'

export type Taken = { readonly seconds: number; readonly sha256: Uint8Array }

let node: Node
let network: Network

answer({
  /** Opens the connections, and a channel that holds `deposit`. */
  async start(options: { home: string; ledger: string; offered: Offered; deposit: bigint }) {
    const { home, ledger, offered, deposit } = options
    const { account, accountKey } = await openIdentity(home)
    const layer = await connectLedger(ledger, accountKey)
    await layer.faucet(account, deposit)
    node = await createNode({ home, ledger })
    await node.open(offered.paid, { deposit })
    network = await createNetwork({ privateKey: randomBytes(32) })
    await network.connect(offered.unpaid)
  },

  paid: ({ address, out, budget }: { address: string; out: string; budget: bigint }) =>
    timed(out, async () => (await buyFile(node, address, { out, budget })).sha256),

  unpaid: ({ address, out }: { address: string; out: string }) =>
    timed(out, async () => {
      const connection = await network.connect(address)
      const stream = await connection.open('/bench/unpaid/1')
      const file = await PartFile.open(`${out}.part`, 0n, () => undefined)
      for await (const data of stream) await file.write(data)
      const sha256 = await file.finish()
      await file.close()
      await stream.close()
      await rename(`${out}.part`, out)
      return sha256
    }),
  ...residentMemory(),
})

async function timed(out: string, take: () => Promise<Uint8Array>): Promise<Taken> {
  const begin = performance.now()
  const sha256 = await take()
  const seconds = (performance.now() - begin) / 1_000
  for (const path of [out, `${out}.sluice.json`]) await rm(path, { force: true })
  return { seconds, sha256 }
}
