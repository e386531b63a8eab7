/**
 * Who waits for whom: a pure reading of a channel, for logs, the command line and dashboards. It decides
 * nothing, and is never stored.
 */
import { type Channel, others } from './channel.js'
import { own } from './proposal.js'

export type Waiting = {
  /**
   * `signature` on the opening state, `deposit`, `answer` to a proposal of ours, `proposer` to go on with a
   * proposal that we agreed to, `layer` to do what it was asked, `challenge` and `redemption` windows to end.
   */
  readonly what:
    | 'nothing'
    | 'signature'
    | 'deposit'
    | 'answer'
    | 'proposer'
    | 'layer'
    | 'challenge'
    | 'redemption'
  /** Seats that are to act; ours may be among them. */
  readonly seats: readonly number[]
}

/** What a channel waits for, and whose turn it is. */
export function waitingFor(channel: Channel): Waiting {
  const { phase, seat, proposals, calls } = channel
  switch (phase) {
    case 'opening':
      return { what: 'signature', seats: unsigned(channel) }
    case 'funding':
      return calls.includes('refund')
        ? { what: 'layer', seats: [] }
        : { what: 'deposit', seats: unfunded(channel) }
    case 'challenged':
      if (proposals.length === 0) return { what: 'challenge', seats: [] }
      break
    case 'frozen':
      return { what: 'redemption', seats: [] }
    case 'closing':
      return { what: 'layer', seats: [] }
    case 'closed':
    case 'dead':
      return { what: 'nothing', seats: [] }
  }
  const ours = own(channel)
  if (ours !== undefined) {
    const isSigned = ours.signatures[seat] !== undefined
    const silent = (each: number): boolean =>
      ours.signatures[each] === undefined && (isSigned || !ours.oks.includes(each))
    return { what: 'answer', seats: others(channel).filter(silent) }
  }
  if (proposals.length > 0)
    return { what: 'proposer', seats: proposals.map(({ proposer }) => proposer) }
  return calls.length > 0 ? { what: 'layer', seats: [] } : { what: 'nothing', seats: [] }
}

/** Seats whose signature on state 0 we have not seen. */
function unsigned({ proposals, seat }: Channel): number[] {
  const opening = proposals[0]
  if (opening === undefined) return []
  // Only the proposer hears from all of them.
  if (opening.proposer !== seat) return [opening.proposer]
  return opening.signatures.flatMap((signature, at) => (signature === undefined ? [at] : []))
}

/** Seats whose opening deposit the layer does not have yet. */
const unfunded = ({ parameters, deposited }: Channel): number[] =>
  parameters.deposits.flatMap((row, seat) =>
    row.some((due, asset) => (deposited[seat]?.[asset] ?? 0n) < due) ? [seat] : [],
  )
