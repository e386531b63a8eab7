/** What goes wrong for people: each time a stable code and a sentence that helps, and nobody else falls over. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seeded } from '../support/child.js'
import { makeScratch, reap, run, seedOf, sluice } from '../support/processes.js'
import { Market } from './market.js'

const scratch = makeScratch('trouble')
const noMount = process.platform !== 'linux' || process.getuid?.() !== 0
const nobody = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQRyhHDEtnNqtUoVvoPDVTQkXmAsXPrAGLkgDLcZvyrAD'

let market: Market
beforeAll(async () => {
  const random = seeded(seedOf('trouble'))
  market = await Market.open({ directory: join(scratch.path, 'market'), bytes: 4 << 20, random })
})
afterAll(async () => {
  await reap()
  scratch.remove()
})

/** Runs a command that fails; it says so in one JSON line with this code, and the seller still answers. */
async function fails(args: readonly string[], code: string, message: RegExp): Promise<void> {
  const { error, stderr, ...ended } = await run([...args, '--ledger', market.url, '--json'])
  expect(error).toEqual({ code, message: expect.stringMatching(message) })
  expect({ code: ended.code, stderr }).toEqual({ code: 1, stderr: '' })
}

const home = (name: string): string[] => ['--home', join(scratch.path, name)]
const out = (): string[] => ['--out', join(scratch.path, 'bought')]
const sell = (file: string): string[] => ['sell', file, '--price', '3/KiB', ...home('other')]
const buy = (address: string, budget: string, ...more: string[]): string[] => [
  ...['buy', address, '--budget', budget, ...home('poor'), '--patience', '1'],
  ...(more.length > 0 ? more : out()),
]

describe('selling', () => {
  it('a file that is not there, or is none', async () => {
    await fails(sell(join(scratch.path, 'none')), 'FILE_UNREADABLE', /does not exist/)
    await fails(sell(scratch.path), 'FILE_UNREADABLE', /is not a file/)
  })

  it('on a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const listen = ['--listen', `/ip4/127.0.0.1/tcp/${port}`]
    await fails([...sell(market.file), ...listen], 'PORT_IN_USE', /another/)
    server.close()
  })

  it('is interrupted while it reads the file', async () => {
    const large = join(scratch.path, 'large')
    writeFileSync(large, '')
    truncateSync(large, 16 * 2 ** 30)
    const selling = sluice([...sell(large), '--ledger', market.url, '--json'])
    await selling.event('progress')
    const { code, error } = await selling.kill('SIGINT')
    expect({ code, error: error?.code }).toEqual({ code: 130, error: 'INTERRUPTED' })
  })

  it('from a home where a seller runs', async () => {
    const again = ['sell', market.file, '--price', '3/KiB', '--home', market.home('seller')]
    await fails(again, 'HOME_IN_USE', /Process \d+/)
  })
})

describe('buying', () => {
  it('from nobody', async () => {
    await fails(buy(nobody, '1000'), 'PEER_UNREACHABLE', /nothing listens there/)
  })

  it('with a budget, or a balance, that is too small: nothing is bought, and no channel opened', async () => {
    await fails(buy(market.multiaddr, '1'), 'BUDGET_TOO_SMALL', /costs \d+.*--budget/)
    const dear = [...buy(market.multiaddr, '99999'), '--redeem-fee', '50000']
    await fails(dear, 'LANE_TOO_SMALL', /at least 150000/)
    await fails(
      buy(market.multiaddr, '99999'),
      'INSUFFICIENT_BALANCE',
      /holds 0.*needs 99999.*Fund it/,
    )
    expect(existsSync(join(scratch.path, 'bought'))).toBe(false)
  })

  it('a file that changed on its seller’s disk: it has patience, and then an end', async () => {
    const file = join(scratch.path, 'changing')
    writeFileSync(file, 'as it was')
    const on = ['--ledger', market.url, '--json']
    const selling = sluice([...sell(file), ...on])
    const { multiaddr } = await selling.event('listening')
    writeFileSync(file, 'as it is')
    const rich = home('rich')
    await run(['keys', '--fund', '1000', ...rich, ...on])
    const args = ['buy', String(multiaddr), '--budget', '1000', ...rich, '--patience', '1']
    await fails(
      [...args, '--out', join(scratch.path, 'changed')],
      'SELLER_STOPPED',
      /run this again/,
    )
    await selling.kill('SIGINT')
  })

  it('to where nothing can be written', async () => {
    const nowhere = join(scratch.path, 'none', 'bought')
    const args = buy(market.multiaddr, '99999', '--out', nowhere)
    await fails(args, 'FILE_UNWRITABLE', /there is no directory/)
  })

  it.skipIf(noMount)(
    'to a disk that fills up, and going on once there is room (needs Linux and root)',
    async () => {
      const directory = join(scratch.path, 'small')
      mkdirSync(directory)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'sluice-test', directory])
      try {
        const sale = { ...(await market.begin()), out: join(directory, 'bought') }
        const full = await market.buy(sale).ended
        expect(full).toMatchObject({ code: 1, error: { code: 'DISK_FULL' } })
        execFileSync('mount', ['-o', 'remount,size=16m', directory])
        const { code, error } = await market.buy(sale).ended
        expect({ code, error }).toEqual({ code: 0, error: undefined })
        await market.checkSettled(sale)
      } finally {
        execFileSync('umount', ['-l', directory])
      }
    },
  )

  it('while the ledger is down says so, waits, and fails with the money where it was', async () => {
    const before = await market.balances()
    await market.kill('ledger')
    await fails(buy(market.multiaddr, '1000'), 'LEDGER_UNREACHABLE', /sluice ledger/)
    await market.start('ledger')
    expect(await market.balances()).toEqual(before)
  })
})

describe('closing', () => {
  it('where one peer is away closes with the other one, and says which channel is left', async () => {
    const owner = [...home('owner'), '--ledger', market.url, '--json']
    await run(['keys', '--fund', '100000', ...owner])
    const selling = sluice([...sell(market.file), '--ledger', market.url, '--json'])
    const { multiaddr } = await selling.event('listening')
    const channels: unknown[] = []
    for (const [at, address] of [market.multiaddr, String(multiaddr)].entries()) {
      const terms = ['--out', join(scratch.path, `kept-${at}`), '--budget', '40000', '--keep']
      const buying = sluice(['buy', address, ...terms, ...owner])
      channels.push((await buying.event('bought')).channelId)
      await buying.ended
    }
    await selling.kill()
    const { lines, ended } = sluice(['close', '--patience', '1', ...owner])
    expect(await ended).toMatchObject({
      code: 1,
      error: { code: 'STILL_OPEN', message: expect.stringMatching(/1 of 2 .*--force/) },
    })
    const told = lines.filter(({ event }) => event === 'settled' || event === 'open')
    expect(told).toMatchObject([
      { event: 'settled', channelId: channels[0] },
      { event: 'open', channelId: channels[1], code: 'PEER_UNREACHABLE' },
    ])
  })
})
