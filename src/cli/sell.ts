/** `sluice sell FILE`: offers a file by the byte until it is stopped. */
import { once } from 'node:events'
import pc from 'picocolors'
import { toHex } from '../core/bytes.js'
import * as Price from '../core/price.js'
import { checkPrice, fingerprint, prepareFile, sellFile } from '../market/sell-file.js'
import { checkListen, createNode } from '../sluice.js'
import { formatAmount, formatBytes, type Output, short } from './output.js'
import { interruptible, nodeOptionsOf, patiently, report, type Shared } from './settings.js'

export type SellOptions = Shared & { readonly price: string; readonly listen: string[] }

export async function sell(output: Output, file: string, options: SellOptions): Promise<void> {
  const signal = interruptible()
  const price = Price.parse(options.price)
  checkPrice(price)
  for (const address of options.listen) checkListen(address)
  const { size } = await fingerprint(file)
  const hashing = output.progress('hashing', size)
  const onHashed = (bytes: number): void => hashing.update(BigInt(bytes), formatBytes(bytes))
  // Before the node listens: a buyer that comes back must find the file on offer.
  const waiting = { output, signal, options }
  const prepared = await patiently(waiting, () => prepareFile(file, { signal, onHashed }))
  hashing.done()
  const node = await patiently(waiting, () =>
    createNode({ ...nodeOptionsOf(options), listen: options.listen }),
  )
  try {
    node.events.on('problem', report(output))
    const offer = await sellFile(node, prepared, { price, signal })
    const cost = Price.owed(price, offer.bytes)
    const [multiaddr] = node.addresses
    output.event(
      'listening',
      {
        multiaddr,
        multiaddrs: node.addresses,
        resource: offer.resource,
        bytes: Number(offer.bytes),
        sha256: toHex(offer.sha256).slice(2),
        price: Price.toJson(price),
        account: node.account,
      },
      [
        `Selling ${pc.bold(offer.resource)}, ${formatBytes(offer.bytes)} for ${formatAmount(cost)} (${options.price}).`,
        `Buy it with: ${pc.cyan(`sluice buy ${multiaddr} --out ${offer.resource} --budget ${cost}`)}`,
      ].join('\n'),
    )
    node.events.on('channel', ({ id, phase, complete }) => {
      const version = complete?.version ?? 0n
      output.event(
        'channel',
        { channelId: id, phase, version },
        pc.dim(`channel ${short(id)} ${phase}`),
      )
    })
    for await (const { offset, owed, reason } of offer.receipts)
      output.event(
        'sold',
        { bytes: Number(offset), paid: owed, reason },
        `${pc.green('sold')} ${formatBytes(offset)} for ${formatAmount(owed)} (${reason})`,
      )
    if (!signal.aborted) await once(signal, 'abort')
  } finally {
    await node.stop()
  }
}
