import { createNetwork } from '../src/net/libp2p.js'
import { randomBytes } from 'node:crypto'
for (let i = 0; i < 3; i++) {
const a = await createNetwork({ privateKey: randomBytes(32), listen: ['/ip4/127.0.0.1/tcp/0'] })
const b = await createNetwork({ privateKey: randomBytes(32) })
await a.handle('/x', () => {})
const c = await b.connect(a.addresses()[0]!)
const t = Date.now()
await Promise.all([a.close().then(() => console.log('a', Date.now() - t)), c.close().then(() => console.log('conn', Date.now() - t)), b.close().then(() => console.log('b', Date.now() - t))])
}
