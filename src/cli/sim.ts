/** `sluice sim`: simulated worlds from seeds, and planted bugs that their checkers must find. */
import { InvalidArgumentError } from 'commander'
import pc from 'picocolors'
import { campaign, type Report } from '../sim/campaign.js'
import { type Caught, hunt, read } from '../sim/planted.js'
import { createOutput, formatAmount, type Output, toJson } from './output.js'
import { interruptedExit, interruptible, type Shared } from './settings.js'

export type SimOptions = Pick<Shared, 'json'> & {
  readonly seeds: number
  readonly seed: number
  readonly trace?: boolean
  /** A file of planted bugs; false runs none. */
  readonly bugs?: string | boolean
}

/** Seeds that a planted bug may live. */
const bugSeedsMax = 400
/** Planted bugs hunted at once: each is a process. */
const huntsMax = 2

/** Whole numbers for seeds: exact in JSON, and room for a campaign above. */
export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,12}$/.test(text)) throw new InvalidArgumentError('Give a whole number.')
  return Number(text)
}

export async function sim(output: Output, options: SimOptions): Promise<void> {
  const signal = interruptible()
  const { seed, seeds, trace } = options
  const bugs =
    options.bugs === false ? [] : read(typeof options.bugs === 'string' ? options.bugs : undefined)
  const startedAt = performance.now()
  // For whoever waits half an hour for one line of JSON as well: it goes to standard error.
  const progress = createOutput(false).progress('simulating', BigInt(seeds))
  let [done, failed] = [0, 0]
  const report = await campaign({
    seed,
    seeds,
    signal,
    onSeed({ violations }) {
      done += 1
      if (violations.length > 0) failed += 1
      const rate = (done / (performance.now() - startedAt)) * 1_000
      progress.update(BigInt(done), `${done} worlds, ${failed} failed, ${rate.toFixed(1)}/s`)
    },
    onLine: trace === true ? (line) => process.stderr.write(`${line}\n`) : undefined,
  })
  progress.done()
  const caught: Caught[] = []
  const left = [...bugs]
  const work = async (): Promise<void> => {
    for (let bug = left.shift(); bug !== undefined && !signal.aborted; bug = left.shift()) {
      const result = await hunt({ bug, seed, seedsMax: bugSeedsMax }, signal)
      if (!signal.aborted) caught.push(result)
    }
  }
  await Promise.all(Array.from({ length: huntsMax }, work))
  say(output, report, caught)
  if (report.failures.length > 0 || caught.some((bug) => bug.caughtAfterSeeds === undefined))
    process.exitCode = 1
  else if (signal.aborted) process.exitCode = interruptedExit
}

function say(output: Output, report: Report, bugs: readonly Caught[]): void {
  if (output.json) {
    const { seeds, failures, crashes, faults, disputes, virtualHours, ...more } = report
    const line = { seeds, failures, crashes, faults, disputes, virtualHours, bugs, ...more }
    process.stdout.write(`${toJson(line)}\n`)
    return
  }
  const lines = [
    `${formatAmount(BigInt(report.seeds))} worlds, ${formatAmount(BigInt(report.inputs))} inputs, ${report.virtualHours} virtual hours`,
    `${formatAmount(BigInt(report.faults))} faults, ${report.crashes} crashes, ${report.disputes} disputes`,
    ...report.failures.flatMap(({ seed, violations }) => [
      `${pc.red('failed')} seed ${seed}; again: sluice sim --seeds 1 --seed ${seed} --no-bugs --trace`,
      ...violations.slice(0, 3).map(({ checker, what }) => `  ${checker}: ${what}`),
    ]),
    ...bugs.map(({ name, checker, caughtAfterSeeds, what }) =>
      caughtAfterSeeds === undefined
        ? `${pc.red('missed')} ${name}: ${what}`
        : `${pc.green('caught')} ${name} by ${checker} after ${caughtAfterSeeds} seeds`,
    ),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}
