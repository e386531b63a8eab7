/**
 * Random lives of channels whose seats post, answer, withdraw and redeem whatever they hold, against a second
 * reading of the rules; and one honest seat among thieves, that acts only in the last second of each window.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Hex, zeroAddress, zeroes } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import type { Lane } from '../../src/core/lane.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import * as Voucher from '../../src/core/voucher.js'
import type * as Call from '../../src/ledger/embedded/call.js'
import * as Escrow from '../../src/ledger/embedded/escrow.js'
import '../support/fuzz.js'
import * as Reference from './reference.js'
import { at } from './reference.js'
import { account, rules, sign, toy } from './toy.js'

const deposits = [20, 15, 5]
const seats = deposits.map((_, seat) => seat)
const accounts = [1, 2, 3].map(account)
const payouts = [11, 12, 13].map(account)
const sessionKey = account(21)
const honest = 0

const parameters: Parameters.Parameters = {
  seats: seats.map((seat) => ({ signer: accounts[seat] as Hex, payout: payouts[seat] as Hex })),
  assets: [zeroAddress],
  deposits: deposits.map((amount) => [BigInt(amount)]),
  fundBy: 100n,
  challengePeriod: 60n,
  codeHash: zeroes(),
  salt: zeroes(),
}
const channelId = Parameters.id(rules.domain, parameters)
const column = (row: readonly number[]): State.Table => row.map((amount) => [BigInt(amount)])

/** A state as the seats know it, with all that may be shown. */
type Signed = Reference.Known & {
  readonly posting: Dispute.Posting
  readonly preimage: Dispute.Preimage
  readonly leaves: readonly Dispute.Leaf[]
}

function signed(known: Reference.Known): Signed {
  const lanes = known.lanes.map(
    (lane): Lane => ({
      ...lane,
      id: BigInt(lane.id),
      folded: BigInt(lane.folded),
      reserved: BigInt(lane.reserved),
      asset: 0,
      sessionKey,
    }),
  )
  const outcome: State.Outcome = {
    balances: column(known.balances),
    deposited: column(known.deposited),
    withdrawn: column(known.withdrawn),
    pots: column(seats.map(() => 0)),
    nextLane: BigInt(known.version),
  }
  const body = { outcome, lanes }
  State.checkConserved(body)
  const { kind } = known
  const version = BigInt(known.version)
  const root = State.root(channelId, body)
  const digest = State.digest(rules.domain, { channelId, version, root, kind })
  const signatures = accounts.map((each) => sign(digest, each))
  return {
    ...known,
    posting: Dispute.posting(channelId, { version, kind, body, signatures }),
    preimage: Dispute.preimage(channelId, body),
    leaves: Dispute.leaves(channelId, body),
  }
}

type Change = 'pay' | 'open' | 'fold' | 'end' | 'withdraw' | 'deposit' | 'resume' | 'final'
const changes = ['pay', 'open', 'fold', 'end', 'withdraw', 'deposit', 'resume', 'final'] as const

/** The next state, where the change can be made. */
function next(
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

type Command =
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

/** A live channel, what its seats hold of it, and the reference that watches. */
function life() {
  const layer = toy()
  const court = Reference.court(deposits, Number(rules.challengeBond), 60)
  const zero = seats.map(() => 0)
  const first: Reference.Known = {
    version: 0,
    kind: 0,
    balances: deposits,
    deposited: deposits,
    withdrawn: zero,
    lanes: [],
  }
  const states = [signed(first)]
  /** Highest voucher of each lane that its payee holds. */
  const promised = new Map<number, number>()

  const call = (call: Call.Call, from: number): boolean =>
    !(layer.submit(layer.transaction(call, accounts[from] as Hex)) instanceof Error)
  const funds = (from: number): number =>
    Number(layer.records.balance(accounts[from] as Hex, zeroAddress))

  for (const to of accounts) call({ type: 'faucet', to, amount: 40n }, 0)
  const opening = states[0] as Signed
  call({ type: 'open', parameters, signatures: opening.posting.signatures }, 0)
  for (const each of seats) call({ type: 'deposit', channelId, seat: each }, each)

  const newest = (): Signed => states.at(-1) as Signed
  const known = (back: number): Signed => states.at(-1 - (back % states.length)) as Signed

  /** Both do it, or neither. */
  function both(attempt: Reference.Try, real: Call.Call, from: number): boolean {
    const expected = Reference.attempt(court, Number(layer.now), attempt)
    expect(call(real, from), attempt.type).toBe(expected)
    return expected
  }

  const challenge = (state: Signed, from: number): boolean => {
    const { version } = state.posting
    const digest = Dispute.digest(rules.domain, {
      channelId,
      version,
      account: accounts[from] as Hex,
    })
    return both(
      { type: 'challenge', state, seat: from, funds: funds(from) },
      {
        type: 'challenge',
        channelId,
        seat: from,
        posting: state.posting,
        signature: sign(digest, accounts[from] as Hex),
      },
      from,
    )
  }

  const show = (
    type: 'answer' | 'resume' | 'close' | 'withdraw' | 'freeze',
    state: Signed,
    from = 1,
  ): boolean =>
    both(
      { type, state },
      { type, channelId, posting: state.posting, preimage: state.preimage },
      from,
    )

  const redeem = (state: Signed, id: number, claim: number, from = 1): boolean => {
    const leaf = state.leaves.find(({ lane }) => lane.id === BigInt(id))
    if (leaf === undefined || claim === 0) return false
    const voucher: Voucher.Voucher = {
      channelId,
      lane: BigInt(id),
      epoch: claim,
      base: BigInt(claim),
      unit: 0n,
      digits: 0,
      radix: 0,
      length: 0,
      anchors: [],
      context: zeroes(),
    }
    const signature = sign(Voucher.digest(rules.domain, voucher), sessionKey)
    const redemption = {
      ...leaf,
      claim: { signed: { voucher, signature }, indices: [], nodes: [] },
    }
    return both(
      { type: 'redeem', state, lane: id, claim },
      { type: 'redeem', channelId, redemption },
      from,
    )
  }

  const sweep = (state: Signed, id: number): boolean => {
    const leaf = state.leaves.find(({ lane }) => lane.id === BigInt(id))
    if (leaf === undefined) return false
    return both({ type: 'sweep', state, lane: id }, { type: 'sweep', channelId, leaf }, 2)
  }

  /** What the honest seat does at the very end of each window, and nothing before. */
  function act(): void {
    const window = Reference.window(court, Number(layer.now))
    if (window === 'states' && newest().version > (court.open?.state.version ?? 0))
      expect(show(newest().kind === 1 ? 'close' : 'answer', newest(), honest)).toBe(true)
    if (window === 'redemption')
      for (const { id, payee } of court.open?.state.lanes ?? [])
        if (payee === honest) redeem(newest(), id, promised.get(id) ?? 0, honest)
  }

  /** The last seconds of windows that are still to come. */
  function ends(): bigint[] {
    const { open, period } = court
    const all = open === undefined ? [] : [open.at + period, open.at + 2 * period]
    return all.map(BigInt).filter((end) => end >= layer.now)
  }

  function wait(until: bigint, guarded: boolean): void {
    while (guarded) {
      const end = ends().find((each) => each < until)
      if (end === undefined) break
      layer.now = end
      act()
      if (court.open !== undefined) layer.now++
    }
    layer.now = layer.now > until ? layer.now : until
  }

  function step(command: Command, guarded: boolean): void {
    switch (command.type) {
      case 'sign': {
        const window = Reference.window(court, Number(layer.now))
        if (window !== 'live' && window !== 'states') return
        // Nobody honest signs anything after a final state.
        if (guarded && newest().kind === 1) return
        const state = next(newest(), command.change, command, promised, court.deposited)
        if (state !== undefined) states.push(signed(state))
        return
      }
      case 'promise': {
        // What nobody can redeem any more is no promise: an honest payee serves nothing for it.
        const window = Reference.window(court, Number(layer.now))
        if (guarded && (window === 'sweeping' || window === 'over')) return
        const lane = newest().lanes[command.lane % Math.max(1, newest().lanes.length)]
        if (lane === undefined) return
        const before = Math.max(promised.get(lane.id) ?? 0, lane.folded)
        const capacity = lane.folded + lane.reserved
        promised.set(lane.id, Math.min(capacity, before + command.amount))
        return
      }
      case 'topUp': {
        const total = at(court.deposited, command.seat) + command.amount
        const from = (command.seat + 1) % 3
        both(
          { type: 'topUp', seat: command.seat, total, funds: funds(from) },
          { type: 'topUp', channelId, seat: command.seat, asset: 0, total: BigInt(total) },
          from,
        )
        return
      }
      case 'challenge':
        challenge(known(command.back), command.seat)
        return
      case 'redeem': {
        const state = known(command.back)
        const lane = state.lanes[command.lane % Math.max(1, state.lanes.length)]
        if (lane === undefined) return
        const held = promised.get(lane.id) ?? 0
        // Beyond what was promised only where the session key is a thief's to give away: its own lane.
        const most = lane.payer === honest ? held : 2 * held
        redeem(state, lane.id, Math.min(most, Math.floor((held * command.percent) / 50)))
        return
      }
      case 'sweep': {
        const state = known(command.back)
        const lane = state.lanes[command.lane % Math.max(1, state.lanes.length)]
        if (lane !== undefined) sweep(state, lane.id)
        return
      }
      case 'wait':
        wait(layer.now + BigInt(command.seconds), guarded)
        return
      case 'edge':
        wait((ends()[0] ?? layer.now) + BigInt(command.after), guarded)
        return
      default: {
        const state = known(command.back)
        if (!command.forged) show(command.type, state, 2)
        else forge(command.type, state)
      }
    }
  }

  /** One seat's signature is missing, or the amounts are others than it signed: refused whole. */
  function forge(type: 'answer' | 'resume' | 'close' | 'withdraw' | 'freeze', state: Signed): void {
    const { posting, preimage } = state
    const signatures = [...posting.signatures].fill(posting.signatures[1] as Uint8Array, 0, 1)
    const outcome = { ...preimage.outcome, balances: column([0, 999, 0]) }
    const partly = { ...posting, version: posting.version + 9n, signatures }
    for (const bad of [
      { posting: partly, preimage },
      { posting: { ...posting, version: posting.version + 1n }, preimage },
      { posting, preimage: { ...preimage, outcome } },
    ]) {
      const isSame = type === 'answer' || type === 'resume'
      if (isSame && bad.posting === posting) continue
      if (type === 'freeze' && bad.preimage === preimage) continue
      expect(call({ type, channelId, ...bad }, 2)).toBe(false)
    }
  }

  function check(): void {
    const escrow = layer.records.escrow(channelId) as Escrow.Escrow
    const view = Escrow.view(escrow, layer.now)
    const window = Reference.window(court, Number(layer.now))
    const status = { live: 'live', states: 'challenged', redemption: 'frozen', sweeping: 'frozen' }
    expect(view.status).toBe(window === 'over' ? 'closed' : status[window])
    expect(view.deposited).toEqual(column(court.deposited))
    expect(view.withdrawn).toEqual(column(court.had))
    expect(Number(view.versionMin)).toBe(court.min)
    expect(view.challenge?.version).toBe(court.open && BigInt(court.open.state.version))
    const paid = payouts.map((to) => Number(layer.records.balance(to, zeroAddress)))
    expect(paid).toEqual(seats.map((seat) => at(court.had, seat) + at(court.extra, seat)))
    const held = Number(view.held[0])
    expect(held).toBeGreaterThanOrEqual(0)
    const bond = court.open?.bond ?? 0
    const inAccounts = seats.reduce((sum, each) => sum + funds(each), 0)
    expect(inAccounts + paid.reduce((a, b) => a + b, 0) + held + bond).toBe(120)
    expect(layer.records.supply(zeroAddress)).toEqual({
      minted: 120n,
      held: BigInt(held + bond),
    })
  }

  /** To the very end, by whoever cares: nothing may stay behind. */
  function finish(): void {
    const window = Reference.window(court, Number(layer.now))
    if (window === 'live') {
      const last = newest()
      if (last.kind === 1) expect(show('close', last)).toBe(true)
      else {
        call({ type: 'faucet', to: accounts[honest] as Hex, amount: rules.challengeBond }, honest)
        expect(challenge(last, honest)).toBe(true)
      }
    }
    wait(layer.now + 200n, true)
    if (court.over) return
    const settled = states.find(({ version }) => version === court.open?.state.version) as Signed
    show('freeze', settled, honest)
    for (const { id } of settled.lanes) sweep(settled, id)
  }

  return { layer, court, states, promised, newest, step, check, finish, wait }
}

describe('disputes', () => {
  const steps = fc.array(command, { minLength: 10, maxLength: 60, size: 'max' })

  it('come out as a second reading of the rules says, whoever calls what and when', () => {
    const reached = new Set<string>()
    fc.assert(
      fc.property(steps, (commands) => {
        const { layer, court, step, check } = life()
        check()
        for (const each of commands) {
          step(each, false)
          check()
          reached.add(Reference.window(court, Number(layer.now)))
        }
      }),
    )
    expect([...reached].sort()).toEqual(['live', 'over', 'redemption', 'states', 'sweeping'])
  }, 600_000)

  it('leave an honest seat all that its last proofs say, though it acts in the last second', () => {
    const endings = new Map<string, number>()
    fc.assert(
      fc.property(steps, (commands) => {
        const { court, newest, promised, step, finish, layer } = life()
        for (const each of commands) step(each, true)
        finish()
        expect(court.over).toBe(true)
        const last = newest()
        const due = seats.map((seat) => Reference.worth(court, last, seat))
        for (const lane of last.lanes) {
          const promise = Reference.earned(lane, promised.get(lane.id) ?? 0)
          const claimed = Reference.earned(lane, court.claims.get(lane.id) ?? 0)
          // A thief may give away more on its own lane than it promised, never take any of it back.
          if (lane.payee === honest) expect(claimed).toBeGreaterThanOrEqual(promise)
          if (lane.payer === honest) expect(claimed).toBeLessThanOrEqual(promise)
          due[lane.payee] = at(due, lane.payee) + claimed
          due[lane.payer] = at(due, lane.payer) + lane.reserved - claimed
        }
        // Everybody has what the newest state and the shown claims say; thieves lost bonds, and won none.
        const bonds =
          Number(layer.records.balance(payouts[honest] as Hex, zeroAddress)) - at(due, honest)
        expect(bonds).toBeGreaterThanOrEqual(0)
        expect(due.reduce((a, b) => a + b, 0)).toBe(court.deposited.reduce((a, b) => a + b, 0))
        for (const seat of seats)
          expect(at(court.had, seat)).toBe(Reference.worth(court, last, seat))
        const way = last.kind === 1 ? 'final' : last.lanes.length > 0 ? 'lanes' : 'balances'
        endings.set(way, (endings.get(way) ?? 0) + 1)
      }),
    )
    expect([...endings.keys()].sort()).toEqual(['balances', 'final', 'lanes'])
  }, 600_000)
})
