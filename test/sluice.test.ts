/** What a program holds through `createNode` and `createLedger` is let go of, however its end goes. */
import '../src/net/polyfill.js'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, it } from 'vitest'
import { createLedger, createNode } from '../src/index.js'
import { makeScratch } from './support/processes.js'

const scratch = makeScratch('sluice')
afterEach(scratch.remove)

it('a ledger that fails to close gives its home back, and says what failed', async () => {
  let now = () => Date.now()
  const home = `${scratch.path}/ledger`
  const ledger = await createLedger({ home, clock: () => now() })
  now = () => {
    throw new Error('no time')
  }
  await expect(ledger.close()).rejects.toThrow('no time')
  await (await createLedger({ home })).close()
})

it('so does a node', async () => {
  const ledger = await createLedger()
  const libp2p = await createLibp2p({ transports: [tcp()] })
  libp2p.unhandle = () => Promise.reject(new Error('no way out'))
  const home = `${scratch.path}/node`
  const node = await createNode({ home, ledger, libp2p })
  await expect(node.stop()).rejects.toThrow('no way out')
  await (await createNode({ home, ledger })).stop()
  await libp2p.stop()
  await ledger.close()
})
