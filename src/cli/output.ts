/**
 * What a command says: lines and a progress bar for people, one JSON object a line for programs. Results go
 * to standard output; progress and problems of the moment to standard error.
 */
import { type Bar, Presets, SingleBar } from 'cli-progress'
import pc from 'picocolors'
import { toProblem } from '../core/errors.js'

export type Output = {
  readonly json: boolean
  /** Something happened: `fields` for a program, `line` for a person. */
  event(name: string, fields: Readonly<Record<string, unknown>>, line: string): void
  /** Something went wrong that the command survives. */
  problem(problem: Problem): void
  /** As `problem`; the command tries again. */
  waiting(problem: Problem): void
  /** Progress towards `total` bytes. Call `done` before the next line. */
  progress(label: string, total: bigint): Progress
}

export type Progress = {
  /** `text` for a person follows the bar; `fields` go to a program. */
  update(bytes: bigint, text: string, fields?: Readonly<Record<string, unknown>>): void
  done(): void
}

type Problem = { readonly code: string; readonly message: string }

/** Milliseconds between two lines of progress, for people without a terminal and for programs. */
const lineEveryMs = 1_000
const eventEveryMs = 200

export function createOutput(json: boolean): Output {
  const bars = !json && process.stderr.isTTY
  let said = ''
  /** Once, however often it is tried in vain. */
  const warn = (name: string, { code, message }: Problem, more = ''): void => {
    if (message === said) return
    said = message
    if (json) process.stdout.write(`${toJson({ event: name, code, message })}\n`)
    else process.stderr.write(`${pc.yellow('!')} ${message}${more}\n`)
  }
  return {
    json,
    event(name, fields, line) {
      said = ''
      process.stdout.write(`${json ? toJson({ event: name, ...fields }) : line}\n`)
    },
    problem: (problem) => warn('problem', problem),
    waiting: (problem) => warn('waiting', problem, ' Trying again; your money is safe.'),
    progress(label, total) {
      if (json) return events(label, total)
      return bars ? bar(label, total) : lines(label, total)
    },
  }
}

/** JSON with amounts as decimal strings. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each))

/** The one way a command fails: a code for programs, a sentence for people. */
export function printError(error: unknown, json: boolean): void {
  const problem = toProblem(error)
  if (json) process.stdout.write(`${toJson({ error: problem })}\n`)
  else {
    const mark = problem.code === 'INTERRUPTED' ? pc.yellow('stopped') : pc.red('error')
    process.stderr.write(`${mark} ${problem.message} ${pc.dim(`[${problem.code}]`)}\n`)
  }
}

/** A bar counts in permille: a number holds that exactly, whatever the amounts. */
const permille = (value: bigint, total: bigint): number =>
  total === 0n ? 1_000 : Number((value * 1_000n) / total)

function bar(label: string, total: bigint): Progress {
  const options = {
    format: `${label} ${pc.cyan('{bar}')} {percentage} %  {text}`,
    barsize: 28,
    hideCursor: true,
    linewrap: false,
    clearOnComplete: false,
  }
  const single: Bar = new SingleBar(options, Presets.shades_classic)
  single.start(1_000, 0, { text: '' })
  return {
    update: (bytes, text) => single.update(permille(bytes, total), { text }),
    done: () => single.stop(),
  }
}

/** Without a terminal, a plain line now and then. */
const lines = (label: string, total: bigint): Progress =>
  every(lineEveryMs, (value, text) => {
    const percent = Math.floor(permille(value, total) / 10)
    process.stderr.write(`${label} ${percent} %  ${text}\n`)
  })

const events = (label: string, total: bigint): Progress =>
  every(eventEveryMs, (bytes, _, fields) => {
    const progress = { event: 'progress', of: label, bytes: Number(bytes), total: Number(total) }
    process.stdout.write(`${toJson({ ...progress, ...fields })}\n`)
  })

function every(ms: number, update: Progress['update']): Progress {
  let next = Date.now() + ms
  return {
    update(...now) {
      if (Date.now() < next) return
      next = Date.now() + ms
      update(...now)
    },
    done: () => undefined,
  }
}

/** `104857600` → `100.0 MiB`. */
export function formatBytes(bytes: bigint | number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = Number(bytes)
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** `1234567` → `1,234,567`. */
export const formatAmount = (amount: bigint): string =>
  String(amount).replace(/\B(?=(\d{3})+$)/g, ',')

/** Enough of an id to tell it from others. */
export const short = (id: string): string => `${id.slice(0, 10)}…`

/** `3725` → `1 h 2 min`; the two largest units are enough. */
export function formatSeconds(seconds: bigint): string {
  const units = [
    ['d', 86_400n],
    ['h', 3_600n],
    ['min', 60n],
    ['s', 1n],
  ] as const
  let left = seconds
  const parts = units.map(([unit, size]) => {
    const count = left / size
    left %= size
    return count > 0n ? `${count} ${unit}` : ''
  })
  return (
    parts
      .filter((part) => part !== '')
      .slice(0, 2)
      .join(' ') || '0 s'
  )
}
