/**
 * A market on computers of their own, and what can befall it: processes die or are held still, cables are pulled,
 * paths cut, and the line between buyer and seller is slow, stuck or broken. A seed chooses; all of it heals.
 */
import { setTimeout as after } from 'node:timers/promises'
import { Lan } from '../support/lan.js'
import { TcpProxy } from '../support/proxy.js'
import { Market, type MarketOptions, type Role, type Sale } from './market.js'

export type Fault = {
  readonly name: string
  strike(): unknown
  heal(): unknown
}

/** Longer than the 30 s after which a connection on which nobody answers is given up. */
export const longMs = 32_000
/** Most that a fault lasts which nobody has to notice. */
const shortMs = 1_500

const roles = ['ledger', 'tower', 'seller', 'buyer'] as const
/** Whose path to whom can be cut; buyers reach the seller by the proxy, which is here. */
const paths = [
  ['buyer', 'here'],
  ['buyer', 'ledger'],
  ['seller', 'here'],
  ['seller', 'ledger'],
  ['seller', 'tower'],
] as const

export class Storm {
  /** What befell whom, for the reader of a failure. */
  readonly log: string[] = []
  readonly market: Market
  readonly random: () => number
  readonly #lan: Lan
  readonly #proxy: TcpProxy

  private constructor(market: Market, random: () => number, lan: Lan, proxy: TcpProxy) {
    this.market = market
    this.random = random
    this.#lan = lan
    this.#proxy = proxy
  }

  static async open(options: MarketOptions): Promise<Storm> {
    const { random } = options
    const lan = await Lan.open(roles)
    let proxy: TcpProxy | undefined
    const front = async (multiaddr: string): Promise<string> => {
      const [seller, host = '', port] = /\/ip4\/([^/]+)\/tcp\/(\d+)/.exec(multiaddr) ?? []
      proxy = await TcpProxy.open({ host, port: Number(port) }, lan.here)
      return multiaddr.replace(seller ?? '', `/ip4/${lan.here}/tcp/${proxy.port}`)
    }
    const place = (role: Role) => lan.computer(role)
    const market = await Market.open({ ...options, place, front })
    if (proxy === undefined) throw new Error('the seller never listened')
    return new Storm(market, random, lan, proxy)
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.random() * choices.length)]
    if (choice === undefined) throw new Error('there is nothing to choose from')
    return choice
  }

  /** A line on which a stream lasts, and whose pieces match nobody's frames. */
  slow(): void {
    const weather = { pieceMax: 9_000 + Math.floor(this.random() * 40_000), pauseMs: 2 }
    this.#proxy.weather = weather
  }

  /** `again` starts what was killed. */
  kill(role: Role, again: () => unknown): Fault {
    const { market } = this
    return { name: `kill ${role}`, strike: () => market.kill(role), heal: again }
  }

  stop(role: Role): Fault {
    const { market } = this
    return {
      name: `stop ${role}`,
      strike: () => market.process(role).signal('SIGSTOP'),
      heal: () => market.process(role).signal('SIGCONT'),
    }
  }

  unplug(role: Role): Fault {
    const lan = this.#lan
    return {
      name: `unplug ${role}`,
      strike: () => lan.unplug(role),
      heal: () => lan.plug(role),
    }
  }

  cut(one: Role | 'here', other: Role | 'here'): Fault {
    const lan = this.#lan
    return {
      name: `cut ${one} from ${other}`,
      strike: () => lan.cut(one, other),
      heal: () => lan.mend(one, other),
    }
  }

  /** The line holds everything back. */
  stall(): Fault {
    const proxy = this.#proxy
    return { name: 'stall', strike: () => proxy.stall(), heal: () => proxy.flow() }
  }

  /** The line loses every connection. */
  lose(): Fault {
    return { name: 'lose', strike: () => this.#proxy.cut(), heal: () => undefined }
  }

  /** Any fault. */
  any(sale: Sale): Fault {
    const role = this.#pick(roles)
    const [one, other] = this.#pick(paths)
    const kinds = [
      () => this.kill(role, () => this.market.restart(sale, role)),
      () => this.stop(role),
      () => this.unplug(role),
      () => this.cut(one, other),
      () => this.stall(),
      () => this.lose(),
    ]
    return this.#pick(kinds)()
  }

  /** What can befall whoever closes by force, with `again`. */
  anyOfCloser(role: Role, again: () => unknown): Fault {
    return this.#pick([
      () => this.kill(role, again),
      () => this.stop(role),
      () => this.unplug(role),
      () => this.cut(role, 'ledger'),
      () => this.kill('ledger', () => this.market.start('ledger')),
      () => this.stop('ledger'),
    ])()
  }

  /** One after which nobody was there for so long that connections are given up. */
  long(): Fault {
    const role = this.#pick(['buyer', 'seller'] as const)
    return this.#pick([
      () => this.stop(role),
      () => this.unplug(role),
      () => this.cut('buyer', 'here'),
      () => this.stall(),
    ])()
  }

  /** Has a fault last for a while, by default one that nobody has to notice; what holds meanwhile is checked. */
  async befall(
    fault: Fault,
    { ms = this.random() * shortMs, check }: { ms?: number; check?: () => Promise<void> } = {},
  ): Promise<void> {
    this.log.push(`${fault.name} for ${Math.round(ms)} ms`)
    await fault.strike()
    await after(ms)
    await check?.()
    await fault.heal()
  }

  transcript(): string {
    return [...this.log, this.market.transcript()].join('\n')
  }

  /** Takes the computers away; the processes on them are the test's to end. */
  async close(): Promise<void> {
    this.#proxy.close()
    await this.#lan.close()
  }
}
