/**
 * Two channel machines, a ledger and a bad link between them, driven by a list of actions. After every
 * action the promises of the machine are checked; what breaks one throws.
 */
import { expect } from 'vitest'
import * as Amount from '../../../src/core/amount.js'
import { type Address, toHex } from '../../../src/core/bytes.js'
import * as Channel from '../../../src/core/channel.js'
import type { Message } from '../../../src/core/message.js'
import * as Parameters from '../../../src/core/parameters.js'
import * as State from '../../../src/core/state.js'
import type { Update } from '../../../src/core/update.js'
import { filler } from '../../vectors/reference.js'
import { checkStep } from './channel-checks.js'
import * as Signatures from './signatures.js'

export type Side = 0 | 1

/** What may happen next; numbers are taken modulo what there is to choose from. */
export type Action =
  | { readonly type: 'propose'; readonly side: Side; readonly wish: Wish }
  /** The message at `at` in the queue of `side` arrives; `crash`: it is handled and stored, and then the lights go out. */
  | { readonly type: 'deliver'; readonly side: Side; readonly at: number; readonly crash?: boolean }
  | { readonly type: 'lose' | 'repeat'; readonly side: Side; readonly at: number }
  /** The connection breaks. `drain`: what was under way is lost with it. */
  | { readonly type: 'reconnect'; readonly drain: boolean }
  | { readonly type: 'look'; readonly side: Side }
  /** The payer promises more on a lane, or the payee takes what was promised. */
  | { readonly type: 'pay'; readonly side: Side; readonly lane: number; readonly amount: number }

export type Wish = {
  readonly type: 'lane-open' | 'fold' | 'lane-close' | 'final'
  readonly lane: number
  readonly amount: number
}

export const domain = { chainId: 7n, adjudicator: Signatures.addressOf('adjudicator') }
export const signers: readonly [Address, Address] = [
  Signatures.addressOf('alice'),
  Signatures.addressOf('bob'),
]

export const parameters: Parameters.Parameters = {
  seats: signers.map((signer) => ({ signer, payout: signer })),
  assets: [Signatures.addressOf('token')],
  deposits: [[1_000n], [400n]],
  fundBy: 1_000n,
  challengePeriod: 60n,
  codeHash: Parameters.noCode,
  salt: filler('salt'),
}

/** The layer: it does what it is asked at once, and what it is asked again is already so. */
type Ledger = { -readonly [K in keyof Channel.View]: Channel.View[K] } & { open: boolean }

export type World = {
  readonly channels: [Channel.Channel | undefined, Channel.Channel | undefined]
  /** Messages on their way to each side. */
  readonly queues: [Message[], Message[]]
  readonly ledger: Ledger
  time: bigint
  /** Per lane id: what its payer promised, what its payee holds. */
  readonly promised: Map<bigint, bigint>
  readonly accepted: Map<bigint, bigint>
  readonly contexts: [Channel.Context, Channel.Context]
  /** What each seat has signed: signature by version. */
  readonly signed: [Map<bigint, string>, Map<bigint, string>]
  readonly digests: [Set<string>, Set<string>]
  readonly log: string[]
}

export function create(): World {
  const none: State.Table = [[0n], [0n]]
  const digests: World['digests'] = [new Set(), new Set()]
  const promised = new Map<bigint, bigint>()
  const accepted = new Map<bigint, bigint>()
  const world: World = {
    channels: [undefined, undefined],
    queues: [[], []],
    ledger: { open: false, status: 'funding', deposited: none, withdrawn: none },
    time: 0n,
    promised,
    accepted,
    contexts: [contextOf(0), contextOf(1)],
    signed: [new Map(), new Map()],
    digests,
    log: [],
  }
  function contextOf(side: Side): Channel.Context {
    return {
      domain,
      recover: Signatures.recover,
      sign(digest) {
        digests[side].add(toHex(digest))
        return Signatures.sign(signers[side], digest)
      },
      claim(id) {
        const lane = laneOf(world.channels[side], id)
        return (lane?.payer === side ? promised : accepted).get(id) ?? 0n
      },
    }
  }
  return world
}

const laneOf = (channel: Channel.Channel | undefined, id: bigint) =>
  channel?.complete?.body.lanes.find((lane) => lane.id === id)

/** Whether a side has put its name, or its wish, to the end of a lane: it must not take or promise more. */
const ending = (channel: Channel.Channel | undefined, id: bigint): boolean =>
  channel?.proposal?.updates.some((u) => u.type === 'lane-close' && u.lane === id) ?? false

const other = (side: Side): Side => (side === 0 ? 1 : 0)

/** Side 0 asks side 1 for a channel. */
export function begin(world: World): void {
  const step = Channel.propose(world.contexts[0], parameters, 0)
  store(world, 0, undefined, step, false)
}

export function act(world: World, action: Action): void {
  if (action.type === 'reconnect') reconnect(world, action.drain)
  else if (action.type === 'look') look(world, action.side)
  else if (action.type === 'pay') pay(world, action)
  else if (action.type === 'propose') {
    const updates = updatesOf(world, action.side, action.wish)
    input(world, action.side, { type: 'propose', updates })
  } else {
    const { side, at } = action
    const message = pick(world, side, at, action.type !== 'repeat')
    if (message === undefined) return
    if (action.type === 'repeat') world.queues[side].push(message)
    if (action.type === 'deliver') receive(world, side, message, action.crash ?? false)
    if (action.type === 'deliver' && action.crash) reconnect(world, true)
  }
}

function pick(world: World, side: Side, at: number, remove: boolean): Message | undefined {
  const queue = world.queues[side]
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
    claim: Amount.larger(world.contexts[side].claim(id), folded),
  })
  switch (wish.type) {
    case 'lane-open':
      return [
        {
          type: 'lane-open',
          payer: side,
          payee: 1 - side,
          asset: 0,
          reserved: amount,
          sessionKey: signers[side],
        },
      ]
    case 'fold': {
      // Somewhat beside the truth now and then, so that one side has cause to refuse.
      const claim = world.contexts[side].claim(lane?.id ?? 0n) + (amount % 3n) - 1n
      return [{ type: 'fold', lane: lane?.id ?? 0n, claim: claim < 0n ? 0n : claim }]
    }
    case 'lane-close':
      return [close(lane?.id ?? 0n, lane?.folded ?? 0n)]
    case 'final':
      return [...lanes.map(({ id, folded }) => close(id, folded)), { type: 'final' }]
  }
}

function pay(world: World, { side, lane, amount }: Action & { type: 'pay' }): void {
  const channel = world.channels[side]
  const lanes = channel?.complete?.body.lanes ?? []
  const chosen = lanes[lane % Math.max(1, lanes.length)]
  if (chosen === undefined || ending(channel, chosen.id)) return
  const promised = world.promised.get(chosen.id) ?? 0n
  if (side === chosen.payee) world.accepted.set(chosen.id, promised)
  else {
    const capacity = chosen.folded + chosen.reserved
    const raised = promised + BigInt(amount)
    world.promised.set(chosen.id, raised > capacity ? capacity : raised)
  }
}

export function look(world: World, side: Side): void {
  const { ledger, time } = world
  input(world, side, { type: 'ledger', view: ledger.open ? { ...ledger } : undefined, time })
}

/** A new connection: both say what they hold, then everything that is not known to be done. */
export function reconnect(world: World, drain: boolean): void {
  world.log.push(`reconnect${drain ? ', all under way is lost' : ''}`)
  if (drain) for (const queue of world.queues) queue.length = 0
  for (const side of [0, 1] as const) {
    const channel = world.channels[side]
    if (channel === undefined) continue
    send(world, side, Channel.sync(channel))
    perform(world, side, channel.outbox)
  }
}

function send(world: World, from: Side, message: Message): void {
  world.queues[other(from)].push(message)
}

function receive(world: World, side: Side, message: Message, crash: boolean): void {
  if (world.channels[side] !== undefined) input(world, side, { type: 'message', message }, crash)
  else if (message.type === 'open')
    store(world, side, undefined, Channel.accept(world.contexts[side], message, side), crash)
}

export function input(world: World, side: Side, what: Channel.Input, crash = false): void {
  const before = world.channels[side]
  if (before === undefined) return
  store(world, side, before, Channel.step(world.contexts[side], before, what), crash)
  const subject =
    what.type === 'message' ? JSON.stringify(what.message, short) : JSON.stringify(what, short)
  world.log.push(`${side}${crash ? ' crashes after' : ''} ${subject}`)
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
  checkStep(world, side, before, { channel, effects })
  if (!crash) perform(world, side, effects)
}

function perform(world: World, side: Side, effects: readonly Channel.Effect[]): void {
  for (const effect of effects) {
    if (effect.type === 'send') send(world, side, effect.message)
    if (effect.type === 'submit') submit(world, side, effect.call)
  }
}

function submit({ ledger, channels, time }: World, side: Side, call: Channel.LedgerCall): void {
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
      if (JSON.stringify(ledger.deposited, short) === JSON.stringify(parameters.deposits, short))
        ledger.status = 'live'
      break
    case 'refund':
      expect(ledger.status).toBe('dead')
      ledger.withdrawn = ledger.withdrawn.with(side, ledger.deposited[side] ?? [])
      break
    case 'close':
      expect(complete?.kind, 'only a final state closes').toBe(1)
      ledger.status = 'closed'
      break
  }
}

/** Delivers all that is under way, in order, until nothing is. */
export function settle(world: World): void {
  for (let rounds = 0; world.queues.some((queue) => queue.length > 0); rounds++) {
    expect(rounds, 'two peers that never fall silent').toBeLessThan(500)
    for (const side of [0, 1] as const) act(world, { type: 'deliver', side, at: 0 })
  }
}

/** The link works again: one connection that lasts, and everybody looks at the ledger. */
export function heal(world: World): void {
  for (let round = 0; round < 4; round++) {
    reconnect(world, false)
    settle(world)
    for (const side of [0, 1] as const) look(world, side)
    settle(world)
  }
}
