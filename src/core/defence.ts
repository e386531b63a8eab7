/**
 * What to do about a channel that is challenged or frozen: pure, total, deterministic. The same rules serve
 * the owner of a channel and a watchtower that holds an appointment for it. It never opens a challenge.
 */
import { equals } from './bytes.js'
import * as Dispute from './dispute.js'
import type * as Lane from './lane.js'
import type { Kind } from './state.js'

/** How the layer sees the channel, as far as a defence cares. */
export type View = {
  readonly status: 'funding' | 'live' | 'challenged' | 'frozen' | 'closed' | 'dead'
  readonly challenge:
    | {
        readonly version: bigint
        readonly root: Uint8Array
        /** The version that opened it. */
        readonly posted: bigint
        readonly statesUntil: bigint
        readonly redeemUntil: bigint
        readonly paid: boolean
      }
    | undefined
}

/** What the layer has recorded of a lane: the highest claim redeemed, and whether the rest was swept. */
export type Settled = { readonly claim: bigint; readonly swept: boolean }

/** A state that the layer may settle by. */
export type Known = {
  readonly version: bigint
  readonly kind: Kind
  readonly root: Uint8Array
  readonly lanes: readonly Lane.Lane[]
}

/** What we can show. */
export type Holding = {
  /** Whose money is defended. */
  readonly seat: number
  /** Signed by every seat. */
  readonly newest: Known
  /** What else the layer may settle by: the next state, once we signed it, and past ones. */
  readonly others: readonly Known[]
  /** What we can prove on a lane; cumulative, 0n where nothing. */
  readonly claim: (lane: bigint) => bigint
}

export type Action =
  /** The newest state, against an older one. */
  | { readonly type: 'answer' }
  /** The newest state ends the dispute: all seats agreed to go on … */
  | { readonly type: 'resume' }
  /** … or to be paid out. */
  | { readonly type: 'close' }
  /** Collects on a lane that pays us; `gain` is what the layer pays out for it. */
  | { readonly type: 'redeem'; readonly lane: bigint; readonly gain: bigint }
  /** Has the balances paid out. */
  | { readonly type: 'freeze' }
  /** Has what is left of a lane returned to its payer. */
  | { readonly type: 'sweep'; readonly lane: bigint }

export type Plan = {
  /** What is due now, the most pressing first; each by itself, in any order. */
  readonly actions: readonly Action[]
  /** The layer's time at which there is something to do next; undefined when nothing is left to do. */
  readonly until: bigint | undefined
  /** Nothing more is to come for our seat; what is left to do is for the others. */
  readonly isSettled: boolean
  /** The layer settles by a state that is not held here: only who has that one can collect. */
  readonly isLost: boolean
}

const idle: Plan = { actions: [], until: undefined, isSettled: false, isLost: false }

/**
 * The plan for a channel at the layer's `time`. Nothing is redeemed for a gain of less than `gainMin`, by the
 * asset's index: it would cost more than it brings.
 */
export function next(
  view: View | undefined,
  time: bigint,
  holding: Holding,
  settled: (lane: bigint) => Settled,
  gainMin: (asset: number) => bigint = () => 1n,
): Plan {
  const challenge = view?.challenge
  if (challenge === undefined || (view?.status !== 'challenged' && view?.status !== 'frozen'))
    return idle
  if (time <= challenge.statesUntil) {
    return {
      ...idle,
      actions: replies(holding.newest, challenge.version, challenge.posted),
      until: challenge.statesUntil + 1n,
    }
  }
  const state = frozenState(challenge.root, holding)
  if (state === undefined) return { ...idle, isLost: true }
  const inTime = time <= challenge.redeemUntil
  const redeem = inTime ? redemptions(state, holding, settled, gainMin) : []
  const rests = state.lanes.filter((lane) => hasRest(lane, settled(lane.id)))
  const sweep = inTime ? [] : rests.map(({ id }): Action => ({ type: 'sweep', lane: id }))
  const freeze: readonly Action[] = challenge.paid ? [] : [{ type: 'freeze' }]
  return {
    actions: [...redeem, ...freeze, ...sweep],
    until: inTime && rests.length > 0 ? challenge.redeemUntil + 1n : undefined,
    isSettled:
      challenge.paid && redeem.length === 0 && rests.every(({ payer }) => payer !== holding.seat),
    isLost: false,
  }
}

/** What our newest state does to a challenge. The very state that answered one may still end it. */
function replies({ version, kind }: Known, shown: bigint, posted: bigint): readonly Action[] {
  if (kind === 2) return version >= shown && version > posted ? [{ type: 'resume' }] : []
  return version > shown ? [{ type: kind === 1 ? 'close' : 'answer' }] : []
}

/** The state that the layer settles by, where we hold it. */
const frozenState = (root: Uint8Array, { newest, others }: Holding): Known | undefined =>
  [newest, ...others].find((state) => equals(state.root, root))

/** Lanes worth redeeming, the dearest first: should time run out, least is lost. */
function redemptions(
  { lanes }: Known,
  { claim }: Holding,
  settled: (lane: bigint) => Settled,
  gainMin: (asset: number) => bigint,
): Action[] {
  const found: (Action & { type: 'redeem' })[] = []
  for (const lane of lanes) {
    const paid = Dispute.redeemable(lane, settled(lane.id).claim)
    const gain = Dispute.redeemable(lane, claim(lane.id)) - paid
    if (gain > 0n && gain >= gainMin(lane.asset))
      found.push({ type: 'redeem', lane: lane.id, gain })
  }
  return found.sort((a, b) => (a.gain < b.gain ? 1 : a.gain > b.gain ? -1 : 0))
}

const hasRest = (lane: Lane.Lane, { claim, swept }: Settled): boolean =>
  !swept && lane.reserved > Dispute.redeemable(lane, claim)
