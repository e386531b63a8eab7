/**
 * What can be counted on while a change is under way: whether it becomes a state is for others to decide, so
 * every amount is the smaller of what it is before and after. It never counts money twice.
 */
import * as Amount from './amount.js'
import type { Channel } from './channel.js'
import * as Complete from './complete.js'
import * as Lane from './lane.js'
import { isOpen } from './phase.js'
import * as Proposal from './proposal.js'

/**
 * What a lane can be counted on to pay, cumulative. Once a proposal closes it, ours or one that we agreed to,
 * that is what it closes with: others alone decide when that state is complete. Nothing is served on a
 * channel that is ending.
 */
export function payable(channel: Channel, id: bigint): bigint {
  const lane = reliable(channel, id)
  return lane === undefined || channel.phase !== 'live' ? 0n : Lane.capacity(lane)
}

/** The lane with no more in reserve than it is sure to keep: what its payer may promise on it. */
export function reliable(channel: Channel, id: bigint): Lane.Lane | undefined {
  // The layer may have closed it by a state that has not reached us.
  if (!isOpen(channel)) return undefined
  const { complete, proposals } = channel
  const lane = complete?.body.lanes.find((each) => each.id === id)
  if (lane === undefined || proposals.length === 0) return lane
  let least = Lane.capacity(lane)
  for (const { updates } of proposals)
    for (const update of updates)
      if (update.type === 'lane-close' && update.lane === id)
        least = Amount.min(least, update.claim)
  return { ...lane, reserved: Amount.larger(0n, least - lane.folded) }
}

/** Whether a change that is under way closes a lane: nothing is to begin on it. */
export const isClosing = ({ proposals }: Channel, id: bigint): boolean =>
  proposals.some(({ updates }) =>
    updates.some((update) => update.type === 'lane-close' && update.lane === id),
  )

/** What our seat has free of an asset (its index). */
export const balance = (channel: Channel, asset = 0): bigint =>
  contents(channel)
    .map(({ body }) => body.outcome.balances[channel.seat]?.[asset] ?? 0n)
    .reduce(Amount.min, Amount.max)

/** Every content that may become, or be shown as, the newest state: the complete one and what is proposed. */
export function contents(channel: Channel): Complete.Content[] {
  const { complete, parameters, proposals } = channel
  if (complete === undefined) return [Complete.opening(parameters)]
  return [complete, ...proposals.map((each) => Proposal.contentOf(channel, each))]
}
