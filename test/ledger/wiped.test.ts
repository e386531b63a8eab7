/** A ledger that was wiped and made anew with the same seats and parameters: nothing signed for the old one counts. */
import { afterAll, expect, it } from 'vitest'
import * as Dispute from '../../src/core/dispute.js'
import { laneOf, promise, refusal, rooms, type Seat } from '../conformance/rooms.js'
import { harness } from './harness.js'

const old = await harness('local')
const fresh = await harness('local')
afterAll(() => Promise.all([old.close(), fresh.close()]))

it('has nothing for the states, challenges and vouchers of the old one', async () => {
  const [before, after] = [rooms(() => old), rooms(() => fresh)]
  const room = await before.live(20n, 10n)
  const { lane, key } = laneOf()
  const stale = await before.state(room, 3n, [10n, 10n], { lanes: [lane] })
  const final = await before.state(room, 4n, [0n, 30n], { kind: 1 })
  const claim = await promise((room.seats[0] as Seat).ledger.domain, room.id, lane, key, 9n)

  const seats = await Promise.all(
    room.seats.map(async (seat): Promise<Seat> => {
      await fresh.fund(seat.wallet.address, 20n)
      return { ...seat, ledger: await fresh.connect(seat.wallet) }
    }),
  )
  const { parameters } = room
  const [a, b] = seats as [Seat, Seat]
  await after.open(parameters, seats)
  for (const [at, { ledger }] of seats.entries()) await ledger.deposit(parameters, at)
  const again = after.roomOf(seats, parameters)
  expect(again.id).not.toBe(room.id)

  await expect(b.ledger.close(parameters, final.posting, final.preimage)).rejects.toThrow(
    refusal('BAD_SIGNATURE'),
  )
  await expect(after.post(again, 0, stale)).rejects.toThrow(refusal('BAD_SIGNATURE'))

  const newest = await after.state(again, 3n, [10n, 10n], { lanes: [lane] })
  const digest = Dispute.digest((room.seats[0] as Seat).ledger.domain, {
    channelId: room.id,
    version: 3n,
    account: a.ledger.account,
  })
  const signature = await a.wallet.sign(digest)
  await expect(a.ledger.challenge(parameters, 0, newest.posting, signature)).rejects.toThrow(
    refusal('BAD_SIGNATURE'),
  )
  await after.challenge(again, 0, newest)
  await after.pass(again, 'states')
  const [leaf] = newest.leaves as [Dispute.Leaf]
  await expect(b.ledger.redeem(parameters, { ...leaf, claim })).rejects.toThrow(
    refusal('BAD_VOUCHER'),
  )
  const { voucher, signature: signed } = claim.signed
  const renamed = { voucher: { ...voucher, channelId: again.id }, signature: signed }
  await expect(
    b.ledger.redeem(parameters, { ...leaf, claim: { ...claim, signed: renamed } }),
  ).rejects.toThrow(refusal('BAD_VOUCHER'))
})
