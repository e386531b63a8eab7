/**
 * Signing: when it is our turn to sign a proposal, and what a state that all have signed does to a channel.
 * Nothing else in the machine calls `context.sign`, but for state 0.
 */
import { equals } from './bytes.js'
import type { Channel, Context, Effect, LedgerCall, Step } from './channel.js'
import { others } from './channel.js'
import * as Complete from './complete.js'
import type { Message } from './message.js'
import type { Phase } from './phase.js'
import { contentOf, digestOf, isPair, own, type Proposal, signed } from './proposal.js'

/** Takes a newer complete state that we are shown: it bears our own signature. */
export function adopt(
  context: Context,
  channel: Channel,
  theirs: Complete.Complete | undefined,
): Step {
  const isNewer = theirs !== undefined && theirs.version > (channel.complete?.version ?? -1n)
  if (!isNewer || isOver.has(channel.phase)) return { channel, effects: [] }
  Complete.check(context, channel.id, channel.parameters, theirs)
  return take(context, channel, theirs)
}

const isOver: ReadonlySet<Phase> = new Set(['frozen', 'closed', 'dead'])

/**
 * Takes what was kept for us and our disk has forgotten. The next state that we had signed binds us again:
 * nothing else of its version is ever signed.
 */
export function restore(
  context: Context,
  channel: Channel,
  complete: Complete.Complete,
  pending: Proposal | undefined,
): Step {
  return chain(adopt(context, channel, complete), (now) => {
    const signature = pending?.signatures[now.seat]
    const isNext = pending?.version === (now.complete?.version ?? -1n) + 1n
    if (pending === undefined || signature === undefined || !isNext || signed(now) !== undefined)
      return { channel: now, effects: [] }
    const { proposer, attempt, signatures } = pending
    const { seats } = now.parameters
    if (seats[proposer] === undefined || signatures.length !== seats.length)
      throw new Complete.SignedError('What was kept for us is no proposal of this channel.')
    const digest = digestOf(context, now, pending)
    // All of them: with the last one it is a complete state, and nobody looks at them again.
    for (const [seat, known] of signatures.entries())
      if (known !== undefined) Complete.checkSignature(context, now.parameters, digest, seat, known)
    const attempts = now.attempts.with(proposer, Math.max(attempt, now.attempts[proposer] ?? 0))
    return { channel: { ...now, attempts, proposals: [pending] }, effects: [] }
  })
}

/** Signs what may be signed by now, and takes what every seat has signed. */
export function advance(context: Context, channel: Channel): Step {
  const ready = channel.proposals.find((each) => isReady(context, channel, each))
  const next = ready === undefined ? { channel, effects: [] } : sign(context, channel, ready)
  return chain(next, (now) => {
    const full = signed(now)
    const signatures = full?.signatures.filter((signature) => signature !== undefined) ?? []
    if (full === undefined || signatures.length < full.signatures.length)
      return { channel: now, effects: [] }
    return take(context, now, { ...contentOf(now, full), signatures })
  })
}

/** Whether it is our turn to sign a proposal. */
function isReady(context: Context, channel: Channel, proposal: Proposal): boolean {
  const { proposer, signatures, oks } = proposal
  if (signed(channel) !== undefined || !context.synced) return false
  if (channel.phase !== 'live' && channel.phase !== 'challenged') return false
  const isShown = signatures.some((signature) => signature !== undefined)
  if (proposer !== channel.seat) return isPair(channel) || signatures[proposer] !== undefined
  // Others sign after us, unless there are but two: who did has seen a signature that our disk forgot.
  return isShown || (!isPair(channel) && others(channel).every((seat) => oks.includes(seat)))
}

function sign(context: Context, channel: Channel, proposal: Proposal): Step {
  const signature = context.sign(digestOf(context, channel, proposal))
  const signatures = proposal.signatures.with(channel.seat, signature)
  const won = { code: 'BUSY', message: "Another seat's proposal came first." }
  const before: Step =
    proposal.proposer === channel.seat ? { channel, effects: [] } : drop(channel, won)
  return chain(before, (now) => ({
    channel: { ...now, proposals: [{ ...proposal, signatures }] },
    effects: [],
  }))
}

/** A newer complete state: whatever was open for its version is settled by it. */
export function take(context: Context, channel: Channel, complete: Complete.Complete): Step {
  const ours = own(channel)
  const isOurs =
    ours?.version === complete.version &&
    equals(digestOf(context, channel, ours), Complete.digest(context.domain, channel.id, complete))
  const effects: Effect[] = [{ type: 'changed' }]
  if (ours !== undefined && !isOurs)
    effects.push({ type: 'dropped', code: 'BUSY', message: 'Another change came first.' })
  const isFirst = channel.phase === 'opening'
  if (isOurs && !(isFirst && isPair(channel))) effects.push(...announce(channel, complete))
  const calls = callsOf(channel, complete, isFirst && isOurs)
  effects.unshift(...calls.map((call): Effect => ({ type: 'submit', call })))
  const phase = complete.kind === 1 ? 'closing' : isFirst ? 'funding' : channel.phase
  return {
    channel: {
      ...channel,
      complete,
      phase,
      proposals: [],
      attempts: channel.attempts.map(() => 0),
      calls,
    },
    effects,
  }
}

/** What a new state wants done on the layer. */
function callsOf(
  { complete, seat, calls }: Channel,
  { kind, body }: Complete.Complete,
  isOffer: boolean,
): LedgerCall[] {
  if (kind === 1) return ['close']
  if (isOffer) return ['open']
  const before = complete?.body.outcome.withdrawn[seat] ?? []
  const isWithdrawn = body.outcome.withdrawn[seat]?.some(
    (amount, at) => amount > (before[at] ?? 0n),
  )
  return [
    ...(kind === 2 ? (['resume'] as const) : []),
    ...(isWithdrawn || calls.includes('withdraw') ? (['withdraw'] as const) : []),
  ]
}

/** All signatures, to every other seat. */
const announce = (channel: Channel, { version, signatures }: Complete.Complete): Effect[] =>
  others(channel).map((to) => {
    const message: Message = { type: 'complete', channelId: channel.id, version, signatures }
    return { type: 'send', to, message }
  })

/** The owner wants our proposal no longer; between two it may be signed already, and stands. */
export function takeBack(channel: Channel): Step {
  if (isPair(channel)) return { channel, effects: [] }
  return drop(channel, { code: 'DROPPED', message: 'The proposal was taken back.' })
}

/** Our own proposal is over, unless somebody may have signed it; those who said ok to it are told. */
export function drop(
  channel: Channel,
  { code, message }: { readonly code: string; readonly message: string },
): Step {
  const ours = own(channel)
  if (ours === undefined || ours.version === 0n || ours.signatures.some((s) => s !== undefined))
    return { channel, effects: [] }
  const { version, attempt } = ours
  const told = isPair(channel)
    ? []
    : others(channel).map((to): Effect => {
        return {
          type: 'send',
          to,
          message: { type: 'drop', channelId: channel.id, version, attempt },
        }
      })
  return {
    channel: { ...channel, proposals: channel.proposals.filter((each) => each !== ours) },
    effects: [{ type: 'dropped', code, message }, ...told],
  }
}

/** What a look at the layer leaves of our proposal: a challenge ends it, as the channel's end does. */
export function heed({ channel, effects }: Step): Step {
  const ours = own(channel)
  const isStopped =
    channel.phase === 'challenged' &&
    !isPair(channel) &&
    ours !== undefined &&
    contentOf(channel, ours).kind === 0
  if (!isStopped && !isOver.has(channel.phase)) return { channel, effects }
  const problem = { code: 'CHALLENGED', message: `The channel is ${channel.phase}.` }
  return chain({ channel, effects }, (now) => drop(now, problem))
}

/** One step after another. */
export function chain({ channel, effects }: Step, then: (channel: Channel) => Step): Step {
  const next = then(channel)
  return { channel: next.channel, effects: [...effects, ...next.effects] }
}
