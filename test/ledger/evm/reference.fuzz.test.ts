/**
 * The same calls, drawn at random, on the contract and on the embedded layer, which is the reference: each is
 * accepted or refused with the same code, and afterwards both hold, owe and have paid the same, to the unit.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Address, zeroAddress } from '../../../src/core/bytes.js'
import { SluiceError } from '../../../src/core/errors.js'
import type { Lane } from '../../../src/core/lane.js'
import type * as State from '../../../src/core/state.js'
import type { LedgerChannel } from '../../../src/engine/ports.js'
import {
  column,
  type Harness,
  laneOf,
  promise,
  type Room,
  rooms,
  type Seat,
} from '../../conformance/rooms.js'
import * as Embedded from '../harness.js'
import type { Wallet } from '../wallet.js'
import { harness as onAnvil } from './harness.js'

type Side = { readonly harness: Harness; readonly tools: ReturnType<typeof rooms> }

let sides: readonly Side[]
beforeAll(async () => {
  const harnesses = [await Embedded.harness('local'), await onAnvil()]
  sides = harnesses.map((harness) => ({ harness, tools: rooms(() => harness) }))
})
afterAll(async () => {
  for (const { harness } of sides) await harness.close()
})

const seats = [10n, 7n, 5n]
const money = seats.reduce((sum, amount) => sum + amount)

/** A state anybody could have signed: mostly sound, now and then one that does not add up. */
const states = fc.record({
  version: fc.bigInt(1n, 6n),
  kind: fc.constantFrom<State.Kind>(0, 0, 1, 2),
  first: fc.bigInt(0n, 12n),
  reserved: fc.constantFrom(0n, 0n, 4n, 9n),
  withdrawn: fc.constantFrom(0n, 0n, 0n, 2n, 5n),
  wrong: fc.constantFrom(0n, 0n, 0n, 0n, 3n),
  pot: fc.constantFrom(0n, 0n, 0n, 1n),
})
type Drawn = typeof states extends fc.Arbitrary<infer T> ? T : never

const calls = fc.oneof(
  fc.record({ type: fc.constant('challenge' as const), seat: fc.nat(2), state: states }),
  fc.record({
    type: fc.constantFrom(
      'answer' as const,
      'resume' as const,
      'close' as const,
      'withdraw' as const,
    ),
    seat: fc.nat(2),
    state: states,
  }),
  fc.record({ type: fc.constant('freeze' as const), seat: fc.nat(2) }),
  fc.record({ type: fc.constant('redeem' as const), seat: fc.nat(2), claim: fc.bigInt(0n, 12n) }),
  fc.record({ type: fc.constant('sweep' as const), seat: fc.nat(2) }),
  fc.record({ type: fc.constant('topUp' as const), seat: fc.nat(2), total: fc.bigInt(5n, 14n) }),
  fc.record({ type: fc.constant('wait' as const), seconds: fc.constantFrom(1, 20, 90) }),
)
type Call = typeof calls extends fc.Arbitrary<infer T> ? T : never

/** One room on one side, and what was posted last there: what a freeze or a redemption shows. */
type Game = Side & {
  readonly room: Room
  readonly lane: Lane
  readonly key: Wallet
  posted: Drawn | undefined
}

async function begin(side: Side): Promise<Game> {
  const room = await side.tools.live(...seats)
  for (const { wallet } of room.seats) {
    await side.harness.fund(wallet.address, 50n)
    await side.harness.fundBond(wallet.address)
  }
  return { ...side, room, ...laneOf({ payer: 0, payee: 1 }), posted: undefined }
}

const signedOf = ({ tools, room, lane }: Game, drawn: Drawn) => {
  const { version, kind, first, reserved, withdrawn, wrong, pot } = drawn
  const lanes = reserved === 0n ? [] : [{ ...lane, reserved }]
  const rest = money - first - reserved - withdrawn - pot - wrong
  const balances = [first, rest < 0n ? 0n : rest, 0n]
  const tables = { withdrawn: column(0n, withdrawn, 0n), pots: column(0n, 0n, pot) }
  return tools.state(room, version, balances, { kind, lanes, ...tables })
}

async function play(game: Game, call: Call): Promise<void> {
  const { room, harness, tools, lane, key } = game
  if (call.type === 'wait') return harness.advance(call.seconds)
  const { ledger } = room.seats[call.seat] as Seat
  const { parameters } = room
  const shown = game.posted === undefined ? undefined : await signedOf(game, game.posted)
  switch (call.type) {
    case 'topUp':
      return ledger.topUp(parameters, call.seat, 0, call.total)
    case 'freeze':
      if (shown !== undefined) await ledger.freeze(parameters, shown.preimage)
      return
    case 'sweep':
    case 'redeem': {
      const [leaf] = shown?.leaves ?? []
      if (leaf === undefined) return
      if (call.type === 'sweep') return ledger.sweep(parameters, leaf)
      const claim = await promise(ledger.domain, room.id, lane, key, call.claim)
      return ledger.redeem(parameters, { ...leaf, claim })
    }
  }
  const signed = await signedOf(game, call.state)
  const { posting, preimage } = signed
  if (call.type === 'challenge') await tools.challenge(room, call.seat, signed)
  else if (call.type === 'answer') await ledger.answer(parameters, posting)
  else if (call.type === 'resume') await ledger.resume(parameters, posting)
  else if (call.type === 'close') await ledger.close(parameters, posting, preimage)
  else await ledger.withdraw(parameters, posting, preimage)
  // What was shown and is now the posted state.
  const { challenge } = (await ledger.channel(room.id)) ?? {}
  if (challenge?.version === posting.version) game.posted = call.state
}

async function outcome(game: Game, call: Call): Promise<string> {
  try {
    await play(game, call)
    return 'done'
  } catch (error) {
    if (error instanceof SluiceError) return error.code
    throw error
  }
}

/** Times and roots differ between layers; how far apart the times are does not. */
function comparable(view: LedgerChannel | undefined) {
  const { fundBy: _, challenge, ...rest } = view as LedgerChannel
  const { root: __, statesUntil = 0n, redeemUntil = 0n, ...posted } = challenge ?? {}
  return { ...rest, ...posted, window: redeemUntil - statesUntil }
}

const balancesOf = ({ room }: Game, asset: Address): Promise<readonly bigint[]> =>
  Promise.all(room.seats.map(({ ledger, payout }) => ledger.balance(payout, asset)))

const bondOf = ({ room }: Game): bigint => (room.seats[0] as Seat).ledger.challengeBond

/** A sequence takes a second or so; `FC_NUM_RUNS` asks for more. */
const numRuns = Math.ceil((fc.readConfigureGlobal().numRuns ?? 100) / 10)

it('agrees with the embedded layer over any sequence of calls', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(calls, { minLength: 4, maxLength: 14 }), async (sequence) => {
      const [reference, contract] = [await begin(sides[0] as Side), await begin(sides[1] as Side)]
      for (const call of sequence) {
        const [expected, found] = [await outcome(reference, call), await outcome(contract, call)]
        expect(
          found,
          JSON.stringify(call, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
        ).toBe(expected)
        const view = (game: Game) => (game.room.seats[0] as Seat).ledger.channel(game.room.id)
        expect(comparable(await view(contract))).toEqual(comparable(await view(reference)))
        const lane = (game: Game) => (game.room.seats[0] as Seat).ledger.lane(game.room.id, 0n)
        expect(await lane(contract)).toEqual(await lane(reference))
        const out = await balancesOf(contract, contract.harness.asset)
        // The embedded layer has one coin: what a seat has there beyond its shares are shares of bonds.
        const bonds = await balancesOf(contract, zeroAddress)
        const both = await balancesOf(reference, reference.harness.asset)
        expect(bonds.map((amount) => amount * bondOf(reference))).toEqual(
          both.map((amount, seat) => (amount - (out[seat] ?? 0n)) * bondOf(contract)),
        )
        const held = (await view(contract))?.held[0] ?? 0n
        const deposited = (await view(contract))?.deposited.flat() ?? []
        expect(out.reduce((sum, each) => sum + each, held)).toBe(
          deposited.reduce((sum, each) => sum + each, 0n),
        )
      }
    }),
    { numRuns },
  )
})
