/** Channels that are not closed together: what is posted, answered, redeemed and swept, to the unit. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import * as Price from '../../src/core/price.js'
import type { LedgerEvent, Store, Write } from '../../src/engine/ports.js'
import * as Records from '../../src/engine/records.js'
import * as Wire from '../../src/engine/wire.js'
import { LedgerError } from '../../src/ledger/error.js'
import { challengePeriod, createWorld, type Person, quiet, type World } from '../support/world.js'
import { takeLedger } from './support/away.js'
import * as Quarrel from './support/quarrel.js'
import { RawLane } from './support/raw-lane.js'
import { bytesOf, endlessBytes, take } from './support/wares.js'

const { advance, answer, deposit, expectEnds, happened, lose, pay, post, quarrel, story, window } =
  Quarrel

let world: World
let seller: Person

beforeEach(async () => {
  world = await createWorld()
  seller = await world.person('seller')
})

afterEach(async () => {
  await world.close()
})

/** Both windows pass, and the seller's node has done all there is to do. */
async function runOut(quarrel: Quarrel.Quarrel): Promise<void> {
  await world.advance(window)
  await happened(quarrel, 'frozen')
  await world.advance(window)
  await happened(quarrel, 'closed')
}

describe('a stale posting', () => {
  it('by two versions is answered and punished, and what was proven is paid', async () => {
    const it = await quarrel(world, seller)
    await advance(it, 2)
    await pay(it, seller, 120n)
    await post(it, 1)
    await happened(it, 'punished')
    await runOut(it)
    expect((await story(it)).slice(0, 3)).toEqual(['challenged', 'answered', 'punished'])
    await expectEnds(it, seller, 120n, seller.ledger.challengeBond)
    expect(seller.problems).toEqual([])
  })

  it('by one version is answered and not punished', async () => {
    const it = await quarrel(world, seller)
    await advance(it)
    await pay(it, seller, 120n)
    await post(it, 1)
    await happened(it, 'answered')
    await runOut(it)
    expect(await story(it)).not.toContain('punished')
    await expectEnds(it, seller, 120n)
  })

  it('is answered by a node whose disk is full', async () => {
    const it = await quarrel(world, seller)
    await advance(it, 2)
    await pay(it, seller, 120n)
    seller.disk.full = true
    await post(it, 1)
    await happened(it, 'punished')
    seller.disk.full = false
    await runOut(it)
    await expectEnds(it, seller, 120n, seller.ledger.challengeBond)
  })

  it('is redeemed by all that was paid to a node whose disk is full, though it lies in its memory alone', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 120n)
    const handle = await it.link.bind(it.lane)
    seller.disk.full = true
    it.link.pay(RawLane.frame(handle, it.lane.voucher(150n)))
    await expect.poll(() => seller.node.lane(it.id, 0n)?.vouchers).toBe(2)
    await post(it, 1)
    await world.advance(window)
    await happened(it, 'redeemed')
    await world.advance(window)
    await happened(it, 'swept')
    await expectEnds(it, seller, 150n)
  })

  it('is answered by a node that was away and comes back in time', async () => {
    const it = await quarrel(world, seller)
    await advance(it, 2)
    await pay(it, seller, 120n)
    await seller.crash()
    await post(it, 0)
    await world.advance(window - 10)
    await seller.start()
    await happened(it, 'answered')
    await runOut(it)
    await expectEnds(it, seller, 120n, seller.ledger.challengeBond)
  })
})

describe('a co-signature that is lost', () => {
  it('punishes nobody: the peer posts the state before it', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 120n)
    await lose(it)
    await post(it, 1)
    await runOut(it)
    expect(await story(it)).not.toContain('punished')
    await expectEnds(it, seller, 120n)
  })

  it('and shown in the last second leaves a whole window to redeem in, by the state that we signed', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 120n)
    await lose(it)
    await pay(it, seller, 150n)
    await post(it, 1)
    await world.advance(window - 3)
    await answer(it, 2)
    await world.advance(4)
    await happened(it, 'redeemed')
    expect(await seller.node.dispute(it.id)).toMatchObject({ version: 2n })
    await runOut(it)
    expect(await story(it)).not.toContain('punished')
    await expectEnds(it, seller, 150n)
  })
})

it('the end of a lane that only its payer has whole, posted after more was paid, costs the payee its window at most', async () => {
  const quantum = 100n
  seller.node.serve('live', { price: Price.parse('1/B'), quantum, ...endlessBytes() })
  const it = await quarrel(world, seller)
  const handle = await it.link.bind(it.lane)
  const stream = await it.link.consume('live', it.lane)
  it.link.pay(RawLane.frame(handle, it.lane.voucher(200n)))
  // Paid for two quanta, and three more on credit.
  await quiet(() => stream.bytes)
  expect(stream.bytes).toBe(500)
  it.raw.claimOn = () => 200n
  await lose(it, [{ type: 'lane-close', lane: 0n, claim: 200n }])
  for (const total of [250n, 300n, 600n]) it.link.pay(RawLane.frame(handle, it.lane.voucher(total)))
  await quiet(() => stream.bytes)
  expect(stream.bytes).toBe(500)
  await post(it, 2)
  await runOut(it)
  await expectEnds(it, seller, 200n)
})

for (const [what, ...ends] of [['a lane'], ['its channel', { type: 'final' }]] as const)
  it(`the end of ${what} that comes too late to be shown costs the payee nothing: the state before it pays what was proven`, async () => {
    const { store, written } = silentAfter(2n)
    const payee = await world.person('payee', { store })
    const it = await quarrel(world, payee)
    await pay(it, payee, 120n)
    it.raw.claimOn = () => 120n
    await lose(it, [{ type: 'lane-close', lane: 0n, claim: 120n }, ...ends])
    await post(it, 1)
    await expect.poll(() => payee.node.channel(it.id)?.phase).toBe('challenged')
    const { signatures = [] } = it.states[2] ?? {}
    it.link.send({ type: 'complete', channelId: it.id, version: 2n, signatures })
    // It is killed before it can show the layer what it has just been given.
    await written
    await payee.crash()
    await world.advance(window)
    await payee.start()
    expect(payee.node.channel(it.id)?.complete?.version).toBe(2n)
    await happened(it, 'redeemed')
    await world.advance(window)
    await happened(it, 'closed')
    await expectEnds(it, payee, 120n)
  })

describe('a state that was shown and is not the newest any more', () => {
  /** A lane of 120 is to be closed: the payee has signed, and has not got the other signature. */
  async function ending() {
    const { store, written } = silentAfter(2n)
    const payee = await world.person('payee', { store })
    const it = await quarrel(world, payee)
    await pay(it, payee, 120n)
    it.raw.claimOn = () => 120n
    await lose(it, [{ type: 'lane-close', lane: 0n, claim: 120n }])
    return { it, payee, written }
  }

  /** Now it gets it. */
  function complete({ link, id, states }: Quarrel.Quarrel): void {
    const { signatures = [] } = states[2] ?? {}
    link.send({ type: 'complete', channelId: id, version: 2n, signatures })
  }

  it('is kept, though its answer was not seen on the ledger before the next came', async () => {
    const { it, payee, written } = await ending()
    const late = Quarrel.lag(payee.ledger)
    await post(it, 0)
    await happened(it, 'answered')
    complete(it)
    await written
    await payee.crash()
    late.catchUp()
    await expectOld(it, payee)
  })

  it('is kept by a node that was killed after it had shown it, and takes the next once it has seen the ledger', async () => {
    const { it, payee, written } = await ending()
    payee.disk.full = true
    await post(it, 0)
    await happened(it, 'answered')
    await payee.crash()
    payee.disk.full = false
    const bringBack = takeLedger(payee)
    await payee.start()
    const link = await it.raw.connect(payee.address)
    link.send(it.raw.hello(link))
    await link.next('hello')
    const newest = { complete: it.states[2], dropped: 0, refused: 0 }
    link.send({ type: 'sync', channelId: it.id, ...newest })
    await quiet(() => payee.node.channel(it.id))
    expect(payee.node.channel(it.id)?.complete?.version).toBe(1n)
    bringBack()
    await world.advance(1)
    await written
    await payee.crash()
    await expectOld(it, payee)
  })

  it('is kept by a node whose disk had no room to say that the channel is challenged', async () => {
    const { it, payee, written } = await ending()
    payee.disk.full = true
    await post(it, 0)
    await happened(it, 'answered')
    await quiet(() => payee.problems.length)
    const bringBack = takeLedger(payee)
    payee.disk.full = false
    complete(it)
    await written
    await payee.crash()
    bringBack()
    await expectOld(it, payee)
  })

  it('is kept by a node whose tower brings the next, while its ledger is away', async () => {
    const tower = await world.watchtower('tower')
    const payee = await world.person('payee', { tower: tower.address })
    const it = await quarrel(world, payee)
    await pay(it, payee, 120n)
    const old = await payee.disk.copy()
    it.raw.claimOn = () => 120n
    await lose(it, [{ type: 'lane-close', lane: 0n, claim: 120n }])
    complete(it)
    const version = () => payee.node.channel(it.id)?.complete?.version
    await expect.poll(version).toBe(2n)
    await payee.node.watched()
    await payee.crash()
    const bringBack = takeLedger(payee)
    await payee.start(old)
    await expect.poll(version).toBe(2n)
    // Nobody answers: the layer settles by what the payee's disk held before.
    await tower.crash()
    await post(it, 1)
    await payee.crash()
    bringBack()
    await expectOld(it, payee)
  })

  /** The windows pass, and the payee comes back: the layer settles by state 1, and its newest is state 2. */
  async function expectOld(it: Quarrel.Quarrel, payee: Person): Promise<void> {
    await world.advance(window)
    await payee.start()
    expect(payee.node.channel(it.id)?.complete?.version).toBe(2n)
    await happened(it, 'redeemed')
    await world.advance(window)
    await happened(it, 'closed')
    await expectEnds(it, payee, 120n)
    expect(payee.problems.filter(({ code }) => code !== 'PEER_UNREACHABLE')).toEqual([])
  }
})

/** A disk that takes a channel's state of this version, and never says so; `written` resolves then. */
function silentAfter(version: bigint) {
  let tell = (): void => undefined
  const written = new Promise<void>((resolve) => {
    tell = resolve
  })
  let isOver = false
  const takes = ({ key, value }: Write): boolean =>
    key.startsWith(Records.channelPrefix) &&
    value !== undefined &&
    Wire.decode(Records.channel, value).complete?.version === version
  const store = (disk: Store): Store => ({
    ...disk,
    async commit(writes) {
      await disk.commit(writes)
      if (isOver || !writes.some(takes)) return
      isOver = true
      tell()
      await new Promise<never>(() => undefined)
    },
  })
  return { store, written }
}

it('an honest poster keeps its bond: after a state that was signed before comes none that proves its posting stale', async () => {
  const it = await quarrel(world, seller)
  const { challengeBond, account } = seller.ledger
  await pay(it, seller, 120n)
  await lose(it)
  await it.raw.ledger.faucet(account, challengeBond)
  await seller.node.challenge(it.id)
  const latest = it.states[2]
  if (latest === undefined) throw new Error('there is no state 2')
  const claims = [120n, 0n].entries()
  it.link.send({
    type: 'propose',
    channelId: it.id,
    version: 3n,
    attempt: 1,
    seal: world.random(32),
    updates: [
      ...[...claims].map(([lane, claim]) => ({
        type: 'lane-close' as const,
        lane: BigInt(lane),
        claim,
      })),
      { type: 'final' },
    ],
    latest,
    signature: undefined,
  })
  expect(await it.link.next('refuse')).toMatchObject({ code: 'BOND_AT_STAKE' })
  // Nor after a restart.
  await seller.crash()
  await seller.start()
  await runOut(it)
  expect(await story(it)).not.toContain('punished')
  expect(await seller.balance()).toBe(120n + challengeBond)
})

it('an honest poster keeps its bond, too, where the layer took what it did not answer, and refuses the next', async () => {
  const it = await quarrel(world, seller)
  const { ledger } = seller
  await it.raw.ledger.faucet(ledger.account, 2n * ledger.challengeBond)
  const { challenge } = ledger
  const unanswered = new LedgerError('LEDGER_UNREACHABLE', 'the answer is lost')
  ledger.challenge = async (...first) => {
    ledger.challenge = async (...second) => {
      await challenge.apply(ledger, first)
      // From here on it sees nothing of the layer.
      ledger.channel = () => Promise.reject(unanswered)
      await challenge.apply(ledger, second)
    }
    throw unanswered
  }
  const asked = seller.node.challenge(it.id)
  await expect(asked).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
  await advance(it)
  const again = seller.node.challenge(it.id)
  await expect(again).rejects.toMatchObject({ code: 'CHANNEL_CHALLENGED' })
  void advance(it)
  expect(await it.link.next('refuse')).toMatchObject({ code: 'BOND_AT_STAKE' })
})

it('a claim higher than ours that the payer redeems itself is adopted', async () => {
  const it = await quarrel(world, seller)
  await pay(it, seller, 120n)
  await post(it, 1)
  await world.advance(window)
  await happened(it, 'redeemed')
  const complete = it.states[1]
  const [leaf] = complete === undefined ? [] : Dispute.leaves(it.id, complete.body)
  if (leaf === undefined) throw new Error('no leaf')
  const claim = { signed: it.lane.voucher(500n), indices: [], nodes: [] }
  await it.raw.ledger.redeem(it.raw.channel(it.id).parameters, { ...leaf, claim })
  await happened(it, 'redeemed', 2)
  await expect.poll(() => seller.node.lane(it.id, 0n)?.claim).toBe(500n)
  await world.advance(window)
  await happened(it, 'closed')
  await expectEnds(it, seller, 500n)
  expect(seller.problems).toEqual([])
})

describe('when the other side is gone for good', () => {
  it('the seller has everything paid out that it can prove', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 333n)
    await it.raw.network.close()
    await it.raw.ledger.faucet(seller.ledger.account, seller.ledger.challengeBond)
    await seller.node.challenge(it.id)
    expect(await seller.node.dispute(it.id)).toMatchObject({
      poster: 1,
      version: 1n,
      isSettled: false,
    })
    await world.advance(window)
    await happened(it, 'frozen')
    expect(await seller.node.dispute(it.id)).toMatchObject({ paid: true, isSettled: true })
    await world.advance(window)
    await happened(it, 'closed')
    expect(await seller.balance()).toBe(333n + seller.ledger.challengeBond)
    const kept = () => [...seller.disk.open().entries(Records.lanePrefix)]
    await expect.poll(kept).toEqual([])
  })

  it('the seller has it all though the layer carried out a state whose last signature it never got', async () => {
    const it = await quarrel(world, seller)
    const { raw } = it
    await pay(it, seller, 333n)
    await lose(it, [{ type: 'withdraw', seat: 0, asset: 0, amount: 400n }])
    const out = it.states[2]
    if (out === undefined) throw new Error('the seller did not sign')
    const { parameters } = raw.channel(it.id)
    const preimage = Dispute.preimage(it.id, out.body)
    await raw.ledger.withdraw(parameters, Dispute.posting(it.id, out), preimage)
    await raw.network.close()
    await raw.ledger.faucet(seller.ledger.account, seller.ledger.challengeBond)
    await seller.node.challenge(it.id)
    expect(await seller.node.dispute(it.id)).toMatchObject({ poster: 1, version: 2n })
    await runOut(it)
    expect(await seller.balance()).toBe(333n + seller.ledger.challengeBond)
    expect(seller.problems).toEqual([])
  })

  it('a peer that is connected and keeps silent cannot hold up a challenge', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 50n)
    await it.raw.ledger.faucet(seller.ledger.account, seller.ledger.challengeBond)
    await seller.crash()
    await seller.start()
    const link = await it.raw.connect(seller.address)
    link.send(it.raw.hello(link))
    await link.next('hello')
    const posted = seller.node.challenge(it.id)
    await world.advance(15)
    await posted
    expect(await seller.node.dispute(it.id)).toMatchObject({ poster: 1, version: 1n })
  })

  it('the buyer gets its money back, but for what the seller redeems', async () => {
    const buyer = await world.person('payer', { funds: 10_000n })
    seller.node.serve('poem', { price: Price.parse('1/B'), ...bytesOf(700) })
    const { id } = await buyer.node.open(seller.address, { deposit })
    await take(await buyer.node.consume(seller.address, 'poem'))
    await seller.crash()
    await buyer.node.challenge(id)
    const { ledger } = buyer
    await world.advance(challengePeriod + 1)
    await happened({ ledger, id }, 'frozen')
    await world.advance(challengePeriod + 1)
    await happened({ ledger, id }, 'closed')
    expect(await buyer.balance()).toBe(10_000n)
    expect(await seller.balance()).toBe(0n)
  })

  it('a node that opened a challenge goes on with it after a restart', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 50n)
    await it.raw.network.close()
    await it.raw.ledger.faucet(seller.ledger.account, seller.ledger.challengeBond)
    await seller.node.challenge(it.id)
    await seller.crash()
    await world.advance(window)
    await seller.start()
    await happened(it, 'frozen')
    await seller.crash()
    await world.advance(window)
    await seller.start()
    await happened(it, 'closed')
    expect(await seller.balance()).toBe(50n + seller.ledger.challengeBond)
  })
})

describe('a challenge between two who are there', () => {
  let buyer: Person
  beforeEach(async () => {
    buyer = await world.person('payer', { funds: 1_000_000n })
    seller.node.serve('live', { price: Price.parse('1/B'), ...endlessBytes() })
  })

  it('ends the streams of its channel, and what they promised is paid', async () => {
    const { id } = await buyer.node.open(seller.address, { deposit: 900_000n })
    const purchase = await buyer.node.consume(seller.address, 'live')
    let bytes = 0
    for await (const part of purchase) {
      if (bytes === 0) await buyer.node.challenge(id)
      bytes += part.length
    }
    expect(bytes).toBeLessThan(900_000)
    await purchase.receipt.catch(() => undefined)
    const again = await buyer.node.consume(seller.address, 'live').catch((error) => error)
    expect(again).toMatchObject({ code: 'NO_CHANNEL' })
    const promised = buyer.node.lane(id, 0n)?.claim ?? 0n
    expect(promised).toBeGreaterThan(0n)
    await expect.poll(() => seller.node.lane(id, 0n)?.claim).toBe(promised)
    await world.advance(challengePeriod + 1)
    await event(id, 'frozen')
    await world.advance(challengePeriod + 1)
    await event(id, 'closed')
    expect(await seller.balance()).toBe(promised)
    expect(await buyer.balance()).toBe(1_000_000n - promised)
  })

  it('that is not ended takes a withdrawal with it which the layer has not paid', async () => {
    const { id } = await buyer.node.open([seller.address], { deposits: [[1_000n], [0n]] })
    await buyer.node.openLane(id, { payee: 1, amount: 400n })
    buyer.ledger.withdraw = () => Promise.reject(new LedgerError('LEDGER_UNREACHABLE', 'not now'))
    const withdrawn = buyer.node.withdraw(id, { amount: 100n }).catch((error) => error)
    await expect.poll(() => buyer.node.channel(id)?.calls).toEqual(['withdraw'])
    await buyer.node.challenge(id)
    await world.advance(challengePeriod + 1)
    expect(await withdrawn).toMatchObject({ code: 'NOT_LIVE' })
    await event(id, 'frozen')
    expect(await buyer.balance()).toBe(1_000_000n - 400n)
  })

  it('is ended by both at once, and the channel lives on', async () => {
    const { id } = await buyer.node.open(seller.address, { deposit: 900_000n })
    await expect.poll(() => seller.node.channel(id)?.phase).toBe('live')
    await buyer.node.challenge(id)
    await event(id, 'challenged')
    for (const { node } of [buyer, seller])
      await expect.poll(() => node.channel(id)?.phase).toBe('challenged')
    const both = [buyer, seller].map(({ node }) => node.resume(id))
    expect(await Promise.all(both)).toMatchObject([{ phase: 'live' }, { phase: 'live' }])
    expect(seller.node.channel(id)?.complete).toMatchObject({ version: 2n, kind: 2 })
  })

  it('is ended by both, and the channel lives on', async () => {
    const { id } = await buyer.node.open(seller.address, { deposit: 900_000n })
    await buyer.node.challenge(id)
    await event(id, 'challenged')
    expect(await buyer.node.resume(id)).toMatchObject({ phase: 'live' })
    expect(await buyer.balance()).toBe(100_000n)
    expect(await buyer.node.dispute(id)).toBe(undefined)
    const purchase = await buyer.node.consume(seller.address, 'live', { budget: 70_000n })
    expect((await take(purchase)).length).toBe(70_000)
    await purchase.receipt
    await buyer.node.close(id)
    expect(await seller.balance()).toBe(70_000n)
  })

  const event = (id: Hex, type: LedgerEvent['type']) => happened({ ledger: buyer.ledger, id }, type)
})

it('nobody opens a challenge without money for the bond, and no channel but a live one is challenged', async () => {
  const it = await quarrel(world, seller)
  await expect(seller.node.challenge(it.id)).rejects.toMatchObject({ code: 'INSUFFICIENT_BALANCE' })
  await expect(seller.node.challenge(`0x${'00'.repeat(32)}`)).rejects.toMatchObject({
    code: 'CHANNEL_UNKNOWN',
  })
})
