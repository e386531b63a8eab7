/** What a seller process does before it speaks: the kernel's word for it, not ours. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import { connectLedger, createLedger, createNode, openIdentity } from '../../src/sluice.js'
import { seeded } from '../support/child.js'
import { makeScratch, reap, seedOf, sluice } from '../support/processes.js'
import { callsOf, descriptor, journalOf, noStrace, strace } from '../support/strace.js'
import { content } from './market.js'

const scratch = makeScratch('strace')
afterEach(reap)
afterAll(scratch.remove)

const quantum = 65_536
/** Where each grant ends, in quanta, when everything sent so far was paid: one, then what was paid and one more. */
const grants = [1, 3, 7]
/** What goes over a connection beside the bytes that are sold: handshakes, control messages, frames. */
const overhead = 24_576

it.skipIf(noStrace)(
  'a seller writes no byte of a further grant before the claim that earned it is synced (needs strace)',
  async () => {
    const file = join(scratch.path, 'file')
    writeFileSync(file, content(7 * quantum, seeded(seedOf('strace'))))
    const layer = await createLedger({ port: 0 })
    const trace = join(scratch.path, 'trace')
    const seller = sluice(
      ['sell', file, '--price', '1/B', '--home', join(scratch.path, 'seller'), '--json'].concat(
        ...['--ledger', layer.url ?? ''],
      ),
      {
        under: strace(
          trace,
          'openat,accept4,read,write,writev,pwrite64,pwritev,fdatasync,fsync,msync',
        ),
      },
    )
    const home = join(scratch.path, 'buyer')
    const { account, accountKey } = await openIdentity(home)
    await (await connectLedger(layer.url ?? '', accountKey)).faucet(account, 1_000_000n)
    const buyer = await createNode({ home, ledger: layer.url ?? '' })
    try {
      const { multiaddr } = await seller.event('listening')
      await buyer.open(String(multiaddr), { deposit: BigInt(7 * quantum) })
      const purchase = await buyer.consume(String(multiaddr), '', { acknowledge: 'manual' })
      const bytes = purchase[Symbol.asyncIterator]()
      for (const quanta of grants) {
        while (purchase.position < quanta * quantum) await bytes.next()
        purchase.acknowledge(purchase.position)
      }
      expect((await bytes.next()).done).toBe(true)
      expect((await purchase.receipt).offset).toBe(BigInt(7 * quantum))
    } finally {
      await buyer.stop()
      await seller.kill()
      await layer.close()
    }

    const calls = callsOf(readFileSync(trace, 'utf8'), /^(write|writev)\(/)
    const synced = new RegExp(`^pwrite64\\(${journalOf(calls)},.* = [1-9]\\d*$`)
    const socket = descriptor(calls, /^accept4\(.* = (\d+)$/)
    const written = new RegExp(`^writev?\\(${socket},.* = (\\d+)$`)
    const heard = new RegExp(`^read\\(${socket},.* = [1-9]\\d*$`)
    let sent = 0
    let since: string[] = []
    const before: string[] = []
    for (const call of calls) {
      const bytes = Number(written.exec(call)?.[1] ?? 0)
      if (synced.test(call)) since.push('synced')
      else if (heard.test(call)) since.push('heard')
      if (bytes === 0) continue
      const [done, reached] = [sent, sent + bytes]
      sent = reached
      // Crossing a grant's end, with everything else that was said so far, means to be beyond it.
      const beyond = grants.some(
        (quanta) => done <= quanta * quantum + overhead && reached > quanta * quantum + overhead,
      )
      if (beyond) before.push(since.join(' '))
      if (bytes > overhead) since = []
    }
    expect(before.length).toBe(grants.length - 1)
    for (const steps of before) expect(steps).toMatch(/heard.* synced/)
  },
)
