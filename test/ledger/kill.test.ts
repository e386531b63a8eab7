/** A served ledger, killed again and again while it works: what it answered is there, and nothing was done twice. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import { type Hex, zeroAddress, zeroes } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import { toProblem } from '../../src/core/errors.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type { LedgerChannel } from '../../src/engine/ports.js'
import type { Transport } from '../../src/ledger/embedded/api.js'
import { connect, type EmbeddedLedger } from '../../src/ledger/embedded/client.js'
import { http } from '../../src/ledger/embedded/http.js'
import * as Lmdb from '../../src/store/lmdb.js'
import { reap, run, seed, seeded } from '../support/child.js'
import { open } from './harness.js'
import { type Wallet, wallet } from './wallet.js'

const directory = mkdtempSync(join(tmpdir(), 'sluice-ledger-'))
afterEach(reap)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Something the ledger has answered to, and what must be true ever after. */
type Fact = { readonly id: Hex; readonly holds: (channel: LedgerChannel) => boolean }

/** Repeats a call until the ledger, which may be dead for now, has answered it. */
async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (toProblem(error).code !== 'LEDGER_UNREACHABLE') throw error
    }
  }
}

/**
 * Two seats that open, fund, contest, resume and close one channel after the other, all money of which goes to
 * `payout`.
 */
function couple() {
  const payout = wallet().address
  const wallets = [wallet(), wallet()]
  let ledgers: readonly EmbeddedLedger[] = []
  let channels = 0

  async function channel(note: (fact: Fact) => void): Promise<void> {
    const [first, second] = ledgers as [EmbeddedLedger, EmbeddedLedger]
    const parameters: Parameters.Parameters = {
      seats: wallets.map(({ address }) => ({ signer: address, payout })),
      assets: [zeroAddress],
      deposits: [[30n], [12n]],
      fundBy: (await untilAnswered(() => first.time())) + 1_000n,
      challengePeriod: 60n,
      codeHash: zeroes(),
      salt: randomBytes(32),
    }
    const id = Parameters.id(first.domain, parameters)
    const table = (amount: bigint): State.Table => [[amount], [0n]]
    const sign = (body: State.Body, version: bigint, kind: State.Kind) => {
      const state = { channelId: id, version, root: State.root(id, body), kind }
      return Promise.all(wallets.map((each) => each.sign(State.digest(first.domain, state))))
    }
    const body = State.opening(parameters)
    const opened = await sign(body, 0n, 0)
    /** Seat 0 has brought one more than at first, and taken it out again. */
    const { outcome } = body
    const later = {
      ...body,
      outcome: { ...outcome, deposited: [[31n], [12n]], withdrawn: table(1n) },
    }
    const state = async (version: bigint, kind: State.Kind) =>
      Dispute.posting(id, {
        version,
        kind,
        body: later,
        signatures: await sign(later, version, kind),
      })
    const [taken, posted, resumed, closed] = [
      await state(1n, 0),
      await state(2n, 0),
      await state(3n, 2),
      await state(4n, 1),
    ]
    const preimage = Dispute.preimage(id, later)
    const does = async (call: () => Promise<void>, holds: Fact['holds']): Promise<void> => {
      await untilAnswered(call)
      note({ id, holds })
    }

    await does(
      () => first.open(parameters, opened),
      () => true,
    )
    await Promise.all(
      [first, second].map((ledger, seat) =>
        does(
          () => ledger.deposit(parameters, seat),
          ({ deposited }) => (deposited[seat]?.[0] ?? 0n) > 0n,
        ),
      ),
    )
    await does(
      () => first.topUp(parameters, 0, 0, 31n),
      ({ deposited }) => deposited[0]?.[0] === 31n,
    )
    await does(
      () => first.withdraw(parameters, taken, preimage),
      ({ withdrawn, versionMin }) => withdrawn[0]?.[0] !== 0n && versionMin >= 1n,
    )
    const challenge = { channelId: id, version: 2n, account: second.account }
    const digest = Dispute.digest(second.domain, challenge)
    const signature = await (wallets[1] as Wallet).sign(digest)
    await does(
      () => second.challenge(parameters, 1, posted, signature),
      ({ challenge, versionMin }) => challenge?.version === 2n || versionMin === 3n,
    )
    await does(
      () => first.resume(parameters, resumed),
      ({ versionMin }) => versionMin === 3n,
    )
    await does(
      () => second.close(parameters, closed, preimage),
      ({ status }) => status === 'closed',
    )
    channels++
  }

  return {
    payout,
    channels: () => channels,
    async work(transport: Transport, note: (fact: Fact) => void, stopped: () => boolean) {
      const of = ({ address, sign }: Wallet) =>
        untilAnswered(() => connect(transport, { account: address, sign }))
      ledgers = await Promise.all(wallets.map(of))
      for (const ledger of ledgers)
        await untilAnswered(() => ledger.faucet(ledger.account, 1_000_000n))
      while (!stopped()) await channel(note)
    },
  }
}

it('keeps everything it answered, and does nothing twice, through SIGKILL under load', async () => {
  const random = seeded(seed('ledger SIGKILL'))
  const file = join(directory, 'ledger.mdb')
  const facts: Fact[] = []
  let noted: () => void = () => {}
  const note = (fact: Fact): void => {
    facts.push(fact)
    noted()
  }
  let child = run('test/ledger/children/ledger.ts', [file])
  let url = child.line()
  let stopped = false
  const transport: Transport = async (...request) => http(await url)(...request)
  const couples = Array.from({ length: 4 }, couple)
  const work = Promise.all(couples.map((each) => each.work(transport, note, () => stopped)))

  for (let round = 0; round < 5; round++) {
    const enough = facts.length + 1 + Math.floor(random() * 60)
    const busy = new Promise<void>((resolve) => {
      noted = () => facts.length >= enough && resolve()
    })
    await Promise.race([busy, work])
    let up: (address: string) => void = () => {}
    url = new Promise((resolve) => {
      up = resolve
    })
    await child.kill()

    const store = Lmdb.open(file)
    const layer = await open(store)
    for (const { id, holds } of facts) {
      const channel = await layer.channel(id)
      expect(channel && holds(channel)).toBe(true)
    }
    await layer.close()
    await store.close()
    child = run('test/ledger/children/ledger.ts', [file])
    up(await child.line())
  }

  stopped = true
  await work
  await child.kill()
  const store = Lmdb.open(file)
  const layer = await open(store)
  for (const each of couples)
    expect(layer.balance(each.payout, zeroAddress)).toBe(43n * BigInt(each.channels()))
  for (let after = 0; ; ) {
    const events = layer.events(after)
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => after + 1 + at))
    after += events.length
    if (events.length > 0) continue
    expect(after).toBe(9 * couples.reduce((sum, each) => sum + each.channels(), 0))
    break
  }
  await layer.close()
  await store.close()
})
