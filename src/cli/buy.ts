/** `sluice buy MULTIADDR`: buys a file by the byte, and settles. The same command again goes on after a crash. */
import pc from 'picocolors'
import { parse } from '../core/amount.js'
import { toHex } from '../core/bytes.js'
import * as Price from '../core/price.js'
import type { Node } from '../engine/node.js'
import type { Purchase } from '../engine/purchase.js'
import { type BoughtFile, buyFile, forgetPurchase } from '../market/buy-file.js'
import { createNode } from '../sluice.js'
import { formatAmount, formatBytes, type Output, type Progress } from './output.js'
import { homeOf, interruptible, ledgerOf, patiently, type Shared } from './settings.js'

export type BuyOptions = Shared & {
  readonly out: string
  readonly budget: string
  readonly resource?: string
  /** Leave the channel open for the next purchase. */
  readonly keep?: boolean
}

export async function buy(output: Output, address: string, options: BuyOptions): Promise<void> {
  const signal = interruptible()
  const budget = parse(options.budget)
  const node = await patiently(output, signal, () =>
    createNode({ home: homeOf(options), ledger: ledgerOf(options) }),
  )
  try {
    node.events.on('problem', ({ message }) => output.warn(message))
    const bought = await patiently(output, signal, (alive) =>
      fetchFile(output, node, address, budget, options, signal, alive),
    )
    if (options.keep) {
      await forgetPurchase(options.out)
      return
    }
    await patiently(output, signal, () => settle(output, node, bought, signal))
    await forgetPurchase(options.out)
  } finally {
    await node.stop()
  }
}

async function fetchFile(
  output: Output,
  node: Node,
  address: string,
  budget: bigint,
  options: BuyOptions,
  signal: AbortSignal,
  alive: () => void,
): Promise<BoughtFile> {
  const { out, resource = '' } = options
  let bar: Progress | undefined
  let purchase: Purchase | undefined
  try {
    const bought = await buyFile(node, address, {
      out,
      budget,
      resource,
      signal,
      onStart(started) {
        purchase = started
        bar = announce(output, started)
      },
      onProgress(bytes) {
        alive()
        if (purchase === undefined) return
        const paid = node.lane(purchase.channelId, purchase.lane)
        const text = `${formatBytes(bytes)}  paid ${formatAmount(paid?.claim ?? 0n)}  ${paid?.ticks ?? 0} ticks`
        bar?.update(bytes, text, {
          paid: paid?.claim,
          ticks: paid?.ticks,
          vouchers: paid?.vouchers,
        })
      },
    })
    bar?.done()
    const lane = purchase && node.lane(purchase.channelId, purchase.lane)
    const { channelId, bytes, owed, sha256 } = bought
    output.event(
      'bought',
      {
        channelId,
        out,
        bytes: Number(bytes),
        sha256: toHex(sha256).slice(2),
        owed,
        paid: lane?.claim ?? owed,
        ticks: lane?.ticks ?? 0,
        vouchers: lane?.vouchers ?? 0,
      },
      `${pc.green('bought')} ${out}: ${formatBytes(bytes)}, whole and verified, for ${formatAmount(owed)}` +
        ` (${lane?.ticks ?? 0} ticks, ${lane?.vouchers ?? 0} vouchers).`,
    )
    return bought
  } finally {
    bar?.done()
  }
}

function announce(output: Output, { quote, position, channelId }: Purchase): Progress {
  const size = quote.size ?? 0n
  const cost = Price.owed(quote.price, size)
  const from = position > 0n ? `, resumed at ${formatBytes(position)}` : ''
  output.event(
    'buying',
    {
      channelId,
      resource: quote.resource,
      bytes: Number(size),
      price: Price.toJson(quote.price),
      cost,
      from: Number(position),
    },
    `Buying ${pc.bold(quote.resource)}, ${formatBytes(size)} for ${formatAmount(cost)}${from}.`,
  )
  return output.progress('paying', size)
}

/** Closes the channel; what was not spent comes back. */
async function settle(
  output: Output,
  node: Node,
  { channelId }: BoughtFile,
  signal: AbortSignal,
): Promise<void> {
  const { complete, seat } = await node.close(channelId, { signal })
  const { balances = [], deposited = [] } = complete?.body.outcome ?? {}
  const back = balances[seat]?.[0] ?? 0n
  const paid = (deposited[seat]?.[0] ?? 0n) - back
  output.event(
    'settled',
    { channelId, version: complete?.version, paid, returned: back },
    `${pc.green('settled')} on the ledger: ${formatAmount(paid)} paid, ${formatAmount(back)} returned.`,
  )
}
