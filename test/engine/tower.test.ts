/** Watchtowers: what they take and refuse, and what they do for clients that are away. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Appointment } from '../../src/core/appointment.js'
import * as Signed from '../../src/core/appointment.js'
import * as Introduction from '../../src/core/introduction.js'
import type { WatchMessage } from '../../src/core/watch-message.js'
import { createVerifier, type Verifier } from '../../src/crypto/pool.js'
import { Talk, watchProtocol } from '../../src/engine/watch-talk.js'
import { createWorld, type Person, quiet, type Watchtower, type World } from '../support/world.js'
import * as Quarrel from './support/quarrel.js'

const { advance, expectEnds, happened, pay, post, quarrel, story, window } = Quarrel

let world: World
let tower: Watchtower
let seller: Person

beforeEach(async () => {
  world = await createWorld()
  tower = await world.watchtower('tower')
  seller = await world.person('seller', { tower: tower.address })
})

afterEach(async () => {
  await world.close()
})

/** The seller's money after it has come back late, and the buyer's. */
async function expectLateEnds(
  quarrel: Quarrel.Quarrel,
  paid: bigint,
  bondLost = 0n,
): Promise<void> {
  await world.advance(window)
  await seller.start()
  await happened(quarrel, 'closed')
  await expectEnds(quarrel, seller, paid, bondLost)
}

describe('with its client away', () => {
  it('answers a stale posting and redeems every lane before the deadline', async () => {
    const it = await quarrel(world, seller)
    await advance(it, 2)
    await pay(it, seller, 120n)
    await seller.node.watched()
    await seller.crash()
    await post(it, 0)
    await happened(it, 'punished')
    await world.advance(window)
    await happened(it, 'redeemed')
    expect(await story(it)).toEqual(['challenged', 'answered', 'punished', 'redeemed'])
    await expectLateEnds(it, 120n, seller.ledger.challengeBond)
    expect(tower.problems).toEqual([])
    expect(seller.problems).toEqual([])
  })

  it('redeems under the newest state, too', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 77n)
    await seller.node.watched()
    await seller.crash()
    await post(it, 1)
    await world.advance(window)
    await happened(it, 'redeemed')
    await expectLateEnds(it, 77n)
  })

  it('redeems under a state that only the peer has whole', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 77n)
    await Quarrel.lose(it)
    await seller.node.watched()
    await expect.poll(() => held(it)?.pending?.version).toBe(2n)
    await seller.crash()
    await post(it, 2)
    await world.advance(window)
    await happened(it, 'redeemed')
    await expectLateEnds(it, 77n)
  })

  for (const [state, posted, isLate] of [
    ['the state before it', 1, true],
    ['the state that it showed itself and has not seen on the ledger yet', 0, true],
    ['the state that it showed itself while it looked into the newer one', 0, false],
  ] as const)
    it(`redeems a lane whose end came too late to be shown, by ${state}`, async () => {
      const it = await quarrel(world, seller)
      await pay(it, seller, 120n)
      it.raw.claimOn = () => 120n
      await Quarrel.lose(it, [{ type: 'lane-close', lane: 0n, claim: 120n }])
      await seller.node.watched()
      await expect.poll(() => held(it)?.pending?.version).toBe(2n)
      const { parameters, seat } = heldBy(it)
      await seller.crash()
      const late = Quarrel.lag(tower.ledger)
      const dispute = async (): Promise<void> => {
        await post(it, posted)
        if (posted === 0) await happened(it, 'answered')
      }
      if (isLate) await dispute()
      else void Quarrel.delay(tower.ledger, happened(it, 'answered')).then(dispute)
      const newest = it.states[2]
      if (newest === undefined) throw new Error('there is no state 2')
      const client = await talk(it, tower, seller.keys.signing)
      // It is killed before it can show the layer what it has just been given.
      const killed = new Promise<void>((resolve) => {
        tower.tower.events.once('appointment', () => resolve(tower.crash()))
      })
      const appointment = { parameters, seat, newest, pending: undefined, claims: [] }
      await expect(client.appoint(appointment)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
      await killed
      late.catchUp()
      await world.advance(window)
      await tower.start()
      expect(heldBy(it)).toMatchObject({ newest: { version: 2n }, claims: [] })
      await happened(it, 'redeemed')
      await expectLateEnds(it, 120n)
    })

  it('goes on after it was killed itself, at any point of the dispute', async () => {
    const it = await quarrel(world, seller)
    await advance(it, 2)
    await pay(it, seller, 120n)
    await seller.node.watched()
    await Promise.all([seller.crash(), tower.crash()])
    await post(it, 1)
    await tower.start()
    await happened(it, 'answered')
    await tower.crash()
    await world.advance(window)
    await tower.start()
    await happened(it, 'redeemed')
    await expectLateEnds(it, 120n, seller.ledger.challengeBond)
  })

  for (const behind of [1, 3])
    it(`${behind} versions behind, costs its client no bond and no money that it knew of`, async () => {
      const it = await quarrel(world, seller)
      await advance(it, 2)
      await pay(it, seller, 120n)
      await seller.node.watched()
      await tower.crash()
      await advance(it, behind)
      await pay(it, seller, 130n)
      // Were the newest state posted, which the tower does not know, it could collect nothing.
      expect(seller.node.watch).toMatchObject({ isAlive: false, unpushed: 130n })
      await seller.crash()
      await tower.start()
      await post(it, 0)
      await happened(it, 'answered')
      await world.advance(window)
      await happened(it, 'redeemed')
      // The client comes back with more than the tower had, in time.
      await seller.start()
      await happened(it, 'redeemed', 2)
      await world.advance(window)
      await happened(it, 'closed')
      await expectEnds(it, seller, 130n, seller.ledger.challengeBond)
    })

  it('lets the newest posting be, however old its own knowledge', async () => {
    const it = await quarrel(world, seller)
    await seller.node.watched()
    await tower.crash()
    await advance(it, 3)
    await pay(it, seller, 9n)
    await seller.crash()
    await tower.start()
    await post(it, 4)
    await world.advance(window)
    await seller.start()
    await happened(it, 'redeemed')
    await world.advance(window)
    await happened(it, 'closed')
    expect(await story(it)).not.toContain('answered')
    await expectEnds(it, seller, 9n)
  })
})

describe('with its disk full', () => {
  it('still answers and redeems', async () => {
    const it = await quarrel(world, seller)
    await advance(it, 2)
    await pay(it, seller, 120n)
    await seller.node.watched()
    await seller.crash()
    tower.disk.full = true
    await post(it, 0)
    await happened(it, 'punished')
    await world.advance(window)
    await happened(it, 'redeemed')
    expect(tower.problems.map(({ code }) => code)).toContain('DISK_FULL')
    await expectLateEnds(it, 120n, seller.ledger.challengeBond)
  })

  it('misses nothing that happens once there is room again', async () => {
    const it = await quarrel(world, seller)
    await advance(it, 2)
    await pay(it, seller, 120n)
    await seller.node.watched()
    await seller.crash()
    tower.disk.full = true
    const { parameters, seat } = it.raw.channel(it.id)
    await it.raw.ledger.topUp(parameters, seat, 0, Quarrel.deposit + 1n)
    await expect.poll(() => tower.problems.map(({ code }) => code)).toEqual(['DISK_FULL'])
    tower.disk.full = false
    await post(it, 0)
    await happened(it, 'punished')
  })
})

describe('a client that waits for its tower', () => {
  it('is not told that all is receipted while the last of it is on its way', async () => {
    const it = await quarrel(world, seller)
    await seller.node.watched()
    tower.disk.hold()
    await pay(it, seller, 120n)
    // The tower has it, and waits for its disk.
    await expect.poll(() => held(it)?.claims.length).toBe(1)
    let isReceipted = false
    const watched = seller.node.watched().then(() => {
      isReceipted = true
    })
    await quiet(() => isReceipted)
    expect(isReceipted).toBe(false)
    expect(seller.node.watch).toMatchObject({ unpushed: 120n })
    tower.disk.release()
    await watched
    expect(seller.node.watch).toMatchObject({ unpushed: 0n })
  })
})

describe('a client with an old disk', () => {
  it('takes over from its tower before it says or signs anything', async () => {
    const it = await quarrel(world, seller)
    await pay(it, seller, 20n)
    const backup = await seller.disk.copy()
    await advance(it, 3)
    await pay(it, seller, 120n)
    await seller.node.watched()
    await it.raw.network.close()
    await seller.start(backup)
    await seller.node.watched()
    expect(seller.node.channel(it.id)?.complete?.version).toBe(4n)
    expect(seller.node.lane(it.id, 0n)?.claim).toBe(120n)
    await it.raw.ledger.faucet(seller.ledger.account, seller.ledger.challengeBond)
    await seller.node.challenge(it.id)
    expect(await seller.node.dispute(it.id)).toMatchObject({ version: 4n })
  })

  it('is bound again by the state that it had signed', async () => {
    const it = await quarrel(world, seller)
    const backup = await seller.disk.copy()
    await Quarrel.lose(it)
    await expect.poll(() => held(it)?.pending?.version).toBe(2n)
    await seller.start(backup)
    const link = await it.raw.upgrade(seller.address)
    const latest = it.states[1]
    if (latest === undefined) throw new Error('there is no state 1')
    const penny = Quarrel.pennyLane(it.raw)
    link.send({
      type: 'propose',
      channelId: it.id,
      version: 2n,
      attempt: 9,
      seal: world.random(32),
      updates: [penny, penny],
      latest,
      signature: undefined,
    })
    expect(await link.next('refuse')).toMatchObject({ attempt: 9, code: 'VERSION_TAKEN' })
  })

  it('takes over, too, what came to its tower only after it had asked', async () => {
    const it = await quarrel(world, seller)
    await Quarrel.lose(it)
    await seller.node.watched()
    const { parameters, seat } = heldBy(it)
    const newest = it.states[2]
    if (newest === undefined) throw new Error('there is no state 2')
    const before = await talk(it, tower, seller.keys.signing)
    const appointment = { parameters, seat, newest, pending: undefined, claims: [] }
    expect(await before.appoint(appointment)).toMatchObject({ type: 'receipt' })
    expect(seller.node.channel(it.id)?.complete?.version).toBe(1n)
    await pay(it, seller, 120n)
    const version = (): unknown => seller.node.channel(it.id)?.complete?.version
    await expect.poll(version, { timeout: 5_000 }).toBe(2n)
    expect(seller.problems).toMatchObject([{ code: 'APPOINTMENT_OLD' }])
  })

  it('gets back even a channel that its disk never knew', async () => {
    const empty = await seller.disk.copy()
    const it = await quarrel(world, seller)
    await pay(it, seller, 120n)
    await seller.node.watched()
    await it.raw.network.close()
    await seller.start(empty)
    await seller.node.watched()
    expect(seller.node.channel(it.id)).toMatchObject({ phase: 'live', seat: 1 })
    expect(seller.node.lane(it.id, 0n)?.claim).toBe(120n)
  })

  it('signs nothing while its tower is away', async () => {
    const it = await quarrel(world, seller)
    await seller.node.watched()
    await tower.crash()
    await seller.start()
    const link = await it.raw.connect(seller.address)
    link.send(it.raw.hello(link))
    await link.next('hello')
    link.send({ type: 'synced' })
    await quiet(() => link.inbox.length)
    expect(link.inbox).toEqual([])
    await tower.start()
    await link.next('synced')
  })
})

describe('many clients', () => {
  it('are told apart: each gets back its own, and each is defended', async () => {
    const others = await Promise.all(
      ['second', 'third'].map((name) => world.person(name, { tower: tower.address })),
    )
    const people = [seller, ...others]
    const quarrels = []
    for (const [at, person] of people.entries()) {
      const it = await quarrel(world, person, `buyer ${at}`)
      await advance(it, 2)
      await pay(it, person, 10n + BigInt(at))
      await person.node.watched()
      quarrels.push(it)
    }
    expect(tower.tower.load).toMatchObject({ clients: 3, channels: 3 })
    for (const person of people) await person.crash()
    for (const it of quarrels) await post(it, 0)
    for (const it of quarrels) await happened(it, 'answered')
    await world.advance(window)
    for (const it of quarrels) await happened(it, 'redeemed')
    await world.advance(window)
    for (const person of people) await person.start()
    for (const [at, it] of quarrels.entries()) {
      await happened(it, 'closed')
      const person = people[at] ?? seller
      await expectEnds(it, person, 10n + BigInt(at), person.ledger.challengeBond)
    }
    await expect.poll(() => tower.tower.load).toEqual({ clients: 0, channels: 0, bytes: 0 })
  })
})

it('has what many bring at once verified on other threads, and refuses each who lies for itself', async () => {
  const batches: number[] = []
  const pool = createVerifier({ secp256k1: world.engine.secp256k1, threads: 2 })
  const recoverAll: Verifier['recoverAll'] = (signed) => {
    batches.push(signed.length)
    return pool.recoverAll(signed)
  }
  const busy = await world.watchtower('busy', { verifier: { ...pool, recoverAll } })
  const appointments = []
  for (let at = 0; at < 20; at++) {
    const it = await quarrel(world, seller, `buyer ${at}`)
    appointments.push({ raw: await talk(it, busy), mine: own(it, 1) })
  }
  const [liar] = appointments
  if (liar === undefined) throw new Error('there are twenty')
  const [theirs, ...others] = liar.mine.newest.signatures
  if (theirs === undefined) throw new Error('it is signed')
  const forged = [theirs.with(40, (theirs[40] ?? 0) ^ 1), ...others]
  liar.mine = { ...liar.mine, newest: { ...liar.mine.newest, signatures: forged } }
  const answers = await Promise.all(appointments.map(({ raw, mine }) => raw.appoint(mine)))
  const [first, ...rest] = answers
  expect(first).toMatchObject({ type: 'refused', code: 'BAD_SIGNATURE' })
  expect(rest.map(({ type }) => type)).toEqual(rest.map(() => 'receipt'))
  // The orders of all of them, and then two signatures of each state.
  expect(batches).toEqual([20, 40])
  await pool.close()
})

it('holds the same number of bytes however many payments there were', async () => {
  const it = await quarrel(world, seller)
  await pay(it, seller, 1n)
  await seller.node.watched()
  const { bytes } = tower.tower.load
  for (let total = 2n; total <= 200n; total++) await pay(it, seller, total)
  await seller.node.watched()
  await expect
    .poll(() => held(it)?.claims.map((claim) => claim.signed.voucher.base))
    .toEqual([200n])
  expect(tower.tower.load.bytes).toBe(bytes)
})

describe('the limits of a tower', () => {
  for (const [name, limits] of [
    ['clients', { clientsMax: 1 }],
    ['bytes', { bytesMax: 1_000 }],
  ] as const)
    it(`leave no room for more ${name}`, async () => {
      const small = await world.watchtower('small', { limits })
      const first = await world.person('first', { tower: small.address })
      const it = await quarrel(world, first, 'payer')
      await expect.poll(() => small.tower.load.clients + first.problems.length).toBe(1)
      const answer = await (await talk(it, small)).appoint(own(it, 1))
      expect(answer).toMatchObject({ type: 'refused', code: 'TOWER_FULL' })
      expect(small.tower.load.clients).toBeLessThanOrEqual(1)
    })

  it('keep a client waiting that they leave no room for', async () => {
    const small = await world.watchtower('small', { limits: { clientsMax: 0 } })
    const client = await world.person('client', { tower: small.address })
    await quarrel(world, client, 'payer')
    const patience = new AbortController()
    const watched = client.node.watched(patience.signal)
    await expect.poll(() => client.problems.map(({ code }) => code)).toContain('TOWER_FULL')
    patience.abort()
    await expect(watched).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('spend no more transactions on a channel than its owner allows', async () => {
    const mean = await world.watchtower('mean', { limits: { actionsMax: 1 } })
    const client = await world.person('client', { tower: mean.address })
    const it = await quarrel(world, client, 'payer')
    await advance(it, 2)
    await pay(it, client, 120n)
    await client.node.watched()
    await client.crash()
    await post(it, 0)
    await happened(it, 'answered')
    await world.advance(window)
    await expect.poll(() => mean.problems.map(({ code }) => code)).toContain('ACTIONS_SPENT')
    expect(await story(it)).not.toContain('redeemed')
  })
})

describe('a liar', () => {
  it('is refused an appointment for a seat that is not its own', async () => {
    const it = await quarrel(world, seller)
    await seller.node.watched()
    const appointment = heldBy(it)
    const raw = await talk(it)
    expect(await raw.appoint(appointment)).toMatchObject({ type: 'refused', code: 'BAD_SIGNATURE' })
  })

  it('is refused what does not prove itself, and a channel that holds no money', async () => {
    const it = await quarrel(world, seller)
    await advance(it, 1)
    const mine = own(it, 2)
    const raw = await talk(it)
    const forged = { ...mine.newest, version: 9n }
    expect(await raw.appoint({ ...mine, newest: forged })).toMatchObject({ type: 'refused' })
    const other = { ...mine.parameters, fundBy: mine.parameters.fundBy + 1n }
    expect(await raw.appoint({ ...mine, parameters: other })).toMatchObject({ code: 'NOT_LIVE' })
    expect(await raw.appoint(mine)).toMatchObject({ type: 'receipt' })
    expect(await raw.appoint(own(it, 1))).toMatchObject({ code: 'APPOINTMENT_OLD' })
  })

  it('gets no receipt before what it left is durable', async () => {
    const it = await quarrel(world, seller)
    const raw = await talk(it)
    tower.disk.hold()
    let answered = false
    const receipt = raw.appoint(own(it, 1)).finally(() => {
      answered = true
    })
    await quiet(() => answered)
    expect(answered).toBe(false)
    tower.disk.release()
    expect(await receipt).toMatchObject({ type: 'receipt' })
  })

  it('gets a receipt that the tower has signed', async () => {
    const it = await quarrel(world, seller)
    const mine = own(it, 1)
    const receipt = await (await talk(it)).appoint(mine)
    if (receipt.type !== 'receipt') throw new Error(receipt.type)
    const { recover, publicAddress } = world.engine.secp256k1
    const { domain } = seller.ledger
    const digest = Signed.receiptDigest(domain, Signed.summary(domain, mine), receipt.time)
    expect(recover(digest, receipt.signature)).toBe(publicAddress(tower.keys.signing))
  })
})

const held = (it: Quarrel.Quarrel): Appointment | undefined => tower.tower.appointment(it.id, 1)

function heldBy(it: Quarrel.Quarrel): Appointment {
  const appointment = held(it)
  if (appointment === undefined) throw new Error('the tower holds nothing')
  return appointment
}

/** The buyer's own appointment with the state of a version. */
function own(it: Quarrel.Quarrel, version: number): Appointment {
  const newest = it.states[version]
  if (newest === undefined) throw new Error(`there is no state ${version}`)
  const { parameters } = it.raw.channel(it.id)
  return { parameters, seat: 0, newest, pending: undefined, claims: [] }
}

/** The buyer talks to the tower itself, or somebody else with other keys. */
async function talk({ raw }: Quarrel.Quarrel, to = tower, signing = raw.keys.signing) {
  const { sign, publicAddress } = world.engine.secp256k1
  const connection = await raw.network.connect(to.address)
  const talk = new Talk(await connection.open(watchProtocol))
  const ask = async (message: WatchMessage): Promise<WatchMessage> => {
    await talk.send(message)
    const answer = await talk.next()
    if (answer === undefined) throw new Error('the tower ended the stream')
    return answer
  }
  const { chainId, adjudicator } = raw.ledger.domain
  const introduction = { from: raw.network.peer, to: connection.peer }
  const signature = sign(Introduction.digest(raw.ledger.domain, introduction), signing)
  await ask({
    type: 'hello',
    chainId,
    adjudicator,
    signer: publicAddress(signing),
    signature,
  })
  return {
    ask,
    appoint: (appointment: Appointment) => {
      const { domain } = raw.ledger
      const digest = Signed.digest(domain, Signed.summary(domain, appointment))
      return ask({ type: 'appoint', appointment, signature: sign(digest, signing) })
    },
  }
}
