/**
 * Updates: what a new state may change in a channel. Each is applied whole or refused, and the body that
 * comes out conserves money; who may agree to which claim is the channel's business, not this module's.
 */
import * as Amount from './amount.js'
import type { Address } from './bytes.js'
import { SluiceError } from './errors.js'
import * as Lane from './lane.js'
import { limits } from './limits.js'
import * as State from './state.js'

export type Update =
  /** A new lane; `reserved` leaves the payer's balance. */
  | {
      readonly type: 'lane-open'
      readonly payer: number
      readonly payee: number
      readonly asset: number
      readonly reserved: bigint
      readonly sessionKey: Address
    }
  /** `claim − folded` moves from the reserve to the payee's balance. */
  | { readonly type: 'fold'; readonly lane: bigint; readonly claim: bigint }
  /** A last fold; what is left of the reserve returns to the payer, and the lane is gone. */
  | { readonly type: 'lane-close'; readonly lane: bigint; readonly claim: bigint }
  /** Money that the layer holds and no state counts yet: `deposited` and the seat's balance rise. */
  | {
      readonly type: 'top-up'
      readonly seat: number
      readonly asset: number
      readonly amount: bigint
    }
  /** Money that the layer may pay out while the channel lives on: the balance falls, `withdrawn` rises. */
  | {
      readonly type: 'withdraw'
      readonly seat: number
      readonly asset: number
      readonly amount: bigint
    }
  /** The state ends a challenge: the channel lives on. */
  | { readonly type: 'resume' }
  /** The state is final: no lanes are left. */
  | { readonly type: 'final' }

/** The kind of state that a last update makes. */
const kinds = { final: 1, resume: 2 } as const

/** The body and kind after all of `updates`. @throws UpdateError `BAD_UPDATE` */
export function apply(
  body: State.Body,
  updates: readonly Update[],
): { readonly body: State.Body; readonly kind: State.Kind } {
  refuse(
    updates.length === 0 || updates.length > limits.lanesMax + 1,
    'it has no updates, or too many',
  )
  const end = updates.findIndex(({ type }) => type === 'final' || type === 'resume')
  refuse(end >= 0 && end !== updates.length - 1, 'nothing may follow what ends a state')
  let next = body
  try {
    for (const update of updates) next = applyOne(next, update)
    State.checkConserved(next)
  } catch (cause) {
    throw cause instanceof UpdateError
      ? cause
      : new UpdateError('its amounts do not add up', { cause })
  }
  return { body: next, kind: kindOf(updates.at(-1)) }
}

const kindOf = (last: Update | undefined): State.Kind =>
  last?.type === 'final' || last?.type === 'resume' ? kinds[last.type] : 0

function applyOne(body: State.Body, update: Update): State.Body {
  switch (update.type) {
    case 'lane-open':
      return openLane(body, update)
    case 'fold':
      return fold(body, update.lane, update.claim)
    case 'lane-close':
      return closeLane(fold(body, update.lane, update.claim), update.lane)
    case 'top-up':
    case 'withdraw':
      return resize(body, update)
    case 'resume':
      return body
    case 'final':
      refuse(body.lanes.length > 0, 'a final state has no lanes')
      return body
  }
}

function openLane(body: State.Body, update: Update & { type: 'lane-open' }): State.Body {
  const { payer, payee, asset, reserved, sessionKey } = update
  const { balances, nextLane } = body.outcome
  refuse(body.lanes.length >= limits.lanesMax, 'the channel has as many lanes as it can hold')
  refuse(payer === payee, 'a lane runs between two seats')
  refuse(balances[payer] === undefined || balances[payee] === undefined, 'it names no seat')
  refuse(balances[payer]?.[asset] === undefined, 'it names no asset')
  refuse(
    reserved < 0n || reserved > State.cell(balances, payer, asset),
    'the payer does not have that much',
  )
  const lane: Lane.Lane = { id: nextLane, payer, payee, asset, folded: 0n, reserved, sessionKey }
  return {
    outcome: {
      ...body.outcome,
      balances: State.adjust(balances, payer, asset, -reserved),
      nextLane: nextLane + 1n,
    },
    lanes: [...body.lanes, lane],
  }
}

function fold(body: State.Body, id: bigint, claim: bigint): State.Body {
  const lane = find(body, id)
  refuse(claim < lane.folded || claim > Lane.capacity(lane), 'the claim is not within the lane')
  const paid = Amount.subtract(claim, lane.folded)
  const folded = { ...lane, folded: claim, reserved: Amount.subtract(lane.reserved, paid) }
  return {
    outcome: credit(body.outcome, lane.payee, lane.asset, paid),
    lanes: body.lanes.map((other) => (other.id === id ? folded : other)),
  }
}

function closeLane(body: State.Body, id: bigint): State.Body {
  const lane = find(body, id)
  return {
    outcome: credit(body.outcome, lane.payer, lane.asset, lane.reserved),
    lanes: body.lanes.filter((other) => other.id !== id),
  }
}

function resize(body: State.Body, update: Update & { type: 'top-up' | 'withdraw' }): State.Body {
  const { type, seat, asset, amount } = update
  const { balances, deposited, withdrawn } = body.outcome
  refuse(balances[seat]?.[asset] === undefined, 'it names no seat or asset')
  refuse(amount <= 0n, 'it moves nothing')
  if (type === 'top-up') {
    const outcome = { ...body.outcome, deposited: State.adjust(deposited, seat, asset, amount) }
    return { ...body, outcome: credit(outcome, seat, asset, amount) }
  }
  refuse(amount > State.cell(balances, seat, asset), 'the seat does not have that much')
  const outcome = { ...body.outcome, withdrawn: State.adjust(withdrawn, seat, asset, amount) }
  return { ...body, outcome: credit(outcome, seat, asset, -amount) }
}

const credit = (outcome: State.Outcome, seat: number, asset: number, amount: bigint) => ({
  ...outcome,
  balances: State.adjust(outcome.balances, seat, asset, amount),
})

/** Whether two lists say the same, word for word. */
export const isEqual = (a: readonly Update[], b: readonly Update[]): boolean =>
  a.length === b.length && a.every((update, at) => isSame(update, b[at]))

function isSame(a: Update, b: Update | undefined): boolean {
  const [one, other] = [Object.entries(a), b === undefined ? [] : Object.entries(b)]
  const values = new Map(other)
  return one.length === other.length && one.every(([key, value]) => values.get(key) === value)
}

/** The lane of a body. @throws UpdateError `BAD_UPDATE` */
export function find(body: State.Body, id: bigint): Lane.Lane {
  const lane = body.lanes.find((other) => other.id === id)
  if (lane === undefined) throw new UpdateError(`the channel has no lane ${id}`)
  return lane
}

function refuse(condition: boolean, why: string): void {
  if (condition) throw new UpdateError(why)
}

/** An update that no state may carry. */
export class UpdateError extends SluiceError {
  constructor(why: string, options: { cause?: unknown } = {}) {
    super('BAD_UPDATE', `The update is refused: ${why}.`, options)
    this.name = 'UpdateError'
  }
}
