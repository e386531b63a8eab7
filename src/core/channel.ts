/**
 * The channel machine: one pure, total transition, `step(channel, input) → { channel, effects }`. It never
 * signs two contents of one version, never signs n + 1 before it holds n complete, and never throws for
 * bad input: a peer's nonsense becomes a `refused` effect and changes nothing.
 *
 * What must be said again after a crash is not stored: `say` reads it from the channel itself.
 */
import * as Agreement from './agreement.js'
import type { Address, Hex } from './bytes.js'
import * as Complete from './complete.js'
import { SluiceError, toProblem } from './errors.js'
import type { Message } from './message.js'
import * as Parameters from './parameters.js'
import * as Phase from './phase.js'
import type { Proposal } from './proposal.js'
import * as Said from './said.js'
import * as Signing from './signing.js'
import * as State from './state.js'
import type { Domain } from './typed-data.js'
import type { Update } from './update.js'

export type LedgerCall = 'open' | 'deposit' | 'refund' | 'withdraw' | 'resume' | 'close'

export type Channel = {
  readonly id: Hex
  readonly parameters: Parameters.Parameters
  /** Our seat. */
  readonly seat: number
  /** Where the proposer reached each seat; none for two. Hints for the shell, which this machine passes on. */
  readonly addresses: readonly string[]
  readonly phase: Phase.Phase
  /** Newest state signed by all; undefined while opening. */
  readonly complete: Complete.Complete | undefined
  /** Proposals for the next version, at most one of each seat; that one alone which we have signed. */
  readonly proposals: readonly Proposal[]
  /**
   * Per seat, for the next version: the last of our own attempts, and of the others' the last that is over,
   * however often it is repeated.
   */
  readonly attempts: readonly number[]
  /** What the layer held final when we last looked: no state counts more. */
  readonly deposited: State.Table
  /** What the layer is asked until it is so. */
  readonly calls: readonly LedgerCall[]
}

export type Effect =
  | { readonly type: 'send'; readonly to: number; readonly message: Message }
  | { readonly type: 'submit'; readonly call: LedgerCall }
  /** The newest complete state, or the phase, is new. */
  | { readonly type: 'changed' }
  /** Our proposal is gone: refused by a peer, or a lower seat's won. */
  | { readonly type: 'dropped'; readonly code: string; readonly message: string }
  /** The peer's input was refused and changed nothing. */
  | { readonly type: 'refused'; readonly code: string; readonly message: string }

export type Step = { readonly channel: Channel; readonly effects: readonly Effect[] }

export type Input =
  | { readonly type: 'propose'; readonly updates: readonly Update[] }
  /** We no longer want our proposal; one that may be signed already stands all the same. */
  | { readonly type: 'drop' }
  /** Every other seat has shown since our start what it holds: `context.synced` is true from here on. */
  | { readonly type: 'synced' }
  /** What our watchtower has kept for us: a complete state, and the next one where we had signed it. */
  | {
      readonly type: 'restore'
      readonly complete: Complete.Complete
      readonly pending: Proposal | undefined
    }
  | { readonly type: 'message'; readonly from: number; readonly message: Message }
  | { readonly type: 'ledger'; readonly view: Phase.View | undefined; readonly time: bigint }

/** What the pure machine needs from its shell; all of it deterministic. */
export type Context = {
  readonly domain: Domain
  /** Signs with our seat's key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  /** @throws SluiceError for a signature that is none */
  readonly recover: (digest: Uint8Array, signature: Uint8Array) => Address
  /** 32 bytes that nobody else can make of these. */
  readonly seal: (...parts: readonly Uint8Array[]) => Uint8Array
  /** The claim we hold (as payee) or have promised (as payer) on a lane; cumulative. */
  readonly claim: (lane: bigint) => bigint
  /** The least that a lane of this asset (its index) may reserve. */
  readonly reserveMin: (asset: number) => bigint
  /** All other seats have shown since our start what they hold; before, no state is signed. */
  readonly synced: boolean
  /** Newest version that may be signed: while our own challenge stands, a second newer one would prove it stale. */
  readonly versionMax?: bigint | undefined
}

/** A channel that we propose: signed by us, not yet by the others. */
export function propose(
  context: Context,
  parameters: Parameters.Parameters,
  seat: number,
  addresses: readonly string[] = [],
): Step {
  return Agreement.open(context, begin(context, parameters, seat, addresses), seat, undefined)
}

/**
 * A channel that a peer in another seat proposes; the shell has checked that its owner wants it.
 * @throws ParametersError, SignedError `BAD_SIGNATURE`
 */
export function accept(context: Context, offer: Message & { type: 'open' }, seat: number): Step {
  const channel = begin(context, offer.parameters, seat, offer.addresses)
  // A reflected offer bears our own signature, which says nothing about anybody else.
  if (offer.seat === seat) throw new Complete.SignedError('The offer is signed by ourselves.')
  return Agreement.open(context, channel, offer.seat, offer.signature)
}

/** A channel that our disk has lost, and our watchtower has kept: its newest state is to be restored. */
export const lost = (context: Context, parameters: Parameters.Parameters, seat: number): Step => ({
  channel: begin(context, parameters, seat, []),
  effects: [],
})

function begin(
  context: Context,
  parameters: Parameters.Parameters,
  seat: number,
  addresses: readonly string[],
): Channel {
  Parameters.check(parameters)
  return {
    id: Parameters.id(context.domain, parameters),
    parameters,
    seat,
    addresses,
    phase: 'opening',
    complete: undefined,
    proposals: [],
    attempts: parameters.seats.map(() => 0),
    deposited: State.none(parameters),
    calls: [],
  }
}

/** The seats of a channel but our own. */
export const others = ({ parameters, seat }: Channel): number[] =>
  [...parameters.seats.keys()].filter((each) => each !== seat)

/** What a seat is told on each new connection, so that both converge. */
export const greet = (channel: Channel, seat: number): Message[] => {
  const open = Said.say(channel, seat)
  return [Said.sync(channel, seat), ...(open === undefined ? [] : [open])]
}

/** The one transition. */
export function step(context: Context, channel: Channel, input: Input): Step {
  try {
    const next = dispatch(context, channel, input)
    return { ...next, effects: [...next.effects, ...Said.spoken(channel, next.channel)] }
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code === 'INVARIANT') throw error
    return { channel, effects: [{ type: 'refused', ...toProblem(error) }] }
  }
}

function dispatch(context: Context, channel: Channel, input: Input): Step {
  switch (input.type) {
    case 'propose':
      return Agreement.propose(context, channel, input.updates)
    case 'drop':
      return Signing.takeBack(channel)
    case 'synced':
      return Signing.advance(context, channel)
    case 'ledger':
      return Signing.heed(Phase.follow(channel, input.view, input.time))
    case 'restore':
      return Signing.restore(context, channel, input.complete, input.pending)
    case 'message':
      return onMessage(context, channel, input.from, input.message)
  }
}

function onMessage(context: Context, channel: Channel, from: number, message: Message): Step {
  if (from === channel.seat || channel.parameters.seats[from] === undefined)
    throw new ChannelError('UNEXPECTED', `Seat ${from} is nobody we talk to.`)
  switch (message.type) {
    case 'opened':
      return Agreement.onOpened(context, channel, from, message.signature)
    case 'sync':
      return Agreement.onSync(context, channel, from, message)
    case 'propose':
      return Agreement.onPropose(context, channel, from, message)
    case 'agree':
      return Agreement.onAgree(context, channel, from, message)
    case 'complete':
      return Agreement.onComplete(context, channel, message)
    case 'refuse':
      return Agreement.onRefuse(channel, message)
    case 'drop':
      return Agreement.onDrop(channel, from, message)
    default:
      throw new ChannelError('UNEXPECTED', `A ${message.type} message changes no channel.`)
  }
}

/** What a channel refuses to do, or to believe. */
export class ChannelError extends SluiceError {
  constructor(
    code: 'BUSY' | 'REFUSED_BEFORE' | 'UNEXPECTED' | 'VERSION_TAKEN' | 'WRONG_VERSION',
    message: string,
  ) {
    super(code, message)
    this.name = 'ChannelError'
  }
}
