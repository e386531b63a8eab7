/** `sluice demo [FILE]`: ledger, seller and buyer as three processes, one real file, one screen. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import pc from 'picocolors'
import { type Address, zeroAddress } from '../core/bytes.js'
import { SluiceError } from '../core/errors.js'
import * as Price from '../core/price.js'
import { checkPrice } from '../market/sell-file.js'
import { connectLedger, openIdentity } from '../sluice.js'
import { type Child, type ChildEvent, start } from './child.js'
import { formatAmount, formatBytes, type Output, toJson } from './output.js'
import { interrupted, interruptible, type Shared } from './settings.js'

export type DemoOptions = Shared & {
  readonly price: string
  /** On an EVM chain instead of the embedded layer. */
  readonly evm?: boolean
}

/** Balances before the sale; kept in a home that is given, so that a demo killed half-way adds up. */
type Before = { payer: string; payee: string }

export async function demo(
  output: Output,
  file: string | undefined,
  options: DemoOptions,
): Promise<void> {
  const signal = interruptible()
  const price = Price.parse(options.price)
  checkPrice(price)
  const given = options.home ?? process.env.SLUICE_HOME
  const home = given === undefined ? await mkdtemp(join(tmpdir(), 'sluice-')) : resolve(given)
  const children: Child[] = []
  let fail: (error: unknown) => void = () => undefined
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  const spawn = (name: string, args: readonly string[]): Child => {
    const child = start(name, [...args, '--home', join(home, name), '--json'], signal)
    children.push(child)
    child.exited.catch(fail)
    child.onEvent(({ event, code, message }) => {
      if (event === 'waiting')
        output.waiting({ code: String(code), message: `${name}: ${message}` })
    })
    return child
  }
  try {
    const show = perform(output, {
      file: file ?? process.execPath,
      price,
      priceText: options.price,
      evm: options.evm === true,
      home,
      spawn,
    })
    await Promise.race([show, failed])
  } catch (error) {
    if (!signal.aborted) throw error
    throw given === undefined ? abandoned : interrupted
  } finally {
    await Promise.all(children.map((child) => child.stop()))
    if (given === undefined) await rm(home, { recursive: true, force: true })
  }
}

/** Nothing is kept that the same command could go on with. */
const abandoned = new SluiceError(
  'INTERRUPTED',
  'Interrupted. It was play money, and nothing is left of it.',
)

type Stage = {
  readonly file: string
  readonly price: Price.Price
  readonly priceText: string
  readonly evm: boolean
  readonly home: string
  readonly spawn: (name: string, args: readonly string[]) => Child
}

async function perform(output: Output, stage: Stage): Promise<void> {
  const { file, price, priceText, evm, home, spawn } = stage
  const say = (line: string): void => {
    if (!output.json) process.stdout.write(`${line}\n`)
  }
  const startedAt = performance.now()
  // First of all: it makes the directory, or says why it cannot be made.
  const buyer = await openIdentity(join(home, 'buyer'))
  const kind = evm ? ['--evm'] : []
  const listening = await spawn('ledger', ['ledger', '--listen', '127.0.0.1:0', ...kind]).event(
    'listening',
  )
  const url = String(listening.url)
  const asset = (listening.asset ?? zeroAddress) as Address
  const on = ['--ledger', url, ...(evm ? ['--asset', asset] : [])]
  say(`${pc.dim('ledger')}  ${url}, play money`)

  say(`${pc.dim('seller')}  hashing ${file}`)
  const seller = spawn('seller', ['sell', file, '--price', priceText, ...on])
  const offer = await seller.event('listening')
  const bytes = BigInt(Number(offer.bytes))
  const owed = Price.owed(price, bytes)
  say(
    `${pc.dim('seller')}  ${basename(file)}, ${formatBytes(bytes)} at ${priceText} = ${formatAmount(owed)}`,
  )

  const ledger = await connectLedger(url, buyer.accountKey)
  const payee = String(offer.account) as `0x${string}`
  const balances = async (): Promise<Before> => ({
    payer: String(await ledger.balance(buyer.account, asset)),
    payee: String(await ledger.balance(payee, asset)),
  })
  const notePath = join(home, 'demo.json')
  // A quarter more than the file costs: the change comes back at the end.
  const budget = owed + owed / 4n
  const out = join(home, 'bought', basename(file))
  const command = ['buy', String(offer.multiaddr), '--out', out, '--budget', String(budget)]
  for (;;) {
    if (!existsSync(notePath)) {
      await ledger.faucet(buyer.account, budget, asset)
      // Whoever sends a transaction pays for it, in coins that are not counted here.
      if (evm) await ledger.faucet(payee, 0n, asset)
      await rm(dirname(out), { recursive: true, force: true })
      await writeFile(notePath, JSON.stringify(await balances()))
    }
    const before = JSON.parse(await readFile(notePath, 'utf8')) as Before
    await mkdir(dirname(out), { recursive: true })
    const holds = formatAmount(BigInt(before.payer))
    say(`${pc.dim('buyer ')}  ${holds} in the account, ${formatAmount(budget)} go into a channel`)
    const bought = await watch(output, spawn('buyer', [...command, ...on]), bytes)
    await rm(notePath)
    // Killed after the end and before it was told: once more, from the start.
    if (bought === undefined) continue
    const channel = await ledger.channel(String(bought.channelId) as `0x${string}`)
    if (channel?.status !== 'closed')
      throw new SluiceError('NOT_SETTLED', 'The ledger has not paid out the channel.')
    const after = await balances()
    const result = {
      bytes: Number(bytes),
      sha256: bought.sha256,
      price: Price.toJson(price),
      owed: bought.owed,
      paid: bought.paid,
      settled: channel.withdrawn[1]?.[0] ?? 0n,
      payer: { before: before.payer, after: after.payer },
      payee: { before: before.payee, after: after.payee },
      ticks: bought.ticks,
      vouchers: bought.vouchers,
      states: Number(bought.version) + 1,
      seconds: Math.round(performance.now() - startedAt) / 1000,
    }
    if (output.json) process.stdout.write(`${toJson(result)}\n`)
    else print(result)
    return
  }
}

/** The buyer from its first byte to its end; undefined where it had the file already. */
async function watch(output: Output, buyer: Child, bytes: bigint): Promise<ChildEvent | undefined> {
  const bar = output.progress('paying', bytes)
  let from = { at: performance.now(), bytes: 0 }
  try {
    buyer.onEvent((event) => {
      if (event.event === 'buying') from = { at: performance.now(), bytes: Number(event.from) }
      if (event.event === 'progress')
        bar.update(BigInt(Number(event.bytes)), rate(event, from), event)
    })
    const bought = await Promise.race([buyer.event('bought'), buyer.event('present')])
    if (bought.event === 'present') return undefined
    bar.update(bytes, rate(bought, from))
    bar.done()
    if (!output.json)
      process.stdout.write(
        `${pc.green('bought')}  ${formatBytes(bytes)}, whole and verified: ${bought.ticks} ticks, ${bought.vouchers} vouchers\n`,
      )
    const { version } = await buyer.event('settled')
    await buyer.exited
    return { ...bought, version }
  } finally {
    bar.done()
  }
}

function rate(event: ChildEvent, from: { readonly at: number; readonly bytes: number }): string {
  const seconds = Math.max(performance.now() - from.at, 1) / 1000
  const perSecond = formatBytes(Math.round((Number(event.bytes) - from.bytes) / seconds))
  return `${perSecond}/s  ${event.ticks} ticks  paid ${formatAmount(BigInt(String(event.paid ?? 0)))}`
}

function print(result: {
  readonly owed: unknown
  readonly settled: bigint
  readonly payer: { before: string; after: string }
  readonly payee: { before: string; after: string }
  readonly states: number
  readonly seconds: number
}): void {
  const row = (name: string, { before, after }: { before: string; after: string }): string => {
    const change = BigInt(after) - BigInt(before)
    const sign = change < 0n ? '-' : '+'
    const amount = formatAmount(change < 0n ? -change : change)
    return `  ${name}  ${formatAmount(BigInt(before)).padStart(14)} → ${formatAmount(BigInt(after)).padStart(14)}  ${sign}${amount}`
  }
  const lines = [
    `${pc.green('settled')} ${formatAmount(result.settled)} on the ledger, after ${result.states} co-signed states, in ${result.seconds} s`,
    row('buyer ', result.payer),
    row('seller', result.payee),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}
