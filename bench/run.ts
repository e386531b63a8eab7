/**
 * `npm run bench -- NAME [--json FILE]`: runs one bench, prints its table and writes its figures. It is the
 * list of benches, and measures nothing itself.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { absent } from './absent.js'
import type { Bench } from './bench.js'
import { cosigned } from './cosigned.js'
import { kernel } from './kernel/kernel.js'
import { memory } from './memory.js'
import { machine, table } from './report.js'
import { restart } from './restart.js'
import { transfer } from './transfer.js'

const benches: readonly Bench[] = [transfer, cosigned, absent, restart, memory, kernel]

const usage = `Usage: npm run bench -- NAME [options]

${benches.map(({ name, description }) => `  ${name.padEnd(12)}${description}`).join('\n')}

  --json FILE   write {"meta", "figures"} there
  --rounds N    how often ours and the other take turns
  --mib N       size of a transfer
  --updates N   co-signed updates of a round
  --channels N  channels of a node that restarts
`

process.exitCode = await main()

async function main(): Promise<number> {
  const { positionals, json, problem, ...options } = read()
  if (problem !== undefined) return refuse(problem)
  const [name, ...others] = positionals
  if (name === undefined) {
    process.stdout.write(usage)
    return 0
  }
  const bench = benches.find((each) => each.name === name)
  if (bench === undefined || others.length > 0)
    return refuse(`There is no bench "${positionals.join(' ')}".`)
  const progress = (line: string): void => void process.stderr.write(`${line}\n`)
  const { figures, meta } = await bench.run({ ...options, progress })
  const report = { meta: { bench: name, ...machine(), ...meta }, figures }
  process.stdout.write(table(report))
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`)
  return 0
}

function read() {
  const options = {
    json: { type: 'string' },
    rounds: { type: 'string' },
    mib: { type: 'string' },
    updates: { type: 'string' },
    channels: { type: 'string' },
  } as const
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options })
    const { json, rounds, mib, updates, channels } = values
    const counts = {
      rounds: count(rounds),
      mebibytes: count(mib),
      updates: count(updates),
      channels: count(channels),
    }
    return { positionals, json, problem: undefined, ...counts }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    return { positionals: [], json: undefined, problem, ...nothing }
  }
}

const nothing = {
  rounds: undefined,
  mebibytes: undefined,
  updates: undefined,
  channels: undefined,
}

function count(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text)
  throw new RangeError(`"${text}" is not a count.`)
}

function refuse(why: string): number {
  process.stderr.write(`${why}\n\n${usage}`)
  return 2
}
