/**
 * Random lives of a channel of three seats that post, answer, withdraw and redeem whatever they hold, on any
 * layer, against a second reading of the rules; and one honest seat among thieves, that acts only in the last
 * second of each window.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Address, type Hex, zeroes } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import type { Lane } from '../../src/core/lane.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type * as TypedData from '../../src/core/typed-data.js'
import * as Voucher from '../../src/core/voucher.js'
import type * as Call from '../../src/ledger/embedded/call.js'
import '../support/fuzz.js'
import { type Command, commands, next } from './commands.js'
import * as Reference from './reference.js'
import { at } from './reference.js'

export const deposits: readonly number[] = [20, 15, 5]
export const period = 60n
const seats = deposits.map((_, seat) => seat)
const honest = 0

/** A layer with one live channel on it, at its beginning. */
export type Side = {
  readonly domain: TypedData.Domain
  readonly parameters: Parameters.Parameters
  /** Account that a seat submits from. */
  readonly accounts: readonly Address[]
  readonly bond: number
  readonly sessionKey: Address
  readonly sign: (digest: Uint8Array, by: Address) => Uint8Array | Promise<Uint8Array>
  /** The layer's clock; it may be set to something later. */
  now: bigint
  /** Whether it was done; refused, or without effect, it was not. */
  readonly submit: (call: Call.Call, from: number) => Promise<boolean>
  /** Native coins of a seat's account. */
  readonly funds: (seat: number) => number
  /** Sees to it that a seat can put up a bond. */
  readonly fund: (seat: number) => Promise<void>
  readonly view: () => Promise<View>
  /** What only this layer can be asked. */
  readonly check?: (court: Reference.Court, view: View) => void
}

export type View = {
  readonly isClosed: boolean
  readonly version: bigint | undefined
  readonly versionMin: bigint
  readonly deposited: readonly number[]
  readonly held: number
  /** Paid to each seat, or credited. */
  readonly paid: readonly number[]
  /** All that lies on the layer for this channel, bond included. */
  readonly kept: number
}

/** A state as the seats know it, with all that may be shown. */
type Signed = Reference.Known & {
  readonly posting: Dispute.Posting
  readonly preimage: Dispute.Preimage
  readonly leaves: readonly Dispute.Leaf[]
}

export const column = (row: readonly number[]): State.Table => row.map((amount) => [BigInt(amount)])

type Shown = 'answer' | 'resume' | 'close' | 'withdraw' | 'freeze'

/** A live channel, what its seats hold of it, and the reference that watches. */
async function life(side: Side) {
  const { domain, parameters, accounts, sessionKey } = side
  const channelId = Parameters.id(domain, parameters)
  const court = Reference.court(deposits, side.bond, Number(period))
  const signers = parameters.seats.map(({ signer }) => signer)

  async function signed(known: Reference.Known): Promise<Signed> {
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
    const digest = State.digest(domain, {
      channelId,
      version,
      root: State.root(channelId, body),
      kind,
    })
    const signatures = await Promise.all(signers.map((each) => side.sign(digest, each)))
    return {
      ...known,
      posting: Dispute.posting(channelId, { version, kind, body, signatures }),
      preimage: Dispute.preimage(channelId, body),
      leaves: Dispute.leaves(channelId, body),
    }
  }

  const first: Reference.Known = {
    version: 0,
    kind: 0,
    balances: deposits,
    deposited: deposits,
    withdrawn: seats.map(() => 0),
    lanes: [],
  }
  const states = [await signed(first)]
  /** Highest voucher of each lane that its payee holds. */
  const promised = new Map<number, number>()
  const newest = (): Signed => states.at(-1) as Signed
  const known = (back: number): Signed => states.at(-1 - (back % states.length)) as Signed
  const window = (): Reference.Window => Reference.window(court, Number(side.now))

  /** Both do it, or neither. */
  async function both(attempt: Reference.Try, real: Call.Call, from: number): Promise<boolean> {
    const expected = Reference.attempt(court, Number(side.now), attempt)
    expect(await side.submit(real, from), attempt.type).toBe(expected)
    return expected
  }

  async function challenge(state: Signed, from: number): Promise<boolean> {
    const { version } = state.posting
    const account = accounts[from] as Address
    const digest = Dispute.digest(domain, { channelId, version, account })
    const signature = await side.sign(digest, signers[from] as Address)
    return both(
      { type: 'challenge', state, seat: from, funds: side.funds(from) },
      { type: 'challenge', channelId, seat: from, posting: state.posting, signature },
      from,
    )
  }

  const show = (type: Shown, state: Signed, from = 1): Promise<boolean> =>
    both(
      { type, state },
      { type, channelId, posting: state.posting, preimage: state.preimage },
      from,
    )

  async function redeem(state: Signed, id: number, claim: number, from = 1): Promise<boolean> {
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
    const signature = await side.sign(Voucher.digest(domain, voucher), sessionKey)
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

  async function sweep(state: Signed, id: number): Promise<boolean> {
    const leaf = state.leaves.find(({ lane }) => lane.id === BigInt(id))
    if (leaf === undefined) return false
    return both({ type: 'sweep', state, lane: id }, { type: 'sweep', channelId, leaf }, 2)
  }

  /** What the honest seat does at the very end of each window, and nothing before. */
  async function act(): Promise<void> {
    const at = window()
    if (at === 'states' && newest().version > (court.open?.state.version ?? 0))
      expect(await show(newest().kind === 1 ? 'close' : 'answer', newest(), honest)).toBe(true)
    if (at === 'redemption')
      for (const { id, payee } of court.open?.state.lanes ?? [])
        if (payee === honest) await redeem(newest(), id, promised.get(id) ?? 0, honest)
  }

  /** The last seconds of windows that are still to come. */
  function ends(): bigint[] {
    const { open, period } = court
    const all = open === undefined ? [] : [open.at + period, open.at + 2 * period]
    return all.map(BigInt).filter((end) => end >= side.now)
  }

  async function wait(until: bigint, guarded: boolean): Promise<void> {
    while (guarded) {
      const end = ends().find((each) => each < until)
      if (end === undefined) break
      side.now = end
      await act()
      if (court.open !== undefined) side.now++
    }
    side.now = side.now > until ? side.now : until
  }

  async function step(command: Command, guarded: boolean): Promise<void> {
    switch (command.type) {
      case 'sign': {
        const at = window()
        if (at !== 'live' && at !== 'states') return
        // Nobody honest signs anything after a final state.
        if (guarded && newest().kind === 1) return
        const state = next(newest(), command.change, command, promised, court.deposited)
        if (state !== undefined) states.push(await signed(state))
        return
      }
      case 'promise': {
        // What nobody can redeem any more is no promise: an honest payee serves nothing for it.
        if (guarded && (window() === 'sweeping' || window() === 'over')) return
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
        await both(
          { type: 'topUp', seat: command.seat, total, funds: side.funds(from) },
          { type: 'topUp', channelId, seat: command.seat, asset: 0, total: BigInt(total) },
          from,
        )
        return
      }
      case 'challenge':
        await challenge(known(command.back), command.seat)
        return
      case 'redeem': {
        const state = known(command.back)
        const lane = state.lanes[command.lane % Math.max(1, state.lanes.length)]
        if (lane === undefined) return
        const held = promised.get(lane.id) ?? 0
        // Beyond what was promised only where the session key is a thief's to give away: its own lane.
        const most = lane.payer === honest ? held : 2 * held
        await redeem(state, lane.id, Math.min(most, Math.floor((held * command.percent) / 50)))
        return
      }
      case 'sweep': {
        const state = known(command.back)
        const lane = state.lanes[command.lane % Math.max(1, state.lanes.length)]
        if (lane !== undefined) await sweep(state, lane.id)
        return
      }
      case 'wait':
        return wait(side.now + BigInt(command.seconds), guarded)
      case 'edge':
        return wait((ends()[0] ?? side.now) + BigInt(command.after), guarded)
      default: {
        const state = known(command.back)
        if (!command.forged) await show(command.type, state, 2)
        else await forge(command.type, state)
      }
    }
  }

  /** One seat's signature is missing, or the amounts are others than it signed: refused whole. */
  async function forge(type: Shown, state: Signed): Promise<void> {
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
      expect(await side.submit({ type, channelId, ...bad }, 2)).toBe(false)
    }
  }

  async function check(): Promise<View> {
    const view = await side.view()
    expect(view.isClosed).toBe(court.over)
    expect(view.deposited).toEqual(court.deposited)
    expect(Number(view.versionMin)).toBe(court.min)
    expect(view.version).toBe(court.open && BigInt(court.open.state.version))
    expect(view.paid).toEqual(seats.map((seat) => at(court.had, seat) + at(court.extra, seat)))
    expect(view.held).toBeGreaterThanOrEqual(0)
    expect(view.kept).toBe(view.held + (court.open?.bond ?? 0))
    side.check?.(court, view)
    return view
  }

  /** To the very end, by whoever cares: nothing may stay behind. */
  async function finish(): Promise<void> {
    if (window() === 'live') {
      const last = newest()
      if (last.kind === 1) expect(await show('close', last)).toBe(true)
      else {
        await side.fund(honest)
        expect(await challenge(last, honest)).toBe(true)
      }
    }
    await wait(side.now + 200n, true)
    if (court.over) return
    const settled = states.find(({ version }) => version === court.open?.state.version) as Signed
    await show('freeze', settled, honest)
    for (const { id } of settled.lanes) await sweep(settled, id)
  }

  return { court, promised, newest, step, check, finish, window }
}

/** Both properties on the layer that `begin` makes, `numRuns` lives each. */
export function livesOf(begin: () => Promise<Side>, numRuns: number): void {
  const options = { numRuns }

  it('come out as a second reading of the rules says, whoever calls what and when', async () => {
    const reached = new Set<string>()
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        const { step, check, window } = await life(await begin())
        await check()
        for (const each of list) {
          await step(each, false)
          await check()
          reached.add(window())
        }
      }),
      options,
    )
    expect([...reached].sort()).toEqual(['live', 'over', 'redemption', 'states', 'sweeping'])
  }, 3_600_000)

  it('leave an honest seat all that its last proofs say, though it acts in the last second', async () => {
    const endings = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        const { court, newest, promised, step, check, finish } = await life(await begin())
        for (const each of list) await step(each, true)
        await finish()
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
        const { paid, kept } = await check()
        expect(kept).toBe(0)
        expect(at(paid, honest) - at(due, honest)).toBeGreaterThanOrEqual(0)
        expect(due.reduce((a, b) => a + b, 0)).toBe(court.deposited.reduce((a, b) => a + b, 0))
        for (const seat of seats)
          expect(at(court.had, seat)).toBe(Reference.worth(court, last, seat))
        const way = last.kind === 1 ? 'final' : last.lanes.length > 0 ? 'lanes' : 'balances'
        endings.set(way, (endings.get(way) ?? 0) + 1)
      }),
      options,
    )
    expect([...endings.keys()].sort()).toEqual(['balances', 'final', 'lanes'])
  }, 3_600_000)
}

/** The channel of these lives, for signers and payouts of a layer's own. */
export const parametersOf = (
  signers: readonly Address[],
  payouts: readonly Address[],
  asset: Hex,
  fundBy: bigint,
): Parameters.Parameters => ({
  seats: signers.map((signer, seat) => ({ signer, payout: payouts[seat] as Address })),
  assets: [asset],
  deposits: deposits.map((amount) => [BigInt(amount)]),
  fundBy,
  challengePeriod: period,
  codeHash: zeroes(),
  salt: zeroes(),
})
