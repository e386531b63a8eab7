/** A channel of five of whom one is stopped: what the lanes of the others carry meanwhile, against before. */
import { createLedger } from '../src/index.js'
import { type Bench, figure, type Pair } from './bench.js'
import { type Five, gather } from './five.js'
import { withWorkshop } from './processes.js'

const phaseMs = 3_000
/** Before anything is measured: credit windows grow by what is paid. */
const warmUpMs = 2_000

export const absent: Bench = {
  name: 'absent',
  description: 'lanes of four while the fifth of a channel is stopped, against before',
  run: ({ rounds = 5, progress }) =>
    withWorkshop(async (workshop) => {
      const layer = await createLedger({ port: 0 })
      try {
        progress('opening a channel of five')
        const five = await gather(workshop, layer.url ?? '')
        await streamed(five, warmUpMs)
        const pairs: Pair[] = []
        for (let round = 0; round < rounds; round++) {
          const other = await streamed(five, phaseMs)
          process.kill(five.fifth.pid, 'SIGSTOP')
          const ours = await streamed(five, phaseMs)
          process.kill(five.fifth.pid, 'SIGCONT')
          progress(
            `before ${(other / 1e6).toFixed(1)} MB/s, during ${(ours / 1e6).toFixed(1)} MB/s`,
          )
          pairs.push({ ours, other })
        }
        const about = { id: 'absent-5', otherName: 'before it was stopped', unit: 'B/s' }
        return {
          figures: [figure(about, pairs)],
          meta: {
            rounds,
            phaseMs,
            seats: 5,
            lanes: 4,
            price: '1/KiB',
            durable: workshop.isDurable,
            loopback: true,
            processes: 5,
          },
        }
      } finally {
        await layer.close()
      }
    }),
}

/** Bytes a second over the lanes of the four. */
async function streamed({ ring }: Five, milliseconds: number): Promise<number> {
  const rates = await Promise.all(ring.map((seat) => seat.ask<number>('measure', milliseconds)))
  return rates.reduce((sum, rate) => sum + rate, 0)
}
