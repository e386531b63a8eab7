/**
 * What the suites of execution layers share: seats that open, fund and sign channels through the `Ledger` port
 * alone, so that every layer can be asked the same.
 */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { type Address, type Hex, toHex, zeroAddress, zeroes } from '../../src/core/bytes.js'
import * as Chain from '../../src/core/chain.js'
import type { Claim } from '../../src/core/claim.js'
import * as Dispute from '../../src/core/dispute.js'
import type { Lane } from '../../src/core/lane.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type { Domain } from '../../src/core/typed-data.js'
import * as Voucher from '../../src/core/voucher.js'
import type { Ledger, LedgerEvent } from '../../src/engine/ports.js'
import { type Wallet, wallet } from '../ledger/wallet.js'

export type Harness = {
  /** An asset the harness can hand out, free of fees. */
  readonly asset: Address
  connect(wallet: Wallet): Promise<Ledger>
  fund(account: Address, amount: bigint): Promise<void>
  /** Gives an account the native coin for one challenge bond, and what its transactions cost, but no second bond. */
  fundBond(account: Address): Promise<void>
  /** Moves the layer's clock forward. */
  advance(seconds: number): Promise<void>
  close(): Promise<void>
}

export type Seat = { readonly wallet: Wallet; readonly ledger: Ledger; readonly payout: Address }

/** A channel and who sits in it. */
export type Room = {
  readonly seats: readonly Seat[]
  readonly parameters: Parameters.Parameters
  readonly id: Hex
}

/** A state as its seats signed it, and all that can be shown of it. */
export type Signed = {
  readonly posting: Dispute.Posting
  readonly preimage: Dispute.Preimage
  readonly leaves: readonly Dispute.Leaf[]
}

export type StateChange = Partial<Pick<State.Outcome, 'deposited' | 'withdrawn' | 'pots'>> & {
  readonly kind?: State.Kind
  readonly lanes?: readonly Lane[]
  /** Who signs instead of all seats, and for which layer. */
  readonly by?: readonly Seat[]
  readonly domain?: Domain
}

export const refusal = (code: string) => expect.objectContaining({ code })

export const ledgerOf = (seats: readonly Seat[]): Ledger => (seats[0] as Seat).ledger

export const column = (...amounts: readonly bigint[]): State.Table =>
  amounts.map((amount) => [amount])

/** The tools of one harness, which may come later than they do. */
export function rooms(harness: () => Harness) {
  async function seat(amount: bigint): Promise<Seat> {
    const mine = wallet()
    const ledger = await harness().connect(mine)
    if (amount > 0n) await harness().fund(mine.address, amount)
    return { wallet: mine, ledger, payout: wallet().address }
  }

  const balance = ({ ledger }: Seat, account: Address): Promise<bigint> =>
    ledger.balance(account, harness().asset)

  const agree = async (
    seats: readonly Seat[],
    deposits: readonly bigint[],
    change: Partial<Parameters.Parameters> = {},
  ): Promise<Parameters.Parameters> => ({
    seats: seats.map(({ wallet, payout }) => ({ signer: wallet.address, payout })),
    assets: [harness().asset],
    deposits: deposits.map((amount) => [amount]),
    fundBy: (await ledgerOf(seats).time()) + 100n,
    challengePeriod: ledgerOf(seats).minChallengePeriod,
    codeHash: zeroes(),
    salt: randomBytes(32),
    ...change,
  })

  const sign = (
    domain: Domain,
    parameters: Parameters.Parameters,
    seats: readonly Seat[],
    { version = 0n, kind = 0 as State.Kind, body = State.opening(parameters) } = {},
  ): Promise<Uint8Array[]> => {
    const channelId = Parameters.id(domain, parameters)
    const state = { channelId, version, root: State.root(channelId, body), kind }
    return Promise.all(seats.map(({ wallet }) => wallet.sign(State.digest(domain, state))))
  }

  const open = async (parameters: Parameters.Parameters, seats: readonly Seat[]) => {
    const ledger = ledgerOf(seats)
    await ledger.open(parameters, await sign(ledger.domain, parameters, seats))
  }

  const look = (seats: readonly Seat[], parameters: Parameters.Parameters) =>
    ledgerOf(seats).channel(Parameters.id(ledgerOf(seats).domain, parameters))

  const roomOf = (seats: readonly Seat[], parameters: Parameters.Parameters): Room => ({
    seats,
    parameters,
    id: Parameters.id(ledgerOf(seats).domain, parameters),
  })

  async function live(...deposits: bigint[]): Promise<Room> {
    const seats = await Promise.all(deposits.map(seat))
    const parameters = await agree(seats, deposits)
    await open(parameters, seats)
    for (const [at, { ledger }] of seats.entries()) await ledger.deposit(parameters, at)
    return roomOf(seats, parameters)
  }

  async function state(
    room: Room,
    version: bigint,
    balances: readonly bigint[],
    change: StateChange = {},
  ): Promise<Signed> {
    const { kind = 0, lanes = [], by = room.seats, domain, ...tables } = change
    const outcome = {
      ...State.opening(room.parameters).outcome,
      balances: column(...balances),
      nextLane: 9n,
      ...tables,
    }
    const body = { outcome, lanes }
    const { domain: own } = ledgerOf(room.seats)
    const channelId = Parameters.id(own, room.parameters)
    const root = State.root(channelId, body)
    const digest = State.digest(domain ?? own, { channelId, version, root, kind })
    const signatures = await Promise.all(by.map(({ wallet }) => wallet.sign(digest)))
    return {
      posting: Dispute.posting(channelId, { version, kind, body, signatures }),
      preimage: Dispute.preimage(channelId, body),
      leaves: Dispute.leaves(channelId, body),
    }
  }

  /** `seat` posts a state, from its own account unless another submits what it signed. */
  async function challenge(
    { parameters, seats, id }: Room,
    at: number,
    { posting }: Signed,
    by: Seat = seats[at] as Seat,
  ): Promise<void> {
    const { domain, account } = by.ledger
    const digest = Dispute.digest(domain, { channelId: id, version: posting.version, account })
    const signature = await (seats[at] as Seat).wallet.sign(digest)
    await by.ledger.challenge(parameters, at, posting, signature)
  }

  /** As `challenge`, with the bond put into its account first. */
  async function post(room: Room, at: number, signed: Signed): Promise<void> {
    await harness().fundBond((room.seats[at] as Seat).wallet.address)
    await challenge(room, at, signed)
  }

  /** To the first second of the redemption window, or beyond it. */
  async function pass(room: Room, until: 'states' | 'redemption'): Promise<void> {
    const { challenge } = (await look(room.seats, room.parameters)) ?? {}
    const end = challenge?.[until === 'states' ? 'statesUntil' : 'redeemUntil'] ?? 0n
    const left = end - (await ledgerOf(room.seats).time())
    await harness().advance(Number(left) + 1)
  }

  /** What a seat's payout address has: shares of the channel, and of a bond. */
  async function expectPaid(room: Room, shares: readonly bigint[], bonds: readonly bigint[] = []) {
    const { asset } = harness()
    for (const [at, each] of room.seats.entries()) {
      const [share = 0n, bond = 0n] = [shares[at], bonds[at]]
      const native = await each.ledger.balance(each.payout, zeroAddress)
      expect(native, `native coin of seat ${at}`).toBe(asset === zeroAddress ? share + bond : bond)
      expect(await balance(each, each.payout), `shares of seat ${at}`).toBe(
        asset === zeroAddress ? share + bond : share,
      )
    }
  }

  return {
    seat,
    balance,
    agree,
    sign,
    open,
    look,
    roomOf,
    live,
    state,
    challenge,
    post,
    pass,
    expectPaid,
  }
}

/** A lane between the first two seats, with a session key of its own. */
export function laneOf(change: Partial<Lane> = {}): { lane: Lane; key: Wallet } {
  const key = wallet()
  const lane = { id: 0n, payer: 0, payee: 1, asset: 0, folded: 0n, reserved: 10n, ...change }
  return { lane: { ...lane, sessionKey: key.address }, key }
}

/** A plain voucher over `amount`. */
export async function promise(
  domain: Domain,
  channelId: Hex,
  lane: Lane,
  key: Wallet,
  amount: bigint,
  change: Partial<Voucher.Voucher> = {},
): Promise<Claim> {
  const voucher: Voucher.Voucher = {
    channelId,
    lane: lane.id,
    epoch: 1,
    base: amount,
    unit: 0n,
    digits: 0,
    radix: 0,
    length: 0,
    anchors: [],
    context: zeroes(),
    ...change,
  }
  const signature = await key.sign(Voucher.digest(domain, voucher))
  return { signed: { voucher, signature }, indices: [], nodes: [] }
}

/** A voucher with chains, of which `indices` are revealed: each step of digit 0 is one unit. */
export async function ticks(
  domain: Domain,
  channelId: Hex,
  lane: Lane,
  key: Wallet,
  {
    base = 0n,
    epoch = 1,
    length = 16,
    indices = [0],
  }: { base?: bigint; epoch?: number; length?: number; indices?: readonly number[] },
): Promise<Claim> {
  const tweak = Chain.laneTweak(channelId, lane.id)
  const chains = indices.map((_, digit) =>
    Chain.generate({ tweak, epoch, digit }, length, new Uint8Array(32).fill(digit + 1)),
  )
  const node = (digit: number, index: number): Uint8Array =>
    (chains[digit] ?? zeroes()).slice(32 * index, 32 * index + 32)
  const change = {
    epoch,
    unit: 1n,
    digits: indices.length,
    radix: indices.length > 1 ? 4 : 1,
    length,
    anchors: indices.map((_, digit) => node(digit, 0)),
  }
  const { signed } = await promise(domain, channelId, lane, key, base, change)
  return { signed, indices, nodes: indices.map((index, digit) => node(digit, index)) }
}

/** The first `count` events above `after` that `wanted` picks. */
export async function collect(
  ledger: Ledger,
  after: number,
  wanted: (event: LedgerEvent) => boolean,
  count: number,
): Promise<LedgerEvent[]> {
  const found: LedgerEvent[] = []
  for await (const event of ledger.events({ after, signal: new AbortController().signal })) {
    if (wanted(event)) found.push(event)
    if (found.length === count) break
  }
  return found
}

/** A channel id that no layer knows. */
export const nowhere = (): Hex => toHex(randomBytes(32))
