/** `sluice channels`: every channel of a home, who waits for what, and the money in it. A node may be running. */
import pc from 'picocolors'
import { readChannels } from '../sluice.js'
import { formatAmount, type Output } from './output.js'
import { homeOf, type Shared } from './settings.js'

/** What a phase means to its owner. */
const meaning = {
  opening: 'waits for the peer to sign the opening state',
  funding: 'waits for the deposits',
  live: 'ready for streams',
  closing: 'both signed the final state; waits for the ledger to pay out',
  closed: 'paid out',
  dead: 'never funded; deposits are refunded',
} as const

export async function channels(output: Output, options: Shared): Promise<void> {
  const home = homeOf(options)
  const found = readChannels(home)
  for (const { channel, lanes } of found) {
    const { id, phase, seat, parameters, complete } = channel
    const balance = complete?.body.outcome.balances[seat]?.[0] ?? 0n
    const deposit =
      complete?.body.outcome.deposited.flat().reduce((sum, each) => sum + each, 0n) ?? 0n
    const peer = parameters.seats[1 - seat]?.signer
    const lines = lanes.map(
      ({ lane, role, claim, owed, exposure }) =>
        `  lane ${lane.id}  ${role === 'payer' ? 'we pay' : 'we are paid'}  reserved ${formatAmount(lane.reserved)}` +
        `  ${role === 'payer' ? 'promised' : 'accepted'} ${formatAmount(claim)}  owed ${formatAmount(owed)}` +
        (role === 'payer' ? '' : `  at risk ${formatAmount(exposure)}`),
    )
    output.event(
      'channel',
      {
        channelId: id,
        phase,
        peer,
        version: complete?.version,
        deposit,
        balance,
        lanes: lanes.map(({ lane, role, claim, owed, exposure }) => ({
          lane: lane.id,
          role,
          reserved: lane.reserved,
          folded: lane.folded,
          claim,
          owed,
          ...(role === 'payer' ? {} : { exposure }),
        })),
      },
      [
        `${pc.bold(id)}  ${phase}: ${meaning[phase]}`,
        `  with ${peer}  state ${complete?.version ?? '-'}  deposits ${formatAmount(deposit)}  our balance ${formatAmount(balance)}`,
        ...lines,
      ].join('\n'),
    )
  }
  if (found.length === 0 && !output.json) output.event('none', {}, `No channels yet in ${home}.`)
}
