/**
 * Funding: how a channel's phase follows what the execution layer says, from the first deposit to the
 * payout or the refund. It signs nothing, and believes no peer.
 */
import type { Channel, Effect, LedgerCall, Pending, Phase, Step, View } from './channel.js'

/**
 * The channel after a look at the layer, whose clock says `time`. `view` is undefined where the layer does
 * not know the channel.
 */
export function follow(channel: Channel, view: View | undefined, time: bigint): Step {
  if (channel.phase === 'closed' || channel.phase === 'dead') return { channel, effects: [] }
  const become = (phase: Phase, call?: LedgerCall): Step => {
    const outbox: readonly Pending[] = call === undefined ? [] : [{ type: 'submit', call }]
    const changed: readonly Effect[] = phase === channel.phase ? [] : [{ type: 'changed' }]
    return { channel: { ...channel, phase, outbox }, effects: [...outbox, ...changed] }
  }
  if (view?.status === 'closed') return become('closed')
  if (view?.status === 'dead')
    return held(channel, view) ? become('funding', 'refund') : become('dead')
  const over = time > channel.parameters.fundBy
  switch (channel.phase) {
    case 'opening':
      return over && view === undefined ? become('dead') : { channel, effects: [] }
    case 'funding':
      if (view?.status === 'live') return become('live')
      if (view === undefined) return over ? become('dead') : { channel, effects: channel.outbox }
      return become('funding', funded(channel, view) ? undefined : 'deposit')
    default:
      return { channel, effects: [] }
  }
}

/** Whether our seat's opening deposit is in; a seat that owes none is always funded. */
const funded = ({ parameters, seat }: Channel, view: View): boolean =>
  (parameters.deposits[seat] ?? []).every(
    (due, asset) => (view.deposited[seat]?.[asset] ?? 0n) >= due,
  )

/** Whether money of our seat still lies in a channel that never came to life. */
const held = ({ seat }: Channel, { deposited, withdrawn }: View): boolean =>
  (deposited[seat] ?? []).some((amount, asset) => amount > (withdrawn[seat]?.[asset] ?? 0n))
