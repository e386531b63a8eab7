/** What seats of a channel may do with it, drawn at random: sign, promise, show, redeem, and let time pass. */
import fc from 'fast-check'
import type * as Reference from './reference.js'
import { at } from './reference.js'

export type Change = 'pay' | 'open' | 'fold' | 'end' | 'withdraw' | 'deposit' | 'resume' | 'final'
const changes = ['pay', 'open', 'fold', 'end', 'withdraw', 'deposit', 'resume', 'final'] as const

/** The next state, where the change can be made. */
export function next(
  state: Reference.Known,
  change: Change,
  { a, b, amount }: { a: number; b: number; amount: number },
  promised: ReadonlyMap<number, number>,
  deposited: readonly number[],
): Reference.Known | undefined {
  const add = (row: readonly number[], seat: number, by: number): number[] =>
    row.map((value, each) => (each === seat ? value + by : value))
  const { balances, withdrawn, lanes } = state
  const version = state.version + 1
  const base = { ...state, version, kind: 0 as const }
  const part = Math.min(amount, at(balances, a))
  const lane = lanes[b % Math.max(1, lanes.length)]
  switch (change) {
    case 'pay':
      return { ...base, balances: add(add(balances, a, -part), b, part) }
    case 'open': {
      if (a === b || lanes.length > 4) return undefined
      const fresh = { id: version, payer: a, payee: b, folded: 0, reserved: part }
      return { ...base, balances: add(balances, a, -part), lanes: [...lanes, fresh] }
    }
    case 'fold':
    case 'end': {
      if (lane === undefined) return undefined
      const claim = Math.max(lane.folded, promised.get(lane.id) ?? 0)
      const paid = Math.min(lane.reserved, claim - lane.folded)
      const kept = { ...lane, folded: lane.folded + paid, reserved: lane.reserved - paid }
      const rest = lanes.filter(({ id }) => id !== lane.id)
      const after = add(balances, lane.payee, paid)
      return change === 'fold'
        ? { ...base, balances: after, lanes: [...rest, kept] }
        : { ...base, balances: add(after, lane.payer, kept.reserved), lanes: rest }
    }
    case 'withdraw':
      return { ...base, balances: add(balances, a, -part), withdrawn: add(withdrawn, a, part) }
    case 'deposit': {
      const rise = at(deposited, a) - at(state.deposited, a)
      return { ...base, balances: add(balances, a, rise), deposited: add(state.deposited, a, rise) }
    }
    case 'resume':
      return { ...base, kind: 2 }
    case 'final':
      return lanes.length > 0 ? undefined : { ...base, kind: 1 }
  }
}

/** How far back among the signed states: mostly the newest. */
const back = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.nat(3) },
  { weight: 1, arbitrary: fc.nat(30) },
)
const seat = fc.nat(2)
const lane = fc.nat(3)

export type Command =
  | { type: 'sign'; change: Change; a: number; b: number; amount: number }
  | { type: 'promise'; lane: number; amount: number }
  | { type: 'topUp'; seat: number; amount: number }
  | { type: 'challenge'; seat: number; back: number }
  | { type: 'answer' | 'resume' | 'close' | 'withdraw' | 'freeze'; back: number; forged: boolean }
  | { type: 'redeem'; lane: number; back: number; percent: number }
  | { type: 'sweep'; lane: number; back: number }
  | { type: 'wait'; seconds: number }
  /** To the last second of a window, or the one after. */
  | { type: 'edge'; after: number }

const of = <const T extends string>(...types: T[]) => fc.constantFrom(...types)
const forged = fc.oneof(
  { weight: 8, arbitrary: fc.constant(false) },
  { weight: 1, arbitrary: fc.constant(true) },
)
const updates = fc.oneof(
  { weight: 12, arbitrary: of(...changes.filter((change) => change !== 'final')) },
  { weight: 3, arbitrary: of('open', 'resume', 'withdraw') },
  { weight: 1, arbitrary: of('final') },
)
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: of('sign'),
      change: updates,
      a: seat,
      b: seat,
      amount: fc.nat(12),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: of('promise'), lane, amount: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ type: of('topUp'), seat, amount: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ type: of('challenge'), seat, back }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: of('answer', 'resume', 'close', 'withdraw', 'freeze'),
      back,
      forged,
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: of('redeem'), lane, back, percent: fc.nat(110) }) },
  { weight: 2, arbitrary: fc.record({ type: of('sweep'), lane, back }) },
  { weight: 1, arbitrary: fc.record({ type: of('wait'), seconds: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ type: of('edge'), after: fc.nat(1) }) },
)

export const commands = fc.array(command, { minLength: 10, maxLength: 60, size: 'max' })
