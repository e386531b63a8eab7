/**
 * A channel of five seats, each in a process of its own. Four stream to one another in a ring as fast as they
 * can; the fifth buys from the first, a little at a time, and may be stopped.
 */
import { join } from 'node:path'
import type { Hex } from '../src/core/bytes.js'
import type { Child, Workshop } from './processes.js'

export type Five = {
  readonly id: Hex
  readonly seats: readonly Child[]
  /** The four whose lanes do not touch the fifth. */
  readonly ring: readonly Child[]
  readonly fifth: Child
}

/** What each account holds, and what each seat deposits of it: all of it on its lane. */
export const funds = 10_000_000n
export const deposit = 9_000_000n

/** Whom each seat pays. */
export const payees = [1, 2, 3, 0, 0] as const

/** Opens the channel, and has every seat buy from the one it pays. */
export async function gather({ directory, spawn }: Workshop, ledger: string): Promise<Five> {
  const seats = payees.map(() => spawn('seat'))
  const addresses = await Promise.all(
    seats.map((seat, at) =>
      seat.ask<string>('start', { home: join(directory, `seat-${at}`), ledger, funds }),
    ),
  )
  const [first, fifth] = [seats[0], seats[4]]
  if (first === undefined || fifth === undefined) throw new Error('There are five.')
  const id = await first.ask<Hex>('open', { peers: addresses.slice(1), deposit })
  await Promise.all(seats.map((seat) => seat.ask('offer')))
  for (const [at, seat] of seats.entries()) {
    await seat.ask('openLane', { id, payee: payees[at], amount: deposit })
    const resource = seat === fifth ? 'slow' : 'fast'
    await seat.ask('buy', { address: addresses[payees[at] ?? 0], resource })
  }
  return { id, seats, ring: seats.slice(0, 4), fifth }
}
