/**
 * Whoever lives in a simulated world: keys, an account, a disk, and a production program that lives, crashes and
 * starts again on it. A program that has crashed never does anything again.
 */
import { setMaxListeners } from 'node:events'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Address } from '../core/bytes.js'
import type { SluiceError } from '../core/errors.js'
import type { Engine } from '../crypto/engine.js'
import type { Ledger, Network, Sleep, Store } from '../engine/ports.js'
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
  /** Milliseconds that a program which crashed stays away. */
  readonly restartMs: () => number
}

/** What a program gets of the world for one of its lives. */
export type Means = {
  readonly life: Life
  readonly network: Network
  readonly store: Store
  readonly ledger: Ledger
  readonly sleep: Sleep
}

/** A program under way. */
export type Program = { start(): Promise<void>; stop(): Promise<void> }

export type Keys = Record<'signing' | 'session' | 'account', Uint8Array>

/** Secrets of a name, always the same. */
export const keysOf = (name: string): Keys => {
  const key = (use: string): Uint8Array => sha256(utf8ToBytes(`${use} key of ${name}`))
  return { signing: key('signing'), session: key('session'), account: key('account') }
}

export abstract class Resident {
  readonly name: string
  readonly keys: Keys
  readonly account: Address
  readonly disk: Disk
  /** It was gone for long once. */
  wasAway = false
  protected readonly ground: Ground
  #life: Life | undefined
  /** Of all lives. */
  readonly #programs: Program[] = []
  /** What the next start finds instead of the disk, and when that is. */
  #next: { readonly old: Snapshot | undefined; readonly awayMs: number | undefined } = nothing

  constructor(ground: Ground, name: string) {
    this.ground = ground
    this.name = name
    const { time, chance, trace, crypto, witness, syncMs } = ground
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
  }

  /** The program of one life; it is started right after. */
  protected abstract boot(means: Means): Program
  /** The program runs. */
  protected abstract started(means: Means): void

  get address(): string {
    return addressOf(this.name)
  }

  get life(): Life | undefined {
    return this.#life
  }

  get isUp(): boolean {
    return this.#life?.alive === true
  }

  /** The lights go out, and on again after a while, perhaps on an old copy of the disk. */
  crash(old?: Snapshot, awayMs?: number): void {
    this.#next = { old, awayMs }
    if (old !== undefined) this.disk.wasRestored = true
    if (awayMs !== undefined) this.wasAway = true
    this.#life?.end()
  }

  /** The world ends: nothing may be left that waits, or the world could not be forgotten. */
  retire(): void {
    this.#life?.end()
    for (const program of this.#programs) void program.stop()
  }

  /** Starts the program; from then on it comes back after every crash. */
  start(): void {
    void this.#start().catch((error) => {
      if (this.isUp) this.ground.witness.fail('typed-errors', `no start: ${error}`)
    })
  }

  protected problem(life: Life, error: SluiceError): void {
    if (!life.alive) return
    this.ground.trace.note(`${this.name} problem ${error.code} ${error.message}`)
    this.ground.witness.problem(this.name, error)
  }

  #onDown(): void {
    const { time, trace, hub, witness, restartMs } = this.ground
    const { old, awayMs } = this.#next
    this.#next = nothing
    this.disk.lose()
    hub.leave(this.name)
    trace.fault('crash', this.name)
    witness.presence(this.name, false)
    time.after(awayMs ?? restartMs(), () => {
      if (old !== undefined) {
        trace.fault('old-disk', this.name)
        this.disk.restore(old)
        witness.restored(this.name, old)
      }
      this.start()
    })
  }

  async #start(): Promise<void> {
    const { time, trace, hub, gateway, crypto, witness } = this.ground
    const { name, keys } = this
    const life = new Life(() => this.#onDown())
    this.#life = life
    const sleep: Sleep = async (ms, signal) => {
      await time.sleep(ms, signal)
      if (!life.alive) await never()
    }
    const store = this.disk.open(life)
    const { signal } = new AbortController()
    // All that is asked of the layer at once listens to it.
    setMaxListeners(0, signal)
    const ledger = await connect(gateway.transport(name, life), {
      account: this.account,
      sign: (digest) => crypto.secp256k1.sign(digest, keys.account),
      sleep,
      signal,
    })
    const network = hub.join(name, life)
    const means = { life, network, store, ledger, sleep }
    const program = this.boot(means)
    this.#programs.push(program)
    trace.note(`${name} is up`)
    witness.presence(name, true)
    witness.started(name)
    await program.start()
    this.started(means)
  }
}

const nothing = { old: undefined, awayMs: undefined }
