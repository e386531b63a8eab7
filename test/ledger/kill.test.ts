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

/** Two seats that open, fund and close one channel after the other, all money of which goes to `payout`. */
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
    const sign = (version: bigint, kind: State.Kind, body: State.Body) => {
      const state = { channelId: id, version, root: State.root(id, body), kind }
      return Promise.all(wallets.map((each) => each.sign(State.digest(first.domain, state))))
    }
    const body = State.opening(parameters)
    const opened = await sign(0n, 0, body)
    const closed = await sign(1n, 1, body)
    await untilAnswered(() => first.open(parameters, opened))
    note({ id, holds: () => true })
    await Promise.all(
      [first, second].map(async (ledger, seat) => {
        await untilAnswered(() => ledger.deposit(parameters, seat))
        note({ id, holds: (found) => (found.deposited[seat]?.[0] ?? 0n) > 0n })
      }),
    )
    const final = Dispute.posting(id, { version: 1n, kind: 1, body, signatures: closed })
    const preimage = Dispute.preimage(id, body)
    await untilAnswered(() => second.close(parameters, final, preimage))
    note({ id, holds: (found) => found.status === 'closed' })
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
    expect(layer.balance(each.payout, zeroAddress)).toBe(42n * BigInt(each.channels()))
  for (let after = 0; ; ) {
    const events = layer.events(after)
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => after + 1 + at))
    after += events.length
    if (events.length > 0) continue
    expect(after).toBe(5 * couples.reduce((sum, each) => sum + each.channels(), 0))
    break
  }
  await layer.close()
  await store.close()
})
