import { fork } from 'node:child_process'
import { mk } from './node.js'
import { fromLibp2p } from '../src/net/libp2p.js'
import { multiaddr } from '@multiformats/multiaddr'
import { once } from 'node:events'
const W = Number(process.argv[2] || 0), I = Number(process.argv[3] || 0), SIZE = Number(process.argv[4] || 65600), TOTAL = 512 << 20, ROUNDS = Number(process.argv[5] || 5)
const child = fork(new URL('./server.ts', import.meta.url), [String(W), String(I)], { execArgv: ['--import', 'tsx'] })
const [addr] = await once(child, 'message')
const node = await mk(W, I), net = fromLibp2p(node)
const raw = await node.dial(multiaddr(addr)); const conn = await net.connect(addr)
const buf = new Uint8Array(SIZE).fill(7)
async function runRaw() {
  const s = await raw.newStream('/raw')
  const t = performance.now()
  for (let n = 0; n < TOTAL; n += SIZE) if (!s.send(buf)) { while (s.writableNeedsDrain) await new Promise(r => s.addEventListener('drain', r, { once: true })) }
  await s.close()
  let a = ''; for await (const c of s) a += new TextDecoder().decode(c.subarray())
  return Number(a) / 1e3 / (performance.now() - t)
}
async function runOurs() {
  const s = await conn.open('/ours')
  const t = performance.now()
  for (let n = 0; n < TOTAL; n += SIZE) if (!s.send(buf)) await s.drained()
  await s.close()
  let a = ''; for await (const c of s) a += new TextDecoder().decode(c)
  return Number(a) / 1e3 / (performance.now() - t)
}
await runRaw(); await runOurs()
const R: number[] = [], O: number[] = []
for (let i = 0; i < ROUNDS; i++) { R.push(await runRaw()); O.push(await runOurs()) }
const med = (x: number[]) => [...x].sort((a, b) => a - b)[x.length >> 1]!
child.send('x'); const [m] = await once(child, 'message') as any
console.log(`W=${W} I=${I} size=${SIZE} raw ${med(R).toFixed(0)} ours ${med(O).toFixed(0)} MB/s ratio ${(med(O) / med(R)).toFixed(3)} | raw ${R.map(x => x.toFixed(0))} ours ${O.map(x => x.toFixed(0))} | server max rss ${(m.max / 1024).toFixed(0)} MiB client max ${(process.resourceUsage().maxRSS / 1024).toFixed(0)}`)
child.disconnect(); await node.stop(); process.exit()
