/**
 * What the seats of a channel say to one another about it, read from the channel itself: after a step what is
 * new, on a new connection all that is not answered. It changes nothing.
 */
import type { Channel, Effect } from './channel.js'
import { others } from './channel.js'
import type { Message } from './message.js'
import { isPair, own } from './proposal.js'

/** Our newest complete state, and how far the attempts of the two of us have come. */
export function sync(channel: Channel, seat: number): Message {
  const { id: channelId, complete, attempts } = channel
  const ours = own(channel)
  return {
    type: 'sync',
    channelId,
    complete,
    dropped: ours === undefined ? (attempts[channel.seat] ?? 0) : Math.max(0, ours.attempt - 1),
    refused: attempts[seat] ?? 0,
  }
}

/** What a seat has to hear of what is open, again on each connection until it has answered. */
export function say(channel: Channel, seat: number): Message | undefined {
  const { id: channelId, parameters, complete, addresses } = channel
  const ours = own(channel)
  const signature = ours?.signatures[channel.seat]
  if (ours?.version === 0n)
    return ours.signatures[seat] === undefined && signature !== undefined
      ? { type: 'open', parameters, seat: channel.seat, addresses, signature }
      : undefined
  if (ours !== undefined && complete !== undefined) {
    const answered = signature === undefined && ours.oks.includes(seat)
    if (answered || ours.signatures[seat] !== undefined) return undefined
    const { version, attempt, seal, updates } = ours
    const latest = complete
    return { type: 'propose', channelId, version, attempt, seal, updates, latest, signature }
  }
  const theirs = channel.proposals.find(({ proposer }) => proposer === seat)
  if (theirs === undefined) return undefined
  const { version, attempt, seal, updates, signatures } = theirs
  const answer = signatures[channel.seat]
  if (version === 0n)
    return answer === undefined ? undefined : { type: 'opened', channelId, signature: answer }
  if (answer === undefined && isPair(channel)) return undefined
  return { type: 'agree', channelId, version, attempt, seal, updates, signature: answer }
}

/** What has become new to say by a step. */
export function spoken(before: Channel, after: Channel): Effect[] {
  return others(after).flatMap((to): Effect[] => {
    const message = say(after, to)
    const isNew = message !== undefined && gist(message) !== gist(say(before, to))
    return isNew ? [{ type: 'send', to, message }] : []
  })
}

/** By what two messages of `say` differ. */
export const gist = (message: Message | undefined): string =>
  message?.type === 'propose' || message?.type === 'agree'
    ? `${message.type} ${message.version} ${message.attempt} ${message.signature !== undefined}`
    : `${message?.type}`
