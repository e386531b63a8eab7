/**
 * A seller and a buyer in processes of their own, with one file between them: what the transfer benches
 * measure. Connections and the channel are open, and the file is in the page cache, before anything is timed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLedger, parsePrice } from '../src/index.js'
import type { Taken } from './children/buyer.js'
import type { Offered } from './children/seller.js'
import { type Workshop, withWorkshop } from './processes.js'

export type Trade = {
  readonly bytes: number
  /** Buys the file, or takes it for nothing; seconds. */
  readonly paid: () => Promise<number>
  readonly unpaid: () => Promise<number>
  /** Resident bytes of both processes over time, while `run` runs. */
  readonly memory: (run: () => Promise<unknown>) => Promise<{ seller: number[]; buyer: number[] }>
  readonly meta: Readonly<Record<string, string | number | boolean>>
}

const price = '3/KiB'

/** Sets up a trade that can pay for `purchases` purchases, lets `use` have it, and clears it away. */
export const withTrade = <T>(
  options: { readonly mebibytes: number; readonly purchases: number },
  use: (trade: Trade) => Promise<T>,
): Promise<T> =>
  withWorkshop(async (workshop) => {
    const layer = await createLedger({ port: 0 })
    try {
      return await use(await begin(workshop, layer.url ?? '', options))
    } finally {
      await layer.close()
    }
  })

async function begin(
  { directory, spawn, isDurable }: Workshop,
  ledger: string,
  { mebibytes, purchases }: { readonly mebibytes: number; readonly purchases: number },
): Promise<Trade> {
  const path = join(directory, 'file')
  const bytes = mebibytes * 1_048_576
  const sha256 = await writeRandom(path, bytes)
  const [seller, buyer] = [spawn('seller'), spawn('buyer')]
  const sellerHome = join(directory, 'seller')
  const offered = await seller.ask<Offered>('start', {
    home: sellerHome,
    ledger,
    path,
    price: parsePrice(price),
  })
  const budget = BigInt(mebibytes) * 1_024n * 3n
  const deposit = budget * BigInt(purchases)
  await buyer.ask('start', { home: join(directory, 'buyer'), ledger, offered, deposit })
  const out = join(directory, 'taken')
  const take = async (how: 'paid' | 'unpaid'): Promise<number> => {
    const taken = await buyer.ask<Taken>(how, { address: offered[how], out, budget })
    if (sha256 !== Buffer.from(taken.sha256).toString('hex'))
      throw new Error(`The ${how} transfer delivered other bytes than the file has.`)
    return taken.seconds
  }
  return {
    bytes,
    paid: () => take('paid'),
    unpaid: () => take('unpaid'),
    async memory(run) {
      for (const child of [seller, buyer]) await child.ask('sample')
      await run()
      return { seller: await seller.ask('samples'), buyer: await buyer.ask('samples') }
    },
    meta: {
      mebibytes,
      price,
      durable: isDurable,
      loopback: true,
      processes: 2,
      directory: tmpdir(),
    },
  }
}

/** A file of random bytes, so that nothing on the way can compress it; returns its SHA-256. */
async function writeRandom(path: string, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  const file = createWriteStream(path)
  for (let left = bytes; left > 0; ) {
    const part = randomBytes(Math.min(left, 4_194_304))
    left -= part.length
    hash.update(part)
    if (!file.write(part)) await once(file, 'drain')
  }
  file.end()
  await once(file, 'close')
  return hash.digest('hex')
}
