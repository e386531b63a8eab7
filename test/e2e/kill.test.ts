/**
 * SIGKILL at any moment of a transfer, then the same command again. Whoever dies, the purchase goes on on the
 * same channel where it stopped, and what was paid in the end is what was owed, to the unit.
 */
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, afterEach, expect, it } from 'vitest'
import * as Price from '../../src/core/price.js'
import { seeded } from '../support/child.js'
import { makeScratch, type Running, reap, seedOf } from '../support/processes.js'
import { Market, type Role, sha256 } from './market.js'

const scratch = makeScratch('kill')
afterEach(reap)
afterAll(scratch.remove)

const kills = Number(process.env.SLUICE_KILLS ?? 15)
const bytes = Number(process.env.SLUICE_KILL_BYTES ?? 200 << 20)
const roles: readonly Role[] = ['buyer', 'seller', 'ledger']

it(`survives ${kills} kills at random moments`, { timeout: 600_000 }, async () => {
  const random = seeded(seedOf('SIGKILL at random moments'))
  let left = kills
  for (let sale = 0; left > 0; sale++) {
    const directory = join(scratch.path, String(sale))
    const market = new Market({ directory, bytes, price: '3/KiB', random })
    left = await sell(market, left, random)
  }
})

/** One sale with up to `kills` kills; returns how many it did not come to. */
async function sell(market: Market, kills: number, random: () => number): Promise<number> {
  const processes: Record<Role, Running> = { ...(await market.open()), buyer: market.buyer() }
  const heard: Running[] = [processes.buyer]
  let left = kills
  let ended = false
  const watch = (buyer: Running): void => {
    void buyer.ended.then(({ signal }) => {
      ended ||= signal === null
    })
  }
  watch(processes.buyer)
  while (left > 0) {
    if (random() < 0.5) {
      const line = processes.buyer.event('progress', processes.buyer.lines.length)
      await Promise.race([line.catch(() => undefined), after(3000)])
      await after(random() * 300)
    } else await after(random() * 1_500)
    if (ended) break
    const victim = roles[Math.floor(random() * roles.length)] ?? 'buyer'
    await processes[victim].kill()
    left -= 1
    console.log('killed', victim, processes.buyer.lines.at(-1))
    const { payee, payer } = await ends(market)
    console.log({payee, payer})
    if (payee !== undefined && payer !== undefined) {
      expect(payer.claim).toBeGreaterThanOrEqual(payee.claim)
      expect(payee.owed - payee.claim).toBeLessThanOrEqual(64n * Price.owed(market.price, 65_536n))
    }
    processes[victim] = victim === 'buyer' ? market.buyer() : await market[victim]()
    if (victim === 'buyer') {
      heard.push(processes.buyer)
      watch(processes.buyer)
    }
  }
  const end = await processes.buyer.ended
  expect(end).toMatchObject({ code: 0, error: undefined })
  const lines = heard.flatMap((buyer) => buyer.lines)
  expect(new Set(lines.flatMap(({ channelId }) => channelId ?? [])).size).toBe(1)
  console.log(lines.filter((l)=>l.event!=='progress'))
  expect(await sha256(market.out)).toBe(await sha256(market.file))
  expect(await market.balance('buyer')).toBe(market.funds - market.owed)
  expect(await market.balance('seller')).toBe(market.owed)
  await processes.seller.kill('SIGTERM')
  await processes.ledger.kill('SIGTERM')
  return left
}

async function ends(market: Market) {
  const one = async (role: 'seller' | 'buyer') => {
    const [channel] = await market.channels(role)
    const [lane] = (channel?.lanes ?? []) as { claim: string; owed: string }[]
    return lane && { claim: BigInt(lane.claim), owed: BigInt(lane.owed) }
  }
  const payee = await one('seller')
  return { payee, payer: await one('buyer') }
}
