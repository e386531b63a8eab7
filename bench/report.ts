/** How a bench is reported: the machine it ran on, and a table that people read. */
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import type { BenchResult, Figure } from './bench.js'

/** Where and when: no figure means anything without it. */
export function machine(): Record<string, string | number> {
  const processors = cpus()
  return {
    date: new Date().toISOString(),
    node: process.version,
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    commit: commit(),
  }
}

/** The commit, with `+` where files differ from it. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return git('rev-parse', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}

export function table({ meta, figures }: BenchResult): string {
  const facts = Object.entries(meta).map(([name, value]) => `${name} ${value}`)
  const head = ['figure', 'ours', 'other', 'ratio', 'lowest', 'highest', 'other is']
  const rows = [head, ...figures.map(row)]
  const width = (column: number): number =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0))
  const widths = head.map((_, column) => width(column))
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 || column === cells.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  return `${facts.join(' · ')}\n\n${lines.join('\n')}\n`
}

const row = ({ id, ours, other, otherName, unit, ratio, range }: Figure): string[] => [
  id,
  amount(ours, unit),
  amount(other, unit),
  ratio.toFixed(3),
  ...range.ratio.map((each) => each.toFixed(3)),
  otherName,
]

/** Four digits with the unit: `412.3 MB/s`, `5.512 Msteps/s`. */
function amount(value: number, unit: string): string {
  const [scale, prefix] =
    value >= 1e9 ? [1e9, 'G'] : value >= 1e6 ? [1e6, 'M'] : value >= 1e3 ? [1e3, 'k'] : [1, '']
  return `${(value / scale).toPrecision(4)} ${prefix}${unit}`
}
