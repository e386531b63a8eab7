/** `sluice buy MULTIADDR`: buys a file by the byte, and settles. The same command again goes on after a crash. */
import pc from 'picocolors'
import { parse } from '../core/amount.js'
import { type Hex, toHex } from '../core/bytes.js'
import * as Price from '../core/price.js'
import type { LaneView, Node } from '../engine/node.js'
import type { Purchase } from '../engine/purchase.js'
import { type BoughtFile, buyFile, forgetPurchase, hasBegun } from '../market/buy-file.js'
import { checkAddress, createNode } from '../sluice.js'
import { formatAmount, formatBytes, type Output, type Progress, short } from './output.js'
import { interruptible, nodeOptionsOf, patiently, report, type Shared } from './settings.js'

export type BuyOptions = Shared & {
  readonly out: string
  readonly budget: string
  readonly resource?: string
  /** Leave the channel open for the next purchase. */
  readonly keep?: boolean
  /** Seconds. */
  readonly challengePeriod?: number
}

export async function buy(output: Output, address: string, options: BuyOptions): Promise<void> {
  const signal = interruptible()
  const { challengePeriod } = options
  const budget = parse(options.budget)
  checkAddress(address)
  const waiting = { output, signal, options }
  const node = await patiently(waiting, () =>
    createNode({
      ...nodeOptionsOf(options),
      ...(challengePeriod === undefined ? {} : { challengePeriod: BigInt(challengePeriod) }),
    }),
  )
  try {
    node.events.on('problem', report(output))
    node.events.on('channel', ({ id, phase, complete }) => {
      const version = complete?.version ?? 0n
      output.event('channel', { channelId: id, phase, version }, pc.dim(`${short(id)} ${phase}`))
    })
    // Where nothing was begun nothing can be lost: an address where nobody answers is said at once.
    const isWorthIt = (code: string): boolean =>
      code !== 'PEER_UNREACHABLE' || hasBegun(options.out)
    const { channelId } = await patiently({ ...waiting, isWorthIt }, (alive) =>
      fetchFile(output, node, address, budget, options, signal, alive),
    )
    if (channelId !== undefined && !options.keep)
      await patiently(waiting, () => settle(output, node, channelId, signal))
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
        const lane = node.lane(purchase.channelId, purchase.lane)
        const paid = paidFor(lane, purchase.owed)
        const { ticks = 0, vouchers = 0 } = lane ?? {}
        const text = `${formatBytes(bytes)}  paid ${formatAmount(paid)}  ${ticks} ticks`
        bar?.update(bytes, text, { paid, ticks, vouchers })
      },
    })
    bar?.done()
    tell(output, out, bought, purchase && node.lane(purchase.channelId, purchase.lane))
    return bought
  } finally {
    bar?.done()
  }
}

/** What of a lane's promise is for the purchase that owes `owed`: all but what its other purchases owe. */
const paidFor = (lane: LaneView | undefined, owed: bigint): bigint =>
  lane === undefined ? owed : lane.claim - (lane.owed - owed)

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

function tell(
  output: Output,
  out: string,
  { channelId, bytes, owed, sha256 }: BoughtFile,
  lane: LaneView | undefined,
): void {
  const file = { out, bytes: Number(bytes), sha256: toHex(sha256).slice(2) }
  if (channelId === undefined) {
    output.event('present', file, `${out} is that very file already. Nothing was paid.`)
    return
  }
  const { ticks = 0, vouchers = 0 } = lane ?? {}
  output.event(
    'bought',
    { channelId, ...file, owed, paid: paidFor(lane, owed), ticks, vouchers },
    `${pc.green('bought')} ${out}: ${formatBytes(bytes)}, whole and verified, for ${formatAmount(owed)}` +
      ` (${ticks} ticks, ${vouchers} vouchers).`,
  )
}

/** Closes the channel; what was not spent comes back. */
async function settle(
  output: Output,
  node: Node,
  channelId: Hex,
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
