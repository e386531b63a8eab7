/**
 * Channel machines, two or more, a ledger and bad links between them, driven by a list of actions. After every
 * action the promises of the machine are checked; what breaks one throws.
 */
import { expect } from 'vitest'
import * as Amount from '../../../src/core/amount.js'
import { type Address, concat, fromHex, toHex } from '../../../src/core/bytes.js'
import * as Channel from '../../../src/core/channel.js'
import type { Message } from '../../../src/core/message.js'
import * as Parameters from '../../../src/core/parameters.js'
import type { View } from '../../../src/core/phase.js'
import * as Proposal from '../../../src/core/proposal.js'
import * as State from '../../../src/core/state.js'
import type { Update } from '../../../src/core/update.js'
import { filler, sha256 } from '../../vectors/reference.js'
import { checkStep } from './channel-checks.js'
import * as Signatures from './signatures.js'

/** A seat. */
export type Side = number

/** What may happen next; numbers are taken modulo what there is to choose from. */
export type Action =
  | { readonly type: 'propose'; readonly side: Side; readonly wish: Wish }
  | { readonly type: 'drop'; readonly side: Side }
  /** The message at `at` in the queue of `side` arrives; `crash`: it is handled and stored, and then the lights go out. */
  | { readonly type: 'deliver'; readonly side: Side; readonly at: number; readonly crash?: boolean }
  | { readonly type: 'lose' | 'repeat'; readonly side: Side; readonly at: number }
  /** All connections break. `drain`: what was under way is lost with them. */
  | { readonly type: 'reconnect'; readonly drain: boolean }
  /** A seat starts again from what its disk held `back` writes ago. */
  | { readonly type: 'restore'; readonly side: Side; readonly back: number }
  | { readonly type: 'look'; readonly side: Side }
  /** The payer promises more on a lane, or the payee takes what was promised. */
  | { readonly type: 'pay'; readonly side: Side; readonly lane: number; readonly amount: number }
  /** A seat posts its newest state. */
  | { readonly type: 'challenge'; readonly side: Side }
  /** Money of a seat goes to the layer, beside its opening deposit. */
  | { readonly type: 'deposit'; readonly side: Side; readonly amount: number }

export type Wish = {
  readonly type: 'lane-open' | 'fold' | 'lane-close' | 'top-up' | 'withdraw' | 'resume' | 'final'
  readonly lane: number
  readonly amount: number
}

export const domain = { chainId: 7n, adjudicator: Signatures.addressOf('adjudicator') }
const names = ['alice', 'bob', ...Array.from({ length: 14 }, (_, at) => `seat ${at + 2}`)]
export const signers: readonly Address[] = names.map(Signatures.addressOf)

export const parametersOf = (seats: number): Parameters.Parameters => ({
  seats: signers.slice(0, seats).map((signer) => ({ signer, payout: signer })),
  assets: [Signatures.addressOf('token')],
  deposits: signers.slice(0, seats).map((_, seat) => [seat === 0 ? 1_000n : 400n]),
  fundBy: 1_000n,
  challengePeriod: 60n,
  codeHash: Parameters.noCode,
  salt: filler('salt'),
})

export const parameters = parametersOf(2)

/** The layer: it does what it is asked at once, and what it is asked again is already so. */
type Ledger = { -readonly [K in keyof View]: View[K] } & { open: boolean }

/** Nobody but the shell looks at `synced`. */
type Letter = { readonly from: Side; readonly message: Message }

export type World = {
  readonly parameters: Parameters.Parameters
  readonly sides: readonly Side[]
  readonly channels: (Channel.Channel | undefined)[]
  /** All that each side ever wrote. */
  readonly disks: Channel.Channel[][]
  /** Messages on their way to each side. */
  readonly queues: Letter[][]
  /** Per side: who has shown what it holds since the side started. */
  readonly synced: Set<Side>[]
  readonly ledger: Ledger
  time: bigint
  /** Per lane id: what its payer promised, what its payee holds. */
  readonly promised: Map<bigint, bigint>
  readonly accepted: Map<bigint, bigint>
  readonly contexts: Channel.Context[]
  /** What each seat has signed: signature by version. */
  readonly signed: Map<bigint, string>[]
  readonly digests: Set<string>[]
  readonly log: string[]
}

export function create(seats = 2): World {
  const parameters = parametersOf(seats)
  const sides = [...parameters.seats.keys()]
  const each = <T>(make: (side: Side) => T): T[] => sides.map(make)
  const none = State.none(parameters)
  const world: World = {
    parameters,
    sides,
    channels: each(() => undefined),
    disks: each(() => []),
    queues: each(() => []),
    synced: each(() => new Set()),
    ledger: { open: false, status: 'funding', deposited: none, withdrawn: none },
    time: 0n,
    promised: new Map(),
    accepted: new Map(),
    contexts: each(contextOf),
    signed: each(() => new Map()),
    digests: each(() => new Set()),
    log: [],
  }
  function contextOf(side: Side): Channel.Context {
    return {
      domain,
      recover: Signatures.recover,
      sign(digest) {
        world.digests[side]?.add(toHex(digest))
        return Signatures.sign(signers[side] ?? '0x', digest)
      },
      seal: (...parts) => sha256(concat(fromHex(signers[side] ?? '0x', 20), ...parts)),
      claim(id) {
        const lane = laneOf(world.channels[side], id)
        return (lane?.payer === side ? world.promised : world.accepted).get(id) ?? 0n
      },
      reserveMin: () => 0n,
      get synced() {
        return world.synced[side]?.size === sides.length - 1
      },
    }
  }
  return world
}

const laneOf = (channel: Channel.Channel | undefined, id: bigint) =>
  channel?.complete?.body.lanes.find((lane) => lane.id === id)

/** Whether a side has put its name, or its wish, to the end of a lane: it must not take or promise more. */
const ending = (channel: Channel.Channel | undefined, id: bigint): boolean =>
  channel?.proposals.some(({ updates }) =>
    updates.some((u) => u.type === 'lane-close' && u.lane === id),
  ) ?? false

export const contextOf = (world: World, side: Side): Channel.Context => {
  const context = world.contexts[side]
  if (context === undefined) throw new Error(`there is no side ${side}`)
  return context
}

/** Side 0 asks the others for a channel. */
export function begin(world: World): void {
  reconnect(world, true)
  const step = Channel.propose(contextOf(world, 0), world.parameters, 0)
  store(world, 0, undefined, step, false)
}

export function act(world: World, action: Action): void {
  if (action.type === 'reconnect') reconnect(world, action.drain)
  else actOf(world, action, action.side % world.sides.length)
}

function actOf(world: World, action: Exclude<Action, { drain: boolean }>, side: Side): void {
  if (action.type === 'look') look(world, side)
  else if (action.type === 'pay') pay(world, { ...action, side })
  else if (action.type === 'restore') restore(world, side, action.back)
  else if (action.type === 'deposit') deposit(world, side, action.amount)
  else if (action.type === 'challenge') challenge(world, side)
  else if (action.type === 'drop') input(world, side, { type: 'drop' })
  else if (action.type === 'propose') {
    const updates = updatesOf(world, side, action.wish)
    input(world, side, { type: 'propose', updates })
  } else {
    const letter = pick(world, side, action.at, action.type !== 'repeat')
    if (letter === undefined) return
    if (action.type === 'repeat') world.queues[side]?.push(letter)
    if (action.type === 'deliver') receive(world, side, letter, action.crash ?? false)
    if (action.type === 'deliver' && action.crash) restart(world, side)
  }
}

function pick(world: World, side: Side, at: number, remove: boolean): Letter | undefined {
  const queue = world.queues[side] ?? []
  const index = queue.length === 0 ? 0 : at % queue.length
  return remove ? queue.splice(index, 1)[0] : queue[index]
}

/** What a wish comes to: lanes are those there are, claims what `side` holds or promised. */
export function updatesOf(world: World, side: Side, wish: Wish): readonly Update[] {
  const lanes = world.channels[side]?.complete?.body.lanes ?? []
  const lane = lanes[wish.lane % Math.max(1, lanes.length)]
  const amount = BigInt(wish.amount)
  const close = (id: bigint, folded: bigint): Update => ({
    type: 'lane-close',
    lane: id,
    claim: Amount.larger(claimOf(world, side, id), folded),
  })
  switch (wish.type) {
    case 'lane-open': {
      const payee = (side + 1 + (wish.lane % (world.sides.length - 1))) % world.sides.length
      const sessionKey = signers[side] ?? '0x'
      return [{ type: 'lane-open', payer: side, payee, asset: 0, reserved: amount, sessionKey }]
    }
    case 'fold': {
      // Somewhat beside the truth now and then, so that one side has cause to refuse.
      const claim = claimOf(world, side, lane?.id ?? 0n) + (amount % 3n) - 1n
      return [{ type: 'fold', lane: lane?.id ?? 0n, claim: claim < 0n ? 0n : claim }]
    }
    case 'lane-close':
      return [close(lane?.id ?? 0n, lane?.folded ?? 0n)]
    case 'top-up':
    case 'withdraw':
      return [{ type: wish.type, seat: side, asset: 0, amount }]
    case 'resume':
      return [{ type: 'resume' }]
    case 'final':
      return [...lanes.map(({ id, folded }) => close(id, folded)), { type: 'final' }]
  }
}

/** What a side knows of a lane; of those it has no part in, what it was told by their payee. */
const claimOf = (world: World, side: Side, id: bigint): bigint => {
  const lane = laneOf(world.channels[side], id)
  const isEnd = lane?.payer === side || lane?.payee === side
  return isEnd ? contextOf(world, side).claim(id) : (world.accepted.get(id) ?? 0n)
}

function pay(world: World, { side, lane, amount }: Action & { type: 'pay' }): void {
  const channel = world.channels[side]
  const lanes = channel?.complete?.body.lanes ?? []
  const chosen = lanes[lane % Math.max(1, lanes.length)]
  if (chosen === undefined || ending(channel, chosen.id)) return
  // Each end shows the other what it holds before money moves on a new connection.
  const other = side === chosen.payee ? chosen.payer : chosen.payee
  if (!world.synced[side]?.has(other)) return
  const promised = world.promised.get(chosen.id) ?? 0n
  if (side === chosen.payee) world.accepted.set(chosen.id, promised)
  else if (side === chosen.payer) {
    const capacity = chosen.folded + chosen.reserved
    const raised = promised + BigInt(amount)
    world.promised.set(chosen.id, raised > capacity ? capacity : raised)
  }
}

function challenge({ ledger, channels }: World, side: Side): void {
  const version = channels[side]?.complete?.version
  if (ledger.status !== 'live' || version === undefined) return
  ledger.status = 'challenged'
  ledger.challenge = { version }
}

function deposit({ ledger }: World, side: Side, amount: number): void {
  if (ledger.status === 'live')
    ledger.deposited = State.adjust(ledger.deposited, side, 0, BigInt(amount))
}

export function look(world: World, side: Side): void {
  const { ledger, time } = world
  input(world, side, { type: 'ledger', view: ledger.open ? { ...ledger } : undefined, time })
}

/** A new connection: both say what they hold, then everything that is not known to be done. */
export function reconnect(world: World, drain: boolean): void {
  world.log.push(`reconnect${drain ? ', all under way is lost' : ''}`)
  for (const side of world.sides)
    for (const other of world.sides) if (side < other) link(world, side, other, drain)
}

function link(world: World, a: Side, b: Side, drain: boolean): void {
  for (const [to, from] of [
    [a, b],
    [b, a],
  ] as const) {
    const queue = world.queues[to] ?? []
    if (drain) queue.splice(0, Infinity, ...queue.filter((letter) => letter.from !== from))
    const channel = world.channels[from]
    const greeting = channel === undefined ? [] : Channel.greet(channel, to)
    for (const message of [...greeting, { type: 'synced' } as const]) queue.push({ from, message })
  }
}

/** A process ends and starts again; whom it knew to be in step it has forgotten. */
function restart(world: World, side: Side): void {
  world.synced[side]?.clear()
  for (const other of world.sides) if (other !== side) link(world, side, other, true)
}

function restore(world: World, side: Side, back: number): void {
  const disk = world.disks[side] ?? []
  if (disk.length === 0) return
  const at = Math.max(0, disk.length - 1 - (back % disk.length))
  world.log.push(`${side} starts from write ${at} of ${disk.length}`)
  world.channels[side] = disk[at]
  restart(world, side)
}

function receive(world: World, side: Side, letter: Letter, crash: boolean): void {
  const { from, message } = letter
  if (message.type === 'synced') {
    world.synced[side]?.add(from)
    if (contextOf(world, side).synced) input(world, side, { type: 'synced' })
  } else if (world.channels[side] !== undefined) {
    const channel = world.channels[side]
    if (channel && message.type === 'propose' && Proposal.needsLook(channel, message.updates))
      look(world, side)
    input(world, side, { type: 'message', from, message }, crash)
  } else if (message.type === 'open')
    store(world, side, undefined, Channel.accept(contextOf(world, side), message, side), crash)
}

export function input(world: World, side: Side, what: Channel.Input, crash = false): void {
  const before = world.channels[side]
  if (before === undefined) return
  world.log.push(`${side}${crash ? ' crashes after' : ''} ${JSON.stringify(what, short)}`)
  store(world, side, before, Channel.step(contextOf(world, side), before, what), crash)
}

const short = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array
    ? toHex(value).slice(0, 8)
    : typeof value === 'bigint'
      ? value.toString()
      : typeof value === 'object' && value !== null && 'body' in value && 'version' in value
        ? `v${value.version}`
        : value

/** What the shell does: one write, then the effects, unless it dies between the two. */
function store(
  world: World,
  side: Side,
  before: Channel.Channel | undefined,
  { channel, effects }: Channel.Step,
  crash: boolean,
): void {
  world.channels[side] = channel
  if (channel !== before) world.disks[side]?.push(channel)
  checkStep(world, side, before, { channel, effects })
  if (!crash) perform(world, side, effects)
}

function perform(world: World, side: Side, effects: readonly Channel.Effect[]): void {
  for (const effect of effects) {
    if (effect.type === 'send')
      world.queues[effect.to]?.push({ from: side, message: effect.message })
    if (effect.type === 'submit') submit(world, side, effect.call)
  }
}

function submit(world: World, side: Side, call: Channel.LedgerCall): void {
  const { ledger, channels, time, parameters } = world
  const complete = channels[side]?.complete
  const due = parameters.deposits[side]?.[0] ?? 0n
  switch (call) {
    case 'open':
      expect(complete, 'open needs state 0 with all signatures').toBeDefined()
      if (time <= parameters.fundBy) ledger.open = true
      break
    case 'deposit':
      if (ledger.status === 'funding' && ledger.deposited[side]?.[0] === 0n)
        ledger.deposited = State.adjust(ledger.deposited, side, 0, due)
      if (State.isEqual(ledger.deposited, parameters.deposits)) ledger.status = 'live'
      break
    case 'refund':
      expect(ledger.status).toBe('dead')
      ledger.withdrawn = ledger.withdrawn.with(side, ledger.deposited[side] ?? [])
      break
    case 'withdraw':
      ledger.withdrawn = ledger.withdrawn.map((row, seat) =>
        row.map((paid, asset) =>
          Amount.larger(paid, complete?.body.outcome.withdrawn[seat]?.[asset] ?? 0n),
        ),
      )
      break
    case 'resume':
      if (ledger.status !== 'challenged') break
      expect(complete?.kind, 'only a resume state ends a challenge').toBe(2)
      // A disk that is an older one may ask for what is over: this very state was resumed with, and posted since.
      if ((complete?.version ?? 0n) <= (ledger.challenge?.version ?? 0n)) break
      ledger.status = 'live'
      ledger.challenge = undefined
      break
    case 'close':
      expect(complete?.kind, 'only a final state closes').toBe(1)
      ledger.status = 'closed'
      break
  }
}

/** Delivers all that is under way, in order, until nothing is. */
export function settle(world: World): void {
  const most = 100 * world.sides.length ** 2
  for (let rounds = 0; world.queues.some((queue) => queue.length > 0); rounds++) {
    expect(rounds, `peers that never fall silent:\n${world.log.join('\n')}`).toBeLessThan(most)
    for (const side of world.sides) act(world, { type: 'deliver', side, at: 0 })
  }
}

/** The links work again: connections that last, and everybody looks at the ledger. */
export function heal(world: World): void {
  for (let round = 0; round < 4; round++) {
    reconnect(world, false)
    // Payers send again what their payees do not hold.
    for (const [lane, promised] of world.promised) world.accepted.set(lane, promised)
    settle(world)
    for (const side of world.sides) look(world, side)
    settle(world)
  }
}
