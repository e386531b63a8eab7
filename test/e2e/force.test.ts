/**
 * Somebody never comes back: the other side closes by force, with real processes on a ledger whose challenge
 * windows are short, and everybody has what was proven, to the unit.
 */
import { afterEach, beforeEach, expect, it, onTestFailed } from 'vitest'
import { seeded } from '../support/child.js'
import { makeScratch, reap, seedOf } from '../support/processes.js'
import { Market, type MarketOptions } from './market.js'

/** Seconds: long enough that a process starts within one. */
const challengePeriod = 4

let scratch: ReturnType<typeof makeScratch>
beforeEach(() => {
  scratch = makeScratch('force')
})
afterEach(async () => {
  await reap()
  scratch.remove()
})

/** A market in which the buyer has paid for a part of the file, and then died. */
async function broken(options: Pick<MarketOptions, 'tower' | 'evm' | 'challengePeriod'>) {
  const random = seeded(seedOf('closing by force'))
  const directory = scratch.path
  const bytes = 64 << 20
  const market = await Market.open({ directory, bytes, random, challengePeriod, ...options })
  onTestFailed(() => console.log(market.transcript()))
  const sale = await market.begin()
  const buyer = market.buy(sale)
  await buyer.event(({ event, bytes }) => event === 'progress' && Number(bytes) > 4 << 20)
  await buyer.kill()
  return { market, sale }
}

it('the buyer is killed for ever: the seller gets what was paid, and the rest is the buyer’s', async () => {
  const { market, sale } = await broken({ tower: false })
  await market.kill('seller')
  const lane = await market.lane()
  const accepted = lane?.payee.claim ?? 0n
  expect(accepted).toBeGreaterThan(0n)
  await market.fund('seller', await market.bond())
  const before = await market.balances()

  const seller = market.run('close', '--force', '--home', market.home('seller'))
  await seller.event(({ event, stage }) => event === 'dispute' && stage === 'states')
  // Ctrl-C and the same command again: it goes on where it was.
  expect(await seller.kill('SIGINT')).toMatchObject({ code: 130 })
  const again = await market.run('close', '--force', '--home', market.home('seller')).ended
  expect(again).toMatchObject({ code: 0, error: undefined })
  expect(again.stdout).toContain(`"received":"${accepted}"`)
  expect((await market.balances()).seller - before.seller).toBe(accepted)

  // Whoever finds the buyer's home years later finds its money.
  const heir = await market.run('close', '--force', '--home', market.home('buyer')).ended
  expect(heir).toMatchObject({ code: 0, error: undefined })
  expect((await market.balances()).buyer).toBe(sale.before.buyer - accepted)
})

it('the seller is killed for ever: its watchtower collects for it, and the buyer gets the rest', async () => {
  const { market, sale } = await broken({ tower: true })
  await expect.poll(async () => (await market.lane())?.payee.unpushed, { timeout: 20_000 }).toBe(0n)
  const accepted = (await market.lane())?.payee.claim ?? 0n
  expect(accepted).toBeGreaterThan(0n)
  await market.kill('seller')
  await market.kill('tower')
  await market.fund('buyer', await market.bond())
  const buyer = market.run('close', '--force', '--home', market.home('buyer'), '--patience', '1')
  await buyer.event(({ event, stage }) => event === 'dispute' && stage === 'states')
  const tower = await market.start('tower')
  const { action, gain } = await tower.event('action')
  expect({ action, gain }).toEqual({ action: 'redeem', gain: String(accepted) })
  const { code, error, stdout } = await buyer.ended
  expect({ code, error }).toEqual({ code: 0, error: undefined })
  expect(stdout).toContain(`"received":"${market.budget - accepted}"`)
  expect(await market.balances()).toEqual({
    buyer: sale.before.buyer + (await market.bond()) - accepted,
    seller: sale.before.seller + accepted,
  })
})

// Longer windows: a chain without transactions has a block only every five seconds.
it('on an EVM chain the watchtower does the same, and pays for its gas', async () => {
  const { market, sale } = await broken({ tower: true, evm: true, challengePeriod: 15 })
  await expect.poll(async () => (await market.lane())?.payee.unpushed, { timeout: 20_000 }).toBe(0n)
  const accepted = (await market.lane())?.payee.claim ?? 0n
  expect(accepted).toBeGreaterThan(0n)
  await market.kill('seller')
  await market.kill('tower')
  await market.fund('tower', 1n)
  const buyer = market.run('close', '--force', '--home', market.home('buyer'), '--patience', '1')
  await buyer.event(({ event, stage }) => event === 'dispute' && stage === 'states')
  const tower = await market.start('tower')
  const { action, gain } = await tower.event('action')
  expect({ action, gain }).toEqual({ action: 'redeem', gain: String(accepted) })
  expect(await buyer.ended).toMatchObject({ code: 0, error: undefined })
  expect(await market.balances()).toEqual({
    buyer: sale.before.buyer - accepted,
    seller: sale.before.seller + accepted,
  })
}, 180_000)
