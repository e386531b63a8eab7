/** `sluice close`: closes channels cooperatively, pays to the unit what is owed, and is paid out. */
import pc from 'picocolors'
import { SluiceError } from '../core/errors.js'
import { createNode } from '../sluice.js'
import { formatAmount, type Output, short } from './output.js'
import { interruptible, nodeOptionsOf, patiently, report, type Shared } from './settings.js'

export async function close(
  output: Output,
  id: string | undefined,
  options: Shared,
): Promise<void> {
  const signal = interruptible()
  const waiting = { output, signal, options }
  const node = await patiently(waiting, () => createNode(nodeOptionsOf(options)))
  try {
    node.events.on('problem', report(output))
    const open = node.channels().filter(({ phase }) => phase !== 'closed' && phase !== 'dead')
    const wanted = id === undefined ? open : node.channels().filter((channel) => channel.id === id)
    if (id !== undefined && wanted.length === 0)
      throw new SluiceError(
        'CHANNEL_UNKNOWN',
        `There is no channel ${id} in this home; see sluice channels.`,
      )
    if (wanted.length === 0 && !output.json) output.event('none', {}, 'No open channels.')
    for (const channel of wanted) {
      const { complete, seat, phase } = await patiently(waiting, () =>
        node.close(channel.id, { signal }),
      )
      const balance = complete?.body.outcome.balances[seat]?.[0] ?? 0n
      output.event(
        'settled',
        { channelId: channel.id, phase, version: complete?.version, received: balance },
        `${pc.green('settled')} ${short(channel.id)}: ${formatAmount(balance)} paid out to us.`,
      )
    }
  } finally {
    await node.stop()
  }
}
