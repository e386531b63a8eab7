/**
 * The channel machine: one pure, total transition, `step(channel, input) → { channel, effects }`. It never
 * signs two contents of one version, never signs n + 1 before it holds n complete, and never throws for
 * bad input: a peer's nonsense becomes a `refused` effect and changes nothing.
 *
 * Two seats: the responder's signature is its `ok`, and the proposer signs second. What must be said or
 * submitted again after a crash stands in `outbox`, stored with the channel in one write.
 */
import { type Address, equals, type Hex } from './bytes.js'
import { assert, SluiceError, toProblem } from './errors.js'
import * as Funding from './funding.js'
import * as Lane from './lane.js'
import type { Message } from './message.js'
import * as Parameters from './parameters.js'
import * as State from './state.js'
import type { Domain } from './typed-data.js'
import * as Update from './update.js'

/**
 * opening: we signed state 0 and wait for the peer's · funding: all signed, deposits on their way ·
 * live: states and streams · closing: a final state is signed, the layer has not paid out yet ·
 * closed: paid out · dead: never funded, deposits refunded.
 */
export type Phase = 'opening' | 'funding' | 'live' | 'closing' | 'closed' | 'dead'

/** A state that every seat signed, with its preimage. */
export type Complete = {
  readonly version: bigint
  readonly kind: State.Kind
  readonly body: State.Body
  /** In seat order. */
  readonly signatures: readonly Uint8Array[]
}

/** The next state, not yet signed by all. */
export type Proposal = {
  readonly proposer: number
  readonly version: bigint
  /** Counts the proposer's proposals for this version, so that a late refusal hits no later one. */
  readonly attempt: number
  readonly updates: readonly Update.Update[]
  /** Ours, once we have signed it: from then on no other content of this version is ever signed. */
  readonly signature: Uint8Array | undefined
}

export type LedgerCall = 'open' | 'deposit' | 'refund' | 'close'

/** What is to be repeated until it is known to be done. */
export type Pending =
  | { readonly type: 'send'; readonly message: Message }
  | { readonly type: 'submit'; readonly call: LedgerCall }

export type Channel = {
  readonly id: Hex
  readonly parameters: Parameters.Parameters
  /** Our seat. */
  readonly seat: number
  readonly phase: Phase
  /** Newest state signed by all; undefined while opening. */
  readonly complete: Complete | undefined
  readonly proposal: Proposal | undefined
  /** Our proposals so far for the next version. */
  readonly attempts: number
  /** The peer's last attempt at it that we refused: refused for good, however often it is repeated. */
  readonly refused: number
  readonly outbox: readonly Pending[]
}

export type Effect =
  | Pending
  /** The newest complete state, or the phase, is new. */
  | { readonly type: 'changed' }
  /** Our proposal is gone: refused by the peer, or the lower seat's won. */
  | { readonly type: 'dropped'; readonly code: string; readonly message: string }
  /** The peer's input was refused and changed nothing. */
  | { readonly type: 'refused'; readonly code: string; readonly message: string }

export type Step = { readonly channel: Channel; readonly effects: readonly Effect[] }

/** How the layer sees the channel; undefined where it does not know it. */
export type View = {
  readonly status: 'funding' | 'live' | 'challenged' | 'frozen' | 'closed' | 'dead'
  readonly deposited: State.Table
  readonly withdrawn: State.Table
}

export type Input =
  | { readonly type: 'propose'; readonly updates: readonly Update.Update[] }
  | { readonly type: 'message'; readonly message: Message }
  | { readonly type: 'ledger'; readonly view: View | undefined; readonly time: bigint }

/** What the pure machine needs from its shell; all of it deterministic. */
export type Context = {
  readonly domain: Domain
  /** Signs with our seat's key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  /** @throws SluiceError for a signature that is none */
  readonly recover: (digest: Uint8Array, signature: Uint8Array) => Address
  /** The claim we hold (as payee) or have promised (as payer) on a lane; cumulative. */
  readonly claim: (lane: bigint) => bigint
}

/** A channel that we propose: signed by us, not yet by the peer. */
export function propose(context: Context, parameters: Parameters.Parameters, seat: number): Step {
  const channel = begin(context, parameters, seat)
  const signature = context.sign(digestOf(context, channel.id, 0n, 0, State.opening(parameters)))
  const open: Pending = { type: 'send', message: { type: 'open', parameters, seat, signature } }
  return { channel: { ...channel, outbox: [open] }, effects: [open] }
}

/**
 * A channel that the peer in the other seat proposes; the shell has checked that its owner wants it.
 * @throws ParametersError, ChannelError `BAD_SIGNATURE`
 */
export function accept(context: Context, offer: Message & { type: 'open' }, seat: number): Step {
  const channel = begin(context, offer.parameters, seat)
  const body = State.opening(offer.parameters)
  const digest = digestOf(context, channel.id, 0n, 0, body)
  checkSignature(context, channel, digest, offer.signature, peerOf(channel))
  const own = context.sign(digest)
  const signatures = inSeatOrder(channel, own, offer.signature)
  const opened: Pending = {
    type: 'send',
    message: { type: 'opened', channelId: channel.id, signature: own },
  }
  return {
    channel: {
      ...channel,
      phase: 'funding',
      complete: { version: 0n, kind: 0, body, signatures },
      outbox: [opened],
    },
    effects: [opened, { type: 'changed' }],
  }
}

function begin(context: Context, parameters: Parameters.Parameters, seat: number): Channel {
  Parameters.check(parameters)
  if (parameters.seats.length !== 2)
    throw new ChannelError('BAD_PARAMETERS', 'Channels have two seats in this version of Sluice.')
  return {
    id: Parameters.id(context.domain, parameters),
    parameters,
    seat,
    phase: 'opening',
    complete: undefined,
    proposal: undefined,
    attempts: 0,
    refused: 0,
    outbox: [],
  }
}

/** What we tell a peer on each new connection, so that both converge; the outbox follows it. */
export const sync = (channel: Channel): Message => ({
  type: 'sync',
  channelId: channel.id,
  complete: channel.complete,
})

/** The one transition. */
export function step(context: Context, channel: Channel, input: Input): Step {
  return total(
    () => {
      switch (input.type) {
        case 'propose':
          return onPropose(context, channel, input.updates)
        case 'ledger':
          return Funding.follow(channel, input.view, input.time)
        case 'message':
          return onMessage(context, channel, input.message)
      }
    },
    (error) => ({ channel, effects: [{ type: 'refused', ...toProblem(error) }] }),
  )
}

/** What `run` gives, or `otherwise` for bad input; a bug of ours is thrown on. */
function total(run: () => Step, otherwise: (error: SluiceError) => Step): Step {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code === 'INVARIANT') throw error
    return otherwise(error)
  }
}

function onPropose(context: Context, channel: Channel, updates: readonly Update.Update[]): Step {
  const complete = live(channel)
  if (channel.proposal !== undefined)
    throw new ChannelError(
      'BUSY',
      'Another change of this channel is under way; try again after it.',
    )
  const { kind } = Update.apply(complete.body, updates)
  assert(kind <= 1, 'an update makes running or final states')
  checkClaims(context, channel, updates)
  const version = complete.version + 1n
  const attempt = channel.attempts + 1
  const message: Message = {
    type: 'propose',
    channelId: channel.id,
    version,
    attempt,
    updates,
    latest: complete,
  }
  const outbox: readonly Pending[] = [{ type: 'send', message }]
  const proposal = { proposer: channel.seat, version, attempt, updates, signature: undefined }
  return { channel: { ...channel, proposal, attempts: attempt, outbox }, effects: outbox }
}

function onMessage(context: Context, channel: Channel, message: Message): Step {
  switch (message.type) {
    case 'opened':
      return onOpened(context, channel, message.signature)
    case 'sync':
      return adopt(context, channel, message.complete)
    case 'propose': {
      const adopted = adopt(context, channel, message.latest)
      const next = total(
        () => onProposal(context, adopted.channel, message),
        (error) => refuse(adopted.channel, message, error),
      )
      return { channel: next.channel, effects: [...adopted.effects, ...next.effects] }
    }
    case 'agree':
      return onAgree(context, channel, message.version, message.signature)
    case 'complete':
      return onComplete(context, channel, message.version, message.signature)
    case 'refuse':
      return onRefuse(channel, message)
    default:
      throw new ChannelError('UNEXPECTED', `A ${message.type} message changes no channel.`)
  }
}

function onOpened(context: Context, channel: Channel, theirs: Uint8Array): Step {
  if (channel.phase !== 'opening') return { channel, effects: [] }
  const body = State.opening(channel.parameters)
  const digest = digestOf(context, channel.id, 0n, 0, body)
  checkSignature(context, channel, digest, theirs, peerOf(channel))
  const signatures = inSeatOrder(channel, context.sign(digest), theirs)
  return take(channel, { version: 0n, kind: 0, body, signatures })
}

/** Takes the peer's newest complete state where ours is older: it bears our own signature. */
function adopt(context: Context, channel: Channel, theirs: Complete | undefined): Step {
  const ours = channel.complete
  if (theirs === undefined || (ours !== undefined && theirs.version <= ours.version))
    return { channel, effects: [] }
  if (channel.phase === 'closed' || channel.phase === 'dead') return { channel, effects: [] }
  checkComplete(context, channel, theirs)
  return take(channel, theirs)
}

function onProposal(
  context: Context,
  channel: Channel,
  message: Message & { type: 'propose' },
): Step {
  const complete = live(channel)
  if (message.version <= complete.version)
    return { channel, effects: [{ type: 'send', message: sync(channel) }] }
  if (message.version !== complete.version + 1n)
    throw new ChannelError('WRONG_VERSION', `The next version is ${complete.version + 1n}.`)
  const ours = channel.proposal
  const { body, kind } = Update.apply(complete.body, message.updates)
  const digest = digestOf(context, channel.id, message.version, kind, body)
  if (ours?.proposer === channel.seat && channel.seat < peerOf(channel))
    return { channel, effects: [] }
  if (ours?.signature !== undefined) {
    const signed = Update.apply(complete.body, ours.updates)
    if (!equals(digest, digestOf(context, channel.id, ours.version, signed.kind, signed.body)))
      throw new ChannelError('VERSION_TAKEN', 'Another content of this version is signed already.')
    return { channel, effects: channel.outbox }
  }
  if (message.attempt <= channel.refused)
    throw new ChannelError('REFUSED_BEFORE', 'This proposal was refused before.')
  checkClaims(context, channel, message.updates)
  checkOpenings(channel, message.updates)
  const signature = context.sign(digest)
  const { version, attempt, updates } = message
  const outbox: readonly Pending[] = [
    { type: 'send', message: { type: 'agree', channelId: channel.id, version, signature } },
  ]
  const proposal = { proposer: peerOf(channel), version, attempt, updates, signature }
  const dropped: readonly Effect[] =
    ours === undefined
      ? []
      : [{ type: 'dropped', code: 'BUSY', message: "The peer's proposal came first." }]
  return { channel: { ...channel, proposal, outbox }, effects: [...outbox, ...dropped] }
}

/**
 * The answer to a proposal we do not sign. One of our own that the peer passed over, because its seat is
 * the lower one, is said again: nothing stands before it now.
 */
function refuse(
  channel: Channel,
  { version, attempt }: Message & { type: 'propose' },
  error: SluiceError,
): Step {
  const { id: channelId, complete, proposal, seat } = channel
  const message: Message = { type: 'refuse', channelId, version, attempt, ...toProblem(error) }
  const ours = proposal?.proposer === seat ? channel.outbox : []
  const isNew = version - 1n === complete?.version && attempt > channel.refused
  return {
    channel: isNew ? { ...channel, refused: attempt } : channel,
    effects: [{ type: 'send', message }, ...ours, { type: 'refused', ...toProblem(error) }],
  }
}

function onAgree(context: Context, channel: Channel, version: bigint, theirs: Uint8Array): Step {
  const { proposal, complete } = channel
  if (complete !== undefined && version <= complete.version)
    return { channel, effects: [{ type: 'send', message: sync(channel) }] }
  if (proposal?.proposer !== channel.seat || proposal.version !== version)
    throw new ChannelError('UNEXPECTED', 'No such proposal of ours is open.')
  const { body, kind } = Update.apply(live(channel).body, proposal.updates)
  const digest = digestOf(context, channel.id, version, kind, body)
  checkSignature(context, channel, digest, theirs, peerOf(channel))
  const signature = context.sign(digest)
  const signatures = inSeatOrder(channel, signature, theirs)
  const taken = take(channel, { version, kind, body, signatures })
  const done: Pending = {
    type: 'send',
    message: { type: 'complete', channelId: channel.id, version, signature },
  }
  return {
    channel: { ...taken.channel, outbox: [done, ...taken.channel.outbox] },
    effects: [done, ...taken.effects],
  }
}

function onComplete(context: Context, channel: Channel, version: bigint, theirs: Uint8Array): Step {
  const { proposal } = channel
  if (
    channel.phase === 'closed' ||
    (channel.complete !== undefined && version <= channel.complete.version)
  )
    return { channel, effects: [] }
  if (proposal?.signature === undefined || proposal.version !== version)
    throw new ChannelError('UNEXPECTED', 'We signed no such state.')
  const { body, kind } = Update.apply(live(channel).body, proposal.updates)
  checkSignature(
    context,
    channel,
    digestOf(context, channel.id, version, kind, body),
    theirs,
    peerOf(channel),
  )
  const signatures = inSeatOrder(channel, proposal.signature, theirs)
  return take(channel, { version, kind, body, signatures })
}

/** The peer refused our proposal unsigned; where it holds a newer state it has sent it before. */
function onRefuse(
  channel: Channel,
  { version, attempt, code, message }: Message & { type: 'refuse' },
): Step {
  const open = channel.proposal?.proposer === channel.seat ? channel.proposal : undefined
  const dropped: Effect = { type: 'dropped', code, message }
  if (channel.phase === 'opening' && version === 0n)
    return {
      channel: { ...channel, phase: 'dead', outbox: [] },
      effects: [dropped, { type: 'changed' }],
    }
  if (open?.version !== version || open.attempt !== attempt) return { channel, effects: [] }
  return {
    channel: { ...channel, proposal: undefined, outbox: [] },
    effects: [dropped],
  }
}

/** A newer complete state: whatever was open for its version is settled by it. */
function take(channel: Channel, complete: Complete): Step {
  const [phase, call]: [Phase, LedgerCall | undefined] =
    complete.kind === 1
      ? ['closing', 'close']
      : channel.phase === 'opening'
        ? ['funding', 'open']
        : [channel.phase, undefined]
  const outbox: readonly Pending[] = call === undefined ? [] : [{ type: 'submit', call }]
  return {
    channel: { ...channel, complete, phase, proposal: undefined, attempts: 0, refused: 0, outbox },
    effects: [...outbox, { type: 'changed' }],
  }
}

/**
 * As payee we agree to no claim below what we hold; as payer to none above what we have promised.
 * @throws ChannelError `UNDER_FOLD`, `OVER_CLAIM`
 */
function checkClaims(context: Context, channel: Channel, updates: readonly Update.Update[]): void {
  for (const update of updates) {
    if (update.type !== 'fold' && update.type !== 'lane-close') continue
    const lane = Update.find(live(channel).body, update.lane)
    const held = context.claim(update.lane)
    if (lane.payee === channel.seat && update.claim < held)
      throw new ChannelError('UNDER_FOLD', `Lane ${update.lane} has a proven claim of ${held}.`)
    if (lane.payer === channel.seat && update.claim > held)
      throw new ChannelError('OVER_CLAIM', `Lane ${update.lane} was promised ${held}, no more.`)
  }
}

/**
 * Only who pays opens a lane: the peer's would put our money under a key that is not ours.
 * @throws ChannelError `FOREIGN_LANE`
 */
function checkOpenings(channel: Channel, updates: readonly Update.Update[]): void {
  if (updates.some((update) => update.type === 'lane-open' && update.payer === channel.seat))
    throw new ChannelError('FOREIGN_LANE', 'A lane is opened by the seat that pays on it.')
}

function live(channel: Channel): Complete {
  if (channel.phase !== 'live' || channel.complete === undefined)
    throw new ChannelError(
      'NOT_LIVE',
      `The channel is ${channel.phase}; only a live one can change.`,
    )
  return channel.complete
}

const inSeatOrder = ({ seat }: Channel, own: Uint8Array, theirs: Uint8Array): Uint8Array[] =>
  seat === 0 ? [own, theirs] : [theirs, own]

/**
 * What a lane can be counted on to pay, cumulative. Once a proposal closes it, ours or one that we signed,
 * that is what it closes with: the peer alone decides when that state is complete.
 */
export function payable({ complete, proposal }: Channel, id: bigint): bigint {
  const lane = complete?.body.lanes.find((each) => each.id === id)
  if (lane === undefined) return 0n
  for (const update of proposal?.updates ?? [])
    if (update.type === 'lane-close' && update.lane === id) return update.claim
  return Lane.capacity(lane)
}

/** The other one of two seats. */
export const peerOf = (channel: Channel): number => 1 - channel.seat

const digestOf = (
  { domain }: Context,
  channelId: Hex,
  version: bigint,
  kind: State.Kind,
  body: State.Body,
): Uint8Array =>
  State.digest(domain, { channelId, version, kind, root: State.root(channelId, body) })

function checkSignature(
  context: Context,
  channel: Channel,
  digest: Uint8Array,
  signature: Uint8Array,
  seat: number,
): void {
  if (context.recover(digest, signature) !== channel.parameters.seats[seat]?.signer)
    throw new ChannelError('BAD_SIGNATURE', `The signature is not that of seat ${seat}.`)
}

function checkComplete(context: Context, channel: Channel, complete: Complete): void {
  State.checkShape(channel.parameters, complete.body)
  const { version, kind, body, signatures } = complete
  const digest = digestOf(context, channel.id, version, kind, body)
  if (signatures.length !== channel.parameters.seats.length)
    throw new ChannelError('BAD_SIGNATURE', 'A complete state has a signature of every seat.')
  for (const [seat, signature] of signatures.entries())
    checkSignature(context, channel, digest, signature, seat)
}

/** What a channel refuses to do, or to believe. */
export class ChannelError extends SluiceError {
  constructor(
    code:
      | 'BAD_PARAMETERS'
      | 'BAD_SIGNATURE'
      | 'BUSY'
      | 'FOREIGN_LANE'
      | 'NOT_LIVE'
      | 'OVER_CLAIM'
      | 'REFUSED_BEFORE'
      | 'UNDER_FOLD'
      | 'UNEXPECTED'
      | 'VERSION_TAKEN'
      | 'WRONG_VERSION',
    message: string,
  ) {
    super(code, message)
    this.name = 'ChannelError'
  }
}
