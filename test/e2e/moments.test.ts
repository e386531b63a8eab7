/**
 * SIGKILL at the moments that matter most: while a channel opens, right after the file is whole, and while it
 * settles. The ledger is held still at that moment, so that it lasts.
 */
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest'
import { seeded } from '../support/child.js'
import { type Line, makeScratch, reap, seedOf } from '../support/processes.js'
import { Market, type Role } from './market.js'

const scratch = makeScratch('moments')
afterAll(async () => {
  await reap()
  scratch.remove()
})

type Moment = {
  readonly name: string
  /** What the buyer says then. */
  readonly line: Partial<Line>
  readonly dies: readonly (readonly Role[])[]
}

const moments: readonly Moment[] = [
  {
    name: 'both have signed the opening state',
    line: { event: 'channel', phase: 'funding' },
    dies: [['seller'], ['buyer', 'seller'], ['ledger']],
  },
  {
    name: 'the channel has come to life',
    line: { event: 'channel', phase: 'live', version: '0' },
    dies: [['buyer'], ['seller']],
  },
  {
    name: 'the lane is open',
    line: { event: 'channel', phase: 'live', version: '1' },
    dies: [['buyer', 'seller']],
  },
  {
    name: 'the file is whole',
    line: { event: 'bought' },
    dies: [['buyer'], ['seller']],
  },
  {
    name: 'both have signed the final state',
    line: { event: 'channel', phase: 'closing' },
    dies: [['buyer', 'seller'], ['ledger']],
  },
]

describe('SIGKILL', () => {
  let market: Market
  beforeAll(async () => {
    const random = seeded(seedOf('SIGKILL at chosen moments'))
    market = await Market.open({
      directory: scratch.path,
      bytes: 300_001,
      price: '7/3000B',
      random,
    })
  })

  const cases = moments.flatMap(({ dies, ...moment }) =>
    dies.map((roles) => ({ ...moment, roles, who: roles.join(' and ') })),
  )

  it.each(cases)('of $who once $name', async ({ line, roles }) => {
    onTestFailed(() => console.log(market.transcript()))
    const sale = await market.begin()
    await market.buy(sale).event((said) => isLike(said, line))
    const ledger = market.process('ledger')
    ledger.signal('SIGSTOP')
    await market.kill(...roles)
    if (!roles.includes('ledger')) ledger.signal('SIGCONT')
    for (const role of roles) await market.restart(sale, role)
    expect(await market.process('buyer').ended).toMatchObject({ code: 0, error: undefined })
    await market.checkSettled(sale)
  })
})

const isLike = (line: Line, wanted: Partial<Line>): boolean =>
  Object.entries(wanted).every(([key, value]) => line[key] === value)
