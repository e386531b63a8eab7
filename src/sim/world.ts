/**
 * A simulated world: virtual time, one network, one layer, and people whose nodes are the production ones. It is
 * made of its seed alone; scenarios put people in, faults in, and let it run.
 */
import type { Hex } from '../core/bytes.js'
import type { Engine } from '../crypto/engine.js'
import type { Ledger } from '../engine/ports.js'
import { local } from '../ledger/embedded/api.js'
import { connect, type EmbeddedLedger } from '../ledger/embedded/client.js'
import type * as Layer from '../ledger/embedded/layer.js'
import * as Chance from './chance.js'
import { checkers } from './checks/index.js'
import * as Ground from './layer.js'
import { Gateway, type LedgerWeather } from './ledger.js'
import { Liar, type Lie } from './liar.js'
import { never } from './life.js'
import { Hub, type Weather } from './network.js'
import { type Own, Person } from './person.js'
import { keysOf, type Resident } from './resident.js'
import type { StreamName } from './stream.js'
import type { Time } from './time.js'
import { Trace } from './trace.js'
import { Watchman } from './watchman.js'
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
  /** Name of its watchtower, which lives here already. */
  readonly tower?: string
  /** Seconds of each challenge window of the channels it proposes. */
  readonly challengePeriod?: bigint
  /** Which channels of others it takes a seat in; by default those in which it deposits nothing. */
  readonly accept?: () => boolean
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
  readonly towers = new Map<string, Watchman>()
  readonly crypto: Engine
  readonly layer: Layer.Layer
  /** The layer's own records, for those outside of the world. */
  readonly books: Ground.View
  readonly #gateway: Gateway
  readonly #liars = new Map<string, Liar>()
  /** Seconds by which the layer's clock runs ahead. */
  skewMs = 0
  /** Milliseconds that a node which crashed stays away, least and most. */
  awayMs: readonly [number, number] = [50, 15_000]

  private constructor(options: WorldOptions, ground: Ground.Ground) {
    const { seed, crypto, onLine } = options
    this.crypto = crypto
    this.chance = Chance.from(`world ${seed}`)
    this.time = ground.time
    this.trace = new Trace(this.time, onLine)
    this.layer = ground.layer
    this.books = ground.view
    ground.hooks.skewMs = () => this.skewMs
    this.witness = new Witness(
      checkers(ground.view),
      ({ checker, what }: Violation) => this.trace.note(`VIOLATION ${checker}: ${what}`),
      (line) => this.trace.aside(line),
      ground.view.time,
    )
    ground.hooks.onCommit = (events) => {
      for (const { type, channelId } of events)
        this.trace.note(`layer: ${type} ${channelId.slice(0, 10)}`)
      this.witness.layer(events)
    }
    const { time, chance, trace, weather } = this
    this.#gateway = new Gateway({
      time,
      chance,
      trace,
      layer: this.layer,
      weather: weather.ledger,
      onShown: (who, channelId) => this.witness.looked(who, String(channelId) as Hex),
    })
    this.hub = new Hub({
      time,
      chance,
      trace,
      weather: weather.network,
      leave: (from, to, stream, bytes) => this.#leave(from, to, stream, bytes),
    })
  }

  static async create(options: WorldOptions): Promise<World> {
    return new World(options, await Ground.create(options))
  }

  /** Somebody moves in; the account is filled, the node starts. */
  async add({ name, funds = 0n, lies, ...person }: NewPerson): Promise<Person> {
    if (lies !== undefined) this.#liars.set(name, this.#liar(name, lies))
    const { exposureMax, challengePeriod, accept, tower, live = () => undefined } = person
    const added = new Person(this.#ground(), {
      name,
      honest: lies === undefined,
      funds,
      exposureMax,
      challengePeriod,
      accept,
      tower: tower === undefined ? undefined : this.resident(tower).address,
      layer: lies === undefined ? undefined : withoutAnswers,
      live,
    })
    this.people.set(name, added)
    if (funds > 0n) await (await this.account(name)).faucet(added.account, funds)
    added.start()
    return added
  }

  /** A watchtower is set up. */
  addTower(name: string): Watchman {
    const tower = new Watchman(this.#ground(), name)
    this.towers.set(name, tower)
    tower.start()
    return tower
  }

  /** An account that belongs to no node, as fast and sure as the layer is; all it does ends with `life`. */
  account(name: string): Promise<EmbeddedLedger> {
    const { account } = keysOf(name)
    return connect(local(this.layer), {
      account: this.crypto.secp256k1.publicAddress(account),
      sign: (digest) => this.crypto.secp256k1.sign(digest, account),
      sleep: this.time.sleep,
    })
  }

  /** Whoever lives here. */
  get residents(): Resident[] {
    return [...this.people.values(), ...this.towers.values()]
  }

  resident(name: string): Resident {
    return this.towers.get(name) ?? this.person(name)
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
    for (const { disk } of this.residents) disk.full = false
  }

  async end(): Promise<void> {
    for (const resident of this.residents) resident.retire()
    this.time.end()
    await this.layer.close()
  }

  #ground() {
    const { time, chance, trace, hub, crypto, witness, weather } = this
    return {
      time,
      chance,
      trace,
      hub,
      gateway: this.#gateway,
      crypto,
      witness,
      syncMs: () => chance.between(...weather.disk.latencyMs),
      restartMs: () => chance.between(...this.awayMs),
    }
  }

  #liar(name: string, repertoire: readonly [Lie, ...Lie[]]): Liar {
    return new Liar({
      chance: this.chance,
      crypto: this.crypto,
      domain: this.layer.rules.domain,
      keys: keysOf(name),
      repertoire,
      share: lieShare,
      onLie: (lie) => this.trace.fault(`lie-${lie}`, name),
    })
  }

  #leave(from: string, to: string, stream: StreamName, bytes: Uint8Array): readonly Uint8Array[] {
    const liar = this.#liars.get(from)
    const sent = liar === undefined ? bytes : liar.instead(stream, liar.frames(stream, bytes))
    if (sent.length === 0) return []
    this.witness.said(from, to, stream, sent)
    return [sent.slice()]
  }
}

/** A liar's node does not answer what its owner posts. */
const withoutAnswers = (ledger: Ledger): Ledger => ({ ...ledger, answer: never })
