/**
 * Phases: how a channel follows what the execution layer says of it, from the first deposit to the payout
 * or the refund. It signs nothing, and believes no peer.
 */
import * as Amount from './amount.js'
import type { Channel, Effect, LedgerCall, Step } from './channel.js'
import * as State from './state.js'

/**
 * opening: not all have signed state 0 · funding: all have, deposits are on their way · live: states and
 * streams · challenged: somebody posted a state, newer ones count until the window ends · frozen: the posted
 * root stands, lanes are redeemed against it · closing: a final state is signed, the layer has not paid out
 * yet · closed: nothing of it is held any more · dead: never funded, deposits refunded.
 */
export type Phase =
  | 'opening'
  | 'funding'
  | 'live'
  | 'challenged'
  | 'frozen'
  | 'closing'
  | 'closed'
  | 'dead'

/** How the layer sees the channel. */
export type View = {
  readonly status: 'funding' | 'live' | 'challenged' | 'frozen' | 'closed' | 'dead'
  readonly deposited: State.Table
  readonly withdrawn: State.Table
  /** While challenged or frozen: the newest version shown. */
  readonly challenge?: { readonly version: bigint } | undefined
}

/** Whether anything can still happen in a channel. */
export const isOpen = ({ phase }: Pick<Channel, 'phase'>): boolean =>
  phase !== 'closed' && phase !== 'dead'

/**
 * The channel after a look at the layer, whose clock says `time`. `view` is undefined where the layer does
 * not know the channel.
 */
export function follow(channel: Channel, view: View | undefined, time: bigint): Step {
  if (!isOpen(channel)) return { channel, effects: [] }
  // An answer that was long on its way may come after newer ones; what was deposited never falls.
  const deposited =
    view === undefined
      ? channel.deposited
      : channel.deposited.map((row, seat) =>
          row.map((amount, asset) => Amount.larger(amount, view.deposited[seat]?.[asset] ?? 0n)),
        )
  const become = (phase: Channel['phase'], ...calls: readonly LedgerCall[]): Step => {
    const changed: readonly Effect[] = phase === channel.phase ? [] : [{ type: 'changed' }]
    const submit = calls.map((call): Effect => ({ type: 'submit', call }))
    const isSame =
      phase === channel.phase &&
      calls.join() === channel.calls.join() &&
      State.isEqual(deposited, channel.deposited)
    return {
      channel: isSame ? channel : { ...channel, phase, calls, deposited },
      effects: [...submit, ...changed],
    }
  }
  const over = time > channel.parameters.fundBy
  if (view === undefined) {
    if (over && (channel.phase === 'opening' || channel.phase === 'funding')) return become('dead')
    return become(channel.phase, ...channel.calls)
  }
  switch (view.status) {
    case 'closed':
      return become('closed')
    case 'dead':
      return held(channel, view) ? become('funding', 'refund') : become('dead')
    case 'funding':
      if (channel.phase !== 'funding') return become(channel.phase, ...channel.calls)
      return funded(channel, view) ? become('funding') : become('funding', 'deposit')
    case 'frozen':
      return become('frozen')
    default:
      // Whoever has not seen state 0 complete waits for it, and whoever signed the end for the payout.
      if (channel.phase === 'opening') return become('opening')
      if (channel.phase === 'closing') return become('closing', 'close')
      return become(view.status, ...owing(channel, view))
  }
}

/** What the newest state wants done on the layer that is not done yet. */
function owing({ complete, seat }: Channel, { withdrawn, challenge }: View): LedgerCall[] {
  const calls: LedgerCall[] = []
  if (complete?.kind === 2 && challenge !== undefined && complete.version > challenge.version)
    calls.push('resume')
  const due = complete?.body.outcome.withdrawn[seat] ?? []
  if (due.some((amount, asset) => amount > State.cell(withdrawn, seat, asset)))
    calls.push('withdraw')
  return calls
}

/** Whether our seat's opening deposit is in; a seat that owes none is always funded. */
const funded = ({ parameters, seat }: Channel, view: View): boolean =>
  (parameters.deposits[seat] ?? []).every(
    (due, asset) => (view.deposited[seat]?.[asset] ?? 0n) >= due,
  )

/** Whether money of our seat still lies in a channel that never came to life. */
const held = ({ seat }: Channel, { deposited, withdrawn }: View): boolean =>
  (deposited[seat] ?? []).some((amount, asset) => amount > (withdrawn[seat]?.[asset] ?? 0n))
