/** Many lanes of one channel on a slow ledger: they are redeemed side by side, for there is one deadline for all. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import * as Amount from '../../src/core/amount.js'
import * as Claim from '../../src/core/claim.js'
import type { SluiceError } from '../../src/core/errors.js'
import type { Ledger } from '../../src/engine/ports.js'
import { LedgerError } from '../../src/ledger/error.js'
import { createWorld, type Person, quiet, type World } from '../support/world.js'
import * as Quarrel from './support/quarrel.js'
import { RawLane } from './support/raw-lane.js'

const { expectEnds, happened, post, quarrel, story, window } = Quarrel

let world: World

beforeEach(async () => {
  world = await createWorld()
})

afterEach(async () => {
  await world.close()
})

/** What is proven on each lane, lane 0 left out; the last is worth most. */
const claims = Array.from({ length: 20 }, (_, at) => BigInt(at + 1))
const dearest = (from: number, to: number): bigint[] => claims.toReversed().slice(from, to)

/** A channel with that many lanes, on each of which the seller was paid. */
async function manyLanes(seller: Person): Promise<Quarrel.Quarrel> {
  const it = await quarrel(world, seller)
  for (const claim of claims) {
    const lane = await it.raw.openLane(it.link, it.id, claim)
    const handle = await it.link.bind(lane)
    it.link.pay(RawLane.frame(handle, lane.voucher(claim)))
    await expect.poll(() => seller.node.lane(it.id, lane.id)?.claim).toBe(claim)
  }
  const { complete } = it.raw.channel(it.id)
  if (complete !== undefined) it.states[Number(complete.version)] = complete
  return it
}

/** A ledger on which redemptions wait until a block is made, or are refused. */
function slow(ledger: Ledger) {
  const { redeem } = ledger
  const waiting: { readonly claim: bigint; readonly go: (refusal?: SluiceError) => void }[] = []
  ledger.redeem = (parameters, redemption) =>
    new Promise((resolve, reject) => {
      const claim = Claim.amount(redemption.claim)
      const go = (refusal?: SluiceError): void =>
        refusal === undefined ? resolve(redeem(parameters, redemption)) : reject(refusal)
      waiting.push({ claim, go })
    })
  return {
    claims: () => waiting.map(({ claim }) => claim),
    /** All that wait now are done, but what is refused. */
    block(refused?: bigint): void {
      for (const { claim, go } of waiting.splice(0))
        go(claim === refused ? new LedgerError('REVERTED', 'The call failed.') : undefined)
    },
  }
}

it('a node redeems eight lanes at once, the dearest first, and one that fails holds up no other', async () => {
  const seller = await world.person('seller')
  const it = await manyLanes(seller)
  const layer = slow(seller.ledger)
  await post(it, it.states.length - 1)
  await world.advance(window)
  await expect.poll(layer.claims).toEqual(dearest(0, 8))
  layer.block(19n)
  await expect.poll(layer.claims).toEqual(dearest(8, 16))
  layer.block()
  await expect.poll(layer.claims).toEqual(dearest(16, 20))
  layer.block()
  // What failed is tried again, and nothing else.
  await expect.poll(layer.claims, { timeout: 5_000 }).toEqual([19n])
  layer.block()
  await happened(it, 'redeemed', claims.length)
  await world.advance(window)
  await happened(it, 'closed')
  await expectEnds(it, seller, Amount.sum(claims))
})

it('a tower spends no more transactions than its owner allows, however many are under way and on a full disk', async () => {
  const tower = await world.watchtower('tower', { limits: { actionsMax: 11 } })
  const seller = await world.person('seller', { tower: tower.address })
  const it = await manyLanes(seller)
  await seller.node.watched()
  await seller.crash()
  tower.disk.full = true
  const layer = slow(tower.ledger)
  await post(it, it.states.length - 1)
  await world.advance(window)
  await expect.poll(layer.claims).toEqual(dearest(0, 8))
  layer.block(20n)
  // Seven are done, so four are left to spend.
  await expect.poll(layer.claims).toEqual(dearest(8, 12))
  await quiet(() => layer.claims().length)
  expect(layer.claims()).toEqual(dearest(8, 12))
  layer.block()
  await happened(it, 'redeemed', 11)
  await expect.poll(() => tower.problems.map(({ code }) => code)).toContain('ACTIONS_SPENT')
  await quiet(() => layer.claims().length)
  expect(layer.claims()).toEqual([])
  const redeemed = (await story(it)).filter((type) => type === 'redeemed')
  expect(redeemed.length).toBe(11)
})
