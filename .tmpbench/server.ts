import { mk } from './node.js'
import { fromLibp2p } from '../src/net/libp2p.js'
const W = Number(process.argv[2] || 0), I = Number(process.argv[3] || 0)
const node = await mk(W, I)
await node.handle('/raw', async (stream) => {
  let n = 0
  for await (const chunk of stream) n += chunk.byteLength
  stream.send(new TextEncoder().encode(String(n))); await stream.close()
})
await fromLibp2p(node).handle('/ours', async (stream) => {
  let n = 0
  for await (const chunk of stream) n += chunk.length
  stream.send(new TextEncoder().encode(String(n))); await stream.close()
})
process.send!(node.getMultiaddrs()[0]!.toString())
process.on('message', () => process.send!({ rss: process.memoryUsage().rss, max: process.resourceUsage().maxRSS }))
process.on('disconnect', () => process.exit())
