/**
 * What every execution layer promises, run against each adapter through the `Ledger` port alone: amounts are
 * exact to the unit, and whatever is repeated, forged, late or foreign changes nothing.
 */
import { randomBytes } from 'node:crypto'
import { getAddress } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Address, toHex, zeroes } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type { Ledger, LedgerEvent } from '../../src/engine/ports.js'
import { collect, type Harness, nowhere, refusal, rooms, type Seat } from './rooms.js'

/** A state that seats signed, or did not, with its body. */
type Complete = Omit<Dispute.Posting, 'root'> & { readonly body: State.Body }

export function ledgerSuite(name: string, create: () => Promise<Harness>): void {
  describe(`ledger conformance: ${name}`, () => {
    let harness: Harness
    beforeAll(async () => {
      harness = await create()
    })
    afterAll(() => harness.close())

    const { seat, balance, agree, sign, open, look, live } = rooms(() => harness)

    const finalOf = (
      parameters: Parameters.Parameters,
      balances: readonly bigint[],
      change: Partial<State.Outcome> = {},
    ): State.Outcome => ({
      ...State.opening(parameters).outcome,
      balances: balances.map((amount) => [amount]),
      nextLane: 3n,
      ...change,
    })

    const close = async (
      parameters: Parameters.Parameters,
      seats: readonly Seat[],
      outcome: State.Outcome,
      kind: State.Kind = 1,
    ) => {
      const { ledger } = seats[0] as Seat
      const body = { outcome, lanes: [] }
      const signatures = await sign(ledger.domain, parameters, seats, { version: 7n, kind, body })
      await submit(ledger, parameters, { version: 7n, kind, body, signatures })
    }

    /** Closes with a state as it was signed, or was not. */
    const submit = (
      ledger: Ledger,
      parameters: Parameters.Parameters,
      complete: Complete,
      outcome = complete.body.outcome,
    ) => {
      const id = Parameters.id(ledger.domain, parameters)
      const preimage = { ...Dispute.preimage(id, complete.body), outcome }
      return ledger.close(parameters, Dispute.posting(id, complete), preimage)
    }

    it('finds what an account holds however its address is written, and no mistyped one', async () => {
      const { ledger, wallet } = await seat(7n)
      const { asset } = harness
      const written = getAddress(wallet.address)
      expect(await ledger.balance(written, getAddress(asset))).toBe(7n)
      const [digit = ''] = written.match(/[a-f]/i) ?? []
      const flipped = /[a-f]/.test(digit) ? digit.toUpperCase() : digit.toLowerCase()
      const mistyped = written.replace(digit, flipped) as Address
      await expect(ledger.balance(mistyped, asset)).rejects.toThrow(refusal('BAD_ADDRESS'))
    })

    it('opens, funds, and pays out a channel, exact to the unit', async () => {
      const [a, b] = [await seat(1_000n), await seat(50n)]
      const parameters = await agree([a, b], [701n, 50n])
      expect(await look([a], parameters)).toBeUndefined()
      await open(parameters, [a, b])
      expect(await look([a], parameters)).toEqual({
        status: 'funding',
        deposited: [[0n], [0n]],
        withdrawn: [[0n], [0n]],
        held: [0n],
        fundBy: parameters.fundBy,
        versionMin: 0n,
        challenge: undefined,
      })
      await a.ledger.deposit(parameters, 0)
      expect(await balance(a, a.wallet.address)).toBe(299n)
      expect(await look([b], parameters)).toMatchObject({
        status: 'funding',
        deposited: [[701n], [0n]],
      })
      await b.ledger.deposit(parameters, 1)
      expect(await look([b], parameters)).toMatchObject({
        status: 'live',
        deposited: [[701n], [50n]],
      })
      await close(parameters, [a, b], finalOf(parameters, [0n, 751n]))
      expect(await look([a], parameters)).toMatchObject({
        status: 'closed',
        deposited: [[701n], [50n]],
        withdrawn: [[0n], [751n]],
      })
      expect(await balance(a, a.payout)).toBe(0n)
      expect(await balance(a, b.payout)).toBe(751n)
      expect(await balance(a, a.wallet.address)).toBe(299n)
      expect(await balance(a, b.wallet.address)).toBe(0n)
    })

    it('serves three seats, one of which brings nothing', async () => {
      const { seats, parameters } = await live(10n, 0n, 5n)
      expect(await look(seats, parameters)).toMatchObject({ status: 'live' })
      await close(parameters, seats, finalOf(parameters, [1n, 2n, 12n]))
      for (const [at, amount] of [1n, 2n, 12n].entries())
        expect(await balance(seats[at] as Seat, (seats[at] as Seat).payout)).toBe(amount)
    })

    it('is live at once where nobody deposits', async () => {
      const { seats, parameters } = await live(0n, 0n)
      expect(await look(seats, parameters)).toMatchObject({ status: 'live' })
      await close(parameters, seats, finalOf(parameters, [0n, 0n]))
      expect(await look(seats, parameters)).toMatchObject({ status: 'closed' })
    })

    it('does every call once, however often it is made and by whomever', async () => {
      const [a, b] = [await seat(100n), await seat(100n)]
      const parameters = await agree([a, b], [30n, 40n])
      const repeat = async (call: () => Promise<void>) => {
        await call()
        await Promise.all([call(), call()])
      }
      await repeat(() => open(parameters, [a, b]))
      await open(parameters, [a, b])
      await repeat(() => a.ledger.deposit(parameters, 0))
      await b.ledger.deposit(parameters, 0)
      await repeat(() => b.ledger.deposit(parameters, 1))
      expect(await balance(a, a.wallet.address)).toBe(70n)
      expect(await balance(a, b.wallet.address)).toBe(60n)
      await repeat(() => close(parameters, [a, b], finalOf(parameters, [20n, 50n])))
      expect(await balance(a, a.payout)).toBe(20n)
      expect(await balance(a, b.payout)).toBe(50n)
    })

    it('opens only what every seat signed, for this layer, at version 0', async () => {
      const [a, b, stranger] = [await seat(10n), await seat(10n), await seat(0n)]
      const parameters = await agree([a, b], [5n, 5n])
      const { domain } = a.ledger
      const chain = { ...domain, chainId: domain.chainId + 1n }
      const adjudicator = { ...domain, adjudicator: stranger.wallet.address }
      const outcome = { ...State.opening(parameters).outcome, balances: [[6n], [4n]] }
      const forged = [
        await sign(domain, parameters, [a]),
        await sign(domain, parameters, [b, a]),
        await sign(domain, parameters, [a, stranger]),
        await sign(domain, parameters, [a, b, stranger]),
        await sign(chain, parameters, [a, b]),
        await sign(adjudicator, parameters, [a, b]),
        await sign(domain, parameters, [a, b], { version: 1n }),
        await sign(domain, parameters, [a, b], { kind: 1 }),
        await sign(domain, parameters, [a, b], { body: { outcome, lanes: [] } }),
        await sign(domain, { ...parameters, salt: zeroes() }, [a, b]),
        [new Uint8Array(65), new Uint8Array(65)],
        [new Uint8Array(3), new Uint8Array(65)],
        [],
      ]
      for (const signatures of forged)
        await expect(a.ledger.open(parameters, signatures)).rejects.toThrow(
          refusal('BAD_SIGNATURE'),
        )
      expect(await look([a], parameters)).toBeUndefined()
      await open(parameters, [a, b])
    })

    it('opens only parameters that can be kept', async () => {
      const [a, b] = [await seat(0n), await seat(0n)]
      const good = await agree([a, b], [1n, 1n])
      const [first] = good.seats
      const bad: Partial<Parameters.Parameters>[] = [
        { seats: [first as Parameters.Seat, first as Parameters.Seat] },
        {
          assets: [harness.asset, harness.asset],
          deposits: [
            [1n, 1n],
            [1n, 1n],
          ],
        },
        { challengePeriod: a.ledger.minChallengePeriod - 1n },
        { codeHash: randomBytes(32) },
      ]
      for (const change of bad) {
        const parameters = { ...good, ...change }
        await expect(open(parameters, [a, b])).rejects.toThrow(refusal('BAD_PARAMETERS'))
      }
      const late = { ...good, fundBy: await a.ledger.time() }
      await expect(open(late, [a, b])).rejects.toThrow(refusal('FUNDING_OVER'))
    })

    it('takes no deposit that is not covered, and none for a channel it does not know', async () => {
      const [a, b] = [await seat(9n), await seat(10n)]
      const parameters = await agree([a, b], [10n, 10n])
      await expect(a.ledger.deposit(parameters, 0)).rejects.toThrow(refusal('CHANNEL_UNKNOWN'))
      await open(parameters, [a, b])
      await expect(a.ledger.deposit(parameters, 0)).rejects.toThrow(refusal('INSUFFICIENT_BALANCE'))
      expect(await balance(a, a.wallet.address)).toBe(9n)
      expect(await look([a], parameters)).toMatchObject({ deposited: [[0n], [0n]] })
      await harness.fund(a.wallet.address, 1n)
      await a.ledger.deposit(parameters, 0)
      expect(await balance(a, a.wallet.address)).toBe(0n)
    })

    it('takes one deposit a seat when several race to pay it', async () => {
      const rivals = await Promise.all([20n, 20n, 20n].map(seat))
      const parameters = await agree(rivals.slice(0, 2), [7n, 7n])
      await open(parameters, rivals.slice(0, 2))
      await Promise.allSettled(rivals.map(({ ledger }) => ledger.deposit(parameters, 0)))
      expect(await look(rivals, parameters)).toMatchObject({ deposited: [[7n], [0n]] })
      let left = 0n
      for (const rival of rivals) left += await balance(rival, rival.wallet.address)
      expect(left).toBe(53n)
    })

    it('gives deposits back to who paid them, once fundBy has passed and never before', async () => {
      const [a, b, friend] = [await seat(0n), await seat(9n), await seat(8n)]
      const parameters = await agree([a, b], [5n, 9n])
      await open(parameters, [a, b])
      await friend.ledger.deposit(parameters, 0)
      await expect(a.ledger.refund(parameters, 0)).rejects.toThrow(refusal('FUNDING_OPEN'))
      const final = finalOf(parameters, [14n, 0n])
      await expect(close(parameters, [a, b], final)).rejects.toThrow(refusal('FUNDING_OPEN'))
      expect(await balance(a, friend.wallet.address)).toBe(3n)

      await harness.advance(101)
      expect(await look([a], parameters)).toMatchObject({ status: 'dead' })
      await expect(b.ledger.deposit(parameters, 1)).rejects.toThrow(refusal('CHANNEL_DEAD'))
      await expect(b.ledger.refund(parameters, 1)).rejects.toThrow(refusal('NOTHING_TO_REFUND'))
      await b.ledger.refund(parameters, 0)
      await a.ledger.refund(parameters, 0)
      await friend.ledger.refund(parameters, 0)
      expect(await balance(a, friend.wallet.address)).toBe(8n)
      expect(await balance(a, a.wallet.address)).toBe(0n)
      expect(await look([a], parameters)).toMatchObject({
        status: 'dead',
        deposited: [[5n], [0n]],
        withdrawn: [[5n], [0n]],
      })
      await expect(close(parameters, [a, b], final)).rejects.toThrow(refusal('CHANNEL_DEAD'))
    })

    it('gives nothing back from a live channel, however late it is', async () => {
      const { seats, parameters } = await live(5n, 5n)
      await harness.advance(1_000)
      expect(await look(seats, parameters)).toMatchObject({ status: 'live' })
      await expect((seats[0] as Seat).ledger.refund(parameters, 0)).rejects.toThrow(
        refusal('NOTHING_TO_REFUND'),
      )
    })

    it('never opens an id again, dead or closed', async () => {
      const [a, b] = [await seat(20n), await seat(20n)]
      const dying = await agree([a, b], [5n, 5n])
      await open(dying, [a, b])
      await harness.advance(101)
      await open(dying, [a, b])
      expect(await look([a], dying)).toMatchObject({ status: 'dead', deposited: [[0n], [0n]] })
      await expect(a.ledger.deposit(dying, 0)).rejects.toThrow(refusal('CHANNEL_DEAD'))

      const { seats, parameters } = await live(5n, 5n)
      await close(parameters, seats, finalOf(parameters, [5n, 5n]))
      await open(parameters, seats)
      for (const [at, { ledger, wallet: mine }] of seats.entries()) {
        await harness.fund(mine.address, 5n)
        await ledger.deposit(parameters, at)
        expect(await balance(seats[at] as Seat, mine.address)).toBe(5n)
      }
      expect(await look(seats, parameters)).toMatchObject({
        status: 'closed',
        withdrawn: [[5n], [5n]],
      })
      await expect((seats[0] as Seat).ledger.refund(parameters, 0)).rejects.toThrow(
        refusal('CHANNEL_CLOSED'),
      )
    })

    it('closes only with a final state that every seat signed', async () => {
      const { seats, parameters } = await live(6n, 4n)
      const [a, b] = seats as [Seat, Seat]
      const stranger = await seat(0n)
      const good = finalOf(parameters, [3n, 7n])
      const greedy = finalOf(parameters, [10n, 0n])
      const { domain } = a.ledger
      const body = { outcome: good, lanes: [] }
      const chain = { ...domain, chainId: domain.chainId + 1n }
      const other = { ...parameters, salt: zeroes() }
      const seven = { version: 7n, kind: 1 as State.Kind, body }
      const forged = [
        await sign(domain, parameters, [a], seven),
        await sign(domain, parameters, [a, a], seven),
        await sign(domain, parameters, [b, a], seven),
        await sign(domain, parameters, [a, stranger], seven),
        await sign(chain, parameters, [a, b], seven),
        await sign({ ...domain, adjudicator: a.payout }, parameters, [a, b], seven),
        await sign(domain, other, [a, b], seven),
        await sign(domain, parameters, [a, b], { ...seven, version: 8n }),
        await sign(domain, parameters, [a, b], { ...seven, kind: 0 }),
        await sign(domain, parameters, [a, b], { ...seven, kind: 2 }),
        await sign(domain, parameters, [a, b], { ...seven, body: { outcome: greedy, lanes: [] } }),
      ]
      for (const signatures of forged)
        await expect(submit(a.ledger, parameters, { ...seven, signatures })).rejects.toThrow(
          refusal('BAD_SIGNATURE'),
        )
      const signatures = await sign(domain, parameters, seats, seven)
      const signed = { ...seven, signatures }
      await expect(submit(a.ledger, parameters, signed, greedy)).rejects.toThrow(
        refusal('WRONG_ROOT'),
      )
      await expect(close(parameters, seats, good, 0)).rejects.toThrow(refusal('NOT_FINAL'))

      const lane = { id: 0n, payer: 0, payee: 1, asset: 0, folded: 0n, reserved: 0n }
      const withLane = {
        ...seven,
        body: { outcome: good, lanes: [{ ...lane, sessionKey: a.payout }] },
      }
      const all = await sign(domain, parameters, seats, withLane)
      await expect(submit(a.ledger, parameters, { ...withLane, signatures: all })).rejects.toThrow(
        refusal('NOT_FINAL'),
      )
      expect(await look(seats, parameters)).toMatchObject({
        status: 'live',
        withdrawn: [[0n], [0n]],
      })
    })

    it('pays no more and no less than was deposited, whatever the seats signed', async () => {
      const { seats, parameters } = await live(6n, 4n)
      const wrong: [State.Outcome, string][] = [
        [finalOf(parameters, [6n, 5n]), 'NOT_CONSERVED'],
        [finalOf(parameters, [6n, 3n]), 'NOT_CONSERVED'],
        [finalOf(parameters, [10n, 0n], { deposited: [[5n], [4n]] }), 'NOT_CONSERVED'],
        [finalOf(parameters, [0n, 11n], { deposited: [[7n], [4n]] }), 'NOT_CONSERVED'],
        [finalOf(parameters, [0n, 10n], { withdrawn: [[0n], [1n]] }), 'NOT_CONSERVED'],
        [finalOf(parameters, [0n, 0n, 10n]), 'NOT_CONSERVED'],
        [finalOf(parameters, [5n, 4n], { pots: [[1n], [0n]] }), 'NOT_FINAL'],
      ]
      for (const [outcome, code] of wrong) {
        const same = { ...outcome }
        const rows = outcome.balances.length
        if (rows === 3)
          for (const table of ['deposited', 'withdrawn', 'pots'] as const)
            Object.assign(same, { [table]: [...outcome[table], [0n]] })
        await expect(close(parameters, seats, same)).rejects.toThrow(refusal(code))
      }
      expect(await look(seats, parameters)).toMatchObject({ status: 'live' })
    })

    it('owes each seat what the state left out: deposits the layer saw and it did not', async () => {
      const { seats, parameters } = await live(6n, 4n)
      // The state was made as if seat 1 had not paid yet: those 4 are seat 1's on top of its balance.
      const outcome = finalOf(parameters, [5n, 1n], { deposited: [[6n], [0n]] })
      await close(parameters, seats, outcome)
      expect(await balance(seats[0] as Seat, (seats[0] as Seat).payout)).toBe(5n)
      expect(await balance(seats[1] as Seat, (seats[1] as Seat).payout)).toBe(5n)
    })

    it('tells events from any point, without a gap, and goes on as they happen', async () => {
      const { seats, parameters } = await live(1n, 1n)
      const [a] = seats as [Seat, Seat]
      const id = Parameters.id(a.ledger.domain, parameters)
      const past = await collect(a.ledger, 0, (event) => event.channelId === id, 4)
      expect(past.map(({ type }) => type)).toEqual(['opened', 'deposited', 'deposited', 'live'])
      const first = (past[0] as LedgerEvent).sequence
      const rising = (told: readonly LedgerEvent[]): number[] =>
        told.map(({ sequence }) => sequence).sort((a, b) => a - b)
      expect(past.map(({ sequence }) => sequence)).toEqual(rising(past))

      const controller = new AbortController()
      const followed: LedgerEvent[] = []
      const following = (async () => {
        for await (const event of a.ledger.events({ after: first, signal: controller.signal })) {
          followed.push(event)
          if (event.channelId === id && event.type === 'closed') controller.abort()
        }
      })()
      await close(parameters, seats, finalOf(parameters, [0n, 2n]))
      await following
      expect(followed[0]).toEqual(past[1])
      expect(followed.at(-1)).toMatchObject({ type: 'closed', channelId: id })
      expect(followed.map(({ sequence }) => sequence)).toEqual(rising(followed))
      expect(followed).toEqual(await collect(a.ledger, first, () => true, followed.length))
    })

    it('has a clock that only goes forward', async () => {
      const { ledger } = await seat(0n)
      const before = await ledger.time()
      await harness.advance(30)
      expect(await ledger.time()).toBeGreaterThanOrEqual(before + 30n)
    })

    it('knows nothing of what never was', async () => {
      const { ledger } = await seat(0n)
      expect(await ledger.channel(nowhere())).toBeUndefined()
      expect(await ledger.lane(nowhere(), 3n)).toEqual({ claim: 0n, swept: false })
      expect(await ledger.balance(toHex(randomBytes(20)), harness.asset)).toBe(0n)
    })
  })
}
