/**
 * Agreement: how the seats of a channel come to sign the next state. A proposal is unsigned; once every seat
 * has answered ok, the proposer signs, then the others; with two seats the responder's signature is its ok.
 *
 * Three rules keep versions single: a seat that answers ok drops its own proposal for good; a proposer signs
 * only what all have answered ok to; and whoever has signed signs nothing else of that version, ever.
 */
import { equals } from './bytes.js'
import type { Channel, Context, Effect, Step } from './channel.js'
import { ChannelError } from './channel.js'
import * as Complete from './complete.js'
import { SluiceError, toProblem } from './errors.js'
import type { Message } from './message.js'
import * as Proposal from './proposal.js'
import { blank, contentOf, digestOf, isPair, own, sealOf, signed } from './proposal.js'
import { gist, say, spoken, sync } from './said.js'
import { adopt, advance, chain, drop, take } from './signing.js'
import * as Update from './update.js'

type MessageOf<T extends Message['type']> = Message & { type: T }

/** State 0 on its way: proposed by us, or by the seat that signed it. */
export function open(
  context: Context,
  channel: Channel,
  proposer: number,
  theirs: Uint8Array | undefined,
): Step {
  const digest = Complete.digest(context.domain, channel.id, Complete.opening(channel.parameters))
  if (theirs !== undefined)
    Complete.checkSignature(context, channel.parameters, digest, proposer, theirs)
  const signatures = channel.parameters.seats.map((_, seat) =>
    seat === channel.seat ? context.sign(digest) : seat === proposer ? theirs : undefined,
  )
  const proposal: Proposal.Proposal = {
    proposer,
    version: 0n,
    attempt: 0,
    seal: new Uint8Array(32),
    updates: [],
    oks: [],
    signatures,
  }
  const begun = { ...channel, proposals: [proposal] }
  // Between two it is complete at once, and what was to be said no longer in the channel.
  return chain({ channel: begun, effects: spoken(channel, begun) }, (now) => advance(context, now))
}

/** We want a change. */
export function propose(
  context: Context,
  channel: Channel,
  updates: readonly Update.Update[],
): Step {
  const complete = Proposal.changeable(channel)
  if (!context.synced)
    throw new ChannelError('BUSY', 'Not every seat has shown what it holds; try again then.')
  if (channel.proposals.length > 0)
    throw new ChannelError(
      'BUSY',
      'Another change of this channel is under way; try again after it.',
    )
  Proposal.check(context, channel, channel.seat, updates)
  const version = complete.version + 1n
  const attempt = (channel.attempts[channel.seat] ?? 0) + 1
  const next = {
    ...channel,
    attempts: channel.attempts.with(channel.seat, attempt),
    proposals: [
      {
        proposer: channel.seat,
        version,
        attempt,
        seal: sealOf(context, channel, { version, attempt, updates }),
        updates,
        oks: [],
        signatures: blank(channel),
      },
    ],
  }
  return { channel: next, effects: [] }
}

export function onPropose(
  context: Context,
  channel: Channel,
  from: number,
  message: MessageOf<'propose'>,
): Step {
  const adopted = adopt(context, channel, message.latest)
  return chain(adopted, (now) => {
    try {
      return weigh(context, now, from, message)
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code === 'INVARIANT') throw error
      return refuse(now, from, message, error)
    }
  })
}

/** Answers a proposal, or throws what is wrong with it. */
function weigh(
  context: Context,
  channel: Channel,
  from: number,
  message: MessageOf<'propose'>,
): Step {
  const { version, attempt, seal, updates, signature } = message
  if (version <= (channel.complete?.version ?? -1n)) return tell(channel, from, sync(channel, from))
  const complete = Proposal.changeable(channel)
  if (version !== complete.version + 1n)
    throw new ChannelError('WRONG_VERSION', `The next version is ${complete.version + 1n}.`)
  if (signature !== undefined && isPair(channel))
    throw new ChannelError('UNEXPECTED', 'Between two the proposer signs second.')
  const digest = digestOf(context, channel, message)
  if (signature !== undefined)
    Complete.checkSignature(context, channel.parameters, digest, from, signature)
  const known = channel.proposals.find(({ proposer }) => proposer === from)
  const isKnown = known !== undefined && equals(digest, digestOf(context, channel, known))
  const bound = signed(channel)
  if (bound !== undefined && !(isKnown && bound === known))
    throw new ChannelError('VERSION_TAKEN', 'Another content of this version is signed already.')
  if (signature === undefined && bound === undefined) {
    if (attempt <= (channel.attempts[from] ?? 0) || attempt < (known?.attempt ?? 0))
      throw new ChannelError('REFUSED_BEFORE', 'This proposal was refused before.')
    // Ours wins: the peer will take it, or refuse it.
    if (own(channel) !== undefined && channel.seat < from) return { channel, effects: [] }
  }
  if (!isKnown) Proposal.check(context, channel, from, updates, signature !== undefined)
  const signatures = (isKnown ? known.signatures : blank(channel)).slice()
  if (signature !== undefined) signatures[from] = signature
  const proposal = { proposer: from, version, attempt, seal, updates, oks: [], signatures }
  const won = { code: 'BUSY', message: "Another seat's proposal came first." }
  const taken = chain(drop(channel, won), (now) => ({
    channel: { ...now, proposals: [...now.proposals.filter((each) => each !== known), proposal] },
    effects: [],
  }))
  const next = chain(taken, (now) => advance(context, now))
  // An answer that the proposer seems to have missed is given again.
  const answer = say(next.channel, from)
  const isNew = gist(answer) !== gist(say(channel, from))
  return answer === undefined || isNew ? next : chain(next, (now) => tell(now, from, answer))
}

/**
 * The answer to a proposal we take no part in. One of our own that the peer passed over, because its seat is
 * the lower one, is said again: nothing stands before it now. So is what we signed instead, which the peer's disk
 * may have forgotten.
 */
function refuse(
  channel: Channel,
  from: number,
  { version, attempt }: MessageOf<'propose'>,
  error: SluiceError,
): Step {
  const message: Message = {
    type: 'refuse',
    channelId: channel.id,
    version,
    attempt,
    ...toProblem(error),
  }
  const isForgotten = own(channel) === undefined && error.code !== 'VERSION_TAKEN'
  const ours = isForgotten ? undefined : say(channel, from)
  const next = version - 1n === channel.complete?.version ? over(channel, from, attempt) : channel
  const again: readonly Effect[] =
    ours === undefined ? [] : [{ type: 'send', to: from, message: ours }]
  const refused: Effect = { type: 'refused', ...toProblem(error) }
  return { channel: next, effects: [{ type: 'send', to: from, message }, ...again, refused] }
}

/** The attempts of a seat are over up to this one: it is refused for good, and forgotten. */
function over(channel: Channel, seat: number, attempt: number): Channel {
  const isOver = (each: Proposal.Proposal): boolean =>
    each.proposer === seat &&
    each.attempt <= attempt &&
    each.signatures.every((s) => s === undefined)
  if (attempt <= (channel.attempts[seat] ?? 0) && !channel.proposals.some(isOver)) return channel
  return {
    ...channel,
    attempts: channel.attempts.map((known, at) => (at === seat ? Math.max(known, attempt) : known)),
    proposals: channel.proposals.filter((each) => !isOver(each)),
  }
}

export function onAgree(
  context: Context,
  channel: Channel,
  from: number,
  message: MessageOf<'agree'>,
): Step {
  const { version, attempt, signature } = message
  if (version <= (channel.complete?.version ?? -1n)) return tell(channel, from, sync(channel, from))
  const complete = Proposal.changeable(channel)
  if (version !== complete.version + 1n)
    throw new ChannelError('WRONG_VERSION', `The next version is ${complete.version + 1n}.`)
  const ours = own(channel)
  // What is word for word our proposal has been worked out before.
  const isOurs = ours !== undefined && Update.isEqual(ours.updates, message.updates)
  const digest = digestOf(context, channel, isOurs ? ours : message)
  if (signature !== undefined)
    Complete.checkSignature(context, channel.parameters, digest, from, signature)
  if (ours?.attempt === attempt && equals(digest, digestOf(context, channel, ours))) {
    const signatures = ours.signatures.map((s, seat) => (seat === from ? (signature ?? s) : s))
    const oks = [...new Set([...ours.oks, from])]
    return advance(context, replace(channel, ours, { ...ours, signatures, oks }))
  }
  return remember(context, channel, from, message)
}

/**
 * An answer to a proposal that we do not have. Ours it was, if it bears our seal: our disk is an older one,
 * and we may have signed it. One that we took back is none any more, unless it was signed: its signer is bound
 * for good, and what an even older disk has proposed since under the same number gives way to it.
 */
function remember(
  context: Context,
  channel: Channel,
  from: number,
  message: MessageOf<'agree'>,
): Step {
  const { channelId, version, attempt, seal, updates, signature } = message
  const last = channel.attempts[channel.seat] ?? 0
  if (attempt <= last && signature === undefined)
    return tell(channel, from, { type: 'drop', channelId, version, attempt })
  const isOurs = equals(seal, sealOf(context, channel, message))
  if (!isOurs || signed(channel) !== undefined)
    throw new ChannelError('UNEXPECTED', 'No such proposal of ours is open.')
  Proposal.check(context, channel, channel.seat, updates, true)
  const signatures = blank(channel).with(from, signature)
  const proposer = channel.seat
  const proposal = { proposer, version, attempt, seal, updates, oks: [from], signatures }
  const lost = { code: 'BUSY', message: 'A later proposal of ours came to light.' }
  return chain(drop(channel, lost), (now) => {
    const attempts = now.attempts.with(proposer, Math.max(last, attempt))
    return advance(context, { ...now, attempts, proposals: [...now.proposals, proposal] })
  })
}

export function onOpened(
  context: Context,
  channel: Channel,
  from: number,
  signature: Uint8Array,
): Step {
  const ours = own(channel)
  if (ours?.version !== 0n) return { channel, effects: [] }
  const digest = digestOf(context, channel, ours)
  Complete.checkSignature(context, channel.parameters, digest, from, signature)
  const signatures = ours.signatures.with(from, signature)
  return advance(context, replace(channel, ours, { ...ours, signatures }))
}

export function onComplete(
  context: Context,
  channel: Channel,
  { version, signatures }: MessageOf<'complete'>,
): Step {
  if (channel.phase === 'closed' || version <= (channel.complete?.version ?? -1n))
    return { channel, effects: [] }
  const bound = signed(channel)
  if (bound?.version !== version) throw new ChannelError('UNEXPECTED', 'We signed no such state.')
  const complete = { ...contentOf(channel, bound), signatures }
  // Those that are here already were checked when they came, and ours was made here.
  Complete.checkSignatures(context, channel.id, channel.parameters, complete, bound.signatures)
  return take(context, channel, complete)
}

/** A peer refused our proposal; where it holds a newer state it has sent it before. */
export function onRefuse(channel: Channel, message: MessageOf<'refuse'>): Step {
  const { version, attempt } = message
  const ours = own(channel)
  if (ours?.version !== version || ours.attempt !== attempt) return { channel, effects: [] }
  if (version > 0n) return drop(channel, message)
  const { code, message: text } = message
  return {
    channel: { ...channel, phase: 'dead', proposals: [] },
    effects: [{ type: 'dropped', code, message: text }, { type: 'changed' }],
  }
}

/** The proposer took its proposal back. */
export function onDrop(channel: Channel, from: number, message: MessageOf<'drop'>): Step {
  const { version, attempt } = message
  const isNext = version - 1n === channel.complete?.version
  return { channel: isNext ? over(channel, from, attempt) : channel, effects: [] }
}

/** What a peer shows on a connection: its newest state, and which attempts are over. */
export function onSync(
  context: Context,
  channel: Channel,
  from: number,
  { complete, dropped, refused }: MessageOf<'sync'>,
): Step {
  return chain(adopt(context, channel, complete), (now) => {
    if (complete === undefined || complete.version !== now.complete?.version)
      return { channel: now, effects: [] }
    const ours = own(now)
    const isRefused = ours !== undefined && ours.attempt <= refused
    const problem = { code: 'REFUSED_BEFORE', message: 'The proposal was refused before.' }
    return chain(isRefused ? drop(now, problem) : { channel: now, effects: [] }, (next) => ({
      channel: over(over(next, from, dropped), next.seat, own(next) === undefined ? refused : 0),
      effects: [],
    }))
  })
}

const replace = (
  channel: Channel,
  old: Proposal.Proposal,
  proposal: Proposal.Proposal,
): Channel => ({
  ...channel,
  proposals: channel.proposals.map((each) => (each === old ? proposal : each)),
})

const tell = (channel: Channel, to: number, message: Message): Step => ({
  channel,
  effects: [{ type: 'send', to, message }],
})
