/**
 * Co-signed, durable updates between two processes: a payee folds its lane after every item, against the same
 * messages, signatures and syncs without an engine.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from '../src/core/bytes.js'
import { createLedger } from '../src/index.js'
import { alternate, type Bench, figure, type Pair } from './bench.js'
import type { Load, Measured } from './children/payee.js'
import type { Sizes } from './floor.js'
import { type Workshop, withWorkshop } from './processes.js'

/** The most that two peers may have open. */
const channelsMax = 64
const updatesDefault = 6_400

export const cosigned: Bench = {
  name: 'cosigned',
  description: 'co-signed, durable updates, against bare messages, signatures and syncs',
  run: ({ rounds = 7, updates = updatesDefault, progress }) =>
    withWorkshop(async (workshop) => {
      const many = { channels: channelsMax, updates }
      const one = { channels: 1, updates: Math.ceil(updates / 8) }
      const layer = await createLedger({ port: 0 })
      try {
        const deposit = BigInt((rounds + 1) * (updates + one.updates))
        progress(`opening ${channelsMax} channels`)
        const { ours, theirs, sizes } = await begin(workshop, layer.url ?? '', deposit)
        progress('warming up')
        for (const side of [ours, theirs]) for (const load of [many, one]) await side(load)
        const run = (name: string, side: typeof ours, load: Load) => async (): Promise<Round> => {
          const measured = await side(load)
          const rate = (measured.latencies.length / measured.seconds).toFixed(0)
          progress(`${name} ${load.channels} channels: ${rate} updates/s`)
          return measured
        }
        const measure = (load: Load) =>
          alternate(rounds, run('ours ', ours, load), run('floor', theirs, load))
        const [wide, narrow] = [await measure(many), await measure(one)]
        const pairs = (measured: typeof wide, of: (side: Round) => number): Pair[] =>
          measured.map((round) => ({ ours: of(round.ours), other: of(round.other) }))
        const rate = ({ seconds, latencies }: Round): number => latencies.length / seconds
        const each = (cpu: (side: Round) => number) => (side: Round) =>
          cpu(side) / side.latencies.length
        const about = { otherName: 'floor', unit: 'ms' }
        return {
          figures: [
            figure({ ...about, id: 'cosigned-64', unit: 'updates/s' }, pairs(wide, rate)),
            figure(
              { ...about, id: 'cosigned-1-p50' },
              pairs(narrow, (one) => percentile(one, 0.5)),
            ),
            figure(
              { ...about, id: 'cosigned-1-p99' },
              pairs(narrow, (one) => percentile(one, 0.99)),
            ),
            figure(
              { ...about, id: 'cosigned-64-cpu-payee' },
              pairs(
                wide,
                each(({ cpu }) => cpu),
              ),
            ),
            figure(
              { ...about, id: 'cosigned-64-cpu-payer' },
              pairs(
                wide,
                each(({ payerCpu }) => payerCpu),
              ),
            ),
          ],
          meta: {
            rounds,
            updates,
            durable: workshop.isDurable,
            loopback: true,
            processes: 2,
            update: 'an item, its tick, and the fold of it',
            floor: 'three messages, a signature made and recovered and a sync on each side',
            ...Object.fromEntries(Object.entries(sizes).map(([name, size]) => [`${name} B`, size])),
            directory: tmpdir(),
          },
        }
      } finally {
        await layer.close()
      }
    }),
}

async function begin({ directory, spawn }: Workshop, ledger: string, deposit: bigint) {
  const [payee, payer] = [spawn('payee'), spawn('payer')]
  const address = await payee.ask<string>('start', { home: join(directory, 'payee'), ledger })
  const channels = await payer.ask<Hex[]>('start', {
    home: join(directory, 'payer'),
    ledger,
    payee: address,
    channels: channelsMax,
    deposit,
  })
  await payee.ask('offer', channels)
  await payer.ask('consume', { payee: address, channels })
  const sizes = await payee.ask<Sizes>('sizes')
  const floor = await payer.ask<string>('floor', { sizes, library: 'ox' })
  await payee.ask('floor', { address: floor, sizes, library: 'ox' })
  const measured =
    (command: string) =>
    async (load: Load): Promise<Round> => {
      const before = await payer.ask<number>('cpu')
      const measured = await payee.ask<Measured>(command, load)
      return { ...measured, payerCpu: (await payer.ask<number>('cpu')) - before }
    }
  return { ours: measured('ours'), theirs: measured('theirs'), sizes }
}

type Round = Measured & { readonly payerCpu: number }

function percentile({ latencies }: Measured, part: number): number {
  const sorted = latencies.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN
}
