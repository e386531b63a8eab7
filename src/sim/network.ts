/**
 * The simulated network: peers by name, connections with latency that end when a fault ends them, and streams
 * that overtake one another. An end may take long to notice that the other is gone; what is sent to it then is
 * lost. Within one stream nothing is lost, repeated or reordered: real substreams promise that.
 */
import { setMaxListeners } from 'node:events'
import type { Connection, Network } from '../engine/ports.js'
import { aborted, NetworkError } from '../net/errors.js'
import type { Chance } from './chance.js'
import type { Life } from './life.js'
import { type Carrier, type Half, pair, type StreamName } from './stream.js'
import type { Time } from './time.js'
import { nameOf, type Trace } from './trace.js'

/** What is set for a whole network; faults change it. */
export type Weather = {
  /** Milliseconds one way, least and most. */
  latencyMs: readonly [number, number]
  /** Share of sends that arrive in several chunks. */
  split: number
  /** Share of ends that notice only by keep-alive that the other is gone. */
  halfOpen: number
  windowBytes: number
}

export type NetworkPorts = {
  readonly time: Time
  readonly chance: Chance
  readonly trace: Trace
  readonly weather: Weather
  /** Sees what leaves a node, and says what the network carries of it. */
  readonly leave: (
    from: string,
    to: string,
    stream: StreamName,
    bytes: Uint8Array,
  ) => readonly Uint8Array[]
}

type Handler = Parameters<Network['handle']>[1]

type Station = {
  readonly name: string
  readonly life: Life
  readonly handlers: Map<string, Handler>
  /** Oldest first; two peers that dial each other at once have two. */
  readonly connections: Set<End>
  readonly dialling: Map<string, Promise<End>>
}

/** After so long without a sign of life an end gives its connection up. */
const keepAliveMs = [10_000, 25_000] as const
/** A peer behind a partition is given up dialling after this. */
const dialTimeoutMs = 5_000

export class Hub {
  readonly #ports: NetworkPorts
  readonly #stations = new Map<string, Station>()
  /** By pair of names: until when nothing gets through. */
  readonly #blocked = new Map<string, number>()
  #connections = 0
  #streams = 0

  constructor(ports: NetworkPorts) {
    this.#ports = ports
  }

  /** A peer's network for one life; it answers to its name from now on. */
  join(name: string, life: Life): Network {
    const station: Station = {
      name,
      life,
      handlers: new Map(),
      connections: new Set(),
      dialling: new Map(),
    }
    this.#stations.set(name, station)
    return {
      peer: name,
      addresses: () => [addressOf(name)],
      connect: (address, { signal } = {}) =>
        life.answer(() => this.#connect(station, address, signal)),
      handle: async (protocol, handler) => {
        station.handlers.set(protocol, handler)
      },
      close: async () => this.leave(name),
    }
  }

  /** The peer is gone; the others notice sooner or later. */
  leave(name: string): void {
    const station = this.#stations.get(name)
    if (station === undefined) return
    this.#stations.delete(name)
    for (const end of station.connections) this.#part(end)
  }

  /** Pairs that are connected. */
  connected(): (readonly [string, string])[] {
    return [...this.#stations.values()].flatMap(({ name, connections }) =>
      [...new Set([...connections].map(({ peer }) => peer))]
        .filter((peer) => name < peer)
        .map((peer) => [name, peer] as const),
    )
  }

  /** A connection between two peers is lost. */
  cut(a: string, b: string): void {
    const [first, ...others] = [...this.#between(a, b), ...this.#between(b, a)]
    if (first !== undefined) this.#ports.chance.pick([first, ...others]).lose()
  }

  /** Nothing passes between two peers for so long; what is on its way waits, or dies with its connection. */
  partition(a: string, b: string, ms: number): void {
    const { time, chance } = this.#ports
    const until = time.nowMs + ms
    this.#blocked.set(pairOf(a, b), until)
    for (const end of [...this.#between(a, b), ...this.#between(b, a)]) {
      const notices = chance.between(...keepAliveMs)
      if (notices < ms) time.after(notices, () => end.lose())
    }
  }

  /** Everything passes again. */
  heal(): void {
    this.#blocked.clear()
  }

  /** The open ends at one peer of its connections to another, oldest first. */
  #between(name: string, peer: string): End[] {
    const { connections } = this.#stations.get(name) ?? {}
    return [...(connections ?? [])].filter((end) => end.peer === peer)
  }

  #delay(): number {
    const { chance, weather } = this.#ports
    return chance.between(...weather.latencyMs)
  }

  /** When something that leaves now would get from one to the other. */
  #arrival(a: string, b: string): number {
    const { time } = this.#ports
    return Math.max(time.nowMs, this.#blocked.get(pairOf(a, b)) ?? 0) + this.#delay()
  }

  async #connect(from: Station, address: string, signal: AbortSignal | undefined): Promise<End> {
    await null
    if (signal?.aborted) throw aborted('Connecting', signal)
    const to = address.split('/p2p/').at(-1) ?? ''
    const [first, ...others] = this.#between(from.name, to)
    // Any of them: what is said over one may overtake what was said over another.
    if (first !== undefined) return this.#ports.chance.pick([first, ...others])
    if (!address.includes('/p2p/')) throw unreachable(address)
    const dialling = from.dialling.get(to) ?? this.#dial(from, to)
    from.dialling.set(to, dialling)
    return untilAborted(dialling, signal)
  }

  #dial(from: Station, to: string): Promise<End> {
    const { time, trace } = this.#ports
    const dialled = new Promise<End>((resolve, reject) => {
      const fail = (): void => reject(unreachable(to))
      if ((this.#blocked.get(pairOf(from.name, to)) ?? 0) > time.nowMs + dialTimeoutMs)
        return void time.after(dialTimeoutMs, fail)
      const there = this.#arrival(from.name, to) - time.nowMs
      time.after(there, () => {
        const station = this.#stations.get(to)
        const back = this.#arrival(to, from.name) - time.nowMs
        if (station === undefined) return void time.after(back, fail)
        const id = `c${++this.#connections}`
        const [near, far] = this.#ends(id, from, station)
        station.connections.add(far)
        time.after(back, () => {
          if (!from.life.alive || far.closed.aborted || near.closed.aborted) {
            near.lose()
            return fail()
          }
          trace.input(`connected ${id} ${from.name} ${to}`)
          from.connections.add(near)
          resolve(near)
        })
      })
    })
    const forget = (): unknown => from.dialling.delete(to)
    dialled.then(forget, forget)
    return dialled
  }

  #ends(id: string, a: Station, b: Station): readonly [End, End] {
    const near: End = new End(this.#access, id, a, b, () => far)
    const far: End = new End(this.#access, id, b, a, () => near)
    return [near, far]
  }

  /** The other end of a connection hears that this one is gone, in time or by keep-alive. */
  #part(end: End): void {
    const { time, chance, weather } = this.#ports
    const other = end.other()
    if (other.closed.aborted) return
    const notices = chance.hit(weather.halfOpen)
      ? chance.between(...keepAliveMs)
      : this.#arrival(end.own.name, end.remote.name) - time.nowMs
    time.after(notices, () => other.lose())
  }

  /** What connections need of the hub. */
  readonly #access: Access = {
    carrier: (from, to, isOpen) => this.#carrier(from, to, isOpen),
    delayMs: (from, to) => this.#arrival(from, to) - this.#ports.time.nowMs,
    nextStream: () => ++this.#streams,
    after: (ms, action) => void this.#ports.time.after(ms, action),
    part: (end) => this.#part(end),
  }

  #carrier(from: Station, to: Station, isOpen: () => boolean): Carrier {
    const { time, chance, trace, weather, leave } = this.#ports
    return {
      life: from.life,
      windowBytes: weather.windowBytes,
      leave: (stream, bytes) => {
        const sent = leave(from.name, to.name, stream, bytes)
        return chance.hit(weather.split) ? sent.flatMap((chunk) => split(chance, chunk)) : sent
      },
      arrive: (order, action) => {
        order.atMs = Math.max(order.atMs, this.#arrival(from.name, to.name))
        time.after(order.atMs - time.nowMs, () => {
          if (to.life.alive && isOpen()) action()
        })
      },
      onChunk: (stream, chunk) =>
        trace.input(`${to.name}>${from.name} ${stream.id} ${stream.protocol} ${nameOf(chunk)}`),
    }
  }
}

type Access = {
  carrier(from: Station, to: Station, isOpen: () => boolean): Carrier
  delayMs(from: string, to: string): number
  nextStream(): number
  after(ms: number, action: () => void): void
  part(end: End): void
}

/** One end of a connection. */
class End implements Connection {
  readonly id: string
  readonly own: Station
  readonly remote: Station
  readonly other: () => End
  readonly #hub: Access
  readonly #gone = new AbortController()
  readonly #streams = new Set<Half>()

  constructor(hub: Access, id: string, own: Station, remote: Station, other: () => End) {
    this.#hub = hub
    this.id = id
    this.own = own
    this.remote = remote
    this.other = other
    // Every stream of a connection listens for its end.
    setMaxListeners(0, this.#gone.signal)
  }

  get peer(): string {
    return this.remote.name
  }

  get address(): string {
    return addressOf(this.remote.name)
  }

  get closed(): AbortSignal {
    return this.#gone.signal
  }

  open(protocol: string, { signal }: { signal?: AbortSignal } = {}): Promise<Half> {
    return this.own.life.answer(() => untilAborted(this.#open(protocol), signal))
  }

  #open(protocol: string): Promise<Half> {
    return new Promise((resolve, reject) => {
      const [here, there] = [this.own.name, this.remote.name]
      const ends = [this as End, this.other()]
      const isOpen = (): boolean => ends.every((end) => !end.closed.aborted)
      // A connection that is over ends what is being opened on it, whenever it notices.
      this.#gone.signal.addEventListener('abort', () => reject(lost(there)), { once: true })
      if (this.closed.aborted) return reject(lost(there))
      this.#hub.after(this.#hub.delayMs(here, there), () => {
        if (!isOpen() || !this.remote.life.alive) return
        const handler = this.remote.handlers.get(protocol)
        const back = this.#hub.delayMs(there, here)
        if (handler === undefined)
          return this.#hub.after(back, () =>
            reject(
              new NetworkError('PROTOCOL_UNSUPPORTED', `${there} does not speak ${protocol}.`),
            ),
          )
        const name = { connection: this.id, id: this.#hub.nextStream(), protocol, opener: here }
        const [near, far] = pair(
          name,
          [
            this.#hub.carrier(this.own, this.remote, () => !ends[1]?.closed.aborted),
            this.#hub.carrier(this.remote, this.own, () => !ends[0]?.closed.aborted),
          ],
          (half) => {
            for (const end of ends) end.#streams.delete(half)
          },
        )
        this.#streams.add(near)
        this.other().#streams.add(far)
        this.#hub.after(back, () => {
          if (!this.closed.aborted) resolve(near)
        })
        handler(far, this.other())
      })
    })
  }

  async close(): Promise<void> {
    this.lose()
  }

  /** This end takes the connection for lost; the other one notices sooner or later. */
  lose(): void {
    if (this.closed.aborted) return
    this.#hub.part(this)
    this.own.connections.delete(this)
    if (!this.own.life.alive) return
    for (const stream of [...this.#streams]) stream.sever(lost(this.remote.name))
    this.#gone.abort(lost(this.remote.name))
  }
}

export const addressOf = (name: string): string => `/sim/${name}/p2p/${name}`

const pairOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`)

const lost = (peer: string): NetworkError =>
  new NetworkError('CONNECTION_CLOSED', `The connection to ${peer} is closed.`)

const unreachable = (peer: string): NetworkError =>
  new NetworkError('PEER_UNREACHABLE', `Cannot reach ${peer}.`)

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(aborted('Waiting for the network', signal))
    if (signal.aborted) return stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.finally(() => signal.removeEventListener('abort', stop)).then(resolve, reject)
  })
}

/** Two or three chunks of one; an empty chunk is none. */
function split(chance: Chance, bytes: Uint8Array): Uint8Array[] {
  const at = chance.below(bytes.length + 1)
  return [bytes.subarray(0, at), bytes.subarray(at)].filter((chunk) => chunk.length > 0)
}
