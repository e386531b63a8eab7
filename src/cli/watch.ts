/** `sluice watch`: a watchtower that serves until it is stopped. */
import { once } from 'node:events'
import pc from 'picocolors'
import { checkListen, createTower } from '../sluice.js'
import { formatAmount, type Output, short } from './output.js'
import {
  accountKeyOf,
  homeOf,
  interruptible,
  ledgerOf,
  patiently,
  report,
  type Shared,
} from './settings.js'

export type WatchOptions = Shared & { readonly listen: string[]; readonly clients?: number }

export async function watch(output: Output, options: WatchOptions): Promise<void> {
  const signal = interruptible()
  const { listen, clients } = options
  for (const address of listen) checkListen(address)
  const tower = await patiently({ output, signal, options }, () =>
    createTower({
      home: homeOf(options),
      ledger: ledgerOf(options),
      accountKey: accountKeyOf(options),
      listen,
      ...(clients === undefined ? {} : { limits: { clientsMax: clients } }),
    }),
  )
  try {
    tower.events.on('problem', report(output))
    tower.events.on('appointment', ({ channelId, seat, version }) =>
      output.event(
        'appointment',
        { channelId, seat, version },
        pc.dim(`holds ${short(channelId)} state ${version}`),
      ),
    )
    tower.events.on('action', ({ channelId, seat, action }) => {
      const gain = action.type === 'redeem' ? action.gain : undefined
      const what = gain === undefined ? action.type : `redeem ${formatAmount(gain)}`
      output.event(
        'action',
        { channelId, seat, action: action.type, gain },
        `${pc.green(what)} for seat ${seat} of ${short(channelId)}`,
      )
    })
    const [multiaddr] = tower.addresses
    const { channels } = tower.load
    output.event(
      'listening',
      { multiaddr, multiaddrs: tower.addresses, account: tower.account, channels },
      [
        `Watching over ${channels} channels. Clients give this to their nodes:`,
        pc.cyan(`  --tower ${multiaddr}`),
        `Fees come from the account ${tower.account}.`,
      ].join('\n'),
    )
    if (!signal.aborted) await once(signal, 'abort')
  } finally {
    await tower.stop()
  }
}
