import { createNetwork } from '../src/net/libp2p.js'
import { randomBytes } from 'node:crypto'
import { fork } from 'node:child_process'
import { once } from 'node:events'
if (process.argv[2]) {
  const t0 = performance.now()
  const n = await createNetwork({ privateKey: randomBytes(32), listen: ['/ip4/127.0.0.1/tcp/0'] })
  await n.handle('/test/echo/1', async (s) => { for await (const c of s) s.send(c); await s.close() })
  process.send!(n.addresses()[0])
  process.once('message', async () => {
    const t = performance.now()
    await n.close(); console.log('closed in', performance.now() - t, process.getActiveResourcesInfo())
    process.disconnect(); 
    process.on('exit', () => console.log('exit at', performance.now() - t))
  })
} else {
  const child = fork(new URL('./exit.ts', import.meta.url), ['x'], { execArgv: ['--import', 'tsx'] })
  const n = await createNetwork({ privateKey: randomBytes(32) })
  const [a] = await once(child, 'message')
  const c = await n.connect(a)
  const s = await c.open('/test/echo/1'); s.send(randomBytes(10)); await s.close(); for await (const _ of s);
  child.send('exit'); await once(child, 'exit')
  await n.close()
}
