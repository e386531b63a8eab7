/**
 * A contest: two ways to do the same work in one process, timed by tinybench in short turns, so that what else
 * the machine does meets both alike.
 */
import { Bench as Tinybench } from 'tinybench'
import { type Figure, figure, type Pair } from './bench.js'

export type Contest = {
  readonly id: string
  readonly otherName: string
  /** What is counted, a second: `steps/s`. */
  readonly unit: string
  readonly ours: Side
  readonly other: Side
}

export type Side = {
  /** Units of work in one run. */
  readonly count: number
  /** Throws where its work comes out wrong. */
  readonly run: () => unknown
  /** Makes ready for the next run; not timed. */
  readonly before?: () => void
}

/** Milliseconds of each side in each round. */
export const turnMs = 80

/** The figure of a contest. Who goes first changes every round; a first round warms both up and is dropped. */
export async function hold(
  { id, otherName, unit, ours, other }: Contest,
  rounds: number,
): Promise<Figure> {
  const pairs: Pair[] = []
  for (let round = 0; round <= rounds; round++) {
    const pair = await turn(ours, other, round % 2 === 0)
    if (round > 0) pairs.push(pair)
  }
  return figure({ id, otherName, unit }, pairs)
}

async function turn(ours: Side, other: Side, oursFirst: boolean): Promise<Pair> {
  const bench = new Tinybench({ time: turnMs, warmup: false, throws: true })
  const sides = oursFirst ? { ours, other } : { other, ours }
  for (const [name, { run, before }] of Object.entries(sides))
    bench.add(name, run, before === undefined ? {} : { beforeEach: before })
  await bench.run()
  const rate = (name: string, { count }: Side): number => {
    const result = bench.getTask(name)?.result
    if (result?.state !== 'completed') throw new Error(`${name} did not complete.`)
    return (count * 1_000) / result.latency.p50
  }
  return { ours: rate('ours', ours), other: rate('other', other) }
}
