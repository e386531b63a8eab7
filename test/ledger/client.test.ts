import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex, zeroAddress, zeroes } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import { toProblem } from '../../src/core/errors.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type { LedgerEvent } from '../../src/engine/ports.js'
import { local, type Transport } from '../../src/ledger/embedded/api.js'
import { connect, type EmbeddedLedger } from '../../src/ledger/embedded/client.js'
import { LedgerError } from '../../src/ledger/error.js'
import { seed, seeded } from '../support/child.js'
import { clock, open } from './harness.js'
import { type Wallet, wallet } from './wallet.js'

const refusal = (code: string) => expect.objectContaining({ code })
const unreachable = () => new LedgerError('LEDGER_UNREACHABLE', 'The test lost it.')
const join = (transport: Transport, mine: Wallet) =>
  connect(transport, { account: mine.address, sign: mine.sign })

/** What two seats sign from opening to close, and how the engine would repeat a call that failed. */
async function pair(ledger: EmbeddedLedger, seats: readonly [Wallet, Wallet]) {
  const parameters: Parameters.Parameters = {
    seats: seats.map(({ address }) => ({ signer: address, payout: address })),
    assets: [zeroAddress],
    deposits: [[30n], [12n]],
    fundBy: (await ledger.time()) + 100n,
    challengePeriod: 60n,
    codeHash: zeroes(),
    salt: randomBytes(32),
  }
  const channelId = Parameters.id(ledger.domain, parameters)
  const sign = (version: bigint, kind: State.Kind, body: State.Body) => {
    const state = { channelId, version, root: State.root(channelId, body), kind }
    return Promise.all(seats.map((seat) => seat.sign(State.digest(ledger.domain, state))))
  }
  const opening = State.opening(parameters)
  const outcome = { ...opening.outcome, balances: [[5n], [37n]] }
  const body = { outcome, lanes: [] }
  const signatures = await sign(3n, 1, body)
  return {
    parameters,
    channelId,
    opened: await sign(0n, 0, opening),
    final: Dispute.posting(channelId, { version: 3n, kind: 1, body, signatures }),
    closed: Dispute.preimage(channelId, body),
  }
}

async function untilAnswered(call: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (toProblem(error).code !== 'LEDGER_UNREACHABLE') throw error
    }
  }
}

describe('a call', () => {
  it('is done once, however many requests and answers are lost', async () => {
    const random = seeded(seed('lost answers'))
    for (let round = 0; round < 10; round++) {
      const layer = await open()
      const sure = local(layer)
      const lossy: Transport = async (method, params, signal) => {
        if (random() < 0.25) throw unreachable()
        const answer = await sure(method, params, signal)
        if (random() < 0.25) throw unreachable()
        return answer
      }
      const [a, b] = [wallet(), wallet()]
      for (const each of [a, b]) await (await join(sure, each)).faucet(each.address, 100n)
      const reached = async (mine: Wallet): Promise<EmbeddedLedger> => {
        let ledger: EmbeddedLedger | undefined
        await untilAnswered(async () => {
          ledger = await join(lossy, mine)
        })
        return ledger as EmbeddedLedger
      }
      const [ledgerA, ledgerB] = [await reached(a), await reached(b)]
      const { parameters, channelId, opened, final, closed } = await pair(await join(sure, a), [
        a,
        b,
      ])
      await untilAnswered(() => ledgerA.open(parameters, opened))
      await Promise.all([
        untilAnswered(() => ledgerA.deposit(parameters, 0)),
        untilAnswered(() => ledgerB.deposit(parameters, 1)),
      ])
      expect(layer.balance(a.address, zeroAddress)).toBe(70n)
      expect(layer.balance(b.address, zeroAddress)).toBe(88n)
      await Promise.all(
        [ledgerA, ledgerB].map((ledger) =>
          untilAnswered(() => ledger.close(parameters, final, closed)),
        ),
      )
      expect(layer.balance(a.address, zeroAddress)).toBe(75n)
      expect(layer.balance(b.address, zeroAddress)).toBe(125n)
      expect(layer.events(0).map(({ type }) => type)).toEqual([
        'opened',
        'deposited',
        'deposited',
        'live',
        'closed',
      ])
      expect(await layer.channel(channelId)).toMatchObject({ status: 'closed' })
    }
  })

  it('gets through when several programs share the account', async () => {
    const layer = await open()
    const mine = wallet()
    const ledgers = await Promise.all([1, 2, 3].map(() => join(local(layer), mine)))
    await Promise.all(
      ledgers.flatMap((ledger) =>
        [1n, 2n, 3n].map((amount) => ledger.faucet(mine.address, amount)),
      ),
    )
    expect(layer.balance(mine.address, zeroAddress)).toBe(18n)
    expect(layer.nonce(mine.address)).toBe(9n)
  })

  it('is not made on another layer that turns up at the same address', async () => {
    let now = local(await open())
    const mine = wallet()
    const ledger = await join((...request) => now(...request), mine)
    await ledger.faucet(mine.address, 5n)
    now = local(await open())
    const calls = [
      () => ledger.balance(mine.address, zeroAddress),
      () => ledger.channel(toHex(zeroes(32))),
      () => ledger.faucet(mine.address, 5n),
      () =>
        ledger
          .events({ after: 0, signal: new AbortController().signal })
          [Symbol.asyncIterator]()
          .next(),
    ]
    for (const call of calls) await expect(call()).rejects.toThrow(refusal('WRONG_CHAIN'))
  })

  it('carries the sentence and code of the refusal', async () => {
    const layer = await open(undefined, { faucetMax: 10n })
    const mine = wallet()
    const ledger = await join(local(layer), mine)
    expect(ledger.faucetMax).toBe(10n)
    await expect(ledger.faucet(mine.address, 11n)).rejects.toThrow(
      expect.objectContaining({ code: 'FAUCET_LIMIT', message: expect.stringContaining('10') }),
    )
  })

  it('ends when its owner does', async () => {
    const layer = await open()
    const owner = new AbortController()
    const waiting: Transport = (method, params, signal) =>
      method === 'time'
        ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        : local(layer)(method, params, signal)
    const { address, sign } = wallet()
    const ledger = await connect(waiting, { account: address, sign, signal: owner.signal })
    const time = ledger.time()
    owner.abort()
    await expect(time).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('events', () => {
  it('go on by themselves after the ledger was away, with none lost and none twice', async () => {
    const layer = await open(undefined, { clock: clock() })
    const sure = local(layer)
    let down = false
    const flaky: Transport = async (method, params, signal) => {
      if (down) throw unreachable()
      const answer = await sure(method, params, signal)
      if (down) throw unreachable()
      return answer
    }
    const [a, b] = [wallet(), wallet()]
    for (const each of [a, b]) await (await join(sure, each)).faucet(each.address, 100n)
    const [ledgerA, ledgerB] = [await join(sure, a), await join(sure, b)]
    const { parameters, opened, final, closed } = await pair(ledgerA, [a, b])

    const controller = new AbortController()
    const seen: LedgerEvent[] = []
    const watcher = await join(flaky, wallet())
    let saw: () => void = () => {}
    const following = (async () => {
      for await (const event of watcher.events({ after: 0, signal: controller.signal })) {
        seen.push(event)
        saw()
        if (event.type === 'closed') controller.abort()
      }
    })()
    const firstSeen = new Promise<void>((resolve) => {
      saw = resolve
    })
    await ledgerA.open(parameters, opened)
    await firstSeen
    down = true
    await ledgerA.deposit(parameters, 0)
    await ledgerB.deposit(parameters, 1)
    down = false
    await ledgerA.close(parameters, final, closed)
    await following
    expect(seen.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5])
    expect(seen.map(({ type }) => type)).toEqual([
      'opened',
      'deposited',
      'deposited',
      'live',
      'closed',
    ])
  })

  it('end quietly when aborted, before, during and between', async () => {
    const layer = await open()
    const ledger = await join(local(layer), wallet())
    for (const late of [false, true]) {
      const controller = new AbortController()
      if (!late) controller.abort()
      const events = ledger.events({ after: 0, signal: controller.signal })[Symbol.asyncIterator]()
      const next = events.next()
      controller.abort()
      expect(await next).toEqual({ done: true, value: undefined })
    }
  })

  it('say so when the ledger has forgotten what it told', async () => {
    const ledger = await join(local(await open()), wallet())
    const signal = new AbortController().signal
    await expect(
      ledger.events({ after: 9, signal })[Symbol.asyncIterator]().next(),
    ).rejects.toThrow(refusal('LEDGER_BEHIND'))
  })
})
