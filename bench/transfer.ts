/** A file, paid by the byte, against the same libp2p stream unpaid: read, written, hashed and synced alike. */
import { alternate, type Bench, figure } from './bench.js'
import { withTrade } from './trade.js'

export const transfer: Bench = {
  name: 'transfer',
  description: 'a file bought by the byte, against the same stream unpaid',
  run: ({ rounds = 7, mebibytes = 256, progress }) =>
    withTrade({ mebibytes, purchases: rounds + 1 }, async ({ bytes, paid, unpaid, meta }) => {
      progress('warming up')
      for (const take of [paid, unpaid]) await take()
      const measured = (name: string, take: () => Promise<number>) => async (): Promise<number> => {
        const rate = bytes / (await take())
        progress(`${name.padEnd(7)} ${(rate / 1e6).toFixed(1)} MB/s`)
        return rate
      }
      const pairs = await alternate(rounds, measured('paid', paid), measured('unpaid', unpaid))
      const about = { id: 'transfer', otherName: 'unpaid stream', unit: 'B/s' }
      return { figures: [figure(about, pairs)], meta: { ...meta, rounds } }
    }),
}
