/**
 * Starts anvil, an EVM chain on this machine alone, for demos and tests. It is a development tool: nothing on it
 * is worth anything, and nothing else here needs it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { LedgerError } from '../error.js'

export type Anvil = { readonly url: string; stop(): Promise<void> }

export type Options = {
  /** 0, or left out: any free one. */
  readonly port?: number
  /** File that keeps the chain from one start to the next. */
  readonly statePath?: string
  /** More of anvil's own arguments. */
  readonly args?: readonly string[]
}

/** Newest rules that the adjudicator's gas was measured under. */
const hardfork = 'osaka'
const startMs = 20_000

/**
 * Runs a program until its own input ends, which it does when we are gone, however we went: anvil would stay behind
 * when we are killed.
 */
const guardian = `
const [program, ...args] = process.argv.slice(1)
const stdio = ['ignore', 'inherit', 'ignore']
const child = require('node:child_process').spawn(program, args, { stdio })
const stop = () => child.kill()
process.stdin.resume().on('end', stop).on('error', stop)
process.on('SIGTERM', stop).on('SIGINT', stop)
child.on('error', () => process.exit(1)).on('exit', () => process.exit(0))
`

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** The program inside the platform's package; the package's own command is a script around it. */
function binary(): string {
  const { resolve } = createRequire(import.meta.url)
  const platform = `${process.platform}-${architectures[process.arch] ?? process.arch}`
  const name = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  try {
    const require = createRequire(resolve('@foundry-rs/anvil/package.json'))
    return require.resolve(`@foundry-rs/anvil-${platform}/bin/${name}`)
  } catch (cause) {
    throw new LedgerError(
      'ANVIL_MISSING',
      `There is no anvil for ${platform} here: npm install @foundry-rs/anvil, or give an --ledger evm:URL#0xADJUDICATOR.`,
      { cause },
    )
  }
}

/** @throws LedgerError `ANVIL_MISSING`, `LEDGER_UNREACHABLE` */
export async function startAnvil(options: Options = {}): Promise<Anvil> {
  const { port = 0, statePath, args = [] } = options
  const state = statePath === undefined ? [] : ['--state', statePath]
  const fixed = ['--host', '127.0.0.1', '--port', `${port}`, '--hardfork', hardfork]
  const program = [binary(), ...fixed, ...state, ...args]
  const child = spawn(process.execPath, ['-e', guardian, ...program], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const stop = async (): Promise<void> => {
    child.stdin?.end()
    await gone
  }
  try {
    return { url: `http://${await listening(child, gone)}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function listening(child: ChildProcess, gone: Promise<void>): Promise<string> {
  const failed = (why: string): LedgerError =>
    new LedgerError('LEDGER_UNREACHABLE', `Anvil did not start: ${why}.`)
  let text = ''
  const found = new Promise<string>((resolve) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      if (text.length < 65_536) text += chunk.toString()
      const [, address] = /Listening on (\S+)/.exec(text) ?? []
      if (address !== undefined) resolve(address)
    })
  })
  const ended = gone.then(() => Promise.reject(failed('it ended at once; is the port in use?')))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(failed('it said nothing')), startMs)
  })
  try {
    return await Promise.race([found, ended, late])
  } finally {
    clearTimeout(timer)
  }
}
