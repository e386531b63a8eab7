/**
 * A person of a simulated world: keys, an account, a disk, and a production node that lives, crashes and starts
 * again on it. A node that has crashed never does anything again.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Address } from '../core/bytes.js'
import { SluiceError } from '../core/errors.js'
import type { Engine } from '../crypto/engine.js'
import { Node } from '../engine/node.js'
import type { Sleep } from '../engine/ports.js'
import { connect } from '../ledger/embedded/client.js'
import type { Chance } from './chance.js'
import { Disk, type Snapshot } from './disk.js'
import type { Gateway } from './ledger.js'
import { Life, never } from './life.js'
import { addressOf, type Hub } from './network.js'
import type { Time } from './time.js'
import type { Trace } from './trace.js'
import type { Witness } from './witness.js'

export type Ground = {
  readonly time: Time
  readonly chance: Chance
  readonly trace: Trace
  readonly hub: Hub
  readonly gateway: Gateway
  readonly crypto: Engine
  readonly witness: Witness
  /** Milliseconds that the next sync of a disk takes. */
  readonly syncMs: () => number
}

export type PersonOptions = {
  readonly name: string
  readonly honest: boolean
  readonly exposureMax: bigint | undefined
  /** Milliseconds that a node which crashed stays away. */
  readonly restartMs: () => number
  /** What the owner does while the node lives; it ends with the node. */
  readonly live: (person: Person, own: Own) => void
}

/** What an owner has for one life of the node. */
export type Own = { readonly node: Node; readonly sleep: Sleep; readonly life: Life }

export type Keys = Record<'signing' | 'session' | 'account', Uint8Array>

/** Secrets of a name, always the same. */
export const keysOf = (name: string): Keys => {
  const key = (use: string): Uint8Array => sha256(utf8ToBytes(`${use} key of ${name}`))
  return { signing: key('signing'), session: key('session'), account: key('account') }
}

export class Person {
  readonly name: string
  readonly honest: boolean
  readonly keys: Keys
  readonly account: Address
  readonly disk: Disk
  readonly #ground: Ground
  readonly #options: PersonOptions
  #life: Life | undefined
  #own: Own | undefined
  /** Of all lives. */
  readonly #nodes: Node[] = []
  /** What the next start finds instead of the disk. */
  #old: Snapshot | undefined

  constructor(ground: Ground, options: PersonOptions) {
    this.#ground = ground
    this.#options = options
    const { name, honest, exposureMax } = options
    const { time, chance, trace, crypto, witness, syncMs } = ground
    this.name = name
    this.honest = honest
    this.keys = keysOf(name)
    this.account = crypto.secp256k1.publicAddress(this.keys.account)
    this.disk = new Disk({
      time,
      chance,
      latencyMs: syncMs,
      onFault: (kind) => trace.fault(kind, name),
      onDurable: (writes) => {
        trace.note(`${name} durable ${writes.map(({ key }) => key.slice(0, 16)).join(' ')}`)
        witness.durable(name, writes)
      },
    })
    witness.add({
      name,
      honest,
      exposureMax,
      signer: crypto.secp256k1.publicAddress(this.keys.signing),
    })
  }

  get address(): string {
    return addressOf(this.name)
  }

  /** The node, while it lives. */
  get own(): Own | undefined {
    return this.#life?.alive === true ? this.#own : undefined
  }

  get life(): Life | undefined {
    return this.#life
  }

  /** The lights go out, and on again some time later, perhaps on an old copy of the disk. */
  crash(old?: Snapshot): void {
    this.#old = old
    if (old !== undefined) this.disk.wasRestored = true
    this.#life?.end()
  }

  /** The world ends: nothing may be left that waits, or the world could not be forgotten. */
  retire(): void {
    this.#life?.end()
    for (const node of this.#nodes) void node.stop()
  }

  /** Starts the node; from then on it comes back after every crash. */
  start(): void {
    void this.#start().catch((error) => {
      if (this.#life?.alive) this.#ground.witness.fail('typed-errors', `no start: ${error}`)
    })
  }

  #onDown(): void {
    const { time, trace, hub, witness } = this.#ground
    this.disk.lose()
    hub.leave(this.name)
    trace.fault('crash', this.name)
    time.after(this.#options.restartMs(), () => {
      const old = this.#old
      this.#old = undefined
      if (old !== undefined) {
        trace.fault('old-disk', this.name)
        this.disk.restore(old)
        witness.restored(this.name, old)
      }
      this.start()
    })
  }

  async #start(): Promise<void> {
    const { time, chance, trace, hub, gateway, crypto, witness } = this.#ground
    const { name, keys } = this
    const life = new Life(() => this.#onDown())
    this.#life = life
    const sleep: Sleep = async (ms, signal) => {
      await time.sleep(ms, signal)
      if (!life.alive) await never()
    }
    const store = this.disk.open(life)
    const ledger = await connect(gateway.transport(name, life), {
      account: this.account,
      sign: (digest) => crypto.secp256k1.sign(digest, keys.account),
      sleep,
    })
    const node = new Node({
      network: hub.join(name, life),
      store,
      ledger,
      crypto,
      random: (size) => chance.bytes(size),
      sleep,
      keys,
      exposureMax: this.#options.exposureMax,
    })
    this.#nodes.push(node)
    node.events.on('problem', (error) => {
      if (!life.alive) return
      trace.note(`${name} problem ${error.code} ${error.message}`)
      witness.problem(name, error)
    })
    trace.note(`${name} is up`)
    witness.started(name)
    await node.start()
    this.#own = { node, sleep, life }
    this.#options.live(this, this.#own)
  }

  /** What an owner's command failed with: a typed error, or a bug. */
  failed(error: unknown): string {
    if (error instanceof SluiceError) return error.code
    if (this.honest && this.#life?.alive === true)
      this.#ground.witness.fail('typed-errors', `${this.name}: ${String(error).slice(0, 200)}`)
    return 'UNTYPED'
  }
}
