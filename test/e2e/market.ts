/**
 * A market of real processes: a ledger, a seller with a file and a buyer with money, each on a home of its
 * own, each started again by the very same command. What it says about money comes from the ledger and the stores.
 */
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Address, type Hex, zeroAddress } from '../../src/core/bytes.js'
import * as Price from '../../src/core/price.js'
import { connectLedger, openIdentity } from '../../src/sluice.js'
import type { Computer } from '../support/lan.js'
import { type Line, type Running, run, sluice } from '../support/processes.js'

export type Role = 'ledger' | 'tower' | 'seller' | 'buyer'

export type MarketOptions = {
  readonly directory: string
  readonly bytes: number
  readonly price?: string
  /** Decides the bytes of the file. */
  readonly random: () => number
  /** Seconds of each challenge window, on the ledger and in the channels. */
  readonly challengePeriod?: number
  /** The ledger is a play chain, and the money a play token on it. */
  readonly evm?: boolean
  /** The seller has a watchtower, which listens before it. */
  readonly tower?: boolean
  /** Where each process runs; all on this computer where left out. */
  readonly place?: (role: Role) => Computer
  /** What buyers dial instead of the seller's own address. */
  readonly front?: (multiaddr: string) => Promise<string>
}

const here: Computer = { host: '127.0.0.1', under: [] }

type Balances = { readonly buyer: bigint; readonly seller: bigint }

/** One purchase of the file, however many processes it takes. */
export type Sale = {
  readonly out: string
  readonly before: Balances
  /** Every buyer so far: the same command each time. */
  readonly buyers: Running[]
}

export class Market {
  readonly file: string
  readonly price: Price.Price
  readonly bytes: number
  readonly directory: string
  readonly #priceText: string
  readonly #running = new Map<Role, Running>()
  readonly #ran: [Role, Running][] = []
  #url = ''
  #multiaddr = ''
  #dialled = ''
  #tower = ''
  /** What channels hold. */
  #asset: Address = zeroAddress
  readonly #evm: boolean
  readonly #period: readonly string[]
  readonly #place: (role: Role) => Computer
  readonly #front: (multiaddr: string) => Promise<string>
  #sales = 0
  #minted = 0n

  private constructor(options: MarketOptions) {
    const { directory, bytes, price = '3/KiB', random, challengePeriod, evm = false } = options
    this.#evm = evm
    this.#place = options.place ?? (() => here)
    this.#front = options.front ?? (async (multiaddr) => multiaddr)
    this.#period =
      challengePeriod === undefined ? [] : ['--challenge-period', String(challengePeriod)]
    this.directory = directory
    this.#priceText = price
    this.price = Price.parse(price)
    this.bytes = bytes
    this.file = join(directory, 'file.bin')
    mkdirSync(directory, { recursive: true })
    writeFileSync(this.file, content(bytes, random))
  }

  /** A market whose ledger and seller listen. */
  static async open(options: MarketOptions): Promise<Market> {
    const market = new Market(options)
    await market.start('ledger')
    if (options.tower) await market.start('tower')
    await market.start('seller')
    return market
  }

  /** What the whole file costs. */
  get owed(): bigint {
    return Price.owed(this.price, BigInt(this.bytes))
  }

  /** The most a buyer gives: more than it takes, so that change comes back. */
  get budget(): bigint {
    return this.owed + this.owed / 3n + 7n
  }

  /** The most the seller lets anybody owe it: 64 quanta. */
  get creditWindow(): bigint {
    return 64n * Price.owed(this.price, Price.quantum(this.price))
  }

  get url(): string {
    return this.#url
  }

  /** Where buyers find the seller. */
  get multiaddr(): string {
    return this.#dialled
  }

  home(role: Role): string {
    return join(this.directory, role)
  }

  process(role: Role): Running {
    const running = this.#running.get(role)
    if (running === undefined) throw new Error(`the ${role} was never started`)
    return running
  }

  /** Starts the ledger, the tower or the seller, at the address it had before. */
  async start(role: 'ledger' | 'tower' | 'seller'): Promise<Running> {
    const running = { ledger: this.#ledger, tower: this.#watch, seller: this.#seller }[role].call(
      this,
    )
    this.#run(role, running)
    const { url, multiaddr, asset } = await running.event('listening')
    const before = { ledger: this.#url, tower: this.#tower, seller: this.#multiaddr }[role]
    const now = String(role === 'ledger' ? url : multiaddr)
    if (before !== '') expect(now).toBe(before)
    if (role === 'ledger') {
      this.#url = now
      if (this.#evm) this.#asset = asset as Address
    } else if (role === 'tower') this.#tower = now
    else this.#multiaddr = now
    if (role === 'seller' && before === '') this.#dialled = await this.#front(now)
    return running
  }

  #ledger(): Running {
    const { host, under } = this.#place('ledger')
    const place = ['--home', this.home('ledger'), '--listen', `${host}:0`]
    const kind = this.#evm ? ['--evm'] : []
    return sluice(['ledger', ...place, ...this.#period, ...kind, '--json'], { under })
  }

  #watch(): Running {
    return this.runAs('tower', 'watch', ...this.#listen('tower'))
  }

  #listen(role: Role): string[] {
    return ['--listen', `/ip4/${this.#place(role).host}/tcp/0`]
  }

  #seller(): Running {
    const tower = this.#tower === '' ? [] : ['--tower', this.#tower]
    const terms = ['--price', this.#priceText, ...this.#listen('seller'), ...tower]
    return this.runAs('seller', 'sell', this.file, ...terms)
  }

  /** A purchase with money in the buyer's account. */
  async begin(): Promise<Sale> {
    await this.fund('buyer', this.budget)
    this.#sales += 1
    const out = join(this.directory, `bought-${this.#sales}.bin`)
    return { out, before: await this.balances(), buyers: [] }
  }

  /** Starts the buyer of a sale, or starts it again. */
  buy(sale: Sale, ...options: string[]): Running {
    const { out, buyers } = sale
    const terms = ['--budget', String(this.budget), ...this.#period, ...options]
    const buyer = this.runAs('buyer', 'buy', this.#dialled, '--out', out, ...terms)
    this.#run('buyer', buyer)
    buyers.push(buyer)
    return buyer
  }

  /** Closes by force what a role has open, instead of whatever ran on its home. */
  closeByForce(role: Role): Running {
    const closing = this.runAs(role, 'close', '--force')
    this.#run(role, closing)
    return closing
  }

  /** Starts what was killed. */
  async restart(sale: Sale, role: Role): Promise<void> {
    if (role === 'buyer') this.buy(sale)
    else await this.start(role)
  }

  async kill(...roles: Role[]): Promise<void> {
    await Promise.all(roles.map((role) => this.process(role).kill()))
  }

  /** `sluice ARGS` beside the market's ledger. */
  run(...args: string[]): Running {
    return sluice([...args, '--ledger', this.#url, '--asset', this.#asset, '--json'])
  }

  /** `sluice ARGS` with a role's home, where it runs. */
  runAs(role: Role, ...args: string[]): Running {
    const own = ['--home', this.home(role), '--ledger', this.#url, '--asset', this.#asset, '--json']
    return sluice([...args, ...own], { under: this.#place(role).under })
  }

  /** Play money for whoever needs it; on a chain also the coins that calls and bonds take. */
  async fund(role: Role, amount: bigint): Promise<void> {
    const { ledger, account } = await this.#view(role)
    await ledger.faucet(account, amount, this.#asset)
    this.#minted += amount
  }

  /** What a challenge puts at stake on this ledger. */
  async bond(): Promise<bigint> {
    return (await this.#view('seller')).ledger.challengeBond
  }

  async balances(): Promise<Balances> {
    const balance = async (role: Role): Promise<bigint> => {
      const { ledger, account } = await this.#view(role)
      return ledger.balance(account, this.#asset)
    }
    return { buyer: await balance('buyer'), seller: await balance('seller') }
  }

  /** Once every channel is closed, all money that there ever was lies in accounts again. */
  async checkConserved(): Promise<void> {
    const { buyer, seller } = await this.balances()
    expect(buyer + seller).toBe(this.#minted)
  }

  async #view(role: Role) {
    const { account, accountKey } = await openIdentity(this.home(role))
    return { account: account as Address, ledger: await connectLedger(this.#url, accountKey) }
  }

  /** Both ends of the lane that pays, as the two disks have it; undefined where it is not open. */
  async lane(): Promise<{ payer: LaneLine; payee: LaneLine } | undefined> {
    // The payee first: what it has accepted by now, the payer has promised by then.
    const payee = await lastLane(this.home('seller'))
    const payer = await lastLane(this.home('buyer'))
    return payee && payer && { payee, payer }
  }

  #run(role: Role, running: Running): void {
    this.#running.set(role, running)
    this.#ran.push([role, running])
  }

  /** What each process said last, in the order in which they started, for the reader of a failure. */
  transcript(): string {
    const last = ([role, { lines }]: [Role, Running]): string => {
      const said = lines.filter((line, at) => line.event !== 'progress' || at === lines.length - 1)
      return [role, ...said.slice(-8).map((line) => `  ${JSON.stringify(line)}`)].join('\n')
    }
    return this.#ran.map(last).join('\n')
  }

  /** The money of a purchase that ended well: all of it paid, once, and nothing else moved. */
  async checkSettled({ out, before, buyers }: Sale): Promise<void> {
    const lines = buyers.flatMap((buyer) => buyer.lines)
    const channels = new Set(lines.flatMap(({ channelId }) => (channelId ?? []) as Hex | []))
    const { ledger } = await this.#view('buyer')
    // A seller whose ledger is away refuses an offer: the buyer makes another one, before any money moves.
    const views = await Promise.all([...channels].map((id) => ledger.channel(id)))
    expect(await sha256(out)).toBe(await sha256(this.file))
    const { buyer, seller } = before
    expect(await this.balances()).toEqual({ buyer: buyer - this.owed, seller: seller + this.owed })
    expect(views.filter((view) => view !== undefined)).toMatchObject([
      {
        status: 'closed',
        deposited: [[this.budget], [0n]],
        withdrawn: [[this.budget - this.owed], [this.owed]],
      },
    ])
  }
}

export type LaneLine = {
  readonly claim: bigint
  readonly owed: bigint
  /** As payee only. */
  readonly exposure: bigint
  /** As payee only: what the watchtower does not know; undefined without one. */
  readonly unpushed: bigint | undefined
}

/** The only lane of the channel that is not settled, from `sluice channels`. */
async function lastLane(home: string): Promise<LaneLine | undefined> {
  const { stdout } = await run(['channels', '--home', home, '--json'])
  const channels = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line))
  const [lane] = channels.flatMap(({ lanes }) => lanes as { [name: string]: string }[])
  if (lane === undefined) return undefined
  const { claim = '0', owed = '0', exposure = '0', unpushed } = lane
  return {
    claim: BigInt(claim),
    owed: BigInt(owed),
    exposure: BigInt(exposure),
    unpushed: unpushed === undefined ? undefined : BigInt(unpushed),
  }
}

/** `size` bytes that a 32-bit generator decides. */
export function content(size: number, random: () => number): Buffer {
  const bytes = Buffer.alloc(size)
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, size >>> 2)
  let state = Math.floor(random() * 2 ** 32) | 1
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return bytes
}

/** SHA-256 of a file, by Node's own crypto. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}
