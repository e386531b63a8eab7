/**
 * What a bench is: ours and an alternative doing the same work, in turn, in one run. Only the ratio of such
 * a pair is worth comparing between machines; a time alone never is.
 */

export type Bench = {
  readonly name: string
  /** One line, for the list. */
  readonly description: string
  /** Measures; says on `progress` what it is at. */
  readonly run: (options: BenchOptions) => Promise<BenchResult>
}

/** Undefined: what the bench finds right. */
export type BenchOptions = {
  readonly rounds: number | undefined
  /** Size of what is transferred. */
  readonly mebibytes: number | undefined
  /** Co-signed updates of a round. */
  readonly updates: number | undefined
  /** How many channels there are, where that is what matters. */
  readonly channels: number | undefined
  readonly progress: (line: string) => void
}

export type BenchResult = {
  readonly figures: readonly Figure[]
  /** How it was measured: `durable`, `loopback`, `rounds`, sizes. */
  readonly meta: Readonly<Record<string, string | number | boolean>>
}

/** Medians of all rounds; `ratio` is the median of each round's own ours ÷ other. */
export type Figure = {
  readonly id: string
  readonly ours: number
  readonly other: number
  readonly otherName: string
  readonly unit: string
  readonly ratio: number
  readonly range: { readonly [of in 'ours' | 'other' | 'ratio']: readonly [number, number] }
}

/** What one round measured of both, in the figure's unit. */
export type Pair = { readonly ours: number; readonly other: number }

export function figure(
  about: Pick<Figure, 'id' | 'otherName' | 'unit'>,
  rounds: readonly Pair[],
): Figure {
  const ours = spread(rounds.map((round) => round.ours))
  const other = spread(rounds.map((round) => round.other))
  const ratio = spread(rounds.map((round) => round.ours / round.other))
  return {
    ...about,
    ours: ours.median,
    other: other.median,
    ratio: ratio.median,
    range: { ours: ours.range, other: other.range, ratio: ratio.range },
  }
}

/** Runs both in each round; who goes first changes every round, so that neither gains by its place. */
export async function alternate<T>(
  rounds: number,
  ours: () => Promise<T>,
  other: () => Promise<T>,
): Promise<{ ours: T; other: T }[]> {
  const pairs: { ours: T; other: T }[] = []
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0 ? await ours() : undefined
    const second = await other()
    pairs.push({ ours: first ?? (await ours()), other: second })
  }
  return pairs
}

function spread(values: readonly number[]): { median: number; range: [number, number] } {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  const half = sorted.length / 2
  const median = Number.isInteger(half) ? (at(half - 1) + at(half)) / 2 : at(Math.floor(half))
  return { median, range: [at(0), at(sorted.length - 1)] }
}
