/**
 * A second reading of the adjudicator's rules, on whole lives instead of formulae: what a seat is due in all is
 * what a state says it ever owned, and what it has had counts against that. It shares no code with src.
 */

/** What the reference needs to know of a state. */
export type Known = {
  readonly version: number
  readonly kind: 0 | 1 | 2
  readonly balances: readonly number[]
  readonly deposited: readonly number[]
  readonly withdrawn: readonly number[]
  readonly lanes: readonly {
    readonly id: number
    readonly payer: number
    readonly payee: number
    readonly folded: number
    readonly reserved: number
  }[]
}

export type Court = {
  deposited: number[]
  /** Had by each seat beside lanes and bonds. */
  had: number[]
  /** Had by each seat from lanes and bonds. */
  extra: number[]
  readonly bond: number
  readonly period: number
  min: number
  open:
    | undefined
    | { state: Known; poster: number; posted: number; at: number; bond: number; paid: boolean }
  claims: Map<number, number>
  swept: Set<number>
  over: boolean
}

export const court = (deposited: readonly number[], bond: number, period: number): Court => ({
  deposited: [...deposited],
  had: deposited.map(() => 0),
  extra: deposited.map(() => 0),
  bond,
  period,
  min: 0,
  open: undefined,
  claims: new Map(),
  swept: new Set(),
  over: false,
})

export type Window = 'live' | 'states' | 'redemption' | 'sweeping' | 'over'

export function window({ over, open, period }: Court, now: number): Window {
  if (over) return 'over'
  if (open === undefined) return 'live'
  const age = now - open.at
  return age <= period ? 'states' : age <= 2 * period ? 'redemption' : 'sweeping'
}

/** All that a seat may ever have had beside lanes, by this state and the layer's deposits. */
export const worth = ({ deposited }: Court, state: Known, seat: number): number =>
  at(state.balances, seat) +
  at(state.withdrawn, seat) +
  at(deposited, seat) -
  at(state.deposited, seat)

/** Out of a lane for its payee, for a claim. */
export const earned = (lane: Known['lanes'][number], claim: number): number =>
  Math.max(0, Math.min(lane.reserved, claim - lane.folded))

export type Try =
  | { type: 'challenge'; state: Known; seat: number; funds: number }
  | { type: 'answer' | 'resume' | 'close' | 'withdraw' | 'freeze'; state: Known }
  | { type: 'topUp'; seat: number; total: number; funds: number }
  | { type: 'redeem'; state: Known; lane: number; claim: number }
  | { type: 'sweep'; state: Known; lane: number }

/** Does it, and says so, or changes nothing. */
export function attempt(c: Court, now: number, call: Try): boolean {
  const phase = window(c, now)
  const fresh = (state: Known): boolean =>
    state.version >= c.min && (c.open === undefined || state.version > c.open.state.version)
  switch (call.type) {
    case 'topUp': {
      const rise = call.total - at(c.deposited, call.seat)
      if (phase !== 'live' || rise <= 0 || call.funds < rise) return false
      c.deposited[call.seat] = call.total
      return true
    }
    case 'challenge': {
      const { state, seat, funds } = call
      if (phase !== 'live' || !fresh(state) || state.kind === 1 || funds < c.bond) return false
      c.open = { state, poster: seat, posted: state.version, at: now, bond: c.bond, paid: false }
      return true
    }
    case 'answer':
      if (phase !== 'states' || call.state.kind === 1 || !fresh(call.state)) return false
      show(c, call.state)
      return true
    case 'resume': {
      const { version, kind } = call.state
      if (phase !== 'states' || c.open === undefined || kind !== 2 || version < c.min) return false
      if (version <= c.open.posted || version < c.open.state.version) return false
      show(c, call.state)
      c.open = undefined
      c.min = version
      return true
    }
    case 'close':
      if ((phase !== 'live' && phase !== 'states') || call.state.kind !== 1) return false
      if (!fresh(call.state)) return false
      if (c.open !== undefined) show(c, call.state)
      c.had = c.had.map((_, seat) => worth(c, call.state, seat))
      c.open = undefined
      c.over = true
      return true
    case 'withdraw': {
      const { state } = call
      const now = c.had.map((had, seat) => Math.max(had, at(state.withdrawn, seat)))
      if ((phase !== 'live' && phase !== 'states') || state.kind === 1 || state.version < c.min)
        return false
      if (now.every((total, seat) => total === c.had[seat])) return false
      c.had = now
      c.min = state.version
      if (c.open !== undefined && fresh(state)) show(c, state)
      return true
    }
    case 'freeze':
      if (phase === 'live' || phase === 'states' || c.open === undefined || c.open.paid)
        return false
      if (call.state.version !== c.open.state.version) return false
      c.had = c.had.map((_, seat) => worth(c, call.state, seat))
      c.open.paid = true
      c.open.bond = 0
      end(c)
      return true
    case 'redeem': {
      const lane = c.open?.state.lanes.find(({ id }) => id === call.lane)
      const before = c.claims.get(call.lane) ?? 0
      if (phase !== 'redemption' || lane === undefined || call.claim <= before) return false
      if (call.state.version !== c.open?.state.version) return false
      c.claims.set(call.lane, call.claim)
      c.extra[lane.payee] =
        at(c.extra, lane.payee) + earned(lane, call.claim) - earned(lane, before)
      end(c)
      return true
    }
    case 'sweep': {
      const lane = c.open?.state.lanes.find(({ id }) => id === call.lane)
      if (phase !== 'sweeping' || lane === undefined || c.swept.has(call.lane)) return false
      if (call.state.version !== c.open?.state.version) return false
      c.swept.add(call.lane)
      const rest = lane.reserved - earned(lane, c.claims.get(call.lane) ?? 0)
      c.extra[lane.payer] = at(c.extra, lane.payer) + rest
      end(c)
      return true
    }
  }
}

/** Over once balances are paid and no lane has anything left. */
function end(c: Court): void {
  const left = c.open?.state.lanes.some(
    (lane) => !c.swept.has(lane.id) && earned(lane, c.claims.get(lane.id) ?? 0) < lane.reserved,
  )
  if (c.open?.paid !== true || left === true) return
  c.over = true
  c.open = undefined
}

/** A newer state: what it proves about the bond, unit by unit. */
function show(c: Court, state: Known): void {
  if (c.open === undefined) return
  c.open.state = state
  if (state.version - c.open.posted < 2) return
  const others = c.had.map((_, seat) => seat).filter((seat) => seat !== c.open?.poster)
  const each = Math.floor(c.open.bond / others.length)
  for (const seat of others) c.extra[seat] = at(c.extra, seat) + each
  const [first = 0] = others
  c.extra[first] = at(c.extra, first) + c.open.bond - each * others.length
  c.open.bond = 0
}

export const at = (row: readonly number[], index: number): number => row[index] ?? 0
