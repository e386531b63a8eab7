/** `sluice channels`: every channel of a home, who waits for what, and the money in it. A node may be running. */
import pc from 'picocolors'
import * as Counted from '../core/counted.js'
import { waitingFor } from '../core/waiting.js'
import { readChannels } from '../sluice.js'
import { explain } from './explain.js'
import { formatAmount, type Output } from './output.js'
import { homeOf, type Shared } from './settings.js'

export async function channels(output: Output, options: Shared): Promise<void> {
  const home = homeOf(options)
  const found = readChannels(home)
  for (const { channel, lanes } of found) {
    const { id, phase, seat, parameters, complete } = channel
    const balance = Counted.balance(channel)
    const deposit =
      complete?.body.outcome.deposited.flat().reduce((sum, each) => sum + each, 0n) ?? 0n
    const peers = parameters.seats.flatMap(({ signer }, at) => (at === seat ? [] : [signer]))
    const waiting = waitingFor(channel)
    const lines = lanes.map(
      ({ lane, role, claim, owed, exposure, unpushed }) =>
        `  lane ${lane.id}  ${role === 'payer' ? 'we pay' : 'we are paid'}  reserved ${formatAmount(lane.reserved)}` +
        `  ${role === 'payer' ? 'promised' : 'accepted'} ${formatAmount(claim)}  owed ${formatAmount(owed)}` +
        (role === 'payer' ? '' : `  at risk ${formatAmount(exposure)}`) +
        (role === 'payer' || unpushed === undefined
          ? ''
          : `  unknown to the watchtower ${formatAmount(unpushed)}`),
    )
    output.event(
      'channel',
      {
        channelId: id,
        phase,
        peer: peers[0],
        peers,
        seat,
        waitingFor: waiting.what,
        waitingSeats: waiting.seats,
        version: complete?.version,
        deposit,
        balance,
        lanes: lanes.map(({ lane, role, claim, owed, exposure, unpushed }) => ({
          lane: lane.id,
          role,
          reserved: lane.reserved,
          folded: lane.folded,
          claim,
          owed,
          ...(role === 'payer' ? {} : { exposure, unpushed }),
        })),
      },
      [
        `${pc.bold(id)}  ${phase}: ${explain(channel)}`,
        `  with ${peers.join(', ')}  state ${complete?.version ?? '-'}  deposits ${formatAmount(deposit)}  our balance ${formatAmount(balance)}`,
        ...lines,
      ].join('\n'),
    )
  }
  if (found.length === 0 && !output.json) output.event('none', {}, `No channels yet in ${home}.`)
}
