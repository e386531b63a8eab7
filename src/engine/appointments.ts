/**
 * What a watchtower keeps: one record for each seat of each channel that it watches, and how much of the
 * tower each client takes up. Nothing is accepted beyond the limits, and nothing older replaces what is held.
 */
import * as Appointment from '../core/appointment.js'
import type { Address, Hex } from '../core/bytes.js'
import type { Claim } from '../core/claim.js'
import * as Codec from '../core/codec.js'
import type { Content } from '../core/complete.js'
import { SluiceError } from '../core/errors.js'
import * as WatchMessage from '../core/watch-message.js'
import * as Past from './past.js'
import type { Store, Write } from './ports.js'
import * as Records from './records.js'
import * as Wire from './wire.js'

/** What a tower's owner grants. */
export type TowerLimits = {
  /** Different signing keys. */
  readonly clientsMax: number
  readonly channelsPerClientMax: number
  /** Bytes of all appointments together. */
  readonly bytesMax: number
  /** Transactions for one seat of one channel: what it may cost the tower in fees. */
  readonly actionsMax: number
  /** Least gain, in base units, for which a lane is redeemed; never less than what the layer says it costs. */
  readonly gainMin: bigint
}

export const limitsDefault: TowerLimits = {
  clientsMax: 10_000,
  channelsPerClientMax: 1_024,
  bytesMax: 1_073_741_824,
  actionsMax: 64,
  gainMin: 1n,
}

/** A seat of a channel. */
export type Place = {
  readonly key: string
  readonly channelId: Hex
  readonly client: Address
  readonly bytes: number
}

/** Where appointments lie in a tower's store. */
export const watchPrefix = 'watch/'
const actions = Codec.integer(Number.MAX_SAFE_INTEGER)
const actionsKey = (key: string): string => `watch-actions/${key}`

const pastOf = (key: string): string => `watch-past/${key}`

/** Names a seat of a channel. */
export const keyOf = (channelId: Hex, seat: number): string => `${channelId}/${seat}`

export class Appointments {
  readonly #store: Store
  readonly #limits: TowerLimits
  readonly #places = new Map<string, Place>()
  readonly #byClient = new Map<Address, Set<string>>()
  readonly #byChannel = new Map<Hex, Set<string>>()
  /** On its way to the disk: what comes next is measured by it. */
  readonly #writing = new Map<string, Appointment.Appointment>()
  /** Transactions spent since our start: several count at once, and on a disk that is full. */
  readonly #spentNow = new Map<string, number>()
  #bytes = 0

  constructor(store: Store, limits: TowerLimits) {
    this.#store = store
    this.#limits = limits
    for (const [key, bytes] of store.entries(watchPrefix)) {
      const { parameters, seat } = Wire.decode(WatchMessage.appointment, bytes)
      const name = key.slice(watchPrefix.length)
      const channelId = name.slice(0, name.indexOf('/')) as Hex
      const client = parameters.seats[seat]?.signer ?? '0x'
      this.#add({ key: name, channelId, client, bytes: bytes.length })
    }
  }

  get clients(): number {
    return this.#byClient.size
  }

  get bytes(): number {
    return this.#bytes
  }

  all(): Place[] {
    return [...this.#places.values()]
  }

  of(client: Address): string[] {
    return [...(this.#byClient.get(client) ?? [])]
  }

  on(channelId: Hex): string[] {
    return [...(this.#byChannel.get(channelId) ?? [])]
  }

  /** The appointment held, durable or about to be. */
  get(key: string): Appointment.Appointment | undefined {
    const writing = this.#writing.get(key)
    if (writing !== undefined) return writing
    return Records.read(this.#store, watchPrefix + key, WatchMessage.appointment)
  }

  /**
   * Takes an appointment that was checked against what is held; resolves once it is durable. Where the channel is
   * contested, the state held so far is kept: the layer may settle by it.
   * @throws TowerError `TOWER_FULL`, StoreError
   */
  async put(
    channelId: Hex,
    client: Address,
    appointment: Appointment.Appointment,
    isContested: boolean,
  ): Promise<void> {
    const key = keyOf(channelId, appointment.seat)
    const write = Records.write(watchPrefix + key, WatchMessage.appointment, appointment)
    const place = { key, channelId, client, bytes: write.value?.length ?? 0 }
    this.#checkRoom(place)
    this.#remove(key)
    this.#add(place)
    const past = isContested ? this.#replaced(key, appointment) : []
    this.#writing.set(key, appointment)
    try {
      await this.#store.commit([write, ...past])
    } finally {
      if (this.#writing.get(key) === appointment) this.#writing.delete(key)
    }
  }

  #replaced(key: string, { newest, claims }: Appointment.Appointment): Write[] {
    const held = this.get(key)
    if (held === undefined) return []
    return Past.replace(this.#store, pastOf(key), held.newest, newest, [...claims, ...held.claims])
  }

  /** Older states of a channel in dispute: the layer may settle by them. */
  past(key: string): readonly Content[] {
    return Past.states(this.#store, pastOf(key))
  }

  /** Claims on lanes that are closed, but not in past states. */
  outlived(key: string): readonly Claim[] {
    return Past.claims(this.#store, pastOf(key))
  }

  /** The layer shows a state with this root: it is kept from now on, whatever newer ones may come. */
  async keepPosted(key: string, channelId: Hex, root: Uint8Array): Promise<void> {
    const held = this.get(key)
    if (held === undefined) return
    const states = [held.newest, Appointment.pendingContent(held)]
    const posted = Appointment.withRoot(channelId, root, states)
    const writes = Past.show(this.#store, pastOf(key), posted)
    if (writes.length > 0) await this.#store.commit(writes)
  }

  /** The channel is settled: its records go. */
  async forget(key: string): Promise<void> {
    if (!this.#places.has(key)) return
    await this.#store.commit([
      { key: watchPrefix + key, value: undefined },
      { key: actionsKey(key), value: undefined },
      ...Past.forget(this.#store, pastOf(key)),
    ])
    this.#remove(key)
    this.#spentNow.delete(key)
  }

  /** Whether the tower may spend another transaction here, while so many are under way. */
  mayAct(key: string, underWay: number): boolean {
    return this.#spent(key) + underWay < this.#limits.actionsMax
  }

  async countAction(key: string): Promise<void> {
    const spent = this.#spent(key) + 1
    this.#spentNow.set(key, spent)
    await this.#store.commit([Records.write(actionsKey(key), actions, spent)])
  }

  #spent(key: string): number {
    return this.#spentNow.get(key) ?? Records.read(this.#store, actionsKey(key), actions) ?? 0
  }

  #checkRoom({ key, client, bytes }: Place): void {
    const { clientsMax, channelsPerClientMax, bytesMax } = this.#limits
    const known = this.#byClient.get(client)
    const before = this.#places.get(key)
    const full =
      (known === undefined && this.#byClient.size >= clientsMax) ||
      (before === undefined && (known?.size ?? 0) >= channelsPerClientMax) ||
      this.#bytes - (before?.bytes ?? 0) + bytes > bytesMax
    if (full)
      throw new TowerError('TOWER_FULL', 'The tower has no room for this channel; use another one.')
  }

  #add(place: Place): void {
    const { key, channelId, client, bytes } = place
    this.#places.set(key, place)
    this.#bytes += bytes
    const add = <K>(index: Map<K, Set<string>>, at: K): void => {
      index.set(at, (index.get(at) ?? new Set()).add(key))
    }
    add(this.#byClient, client)
    add(this.#byChannel, channelId)
  }

  #remove(key: string): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    this.#places.delete(key)
    this.#bytes -= place.bytes
    const remove = <K>(index: Map<K, Set<string>>, at: K): void => {
      index.get(at)?.delete(key)
      if (index.get(at)?.size === 0) index.delete(at)
    }
    remove(this.#byClient, place.client)
    remove(this.#byChannel, place.channelId)
  }
}

/** What a tower refuses its clients. */
export class TowerError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'TowerError'
  }
}
