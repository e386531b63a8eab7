/** A bench's seller: one file, sold over a node, and given away over a network of the same kind. */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createNode, type Price, sellFile } from '../../src/index.js'
import { createNetwork } from '../../src/net/libp2p.js'
import { answer, residentMemory } from './child.js'

export type Offered = {
  /** Where the file is sold, and where it is given away. */
  readonly paid: string
  readonly unpaid: string
}

const listen = ['/ip4/127.0.0.1/tcp/0']

answer({
  async start(options: { home: string; ledger: string; path: string; price: Price }) {
    const { home, ledger, path, price } = options
    const node = await createNode({ home, ledger, listen })
    await sellFile(node, path, { price })
    const network = await createNetwork({ privateKey: randomBytes(32), listen })
    await network.handle('/bench/unpaid/1', async (stream) => {
      for await (const chunk of createReadStream(path, { highWaterMark: 262_144 }))
        if (!stream.send(chunk)) await stream.drained()
      await stream.close()
    })
    const offered: Offered = {
      paid: node.addresses[0] ?? '',
      unpaid: network.addresses()[0] ?? '',
    }
    return offered
  },
  ...residentMemory(),
})
