/**
 * A simulated world: virtual time, one network, one layer, and people whose nodes are the production ones. It is
 * made of its seed alone; scenarios put people in, faults in, and let it run.
 */
import { toBigInt, zeroAddress } from '../core/bytes.js'
import type { Engine } from '../crypto/engine.js'
import type { Store } from '../engine/ports.js'
import { local } from '../ledger/embedded/api.js'
import { connect } from '../ledger/embedded/client.js'
import * as Escrow from '../ledger/embedded/escrow.js'
import * as Layer from '../ledger/embedded/layer.js'
import * as LayerRecords from '../ledger/embedded/records.js'
import * as Memory from '../store/memory.js'
import * as Chance from './chance.js'
import { checkers } from './checks/index.js'
import { Gateway, type LedgerWeather } from './ledger.js'
import { Liar, type Lie } from './liar.js'
import { Hub, type Weather } from './network.js'
import { keysOf, type Own, Person } from './person.js'
import type { StreamName } from './stream.js'
import { Time } from './time.js'
import { Trace } from './trace.js'
import { type Violation, Witness } from './witness.js'

export type WorldOptions = {
  readonly seed: string
  readonly crypto: Engine
  /** Each line of the trace, for somebody who reads it. */
  readonly onLine?: (line: string) => void
}

export type NewPerson = {
  readonly name: string
  readonly funds?: bigint
  readonly exposureMax?: bigint
  /** The lies it tells; honest without. */
  readonly lies?: readonly [Lie, ...Lie[]]
  readonly live?: (person: Person, own: Own) => void
}

/** What all is like when nothing is wrong. */
const calm = {
  network: { latencyMs: [1, 30], split: 0, halfOpen: 0, windowBytes: 262_144 } as Weather,
  ledger: {
    latencyMs: [1, 20],
    lost: 0,
    downUntilMs: 0,
    blockMs: 0,
    reorganised: 0,
  } as LedgerWeather,
  disk: { latencyMs: [0, 3] as readonly [number, number] },
}

/** Share of its frames that a liar bends. */
const lieShare = 0.15

export class World {
  readonly time: Time
  readonly chance: Chance.Chance
  readonly trace: Trace
  readonly witness: Witness
  readonly hub: Hub
  readonly weather = structuredClone(calm)
  readonly people = new Map<string, Person>()
  readonly crypto: Engine
  readonly layer: Layer.Layer
  readonly #gateway: Gateway
  readonly #liars = new Map<string, Liar>()
  /** Seconds by which the layer's clock runs ahead. */
  skewMs = 0
  /** Milliseconds that a node which crashed stays away, least and most. */
  awayMs: readonly [number, number] = [50, 15_000]

  private constructor(options: WorldOptions, ground: LayerGround) {
    const { seed, crypto, onLine } = options
    this.crypto = crypto
    this.chance = Chance.from(`world ${seed}`)
    this.time = ground.time
    this.trace = new Trace(this.time, onLine)
    this.layer = ground.layer
    ground.clock.skewMs = () => this.skewMs
    this.witness = new Witness(
      checkers({ books: ground.books, payouts: ground.payouts }),
      ({ checker, what }: Violation) => this.trace.note(`VIOLATION ${checker}: ${what}`),
      (line) => this.trace.aside(line),
    )
    ground.books.onCommit = () => this.witness.layer()
    const { time, chance, trace, weather } = this
    this.#gateway = new Gateway({ time, chance, trace, layer: this.layer, weather: weather.ledger })
    this.hub = new Hub({
      time,
      chance,
      trace,
      weather: weather.network,
      leave: (from, to, stream, bytes) => this.#leave(from, to, stream, bytes),
    })
  }

  static async create(options: WorldOptions): Promise<World> {
    return new World(options, await createLayer(options))
  }

  /** Somebody moves in; the account is filled, the node starts. */
  async add({ name, funds = 0n, exposureMax, lies, live }: NewPerson): Promise<Person> {
    const { time, chance, trace, hub, crypto, witness, weather } = this
    if (lies !== undefined)
      this.#liars.set(
        name,
        new Liar({
          chance,
          crypto,
          domain: this.layer.rules.domain,
          keys: keysOf(name),
          repertoire: lies,
          share: lieShare,
          onLie: (lie) => trace.fault(`lie-${lie}`, name),
        }),
      )
    const syncMs = (): number => chance.between(...weather.disk.latencyMs)
    const ground = { time, chance, trace, hub, gateway: this.#gateway, crypto, witness, syncMs }
    const person = new Person(ground, {
      name,
      honest: lies === undefined,
      exposureMax,
      restartMs: () => chance.between(...this.awayMs),
      live: live ?? (() => undefined),
    })
    this.people.set(name, person)
    await this.#fund(person, funds)
    person.start()
    return person
  }

  person(name: string): Person {
    const person = this.people.get(name)
    if (person === undefined) throw new Error(`there is no ${name} in this world`)
    return person
  }

  /** Lets things happen until `done`, at most `ms`; says whether it was `done`. */
  run(done: () => boolean, ms: number): Promise<boolean> {
    return this.time.run(done, this.time.nowMs + ms)
  }

  /** Nothing is wrong any more; who is down comes back. Liars stay liars. */
  heal(): void {
    this.hub.heal()
    Object.assign(this.weather.network, structuredClone(calm.network))
    Object.assign(this.weather.ledger, structuredClone(calm.ledger))
    Object.assign(this.weather.disk, structuredClone(calm.disk))
    for (const person of this.people.values()) person.disk.full = false
  }

  async end(): Promise<void> {
    for (const person of this.people.values()) person.retire()
    this.time.end()
    await this.layer.close()
  }

  async #fund({ keys, account }: Person, funds: bigint): Promise<void> {
    const ledger = await connect(local(this.layer), {
      account,
      sign: (digest) => this.crypto.secp256k1.sign(digest, keys.account),
      sleep: this.time.sleep,
    })
    if (funds > 0n) await ledger.faucet(account, funds)
  }

  #leave(from: string, to: string, stream: StreamName, bytes: Uint8Array): readonly Uint8Array[] {
    const liar = this.#liars.get(from)
    const sent = liar === undefined ? bytes : liar.instead(stream, liar.frames(stream, bytes))
    if (sent.length === 0) return []
    this.witness.said(from, to, stream, sent)
    return [sent.slice()]
  }
}

type LayerGround = {
  readonly time: Time
  readonly layer: Layer.Layer
  readonly clock: { skewMs: () => number }
  readonly books: Books
  readonly payouts: () => readonly { id: `0x${string}`; view: ReturnType<typeof Escrow.view> }[]
}

type Books = (() => { minted: bigint; accounts: bigint; held: bigint }) & { onCommit: () => void }

async function createLayer({ seed, crypto }: WorldOptions): Promise<LayerGround> {
  const time = new Time()
  const clock = { skewMs: () => 0 }
  const memory = Memory.open()
  const chance = Chance.from(`layer ${seed}`)
  const escrows = () =>
    [...memory.entries(LayerRecords.channelPrefix)].map(([key, bytes]) => ({
      id: LayerRecords.lastPart(key),
      escrow: LayerRecords.readEscrow(bytes),
    }))
  const books: Books = Object.assign(
    () => ({
      minted: LayerRecords.over(memory.get).supply(zeroAddress).minted,
      accounts: [...memory.entries(LayerRecords.balancePrefix)].reduce(
        (sum, [, value]) => sum + toBigInt(value),
        0n,
      ),
      held: escrows().reduce(
        (sum, { escrow }) => sum + (Escrow.money(escrow).get(zeroAddress) ?? 0n),
        0n,
      ),
    }),
    { onCommit: () => undefined },
  )
  const store: Store = {
    ...memory,
    commit: async (writes) => {
      await memory.commit(writes)
      books.onCommit()
    },
  }
  const layer = await Layer.open({
    store,
    recover: crypto.secp256k1.recover,
    random: (size) => chance.bytes(size),
    clock: () => time.nowMs + clock.skewMs(),
    sleep: time.sleep,
  })
  const payouts: LayerGround['payouts'] = () =>
    escrows().map(({ id, escrow }) => ({
      id,
      view: Escrow.view(escrow, BigInt(Math.floor((time.nowMs + clock.skewMs()) / 1000))),
    }))
  return { time, layer, clock, books, payouts }
}
