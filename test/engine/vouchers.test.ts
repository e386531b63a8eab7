/** Vouchers that arrive in one turn: from sixteen on the pool's threads verify them, and nothing else changes. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { pooledMin } from '../../src/crypto/batch.js'
import { createVerifier, type Verifier } from '../../src/crypto/pool.js'
import { createWorld, type Person, quiet, type World } from '../support/world.js'
import { RawLane } from './support/raw-lane.js'
import { type RawLink, rawPeer } from './support/raw-peer.js'

let world: World
let seller: Person
let link: RawLink
let lane: RawLane
let handle: number
let verifier: Verifier
/** Sizes of the batches that the verifier was asked for. */
let batches: number[]
/** Resolves once it has answered the first. */
let answered: Promise<void>

beforeEach(async () => {
  world = await createWorld()
  batches = []
  let answer = (): void => undefined
  answered = new Promise((resolve) => {
    answer = resolve
  })
  const pool = createVerifier({ secp256k1: world.engine.secp256k1, threads: 2 })
  verifier = {
    ...pool,
    recoverAll(signed, signal) {
      batches.push(signed.length)
      return pool.recoverAll(signed, signal).finally(answer)
    },
  }
  seller = await world.person('seller', { verifier })
  const payer = await rawPeer(world, 'payer', { funds: 1_000_000_000n })
  link = await payer.upgrade(seller.address)
  lane = await payer.open(link, 300_000n)
  handle = await link.bind(lane)
})

afterEach(async () => {
  await world.close()
  await verifier.close()
})

const held = () => seller.node.lane(lane.channelId, lane.id)?.claim
const rising = (count: number) =>
  Array.from({ length: count }, (_, at) => lane.voucher(BigInt(at + 1) * 10n))

it('on threads where they are many', async () => {
  const vouchers = rising(40)
  link.pay(...vouchers.map((voucher) => RawLane.frame(handle, voucher)))
  await answered
  await quiet(held)
  expect(held()).toBe(400n)
  expect(batches).toEqual([40])
})

it('together with those of other payers that came in the same turn', async () => {
  const other = await rawPeer(world, 'other', { funds: 1_000_000_000n })
  const [far, mine] = [await other.upgrade(seller.address), rising(10)]
  const theirs = await other.open(far, 300_000n)
  const place = await far.bind(theirs)
  const more = Array.from({ length: 10 }, (_, at) => theirs.voucher(BigInt(at + 1) * 7n))
  link.pay(...mine.map((voucher) => RawLane.frame(handle, voucher)))
  far.pay(...more.map((voucher) => RawLane.frame(place, voucher)))
  await answered
  await quiet(held)
  expect(held()).toBe(100n)
  expect(seller.node.lane(theirs.channelId, theirs.id)?.claim).toBe(70n)
  expect(batches).toEqual([20])
})

it('here where they are few', async () => {
  const vouchers = rising(pooledMin - 1)
  link.pay(...vouchers.map((voucher) => RawLane.frame(handle, voucher)))
  await quiet(held)
  expect(held()).toBe(150n)
  expect(batches).toEqual([])
})

it('up to one that is forged, whoever found out', async () => {
  const [first, second, ...rest] = rising(40)
  if (first === undefined || second === undefined) throw new Error('There are forty.')
  const forged = {
    ...second,
    signature: second.signature.with(40, (second.signature[40] ?? 0) ^ 1),
  }
  link.pay(...[first, forged, ...rest].map((voucher) => RawLane.frame(handle, voucher)))
  await answered
  await quiet(held)
  expect(held()).toBe(10n)
  expect(batches).toEqual([40])
  expect(seller.problems.map(({ code }) => code)).toEqual(['BAD_VOUCHER'])
})
