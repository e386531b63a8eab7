/** Redeeming costs something on most layers: what is not worth it is not opened, and not collected. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorld, type Person, type World } from '../support/world.js'
import * as Quarrel from './support/quarrel.js'

const { expectEnds, funds, happened, pay, post, quarrel, story, window } = Quarrel

const fee = 100n
let world: World
let seller: Person

beforeEach(async () => {
  world = await createWorld()
  seller = await world.person('seller', { redeemFee: fee })
})
afterEach(() => world.close())

describe('a deposit', () => {
  it('that is not worth three redemptions moves no money', async () => {
    const buyer = await world.person('careful', { funds, redeemFee: fee })
    await expect(buyer.node.open(seller.address, { deposit: 3n * fee - 1n })).rejects.toThrow(
      expect.objectContaining({ code: 'LANE_TOO_SMALL', message: expect.stringContaining('300') }),
    )
    expect(await buyer.balance()).toBe(funds)
    expect(world.layer.layer.events(0)).toEqual([])
    const { phase } = await buyer.node.open(seller.address, { deposit: 3n * fee })
    expect(phase).toBe('live')
  })

  it('whose lane only the payee finds too small is refused by it', async () => {
    const buyer = await world.person('careless', { funds })
    await expect(buyer.node.open(seller.address, { deposit: 3n * fee - 1n })).rejects.toThrow(
      expect.objectContaining({ code: 'LANE_TOO_SMALL' }),
    )
  })
})

describe('a claim', () => {
  it('that brings less than its redemption costs stays where it is', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, fee - 1n)
    await post(it, 1)
    await world.advance(window)
    await happened(it, 'frozen')
    await world.advance(window)
    await happened(it, 'closed')
    expect(await story(it)).not.toContain('redeemed')
    await expectEnds(it, seller, 0n)
  })

  it('that comes to more before the deadline is redeemed, all of it', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, fee - 1n)
    await post(it, 1)
    await world.advance(window)
    await happened(it, 'frozen')
    expect(await story(it)).not.toContain('redeemed')
    // A buyer that goes on paying in the redemption window pays for good.
    await pay(it, seller, fee)
    await happened(it, 'redeemed')
    await world.advance(window)
    await happened(it, 'closed')
    await expectEnds(it, seller, fee)
  })
})
