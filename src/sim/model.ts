/**
 * The reference model: what money should do, in a few lines that share nothing with the engine. It hears what is
 * proposed and acknowledged, and says which contents a state may have and what a lane may cost.
 */
import type { Hex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import type { Complete } from '../core/complete.js'
import type { Price } from '../core/price.js'
import type { Body } from '../core/state.js'
import type { Update } from '../core/update.js'

type Table = readonly (readonly bigint[])[]

/** A state's money, and nothing else. Lanes by id. */
export type Purse = {
  readonly balances: Table
  readonly deposited: Table
  readonly withdrawn: Table
  readonly lanes: ReadonlyMap<bigint, Strip>
  readonly nextLane: bigint
  /** Claims that lanes were closed with, over the channel's life. */
  readonly closed: ReadonlyMap<bigint, bigint>
}

export type Strip = {
  readonly payer: number
  readonly payee: number
  readonly asset: number
  readonly folded: bigint
  readonly reserved: bigint
}

/** Contents remembered of one version at most: a liar proposes many. */
const candidatesMax = 64

export class Model {
  /** By channel and version: what was proposed for it, by content; one that is refused is proposed again and again. */
  readonly #candidates = new Map<string, Map<string, Purse>>()
  /** By channel: the versions that were completed. */
  readonly #purses = new Map<Hex, Map<bigint, Purse>>()

  /** Somebody proposes `updates` for a version. */
  proposed(channelId: Hex, version: bigint, updates: readonly Update[]): void {
    const before = this.#purses.get(channelId)?.get(version - 1n)
    if (before === undefined) return
    const after = updates.reduce<Purse | undefined>(
      (purse, update) => purse && change(purse, update),
      before,
    )
    const key = `${channelId} ${version}`
    const known = this.#candidates.get(key) ?? new Map<string, Purse>()
    const content = updates.map((update) => Object.values(update).join(' ')).join()
    if (after !== undefined && known.size < candidatesMax)
      this.#candidates.set(key, known.set(content, after))
  }

  /** What a completed state should hold: undefined when nothing that was proposed leads there. */
  completed({ id, parameters }: Channel, { version, body }: Complete): Purse | undefined {
    const purses = this.#purses.get(id) ?? new Map<bigint, Purse>()
    this.#purses.set(id, purses)
    const known = purses.get(version)
    if (known !== undefined) return matches(known, body) ? known : undefined
    const opening: Purse = {
      balances: parameters.deposits,
      deposited: parameters.deposits,
      withdrawn: parameters.deposits.map((row) => row.map(() => 0n)),
      lanes: new Map(),
      nextLane: 0n,
      closed: new Map(),
    }
    const candidates = version === 0n ? [opening] : this.#next(id, version)
    const found = candidates.find((purse) => matches(purse, body))
    if (found !== undefined) purses.set(version, found)
    return found
  }

  #next(channelId: Hex, version: bigint): readonly Purse[] {
    return [...(this.#candidates.get(`${channelId} ${version}`)?.values() ?? [])]
  }

  /**
   * What a freeze by a version leaves each seat with beside its lanes, over the channel's life: its balance, what
   * it took out before, and what it put in that no state knew. Undefined for a version that nobody completed.
   */
  frozen(channelId: Hex, version: bigint, deposited: Table): Table | undefined {
    const purse = this.#purses.get(channelId)?.get(version)
    return purse && leaves(purse, deposited)
  }

  /** The lanes of a version, and what a claim on each pays out. */
  lanes(channelId: Hex, version: bigint): ReadonlyMap<bigint, Strip> {
    return this.#purses.get(channelId)?.get(version)?.lanes ?? new Map()
  }

  /** What a cooperative close may have paid out in all: by what completed last, or was proposed to follow it. */
  payable(channelId: Hex, deposited: Table): readonly Table[] {
    const [version, newest] = [...(this.#purses.get(channelId) ?? [])].at(-1) ?? [0n, undefined]
    return [...(newest === undefined ? [] : [newest]), ...this.#next(channelId, version + 1n)]
      .filter(({ lanes }) => lanes.size === 0)
      .map((purse) => leaves(purse, deposited))
  }
}

/** What a state leaves each seat with beside its lanes, over the channel's life, given what was put in by then. */
const leaves = ({ balances, deposited, withdrawn }: Purse, now: Table): Table =>
  balances.map((row, seat) =>
    row.map((balance, asset) => {
      const cell = (table: Table): bigint => table[seat]?.[asset] ?? 0n
      return balance + cell(withdrawn) + cell(now) - cell(deposited)
    }),
  )

function change(purse: Purse, update: Update): Purse | undefined {
  const { balances, lanes, nextLane, closed } = purse
  if (update.type === 'lane-open') {
    const { payer, payee, asset, reserved } = update
    const strip = { payer, payee, asset, folded: 0n, reserved }
    return {
      ...purse,
      balances: plus(balances, payer, asset, -reserved),
      lanes: new Map(lanes).set(nextLane, strip),
      nextLane: nextLane + 1n,
    }
  }
  if (update.type === 'top-up' || update.type === 'withdraw') {
    const { type, seat, asset, amount } = update
    return type === 'top-up'
      ? {
          ...purse,
          balances: plus(balances, seat, asset, amount),
          deposited: plus(purse.deposited, seat, asset, amount),
        }
      : {
          ...purse,
          balances: plus(balances, seat, asset, -amount),
          withdrawn: plus(purse.withdrawn, seat, asset, amount),
        }
  }
  if (update.type !== 'fold' && update.type !== 'lane-close') return purse
  const strip = lanes.get(update.lane)
  if (strip === undefined) return undefined
  const paid = update.claim - strip.folded
  const left = strip.reserved - paid
  const isPaid = plus(balances, strip.payee, strip.asset, paid)
  const rest = new Map(lanes)
  if (update.type === 'fold') {
    rest.set(update.lane, { ...strip, folded: update.claim, reserved: left })
    return { ...purse, balances: isPaid, lanes: rest }
  }
  rest.delete(update.lane)
  return {
    ...purse,
    balances: plus(isPaid, strip.payer, strip.asset, left),
    lanes: rest,
    closed: new Map(closed).set(update.lane, update.claim),
  }
}

const plus = (table: Table, seat: number, asset: number, amount: bigint): Table =>
  table.map((row, at) =>
    at === seat ? row.map((each, of) => (of === asset ? each + amount : each)) : row,
  )

function matches(purse: Purse, { outcome, lanes }: Body): boolean {
  const same = (a: Table, b: Table): boolean =>
    a.length === b.length && a.every((row, s) => row.every((each, at) => each === b[s]?.[at]))
  return (
    same(purse.balances, outcome.balances) &&
    same(purse.deposited, outcome.deposited) &&
    same(purse.withdrawn, outcome.withdrawn) &&
    purse.nextLane === outcome.nextLane &&
    purse.lanes.size === lanes.length &&
    lanes.every((lane) => {
      const strip = purse.lanes.get(lane.id)
      return (
        strip?.payer === lane.payer &&
        strip.payee === lane.payee &&
        strip.asset === lane.asset &&
        strip.folded === lane.folded &&
        strip.reserved === lane.reserved
      )
    })
  )
}

/** What a lane pays its payee for a claim: no less than nothing, no more than was set aside. */
export function collected({ folded, reserved }: Strip, claim: bigint): bigint {
  if (claim <= folded) return 0n
  return claim - folded < reserved ? claim - folded : reserved
}

/** The bond of a poster who knew better, by seat: to each of the others the same, what is left over to the first. */
export function forfeit(bond: bigint, seats: number, poster: number): readonly bigint[] {
  const heirs = [...Array(seats).keys()].filter((seat) => seat !== poster)
  const each = bond / BigInt(heirs.length)
  const shares = Array.from({ length: seats }, (_, seat) => (heirs.includes(seat) ? each : 0n))
  shares[heirs[0] ?? 0] = bond - each * BigInt(heirs.length - 1)
  return shares
}

/** Price × offset, rounded up: seconds are counted in milliseconds. */
export function costOf({ amount, per, unit }: Price, offset: bigint): bigint {
  const steps = unit === 'second' ? per * 1000n : per
  const product = amount * offset
  return product / steps + (product % steps === 0n ? 0n : 1n)
}

/** Most credit a payee may give on a lane that has paid `accepted`, one quantum costing `quantum`. */
export function windowOf(quantum: bigint, accepted: bigint): bigint {
  const quanta = 1n + accepted / quantum
  return (quanta > 64n ? 64n : quanta) * quantum
}
