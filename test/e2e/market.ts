/**
 * A market of real processes: a ledger, a seller with a file and a buyer with money, each on a home of its
 * own, each started again by the same command. What it says about money it reads from the ledger and the stores.
 */
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as Price from '../../src/core/price.js'
import { connectLedger } from '../../src/sluice.js'
import { type Ended, type Line, type Running, run, sluice } from '../support/processes.js'

export type Role = 'ledger' | 'seller' | 'buyer'

export type MarketOptions = {
  readonly directory: string
  readonly bytes: number
  readonly price: string
  /** Bytes of the file are drawn from this. */
  readonly random: () => number
}

export class Market {
  readonly file: string
  readonly out: string
  readonly price: Price.Price
  readonly bytes: number
  readonly funds: bigint
  readonly #directory: string
  readonly #priceText: string
  #url = ''
  #multiaddr = ''

  constructor({ directory, bytes, price, random }: MarketOptions) {
    this.#directory = directory
    this.#priceText = price
    this.price = Price.parse(price)
    this.bytes = bytes
    this.file = join(directory, 'file.bin')
    this.out = join(directory, 'bought.bin')
    this.funds = this.owed + this.owed / 3n + 7n
    mkdirSync(directory, { recursive: true })
    writeFileSync(this.file, content(bytes, random))
  }

  /** What the whole file costs. */
  get owed(): bigint {
    return Price.owed(this.price, BigInt(this.bytes))
  }

  home(role: Role): string {
    return join(this.#directory, role)
  }

  /** Ledger and seller listen, the buyer's account holds `funds`. */
  async open(): Promise<{ ledger: Running; seller: Running }> {
    const ledger = await this.ledger()
    const seller = await this.seller()
    await this.command('keys', '--home', this.home('buyer'), '--fund', String(this.funds))
    return { ledger, seller }
  }

  async ledger(): Promise<Running> {
    const running = sluice([
      ...['ledger', '--home', this.home('ledger'), '--listen', '127.0.0.1:0', '--json'],
    ])
    const { url } = await running.event('listening')
    if (this.#url !== '' && url !== this.#url) throw new Error(`the ledger moved to ${url}`)
    this.#url = String(url)
    return running
  }

  async seller(): Promise<Running> {
    const running = this.start('sell', this.file, '--price', this.#priceText, ...this.#at('seller'))
    const { multiaddr } = await running.event('listening')
    if (this.#multiaddr !== '' && multiaddr !== this.#multiaddr)
      throw new Error(`the seller moved to ${multiaddr}`)
    this.#multiaddr = String(multiaddr)
    return running
  }

  buyer(...options: string[]): Running {
    const budget = String(this.funds)
    return this.start(
      ...['buy', this.#multiaddr, '--out', this.out, '--budget', budget],
      ...this.#at('buyer'),
      ...options,
    )
  }

  get multiaddr(): string {
    return this.#multiaddr
  }

  get url(): string {
    return this.#url
  }

  #at(role: Role): string[] {
    return ['--home', this.home(role)]
  }

  start(...args: string[]): Running {
    return sluice([...args, '--ledger', this.#url, '--json'])
  }

  /** Runs a command to its end; throws when it failed. */
  async command(...args: string[]): Promise<Ended> {
    const ended = await run([...args, '--ledger', this.#url, '--json'])
    if (ended.code !== 0) throw new Error(`${args.join(' ')}: ${JSON.stringify(ended)}`)
    return ended
  }

  /** Balance of a role's account, from the ledger. */
  async balance(role: 'seller' | 'buyer'): Promise<bigint> {
    const { stdout } = await this.command('keys', ...this.#at(role))
    return BigInt(String(JSON.parse(stdout).balance))
  }

  /** The ledger's own word on a channel. */
  async channel(id: string) {
    const ledger = await connectLedger(this.#url, new Uint8Array(32).fill(1))
    return ledger.channel(id as `0x${string}`)
  }

  /** A role's channels, from its store; a process may be running on it. */
  async channels(role: 'seller' | 'buyer'): Promise<Line[]> {
    const { stdout } = await this.command('channels', ...this.#at(role))
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }
}

/** `size` bytes that a 32-bit generator decides. */
function content(size: number, random: () => number): Buffer {
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
