/**
 * Real nodes on computers of their own, killed, held still and cut off while a channel opens, a stream runs, and
 * it is closed together and by force. Once all is healed the file is whole, paid to the unit, and all money is
 * in accounts again; at any moment nobody has more at risk than the credit window. `SLUICE_CHAOS` is how many
 * faults befall each.
 */

import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, type TestContext } from 'vitest'
import { seeded } from '../support/child.js'
import { lacking } from '../support/lan.js'
import { type Line, makeScratch, reap, seedOf } from '../support/processes.js'
import type { Market, MarketOptions, Role, Sale } from './market.js'
import { longMs, Storm } from './storm.js'

const scratch = makeScratch('chaos')
const storms: Storm[] = []
afterAll(async () => {
  await reap()
  for (const storm of storms) await storm.close()
  scratch.remove()
})

const faults = Number(process.env.SLUICE_CHAOS ?? 5)
const seed = seedOf('chaos')

async function openStorm(
  { onTestFailed, task }: TestContext,
  at: number,
  options: Omit<MarketOptions, 'directory' | 'random'>,
): Promise<Storm> {
  const random = seeded(seed + at)
  const directory = join(scratch.path, String(at))
  const storm = await Storm.open({ tower: true, ...options, directory, random })
  storms.push(storm)
  onTestFailed(() => console.log(`${task.name}\n${storm.transcript()}`))
  return storm
}

/** What the two disks say at any moment: nothing accepted that was not promised, and no more at risk than the window. */
async function checkEnds(market: Market): Promise<void> {
  const lane = await market.lane()
  if (lane === undefined) return
  const { payer, payee } = lane
  expect(payer.claim).toBeGreaterThanOrEqual(payee.claim)
  expect(payer.claim).toBeLessThanOrEqual(payer.owed)
  expect(payee.exposure).toBeLessThanOrEqual(market.creditWindow)
}

/** The buyer ends well; where nothing was begun before a fault struck, it is started once more. */
async function checkBought(market: Market, sale: Sale): Promise<void> {
  const end = await market.process('buyer').ended
  if (end.error?.code === 'PEER_UNREACHABLE') market.buy(sale)
  expect(await market.process('buyer').ended).toMatchObject({ code: 0, error: undefined })
  await market.checkSettled(sale)
}

/** Whether a role's process says such a line before it ends. */
function reached(market: Market, role: Role, isIt: (line: Line) => boolean): Promise<boolean> {
  const said = market.process(role).event(isIt)
  return said.then(
    () => true,
    () => false,
  )
}

describe.skipIf(lacking !== undefined).concurrent(`chaos${lacking ? ` (${lacking})` : ''}`, () => {
  it('during streams', { timeout: 240_000 }, async (context) => {
    const storm = await openStorm(context, 0, { bytes: 48 << 20 })
    const { market, random } = storm
    const check = () => checkEnds(market)
    storm.slow()
    for (let left = faults; left > 0; ) {
      const sale = await market.begin()
      market.buy(sale)
      let from = 0
      while (left > 0) {
        const until = from + random() * (market.bytes / 8)
        if (
          !(await reached(
            market,
            'buyer',
            ({ event, bytes }) => event === 'progress' && Number(bytes) > until,
          ))
        )
          break
        // One of them is longer than anybody's patience with a silent connection.
        if (left === faults) await storm.befall(storm.long(), { ms: longMs, check })
        else await storm.befall(storm.any(sale), { check })
        left -= 1
        from = until
      }
      await checkBought(market, sale)
    }
    await market.checkConserved()
  })

  it('while channels open and are closed together', { timeout: 240_000 }, async (context) => {
    const storm = await openStorm(context, 1, { bytes: 300_001, price: '7/3000B' })
    const { market, random } = storm
    const moments: Partial<Line>[] = [
      { event: 'channel', phase: 'funding' },
      { event: 'channel', phase: 'live', version: '0' },
      { event: 'channel', phase: 'live', version: '1' },
      { event: 'bought' },
      { event: 'channel', phase: 'closing' },
    ]
    for (let left = faults; left > 0; left--) {
      const sale = await market.begin()
      const moment = moments[Math.floor(random() * moments.length)] ?? {}
      storm.log.push(JSON.stringify(moment))
      market.buy(sale)
      await reached(market, 'buyer', (line) => isLike(line, moment))
      await storm.befall(storm.any(sale), { check: () => checkEnds(market) })
      await checkBought(market, sale)
    }
    await market.checkConserved()
  })

  it('while the seller closes by force, its buyer held still all along', {
    timeout: 240_000,
  }, async (context) => {
    const storm = await openStorm(context, 2, { bytes: 48 << 20, challengePeriod: 8, tower: false })
    const { market } = storm
    const sale = await sellSome(storm)
    market.process('buyer').signal('SIGSTOP')
    await market.kill('seller')
    const accepted = await acceptedOf(market)
    await market.fund('seller', await market.bond())
    const before = await market.balances()

    const close = () => market.closeByForce('seller')
    close()
    for (const stage of ['states', 'redemption']) {
      // Collecting may take less time than it takes to say so.
      const isIt = (line: Line) => isLike(line, { event: 'dispute', stage })
      if (!(await reached(market, 'seller', isIt))) break
      await storm.befall(storm.anyOfCloser('seller', close))
    }
    expect(await market.process('seller').ended).toMatchObject({ code: 0, error: undefined })
    expect((await market.balances()).seller - before.seller).toBe(accepted)

    market.process('buyer').signal('SIGCONT')
    await market.process('buyer').kill()
    expect(await market.closeByForce('buyer').ended).toMatchObject({ code: 0, error: undefined })
    expect((await market.balances()).buyer).toBe(sale.before.buyer - accepted)
    await market.checkConserved()
  })

  it('while a dispute runs its whole course and only the tower is awake', {
    timeout: 240_000,
  }, async (context) => {
    const storm = await openStorm(context, 3, { bytes: 48 << 20, challengePeriod: 4 })
    const { market } = storm

    // The seller sleeps while its buyer settles by the newest state: the tower redeems.
    const sale = await sellSome(storm)
    await market.kill('buyer')
    await expect
      .poll(async () => (await market.lane())?.payee.unpushed, { timeout: 30_000 })
      .toBe(0n)
    const accepted = await acceptedOf(market)
    market.process('seller').signal('SIGSTOP')
    await market.fund('buyer', await market.bond())
    const closing = market.closeByForce('buyer')
    const redeemed = await market.process('tower').event('action')
    expect(redeemed).toMatchObject({ action: 'redeem', gain: String(accepted) })
    expect(await closing.ended).toMatchObject({ code: 0, error: undefined })
    expect(await market.balances()).toEqual({
      buyer: sale.before.buyer + (await market.bond()) - accepted,
      seller: sale.before.seller + accepted,
    })
    market.process('seller').signal('SIGCONT')
    await market.process('seller').event(({ phase }) => phase === 'closed')

    // It sleeps while its buyer, who has all and signed for it, settles by a state that says less: the tower closes.
    const all = await sellSome(storm)
    await market.kill('buyer')
    const [home, old] = [market.home('buyer'), `${market.home('buyer')}-old`]
    cpSync(home, old, { recursive: true })
    const buyer = market.buy(all)
    const apart = [storm.cut('buyer', 'ledger'), storm.cut('seller', 'ledger')]
    await buyer.event('buying')
    for (const cut of apart) await cut.strike()
    const { channelId } = await buyer.event(({ phase }) => phase === 'closing')
    const held = { event: 'appointment', channelId, version: '2' }
    await market.process('tower').event((line) => isLike(line, held))
    market.process('seller').signal('SIGSTOP')
    await market.kill('buyer')
    rmSync(home, { recursive: true })
    cpSync(old, home, { recursive: true })
    await apart[0]?.heal()
    const stealing = market.closeByForce('buyer')
    const answer = await market
      .process('tower')
      .event(({ channelId: id, event }) => event === 'action' && id === channelId)
    expect(answer.action).toBe('close')
    expect(await stealing.ended).toMatchObject({ code: 0, error: undefined })
    const received = String(market.budget - market.owed)
    expect(stealing.lines.at(-1)).toMatchObject({ event: 'settled', received })
    await apart[1]?.heal()
    market.process('seller').signal('SIGCONT')
    await market
      .process('seller')
      .event(({ channelId: id, phase }) => id === channelId && phase === 'closed')
    const { buyer: left, seller: got } = all.before
    expect(await market.balances()).toEqual({
      buyer: left - market.owed,
      seller: got + market.owed,
    })
    await market.checkConserved()
  })
})

/** A buyer that is a few MiB into its purchase, on a slow line. */
async function sellSome(storm: Storm): Promise<Sale> {
  const { market } = storm
  storm.slow()
  const sale = await market.begin()
  await market
    .buy(sale)
    .event(({ event, bytes }) => event === 'progress' && Number(bytes) > 4 << 20)
  return sale
}

/** What the seller holds proof of. */
async function acceptedOf(market: Market): Promise<bigint> {
  await checkEnds(market)
  const accepted = (await market.lane())?.payee.claim ?? 0n
  expect(accepted).toBeGreaterThan(0n)
  return accepted
}

const isLike = (line: Line, wanted: Partial<Line>): boolean =>
  Object.entries(wanted).every(([key, value]) => line[key] === value)
