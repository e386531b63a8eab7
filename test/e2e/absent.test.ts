/**
 * A channel of five real processes of which one is stopped: the lanes of the others go on, the stopped one goes
 * on when it wakes, and all are paid to the unit. Nothing here is timed: bytes have to come, whenever.
 */
import { expect, it } from 'vitest'
import { deposit, funds, gather, payees } from '../../bench/five.js'
import { withWorkshop } from '../../bench/processes.js'
import { createLedger } from '../../src/index.js'

/** More than was on its way when the fifth was stopped: a credit window of 64 quanta, and what is buffered. */
const progress = 16 * 1_048_576

it('four go on while the fifth is stopped, and all are paid to the unit', async () => {
  const layer = await createLedger({ port: 0 })
  try {
    await withWorkshop(async (workshop) => {
      const { id, seats, ring, fifth } = await gather(workshop, layer.url ?? '')
      const receive = (bytes: number, from = seats) =>
        Promise.all(from.map((seat) => seat.ask('receive', bytes)))
      await receive(65_536)
      process.kill(fifth.pid, 'SIGSTOP')
      await receive(progress, ring)
      process.kill(fifth.pid, 'SIGCONT')
      await receive(65_536)
      const paid = await Promise.all(seats.map((seat) => seat.ask<bigint>('drain')))
      for (const [seat, amount] of paid.entries()) {
        expect(amount, `seat ${seat}`).toBeGreaterThan(seat === 4 ? 0n : 16_384n)
        expect(amount).toBeLessThan(deposit)
      }
      await seats[0]?.ask('close', id)
      const balances = await Promise.all(seats.map((seat) => seat.ask<bigint>('balance')))
      const due = seats.map((_, seat) => {
        const got = paid.filter((__, payer) => payees[payer] === seat)
        return got.reduce((sum, amount) => sum + amount, funds - (paid[seat] ?? 0n))
      })
      expect(balances).toEqual(due)
      expect(balances.reduce((sum, amount) => sum + amount)).toBe(5n * funds)
    })
  } finally {
    await layer.close()
  }
})
