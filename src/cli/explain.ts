/** Who waits for whom in a channel, in words for its owner. It only reads. */
import type { Channel } from '../core/channel.js'
import { waitingFor } from '../core/waiting.js'
import { short } from './output.js'

/** One sentence, without its full stop. */
export function explain(channel: Channel): string {
  const { what, seats } = waitingFor(channel)
  const who = seats.map((seat) => nameOf(channel, seat)).join(', ')
  switch (what) {
    case 'signature':
      return `waits for ${who} to sign the opening state`
    case 'deposit':
      return who === '' ? 'waits for the ledger' : `waits for the deposit of ${who}`
    case 'answer':
      return `we proposed a change; waits for ${who} to answer`
    case 'proposer':
      return `waits for ${who} to go on with a change that was proposed`
    case 'layer':
      return channel.phase === 'closing'
        ? 'all signed the final state; waits for the ledger to pay out'
        : 'waits for the ledger'
    case 'challenge':
      return 'somebody posted a state; newer ones count until the window ends'
    case 'redemption':
      return 'the posted state stands; lanes are paid out, then the rest returns'
    case 'nothing':
      return outcome[channel.phase] ?? 'waits for nothing'
  }
}

const outcome: Partial<Record<Channel['phase'], string>> = {
  live: 'ready for streams',
  closed: 'paid out',
  dead: 'never funded; deposits are refunded',
}

const nameOf = ({ parameters, seat: ours }: Channel, seat: number): string =>
  seat === ours ? 'us' : `seat ${seat} (${short(parameters.seats[seat]?.signer ?? '')})`
