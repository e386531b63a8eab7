/**
 * SIGKILL at any moment of a transfer, then the same command again. Whoever dies, the purchase goes on in the
 * same channel where it stopped, and what was paid in the end is what was owed, to the unit.
 */
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, expect, it, onTestFailed } from 'vitest'
import { seeded } from '../support/child.js'
import { makeScratch, reap, seedOf } from '../support/processes.js'
import { Market, type Role } from './market.js'

const scratch = makeScratch('kill')
afterAll(async () => {
  await reap()
  scratch.remove()
})

const kills = Number(process.env.SLUICE_KILLS ?? 15)
const roles: readonly Role[] = ['buyer', 'seller', 'ledger']

it(`survives ${kills} kills at random moments`, { timeout: 600_000 }, async () => {
  const random = seeded(seedOf('SIGKILL at random moments'))
  const market = await Market.open({ directory: scratch.path, bytes: 96 << 20, random })
  onTestFailed(() => console.log(market.transcript()))
  for (let left = kills; left > 0; ) {
    const sale = await market.begin()
    market.buy(sale)
    let over = false
    while (left > 0 && !over) {
      const buyer = market.process('buyer')
      const ended = buyer.ended.then(() => true)
      // A moment of the start, or of the transfer: a random one, that is the point.
      over = await Promise.race([ended, after(random() * 2_500).then(() => false)])
      if (over) break
      const victim = roles[Math.floor(random() * roles.length)] ?? 'buyer'
      await market.kill(victim)
      left -= 1
      await checkEnds(market)
      await market.restart(sale, victim)
    }
    const end = await market.process('buyer').ended
    // Where nothing was begun yet, a buyer says at once that nobody answers: the same command again.
    if (end.error?.code === 'PEER_UNREACHABLE') market.buy(sale)
    expect(await market.process('buyer').ended).toMatchObject({ code: 0, error: undefined })
    await market.checkSettled(sale)
    checkResumed(sale.buyers.flatMap(({ lines }) => lines))
  }
})

/** What the two disks say at any moment: nothing accepted that was not promised, and no more at risk than the window. */
async function checkEnds(market: Market): Promise<void> {
  const lane = await market.lane()
  if (lane === undefined) return
  const { payer, payee } = lane
  expect(payer.claim).toBeGreaterThanOrEqual(payee.claim)
  expect(payer.claim).toBeLessThanOrEqual(payer.owed)
  expect(payee.exposure).toBeLessThanOrEqual(market.creditWindow)
}

/** Each buyer goes on no earlier than where an older one had got to. */
function checkResumed(
  lines: readonly { event?: unknown; from?: unknown; bytes?: unknown }[],
): void {
  let reached = 0
  for (const { event, from, bytes } of lines) {
    if (event === 'buying') expect(Number(from)).toBeGreaterThanOrEqual(reached)
    if (event === 'progress') reached = Number(bytes)
  }
}
