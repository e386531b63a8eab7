/** Whether a long paid transfer takes more and more memory: the peak late in it against the peak early. */
import { type Bench, figure } from './bench.js'
import { withTrade } from './trade.js'

export const memory: Bench = {
  name: 'memory',
  description: 'resident memory late in a transfer against early, both processes',
  run: ({ rounds = 1, mebibytes = 1_024, progress }) =>
    withTrade({ mebibytes, purchases: rounds }, async (trade) => {
      const ends = { seller: [] as Peaks[], buyer: [] as Peaks[] }
      for (let round = 0; round < rounds; round++) {
        progress(`transfer ${round + 1} of ${rounds}`)
        const { seller, buyer } = await trade.memory(trade.paid)
        ends.seller.push(peaks(seller))
        ends.buyer.push(peaks(buyer))
      }
      const about = { otherName: 'second quarter', unit: 'B' }
      return {
        figures: [
          figure({ id: 'memory-seller', ...about }, ends.seller),
          figure({ id: 'memory-buyer', ...about }, ends.buyer),
        ],
        meta: { ...trade.meta, rounds, ours: 'peak in the last quarter' },
      }
    }),
}

type Peaks = { readonly ours: number; readonly other: number }

const peaks = (samples: readonly number[]): Peaks => {
  const quarter = Math.floor(samples.length / 4)
  return {
    ours: Math.max(...samples.slice(-quarter)),
    other: Math.max(...samples.slice(quarter, 2 * quarter)),
  }
}
