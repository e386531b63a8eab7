/**
 * A world in one process: people with nodes on one memory network, one embedded ledger, and simulated disks
 * that may fill up, stall, or lose what was not synced. A node that crashes never does anything again.
 */
import { setImmediate as turn } from 'node:timers/promises'
import * as Amount from '../../src/core/amount.js'
import { zeroAddress } from '../../src/core/bytes.js'
import type { SluiceError } from '../../src/core/errors.js'
import type { Engine } from '../../src/crypto/engine.js'
import type { Verifier } from '../../src/crypto/pool.js'
import { Node, type NodePorts } from '../../src/engine/node.js'
import type { Ledger, Network, Store } from '../../src/engine/ports.js'
import { Tower, type TowerPorts } from '../../src/engine/tower.js'
import type { EmbeddedLedger } from '../../src/ledger/embedded/client.js'
import { type MemoryHub, memoryHub } from '../../src/net/memory.js'
import { connectLedger, createLedger, type EmbeddedLayer, loadEngine } from '../../src/sluice.js'
import { filler } from '../vectors/reference.js'
import * as Disk from './disk.js'

/** Secrets of a name, always the same. */
export const keysOf = (name: string) => {
  const key = (use: string): Uint8Array => filler(`${use} key of ${name}`)
  return {
    peer: key('peer'),
    signing: key('signing'),
    session: key('session'),
    account: key('account'),
  }
}

export type Keys = ReturnType<typeof keysOf>

export type PersonOptions = {
  /** What the account holds before anything happens; 0 unless told. */
  readonly funds?: bigint
  readonly exposureMax?: bigint
  readonly disk?: Disk.Disk
  /** Which channels of peers are welcome. */
  readonly accept?: NodePorts['accept']
  /** Stands between the node and its disk. */
  readonly store?: (disk: Store) => Store
  /** Other threads for batches of signatures; without one all are verified on this. */
  readonly verifier?: Verifier
  /** Address of a watchtower. */
  readonly tower?: string
  /** What redeeming a lane is said to cost. */
  readonly redeemFee?: bigint
}

/** Somebody with keys, a disk, an account and, unless it has crashed, a node that runs on them. */
export type Person = {
  readonly name: string
  readonly keys: Keys
  readonly disk: Disk.Disk
  readonly ledger: EmbeddedLedger
  readonly node: Node
  /** Where the node is reached: the same after a restart. */
  readonly address: string
  /** What the node told its owner went wrong, since it started. */
  readonly problems: SluiceError[]
  /** The lights go out: what was not synced is lost, and nothing more leaves. */
  crash(): Promise<void>
  /** Starts a node on what the disk holds, or on another disk. */
  start(disk?: Disk.Disk): Promise<Node>
  balance(): Promise<bigint>
}

export type World = {
  readonly hub: MemoryHub
  readonly layer: EmbeddedLayer
  readonly engine: Engine
  readonly random: (size: number) => Uint8Array
  person(name: string, options?: PersonOptions): Promise<Person>
  watchtower(name: string, options?: WatchtowerOptions): Promise<Watchtower>
  /** Seconds pass, for the ledger and for all who sleep, once everybody has gone to sleep. */
  advance(seconds: number): Promise<void>
  close(): Promise<void>
}

export type WatchtowerOptions = {
  readonly funds?: bigint
  readonly limits?: TowerPorts['limits']
  /** Stands in for the world's. */
  readonly engine?: Engine
  /** Other threads for what many clients bring at once; without one all is verified on this. */
  readonly verifier?: Verifier
}

/** A tower on a disk of its own. */
export type Watchtower = Omit<Person, 'node' | 'start'> & {
  readonly tower: Tower
  start(): Promise<Tower>
}

/** Seconds of each challenge window here. */
export const challengePeriod = 60

export async function createWorld(seed = 'world'): Promise<World> {
  const time = timeOf()
  const [layer, engine] = await Promise.all([
    createLedger({ clock: time.now, minChallengePeriod: BigInt(challengePeriod) }),
    loadEngine(),
  ])
  const hub = memoryHub()
  const random = randomOf(seed)
  const people: { crash(): Promise<void> }[] = []
  const ground = { hub, layer, engine, random, time }
  return {
    async advance(seconds) {
      for (let turns = 0; turns < 64; turns++) await turn()
      time.leap(seconds)
    },
    hub,
    layer,
    engine,
    random,
    async person(name, options = {}) {
      const person = await createPerson(ground, name, options)
      people.push(person)
      return person
    },
    async watchtower(name, options = {}) {
      const tower = await createWatchtower(ground, name, options)
      people.push(tower)
      return tower
    },
    async close() {
      for (const person of people) await person.crash()
      await layer.close()
    },
  }
}

type Ground = Pick<World, 'hub' | 'layer' | 'engine' | 'random'> & { readonly time: Time }

/** Time that passes by itself, and in leaps when told. */
type Time = ReturnType<typeof timeOf>

function timeOf() {
  let leaptMs = 0
  const sleepers = new Set<{ readonly dueMs: number; readonly wake: () => void }>()
  const now = (): number => Date.now() + leaptMs
  return {
    now,
    leap(seconds: number): void {
      leaptMs += seconds * 1_000
      for (const { dueMs, wake } of [...sleepers]) if (dueMs <= now()) wake()
    },
    sleep: (ms: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          sleepers.delete(sleeper)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        const timer = setTimeout(wake, ms)
        const sleeper = { dueMs: now() + ms, wake }
        sleepers.add(sleeper)
        signal.addEventListener('abort', wake)
        if (signal.aborted) wake()
      }),
  }
}

let places = 1_000

/** What runs at somebody's place, a node or a tower, on the ports that end with it. */
type Resident = {
  readonly addresses: readonly string[]
  readonly events: { on(event: 'problem', listener: (error: SluiceError) => void): unknown }
  start(): Promise<void>
}

type Ports = Pick<NodePorts, 'network' | 'ledger' | 'crypto' | 'sleep'> & { readonly keys: Keys }

/** A place on the network where `settle` makes what runs there, again after each crash. */
async function createPlace<T extends Resident>(
  { hub, layer, engine, time }: Ground,
  name: string,
  { funds = 0n, disk: first = Disk.create() }: Pick<PersonOptions, 'funds' | 'disk'>,
  settle: (ports: Ports, disk: Disk.Disk) => T,
) {
  const keys = keysOf(name)
  const ledger = await connectLedger(layer, keys.account, engine)
  const listen = [`/memory/${++places}`]
  await fund(ledger, funds)
  let disk = first
  let running: { resident: T; network: Network; dead: AbortController } | undefined
  let problems: SluiceError[] = []
  const place = {
    name,
    keys,
    ledger,
    get disk() {
      return disk
    },
    get problems() {
      return problems
    },
    get resident() {
      if (running === undefined) throw new Error(`nothing runs at ${name}'s`)
      return running.resident
    },
    get address() {
      return place.resident.addresses[0] ?? ''
    },
    balance: () => ledger.balance(ledger.account, zeroAddress),
    async crash() {
      const dying = running
      running = undefined
      if (dying === undefined) return
      disk.crash()
      dying.dead.abort()
      hub.cut(dying.network.peer)
      await dying.network.close()
    },
    async start(other = disk) {
      await place.crash()
      disk = other
      problems = []
      const dead = new AbortController()
      const network = await hub.createNetwork({ privateKey: keys.peer, listen })
      const sleep = sleepUntil(time, dead.signal)
      const ports = { network, ledger: mortal(ledger, dead.signal), crypto: engine, sleep, keys }
      const resident = settle(ports, disk)
      resident.events.on('problem', (error) => problems.push(error))
      running = { resident, network, dead }
      await resident.start()
      return resident
    },
  }
  await place.start()
  return place
}

async function createPerson(
  ground: Ground,
  name: string,
  { store = (disk) => disk, ...options }: PersonOptions,
): Promise<Person> {
  const { exposureMax, verifier, accept, tower, redeemFee } = options
  const place = await createPlace(ground, name, options, (ports, disk) => {
    const own = { random: ground.random, store: store(disk.open()), verifier }
    const terms = {
      exposureMax,
      accept,
      tower,
      redeemFee,
      challengePeriod: BigInt(challengePeriod),
    }
    return new Node({ ...ports, ...own, ...terms })
  })
  return withName(place, 'node')
}

async function createWatchtower(
  ground: Ground,
  name: string,
  { limits, verifier, engine = ground.engine, ...options }: WatchtowerOptions,
): Promise<Watchtower> {
  const place = await createPlace(
    ground,
    name,
    options,
    ({ keys, ...ports }, disk) =>
      new Tower({
        ...ports,
        crypto: engine,
        store: disk.open(),
        signing: keys.signing,
        verifier,
        limits,
      }),
  )
  return withName(place, 'tower')
}

/** The place, with a name for what runs there. */
const withName = <P extends { readonly resident: unknown }, N extends string>(
  place: P,
  name: N,
): P & { readonly [key in N]: P['resident'] } =>
  Object.defineProperty(place, name, { get: () => place.resident }) as never

/** The sleep of somebody who may die, and then never wakes. */
const sleepUntil =
  (time: Time, dead: AbortSignal) =>
  async (ms: number, signal?: AbortSignal): Promise<void> => {
    await time.sleep(ms, any(signal, dead))
    if (dead.aborted) await never
  }

const never = new Promise<never>(() => undefined)

const any = (...signals: readonly (AbortSignal | undefined)[]): AbortSignal =>
  AbortSignal.any(signals.filter((signal) => signal !== undefined))

/** The ledger as a node sees it that may die: from then on no call of its goes through. */
const mortal = (ledger: Ledger, dead: AbortSignal): Ledger =>
  new Proxy(ledger, {
    get(target, name, receiver) {
      const member = Reflect.get(target, name, receiver)
      if (name === 'events')
        return (options: Parameters<Ledger['events']>[0]) =>
          ledger.events({ ...options, signal: any(options.signal, dead) })
      // What it is asked and answers at once is no call.
      if (typeof member !== 'function' || name === 'redeemFee') return member
      return (...args: unknown[]) => (dead.aborted ? never : Reflect.apply(member, target, args))
    },
  })

/** Brings an account up to `funds`; the faucet gives so much at once. */
export async function fund(ledger: EmbeddedLedger, funds: bigint): Promise<void> {
  for (let left = funds; left > 0n; left -= ledger.faucetMax)
    await ledger.faucet(ledger.account, Amount.min(left, ledger.faucetMax))
}

/** Unpredictable for a node, the same in every run. */
function randomOf(seed: string): (size: number) => Uint8Array {
  let count = 0
  return (size) => {
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size; at += 32) {
      const block = filler(`${seed} ${++count}`)
      bytes.set(block.subarray(0, Math.min(32, size - at)), at)
    }
    return bytes
  }
}

/**
 * Waits until nothing moves any more: `measure` stays the same for many turns of the event loop. Here nothing
 * waits for a socket, a disk or a clock, so whoever has something to do does it within a few turns.
 */
export async function quiet(measure: () => unknown): Promise<void> {
  for (let last = measure(), still = 0; still < 64; still++) {
    await turn()
    const now = measure()
    if (now !== last) still = 0
    last = now
  }
}
