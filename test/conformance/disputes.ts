/**
 * How every execution layer settles what seats do not close together, run through the `Ledger` port alone:
 * two windows, the highest version, the bond, withdrawals and top-ups, each to the unit.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as Dispute from '../../src/core/dispute.js'
import {
  collect,
  column,
  type Harness,
  laneOf,
  ledgerOf,
  type Room,
  refusal,
  rooms,
  type Seat,
  type Signed,
} from './rooms.js'

export function disputeSuite(name: string, create: () => Promise<Harness>): void {
  describe(`dispute conformance: ${name}`, () => {
    let harness: Harness
    beforeAll(async () => {
      harness = await create()
    })
    afterAll(() => harness.close())

    const tools = rooms(() => harness)
    const { seat, balance, look, live, state, challenge, post, pass, expectPaid } = tools
    const status = async (room: Room) => (await look(room.seats, room.parameters))?.status
    const bondOf = (room: Room): bigint => ledgerOf(room.seats).challengeBond

    describe('a challenge', () => {
      it('has two windows of one period each, then pays what the posted state says', async () => {
        const room = await live(30n, 12n)
        const { seats, parameters } = room
        const [a, b] = seats as [Seat, Seat]
        const newest = await state(room, 5n, [20n, 22n])
        await post(room, 0, newest)
        const before = await a.ledger.time()
        const { challengePeriod } = parameters
        const posted = await look(seats, parameters)
        const statesUntil = posted?.challenge?.statesUntil ?? 0n
        expect(statesUntil).toBeGreaterThan(before)
        expect(statesUntil).toBeLessThanOrEqual(before + challengePeriod)
        expect(posted).toMatchObject({
          status: 'challenged',
          held: [42n],
          versionMin: 0n,
          challenge: {
            version: 5n,
            root: newest.posting.root,
            poster: 0,
            posted: 5n,
            statesUntil,
            redeemUntil: statesUntil + challengePeriod,
            paid: false,
          },
        })
        await expect(b.ledger.freeze(parameters, newest.preimage)).rejects.toThrow(
          refusal('STATES_OPEN'),
        )
        await pass(room, 'states')
        expect(await status(room)).toBe('frozen')
        const other = await state(room, 6n, [0n, 42n])
        await expect(b.ledger.freeze(parameters, other.preimage)).rejects.toThrow(
          refusal('WRONG_ROOT'),
        )
        const stranger = await seat(0n)
        await stranger.ledger.freeze(parameters, newest.preimage)
        expect(await look(seats, parameters)).toMatchObject({
          status: 'closed',
          deposited: column(30n, 12n),
          withdrawn: column(20n, 22n),
          held: [0n],
          challenge: undefined,
        })
        await expectPaid(room, [20n, 22n])
      })

      it('freezes at any time after its first window, and once', async () => {
        const room = await live(3n, 4n)
        const [a, b] = room.seats as [Seat, Seat]
        const { lane } = laneOf({ reserved: 2n })
        const newest = await state(room, 1n, [1n, 4n], { lanes: [lane] })
        await post(room, 1, newest)
        await pass(room, 'redemption')
        await a.ledger.freeze(room.parameters, newest.preimage)
        await a.ledger.freeze(room.parameters, newest.preimage)
        await b.ledger.freeze(room.parameters, newest.preimage)
        await expectPaid(room, [1n, 4n])
        expect(await look(room.seats, room.parameters)).toMatchObject({
          status: 'frozen',
          held: [2n],
          challenge: { paid: true },
        })
      })

      it('can be opened with the very state of the opening', async () => {
        const room = await live(5n, 6n)
        const first = await state(room, 0n, [5n, 6n])
        await post(room, 1, first)
        await pass(room, 'states')
        await ledgerOf(room.seats).freeze(room.parameters, first.preimage)
        await expectPaid(room, [5n, 6n])
      })

      it('needs all signatures on a running state, and that of the posting seat for this account', async () => {
        const room = await live(5n, 5n)
        const { seats, parameters, id } = room
        const [a, b] = seats as [Seat, Seat]
        const stranger = await seat(0n)
        await harness.fundBond(a.wallet.address)
        const { domain } = a.ledger
        const chain = { ...domain, chainId: domain.chainId + 1n }
        const forged = [
          await state(room, 3n, [10n, 0n], { by: [a] }),
          await state(room, 3n, [10n, 0n], { by: [a, a] }),
          await state(room, 3n, [10n, 0n], { by: [b, a] }),
          await state(room, 3n, [10n, 0n], { by: [a, stranger] }),
          await state(room, 3n, [10n, 0n], { by: [a, b, stranger] }),
          await state(room, 3n, [10n, 0n], { by: [] }),
          await state(room, 3n, [10n, 0n], { domain: chain }),
          await state(room, 3n, [10n, 0n], {
            domain: { ...domain, adjudicator: stranger.wallet.address },
          }),
        ]
        for (const signed of forged)
          await expect(challenge(room, 0, signed)).rejects.toThrow(refusal('BAD_SIGNATURE'))
        const good = await state(room, 3n, [4n, 6n])
        const inflated = { ...good, posting: { ...good.posting, version: 4n } }
        await expect(challenge(room, 0, inflated)).rejects.toThrow(refusal('BAD_SIGNATURE'))
        const { posting } = good
        await expect(
          a.ledger.challenge(parameters, 0, posting, new Uint8Array(65)),
        ).rejects.toThrow(refusal('BAD_SIGNATURE'))
        await expect(challenge({ ...room, seats: [stranger, b] }, 0, good, a)).rejects.toThrow(
          refusal('BAD_SIGNATURE'),
        )
        // What seat 1 signed for its own account is worth nothing from another, nor in another seat's name.
        await harness.fundBond(b.wallet.address)
        const signature = await b.wallet.sign(
          Dispute.digest(domain, { channelId: id, version: 3n, account: b.ledger.account }),
        )
        await expect(a.ledger.challenge(parameters, 1, posting, signature)).rejects.toThrow(
          refusal('BAD_SIGNATURE'),
        )
        await expect(b.ledger.challenge(parameters, 0, posting, signature)).rejects.toThrow(
          refusal('BAD_SIGNATURE'),
        )
        const final = await state(room, 4n, [4n, 6n], { kind: 1 })
        await expect(challenge(room, 0, final)).rejects.toThrow(refusal('WRONG_KIND'))
        expect(await status(room)).toBe('live')
        await b.ledger.challenge(parameters, 1, posting, signature)
        expect(await status(room)).toBe('challenged')
      })

      it('can be brought by another account that the seat names', async () => {
        const room = await live(5n, 5n)
        const friend = await seat(0n)
        await harness.fundBond(friend.wallet.address)
        const newest = await state(room, 3n, [4n, 6n])
        await challenge(room, 1, newest, friend)
        expect(await look(room.seats, room.parameters)).toMatchObject({ challenge: { poster: 1 } })
        await pass(room, 'states')
        await friend.ledger.freeze(room.parameters, newest.preimage)
        await expectPaid(room, [4n, 6n])
        // The bond came back to the account that put it up: there is one for another channel.
        const next = await live(1n, 1n)
        await challenge(next, 0, await state(next, 1n, [1n, 1n]), friend)
      })

      it('puts a bond at stake, and there is one at a time', async () => {
        const room = await live(5n, 5n)
        const [a, b] = room.seats as [Seat, Seat]
        const newest = await state(room, 3n, [4n, 6n])
        await expect(challenge(room, 0, newest)).rejects.toThrow(refusal('INSUFFICIENT_BALANCE'))
        expect(await status(room)).toBe('live')
        await post(room, 0, newest)
        await challenge(room, 0, newest)
        await challenge(room, 1, newest)
        await harness.fundBond(b.wallet.address)
        const newer = await state(room, 4n, [4n, 6n])
        await expect(challenge(room, 1, newer)).rejects.toThrow(refusal('CHANNEL_CHALLENGED'))
        await expect(a.ledger.topUp(room.parameters, 0, 0, 6n)).rejects.toThrow(
          refusal('CHANNEL_CHALLENGED'),
        )
      })
    })

    describe('an answer', () => {
      it('is any newer state, by anyone, and the highest wins', async () => {
        const room = await live(10n, 10n)
        const { parameters, seats } = room
        const stranger = await seat(0n)
        await post(room, 0, await state(room, 3n, [20n, 0n]))
        const four = await state(room, 4n, [9n, 11n])
        const nine = await state(room, 9n, [1n, 19n], { kind: 2 })
        await stranger.ledger.answer(parameters, nine.posting)
        await stranger.ledger.answer(parameters, nine.posting)
        // Less than what is known already asks for nothing.
        await stranger.ledger.answer(parameters, four.posting)
        expect(await look(seats, parameters)).toMatchObject({
          challenge: { version: 9n, root: nine.posting.root, posted: 3n },
        })
        await pass(room, 'states')
        await stranger.ledger.freeze(parameters, nine.preimage)
        await expectPaid(room, [1n, 19n], [0n, bondOf(room)])
      })

      it('needs all signatures, and is running', async () => {
        const room = await live(10n, 10n)
        const [a, b] = room.seats as [Seat, Seat]
        const newer = await state(room, 4n, [9n, 11n])
        await expect(b.ledger.answer(room.parameters, newer.posting)).rejects.toThrow(
          refusal('NOT_CHALLENGED'),
        )
        await post(room, 0, await state(room, 3n, [20n, 0n]))
        const { domain } = a.ledger
        const forged = [
          await state(room, 9n, [0n, 20n], { by: [b] }),
          await state(room, 9n, [0n, 20n], { by: [b, b] }),
          await state(room, 9n, [0n, 20n], { by: [b, a] }),
          await state(room, 9n, [0n, 20n], { domain: { ...domain, chainId: 1n } }),
        ]
        for (const { posting } of forged)
          await expect(b.ledger.answer(room.parameters, posting)).rejects.toThrow(
            refusal('BAD_SIGNATURE'),
          )
        const inflated = { ...newer.posting, version: 2n ** 64n - 1n }
        await expect(b.ledger.answer(room.parameters, inflated)).rejects.toThrow(
          refusal('BAD_SIGNATURE'),
        )
        const final = await state(room, 9n, [0n, 20n], { kind: 1 })
        await expect(b.ledger.answer(room.parameters, final.posting)).rejects.toThrow(
          refusal('WRONG_KIND'),
        )
        expect(await look(room.seats, room.parameters)).toMatchObject({
          challenge: { version: 3n },
        })
      })

      it('in the last seconds leaves the whole redemption window, and later there is none', async () => {
        const room = await live(10n, 10n)
        const [a, b] = room.seats as [Seat, Seat]
        await post(room, 0, await state(room, 3n, [20n, 0n]))
        const before = await look(room.seats, room.parameters)
        const { statesUntil = 0n, redeemUntil = 0n } = before?.challenge ?? {}
        // A layer's next block may be a second or two away.
        await harness.advance(Number(statesUntil - (await a.ledger.time())) - 3)
        const withheld = await state(room, 4n, [2n, 18n])
        await b.ledger.answer(room.parameters, withheld.posting)
        const after = await look(room.seats, room.parameters)
        expect(after?.challenge).toMatchObject({ version: 4n, statesUntil, redeemUntil })
        expect(redeemUntil - statesUntil).toBe(room.parameters.challengePeriod)
        await pass(room, 'states')
        const late = await state(room, 5n, [20n, 0n], { kind: 2 })
        const final = await state(room, 5n, [20n, 0n], { kind: 1 })
        const taken = await state(room, 5n, [0n, 18n], { withdrawn: column(2n, 0n) })
        const calls = [
          () => a.ledger.answer(room.parameters, late.posting),
          () => a.ledger.resume(room.parameters, late.posting),
          () => a.ledger.close(room.parameters, final.posting, final.preimage),
          () => a.ledger.withdraw(room.parameters, taken.posting, taken.preimage),
          () => a.ledger.topUp(room.parameters, 0, 0, 11n),
          () => challenge(room, 0, late),
        ]
        for (const call of calls) await expect(call()).rejects.toThrow(refusal('CHANNEL_FROZEN'))
        await b.ledger.freeze(room.parameters, withheld.preimage)
        await expectPaid(room, [2n, 18n])
      })
    })

    describe('the bond', () => {
      it('is never lost to one newer version: a co-signature may have been lost', async () => {
        const room = await live(10n, 10n)
        const [a, b] = room.seats as [Seat, Seat]
        await post(room, 0, await state(room, 3n, [20n, 0n]))
        const newer = await state(room, 4n, [9n, 11n])
        await b.ledger.answer(room.parameters, newer.posting)
        await pass(room, 'states')
        await b.ledger.freeze(room.parameters, newer.preimage)
        await expectPaid(room, [9n, 11n])
        // The account that posted has its bond again: enough for a challenge in another channel.
        const next = await live(1n, 1n)
        await challenge(next, 1, await state(next, 1n, [1n, 1n]), a)
        expect(await status(next)).toBe('challenged')
      })

      it('is lost to two newer versions, whoever shows them, and however one by one', async () => {
        const room = await live(10n, 10n)
        const stranger = await seat(0n)
        await post(room, 1, await state(room, 3n, [0n, 20n]))
        await stranger.ledger.answer(room.parameters, (await state(room, 4n, [5n, 15n])).posting)
        await expectPaid(room, [], [])
        const two = await state(room, 5n, [6n, 14n])
        await stranger.ledger.answer(room.parameters, two.posting)
        await expectPaid(room, [], [bondOf(room), 0n])
        await stranger.ledger.answer(room.parameters, (await state(room, 8n, [7n, 13n])).posting)
        const last = await state(room, 9n, [8n, 12n])
        await stranger.ledger.answer(room.parameters, last.posting)
        await pass(room, 'states')
        await stranger.ledger.freeze(room.parameters, last.preimage)
        await expectPaid(room, [8n, 12n], [bondOf(room), 0n])
      })

      it('is split among the other seats, its indivisible rest to the first of them', async () => {
        for (const [seats, poster] of [
          [4, 0],
          [8, 3],
        ] as const) {
          const amounts = Array.from({ length: seats }, () => 2n)
          const room = await live(...amounts)
          const bond = bondOf(room)
          await post(room, poster, await state(room, 1n, amounts))
          await (room.seats[1] as Seat).ledger.answer(
            room.parameters,
            (await state(room, 3n, amounts)).posting,
          )
          const others = BigInt(seats - 1)
          const first = poster === 0 ? 1 : 0
          const shares = amounts.map((_, at) =>
            at === poster ? 0n : bond / others + (at === first ? bond % others : 0n),
          )
          await expectPaid(room, [], shares)
        }
      })
    })

    describe('a resumed channel', () => {
      it('lives on, takes no older state, and gives the bond back', async () => {
        const room = await live(10n, 10n)
        const { parameters, seats } = room
        const [a, b] = seats as [Seat, Seat]
        await post(room, 0, await state(room, 3n, [20n, 0n]))
        const agreed = await state(room, 4n, [9n, 11n], { kind: 2 })
        const running = await state(room, 5n, [9n, 11n])
        await expect(b.ledger.resume(parameters, running.posting)).rejects.toThrow(
          refusal('WRONG_KIND'),
        )
        const forged = await state(room, 4n, [9n, 11n], { kind: 2, by: [b, b] })
        await expect(b.ledger.resume(parameters, forged.posting)).rejects.toThrow(
          refusal('BAD_SIGNATURE'),
        )
        await b.ledger.resume(parameters, agreed.posting)
        await b.ledger.resume(parameters, agreed.posting)
        expect(await look(seats, parameters)).toMatchObject({
          status: 'live',
          versionMin: 4n,
          held: [20n],
          challenge: undefined,
        })
        for (const kind of [0, 2] as const) {
          const stale = await state(room, 3n, [20n, 0n], { kind })
          await expect(challenge(room, 0, stale)).rejects.toThrow(refusal('STALE_VERSION'))
        }
        const oldFinal = await state(room, 3n, [20n, 0n], { kind: 1 })
        await expect(
          a.ledger.close(parameters, oldFinal.posting, oldFinal.preimage),
        ).rejects.toThrow(refusal('STALE_VERSION'))
        // The same account challenges again, with the bond it got back, and the resuming state itself.
        await challenge(room, 0, agreed)
        await expect(b.ledger.resume(parameters, agreed.posting)).rejects.toThrow(
          refusal('STALE_VERSION'),
        )
        await pass(room, 'states')
        await b.ledger.freeze(parameters, agreed.preimage)
        await expectPaid(room, [9n, 11n])
      })

      it('is challenged anew by the state that resumed it, without signatures', async () => {
        const room = await live(10n, 10n)
        const [a, b] = room.seats as [Seat, Seat]
        await post(room, 0, await state(room, 1n, [4n, 16n]))
        const agreed = await state(room, 2n, [3n, 17n], { kind: 2 })
        await a.ledger.resume(room.parameters, agreed.posting)
        await post(room, 1, { ...agreed, posting: { ...agreed.posting, signatures: [] } })
        await pass(room, 'states')
        await b.ledger.freeze(room.parameters, agreed.preimage)
        await expectPaid(room, [3n, 17n])
      })

      it('is resumed even by the state that answered, and fraud stays punished', async () => {
        const room = await live(10n, 10n)
        const { ledger } = room.seats[1] as Seat
        await post(room, 0, await state(room, 3n, [20n, 0n]))
        const agreed = await state(room, 6n, [9n, 11n], { kind: 2 })
        await ledger.answer(room.parameters, agreed.posting)
        const older = await state(room, 5n, [9n, 11n], { kind: 2 })
        await expect(ledger.resume(room.parameters, older.posting)).rejects.toThrow(
          refusal('STALE_VERSION'),
        )
        await ledger.resume(room.parameters, agreed.posting)
        expect(await status(room)).toBe('live')
        await expectPaid(room, [], [0n, bondOf(room)])
      })

      it('punishes the stale posting that it ends', async () => {
        const room = await live(10n, 10n)
        await post(room, 0, await state(room, 3n, [20n, 0n]))
        const agreed = await state(room, 5n, [9n, 11n], { kind: 2 })
        await ledgerOf(room.seats).resume(room.parameters, agreed.posting)
        await expectPaid(room, [], [0n, bondOf(room)])
        await expect(challenge(room, 0, agreed)).rejects.toThrow(refusal('INSUFFICIENT_BALANCE'))
      })
    })

    describe('a cooperative close', () => {
      it('ends a challenge at once, if it is newer', async () => {
        for (const [version, bond] of [
          [4n, 0n],
          [5n, 1n],
        ] as const) {
          const room = await live(10n, 10n)
          const { ledger } = room.seats[1] as Seat
          await post(room, 0, await state(room, 3n, [20n, 0n]))
          const close = async (at: bigint) => {
            const final = await state(room, at, [6n, 14n], { kind: 1 })
            await ledger.close(room.parameters, final.posting, final.preimage)
          }
          await expect(close(3n)).rejects.toThrow(refusal('STALE_VERSION'))
          await close(version)
          await close(version)
          expect(await look(room.seats, room.parameters)).toMatchObject({
            status: 'closed',
            held: [0n],
            challenge: undefined,
          })
          await expectPaid(room, [6n, 14n], [0n, bond * ledger.challengeBond])
        }
      })
    })

    describe('a withdrawal', () => {
      const taken = column(4n, 0n)

      it('pays at once what all agreed to, once, and puts older states out of use', async () => {
        const room = await live(10n, 10n)
        const { parameters, seats } = room
        const [a, b] = seats as [Seat, Seat]
        const out = await state(room, 2n, [6n, 10n], { withdrawn: taken })
        const repeat = () => b.ledger.withdraw(parameters, out.posting, out.preimage)
        await repeat()
        await Promise.all([repeat(), a.ledger.withdraw(parameters, out.posting, out.preimage)])
        await expectPaid(room, [4n, 0n])
        expect(await look(seats, parameters)).toMatchObject({
          status: 'live',
          withdrawn: taken,
          held: [16n],
          versionMin: 2n,
        })
        await harness.fundBond(a.wallet.address)
        await expect(challenge(room, 0, await state(room, 1n, [10n, 10n]))).rejects.toThrow(
          refusal('STALE_VERSION'),
        )
        const more = await state(room, 3n, [4n, 8n], { withdrawn: column(6n, 2n) })
        await a.ledger.withdraw(parameters, more.posting, more.preimage)
        await expectPaid(room, [6n, 2n])
      })

      it('is refused unless all signed it and it takes out something that is here', async () => {
        const room = await live(10n, 10n)
        const { parameters, seats } = room
        const [a, b] = seats as [Seat, Seat]
        const calls: [Signed, string][] = [
          [await state(room, 2n, [6n, 10n], { withdrawn: taken, by: [a] }), 'BAD_SIGNATURE'],
          [await state(room, 2n, [6n, 10n], { withdrawn: taken, by: [b, a] }), 'BAD_SIGNATURE'],
          [await state(room, 2n, [6n, 10n], { withdrawn: taken, kind: 1 }), 'WRONG_KIND'],
          [await state(room, 2n, [10n, 10n]), 'NOTHING_TO_WITHDRAW'],
          [await state(room, 2n, [0n, 0n], { withdrawn: column(21n, 0n) }), 'NOT_CONSERVED'],
          [await state(room, 2n, [0n, 0n], { withdrawn: column(11n, 10n) }), 'NOT_CONSERVED'],
        ]
        for (const [{ posting, preimage }, code] of calls)
          await expect(a.ledger.withdraw(parameters, posting, preimage)).rejects.toThrow(
            refusal(code),
          )
        const good = await state(room, 2n, [6n, 10n], { withdrawn: taken })
        const greedy = await state(room, 2n, [0n, 10n], { withdrawn: column(10n, 0n) })
        await expect(a.ledger.withdraw(parameters, good.posting, greedy.preimage)).rejects.toThrow(
          refusal('WRONG_ROOT'),
        )
        expect(await look(seats, parameters)).toMatchObject({ held: [20n], versionMin: 0n })
      })

      it('of version n + 1 is executed after n + 9 is signed, before a challenge', async () => {
        const room = await live(10n, 10n)
        const { parameters } = room
        const [a, b] = room.seats as [Seat, Seat]
        const one = await state(room, 1n, [6n, 10n], { withdrawn: taken })
        const nine = await state(room, 9n, [1n, 15n], { withdrawn: taken })
        await a.ledger.withdraw(parameters, one.posting, one.preimage)
        await post(room, 1, nine)
        await pass(room, 'states')
        await b.ledger.freeze(parameters, nine.preimage)
        await expectPaid(room, [5n, 15n])
        expect(await look(room.seats, parameters)).toMatchObject({
          status: 'closed',
          withdrawn: column(5n, 15n),
          held: [0n],
        })
      })

      it('of version n + 1 is executed after n + 9 is signed, during a challenge or never', async () => {
        for (const executed of [true, false]) {
          const room = await live(10n, 10n)
          const { parameters } = room
          const [a, b] = room.seats as [Seat, Seat]
          const one = await state(room, 1n, [6n, 10n], { withdrawn: taken })
          const nine = await state(room, 9n, [1n, 15n], { withdrawn: taken })
          await post(room, 1, nine)
          if (executed) await a.ledger.withdraw(parameters, one.posting, one.preimage)
          await expectPaid(room, executed ? [4n] : [])
          await pass(room, 'states')
          await b.ledger.freeze(parameters, nine.preimage)
          // Seat 0 is due its balance of 1 and the 4 it took out or not.
          await expectPaid(room, [5n, 15n])
          expect(await look(room.seats, parameters)).toMatchObject({ status: 'closed', held: [0n] })
        }
      })

      it('newer than the posted state answers it, and may prove fraud', async () => {
        const room = await live(10n, 10n)
        const { parameters, seats } = room
        const [a, b] = seats as [Seat, Seat]
        await post(room, 1, await state(room, 1n, [0n, 20n]))
        const out = await state(room, 3n, [6n, 10n], { withdrawn: taken })
        await a.ledger.withdraw(parameters, out.posting, out.preimage)
        expect(await look(seats, parameters)).toMatchObject({
          status: 'challenged',
          versionMin: 3n,
          held: [16n],
          challenge: { version: 3n, root: out.posting.root, posted: 1n },
        })
        await expectPaid(room, [4n, 0n], [bondOf(room), 0n])
        await pass(room, 'states')
        await b.ledger.freeze(parameters, out.preimage)
        await expectPaid(room, [10n, 10n], [bondOf(room), 0n])
      })

      it('is posted without signatures once it was executed, and no other state is', async () => {
        const room = await live(10n, 10n)
        const { parameters, seats } = room
        const [a, b] = seats as [Seat, Seat]
        const bare = (signed: Signed): Signed => ({
          ...signed,
          posting: { ...signed.posting, signatures: [] },
        })
        const out = await state(room, 3n, [6n, 10n], { withdrawn: taken })
        await expect(post(room, 1, bare(out))).rejects.toThrow(refusal('BAD_SIGNATURE'))
        await a.ledger.withdraw(parameters, out.posting, out.preimage)
        for (const other of [
          await state(room, 3n, [0n, 16n], { withdrawn: taken }),
          await state(room, 3n, [6n, 10n], { withdrawn: taken, kind: 2 }),
          await state(room, 4n, [6n, 10n], { withdrawn: taken }),
        ])
          await expect(post(room, 1, bare(other))).rejects.toThrow(refusal('BAD_SIGNATURE'))
        // Seat 1 signed first, and seat 0 kept its own signature to itself.
        await post(room, 1, bare(out))
        await pass(room, 'states')
        await b.ledger.freeze(parameters, out.preimage)
        await expectPaid(room, [10n, 10n])
      })

      it('is in the account of a cooperative close, executed or not', async () => {
        for (const executed of [true, false]) {
          const room = await live(10n, 10n)
          const { ledger } = room.seats[0] as Seat
          const out = await state(room, 3n, [6n, 10n], { withdrawn: taken })
          if (executed) await ledger.withdraw(room.parameters, out.posting, out.preimage)
          const final = await state(room, 8n, [5n, 11n], { kind: 1, withdrawn: taken })
          await ledger.close(room.parameters, final.posting, final.preimage)
          await expectPaid(room, [9n, 11n])
        }
      })
    })

    describe('a top-up', () => {
      it('raises what one seat has deposited, once, whoever pays it', async () => {
        const room = await live(10n, 10n)
        const { parameters, seats } = room
        const [a] = seats as [Seat, Seat]
        const friend = await seat(9n)
        await harness.fund(a.wallet.address, 5n)
        await a.ledger.topUp(parameters, 0, 0, 15n)
        await a.ledger.topUp(parameters, 0, 0, 15n)
        await a.ledger.topUp(parameters, 0, 0, 12n)
        expect(await balance(a, a.wallet.address)).toBe(0n)
        await expect(a.ledger.topUp(parameters, 0, 0, 16n)).rejects.toThrow(
          refusal('INSUFFICIENT_BALANCE'),
        )
        await friend.ledger.topUp(parameters, 1, 0, 13n)
        expect(await balance(friend, friend.wallet.address)).toBe(6n)
        expect(await look(seats, parameters)).toMatchObject({
          status: 'live',
          deposited: column(15n, 13n),
          held: [28n],
        })
        const final = await state(room, 2n, [11n, 17n], { kind: 1, deposited: column(15n, 13n) })
        await a.ledger.close(parameters, final.posting, final.preimage)
        await expectPaid(room, [11n, 17n])
      })

      it('that is in no state returns to its seat, however the channel ends', async () => {
        for (const way of ['final', 'timeout'] as const) {
          const room = await live(10n, 10n)
          const { parameters } = room
          const [a, b] = room.seats as [Seat, Seat]
          await harness.fund(b.wallet.address, 7n)
          await b.ledger.topUp(parameters, 1, 0, 17n)
          const kind = way === 'final' ? 1 : 0
          const last = await state(room, 4n, [18n, 2n], { kind })
          if (way === 'timeout') {
            await post(room, 0, last)
            await pass(room, 'states')
            await a.ledger.freeze(parameters, last.preimage)
          } else await a.ledger.close(parameters, last.posting, last.preimage)
          await expectPaid(room, [18n, 9n])
        }
      })

      it('is for a live channel, a seat of it and an asset of it', async () => {
        const [a, b] = [await seat(20n), await seat(20n)]
        const parameters = await tools.agree([a, b], [5n, 5n])
        await expect(a.ledger.topUp(parameters, 0, 0, 9n)).rejects.toThrow(
          refusal('CHANNEL_UNKNOWN'),
        )
        await tools.open(parameters, [a, b])
        await expect(a.ledger.topUp(parameters, 0, 0, 9n)).rejects.toThrow(refusal('FUNDING_OPEN'))
        for (const [at, each] of [a, b].entries()) await each.ledger.deposit(parameters, at)
        await expect(a.ledger.topUp(parameters, 2, 0, 9n)).rejects.toThrow(refusal('BAD_CALL'))
        await expect(a.ledger.topUp(parameters, 0, 1, 9n)).rejects.toThrow(refusal('BAD_CALL'))
        expect(await balance(a, a.wallet.address)).toBe(15n)
      })
    })

    describe('calls at the wrong time', () => {
      it('are refused by what the channel is', async () => {
        const [a, b] = [await seat(20n), await seat(20n)]
        const parameters = await tools.agree([a, b], [5n, 5n])
        const room = tools.roomOf([a, b], parameters)
        const running = await state(room, 2n, [4n, 5n], { withdrawn: column(1n, 0n) })
        const resuming = await state(room, 3n, [4n, 6n], { kind: 2 })
        const shown = async (code: string, names: readonly string[]) => {
          const calls: Record<string, () => Promise<void>> = {
            challenge: () => challenge(room, 0, running),
            withdraw: () => a.ledger.withdraw(parameters, running.posting, running.preimage),
            answer: () => a.ledger.answer(parameters, running.posting),
            resume: () => a.ledger.resume(parameters, resuming.posting),
            freeze: () => a.ledger.freeze(parameters, running.preimage),
          }
          for (const each of names)
            await expect(calls[each]?.(), `${each} of a channel`).rejects.toThrow(refusal(code))
        }
        const all = ['challenge', 'withdraw', 'answer', 'resume', 'freeze']
        await harness.fundBond(a.wallet.address)
        await shown('CHANNEL_UNKNOWN', all)
        await tools.open(parameters, [a, b])
        await shown('FUNDING_OPEN', all)
        await a.ledger.deposit(parameters, 0)
        await shown('FUNDING_OPEN', all)
        await b.ledger.deposit(parameters, 1)
        await shown('NOT_CHALLENGED', ['answer', 'resume', 'freeze'])
        const final = await state(room, 9n, [5n, 5n], { kind: 1 })
        await a.ledger.close(parameters, final.posting, final.preimage)
        await shown('CHANNEL_CLOSED', ['challenge', 'answer', 'resume'])

        const dying = await tools.agree([a, b], [5n, 5n])
        await tools.open(dying, [a, b])
        await harness.advance(101)
        const gone = tools.roomOf([a, b], dying)
        const dead = await state(gone, 2n, [4n, 5n])
        await expect(challenge(gone, 0, dead)).rejects.toThrow(refusal('CHANNEL_DEAD'))
        await expect(a.ledger.topUp(dying, 0, 0, 9n)).rejects.toThrow(refusal('CHANNEL_DEAD'))
      })
    })

    it('tells what happened in order, with versions', async () => {
      const room = await live(10n, 10n)
      const { parameters, id } = room
      const [a, b] = room.seats as [Seat, Seat]
      await harness.fund(a.wallet.address, 1n)
      await a.ledger.topUp(parameters, 0, 0, 11n)
      await post(room, 0, await state(room, 1n, [20n, 0n]))
      await b.ledger.answer(parameters, (await state(room, 2n, [19n, 1n])).posting)
      const out = await state(room, 4n, [9n, 10n], { withdrawn: column(1n, 0n) })
      await b.ledger.withdraw(parameters, out.posting, out.preimage)
      const back = await state(room, 5n, [9n, 10n], { kind: 2, withdrawn: column(1n, 0n) })
      await b.ledger.resume(parameters, back.posting)
      await post(room, 1, back)
      await pass(room, 'states')
      await a.ledger.freeze(parameters, back.preimage)
      const told = await collect(b.ledger, 0, (event) => event.channelId === id, 14)
      expect(told.map(({ sequence, channelId, ...event }) => event)).toEqual([
        { type: 'opened' },
        { type: 'deposited' },
        { type: 'deposited' },
        { type: 'live' },
        { type: 'deposited' },
        { type: 'challenged', version: 1n },
        { type: 'answered', version: 2n },
        { type: 'withdrawn' },
        { type: 'answered', version: 4n },
        { type: 'punished' },
        { type: 'resumed', version: 5n },
        { type: 'challenged', version: 5n },
        { type: 'frozen' },
        { type: 'closed' },
      ])
    })
  })
}
