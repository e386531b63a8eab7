/** How long a node takes to start: with ten thousand channels, and after a billion ticks on one lane. */
import { join } from 'node:path'
import { createLedger } from '../src/index.js'
import { alternate, type Bench, figure, type Pair } from './bench.js'
import type { Started, Streamed } from './children/restart.js'
import { type Workshop, withWorkshop } from './processes.js'

/** A lane, young and old: its ticks, and the epochs they come in. */
const young = { ticks: 1_000_000n, epochs: 250 }
const old = { ticks: 999_000_000n, epochs: 750 }

export const restart: Bench = {
  name: 'restart',
  description: 'starting with ten thousand channels, and after a billion ticks',
  run: ({ rounds = 5, channels = 10_000, progress }) =>
    withWorkshop(async (workshop) => {
      const { directory, spawn, isDurable } = workshop
      const place = (name: string): string => join(directory, name)
      progress(`opening ${channels} channels`)
      const many = { home: place('many'), layerHome: place('ledger'), channels }
      const bytes = await spawn('restart').ask<number>('fill', many)
      const layer = await createLedger({ home: many.layerHome, port: 0 })
      try {
        const ledger = layer.url ?? ''
        const start = (home: string) => () => startOnce(workshop, { home: place(home), ledger })
        const wide = await alternate(rounds, start('many'), start('none'))
        progress(`streaming ${young.ticks} ticks`)
        const lane = { payee: place('payee'), payer: place('payer'), ledger }
        const ages: { streamed: Streamed; seconds: number[] }[] = []
        for (const age of [young, old]) {
          const streamed = await spawn('restart').ask<Streamed>('stream', { ...lane, ...age })
          progress(
            `${streamed.ticks} ticks, of them ${streamed.steps} steps: ${streamed.bytes} bytes`,
          )
          const seconds: number[] = []
          for (let round = 0; round < rounds; round++)
            seconds.push((await start('payee')()).seconds)
          ages.push({ streamed, seconds })
        }
        const [before, after] = ages
        if (before === undefined || after === undefined) throw new Error('There are two ages.')
        const aged: Pair[] = after.seconds.map((ours, at) => ({
          ours,
          other: before.seconds[at] ?? Number.NaN,
        }))
        const size = { ours: after.streamed.bytes, other: before.streamed.bytes }
        const about = { otherName: 'after a million ticks', unit: 's' }
        return {
          figures: [
            figure(
              { id: 'restart', otherName: 'without channels', unit: 's' },
              wide.map(({ ours, other }) => ({ ours: ours.seconds, other: other.seconds })),
            ),
            figure({ ...about, id: 'restart-ticks' }, aged),
            figure({ ...about, id: 'restart-ticks-bytes', unit: 'B' }, [size]),
          ],
          meta: {
            rounds,
            channels: wide[0]?.ours.channels ?? 0,
            'bytes with them': bytes,
            ticks: Number(before.streamed.ticks + after.streamed.ticks),
            'of them revealed': before.streamed.steps + after.streamed.steps,
            durable: isDurable,
          },
        }
      } finally {
        await layer.close()
      }
    }),
}

/** A start in a process that has never seen the home. */
async function startOnce(
  { spawn }: Workshop,
  options: { readonly home: string; readonly ledger: string },
): Promise<Started> {
  const child = spawn('restart')
  const started = await child.ask<Started>('start', options)
  await child.stop()
  return started
}
