/**
 * The witness: sees every durable write and every word that leaves a node, keeps what is known of each person,
 * and asks the checkers. It is outside of the world: nothing it knows gets back in.
 */
import type { Appointment } from '../core/appointment.js'
import { type Address, type Hex, toHex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import type { SluiceError } from '../core/errors.js'
import type { Message } from '../core/message.js'
import * as WatchMessage from '../core/watch-message.js'
import { watchPrefix } from '../engine/appointments.js'
import type { LedgerEvent, Write } from '../engine/ports.js'
import * as Records from '../engine/records.js'
import * as Wire from '../engine/wire.js'
import { Model } from './model.js'
import type { StreamName } from './stream.js'
import { type Said, Wiretap } from './wiretap.js'

/** What is known of one person. The records are those of the disk. */
export type Subject = {
  readonly name: string
  readonly honest: boolean
  readonly signer: Address
  /** On the layer. */
  readonly account: Address
  /** What it had there at first. */
  readonly funds: bigint
  readonly exposureMax: bigint | undefined
  /** Address of its watchtower. */
  readonly tower: string | undefined
  readonly channels: Map<Hex, Channel>
  /** By `Records.laneKey`. */
  readonly lanes: Map<string, Records.LaneRecord>
  /** What its tower has receipted, by channel. */
  readonly receipts: Map<Hex, Records.WatchRecord>
  /** What it keeps for others as their tower, by channel and seat. */
  readonly appointments: Map<string, Appointment>
  /** Those that it has let go of again, once there was nothing left to watch. */
  readonly released: Set<string>
}

/** What a seat wants the next state to say. */
export type Proposed = Message & { type: 'propose' }

type NewSubject = Omit<Subject, 'channels' | 'lanes' | 'receipts' | 'appointments' | 'released'>

export type Violation = { readonly checker: string; readonly what: string }

/** What a checker looks at; only honest people are shown to it, save in `onWord`. */
export type Checker = {
  readonly onChannel?: (person: Subject, channel: Channel, before: Channel | undefined) => void
  readonly onLane?: (
    person: Subject,
    key: string,
    lane: Records.LaneRecord | undefined,
    before: Records.LaneRecord | undefined,
  ) => void
  readonly onReceipt?: (person: Subject, channelId: Hex, receipt: Records.WatchRecord) => void
  /** Somebody, honest or not, says something to somebody. */
  readonly onWord?: (from: Subject, to: Subject, said: Said, stream: StreamName) => void
  /** The person's node starts, on whatever the disk holds. */
  readonly onStarted?: (person: Subject) => void
  /** The person's disk is an older one from now on. */
  readonly onRestored?: (person: Subject) => void
  readonly onProblem?: (person: Subject, error: SluiceError) => void
  /** The layer shows the person a channel. */
  readonly onLooked?: (person: Subject, channelId: Hex) => void
  /** The person shows the layer a state that it has signed. */
  readonly onShown?: (person: Subject, channelId: Hex, version: bigint) => void
  /** The layer has made something durable. */
  readonly onLayer?: () => void
  /** It has let something happen. */
  readonly onEvent?: (event: LedgerEvent) => void
  /** All is healed and settled, as far as it goes. */
  readonly onEnd?: () => void
}

/** Makes a checker; `fail` says what it found. */
export type Make = (witness: Witness, fail: (what: string) => void) => Checker

/** Violations kept of one world: after the first, most are its children. */
const violationsMax = 32

export class Witness {
  readonly people = new Map<string, Subject>()
  readonly model = new Model()
  readonly violations: Violation[] = []
  /** Told what is proposed, each time it is said. */
  onProposal: (proposal: Proposed) => void = () => undefined
  /** Challenges on the layer so far. */
  disputes = 0
  readonly #tap = new Wiretap()
  readonly #presence = new Map<string, readonly { since: bigint; isUp: boolean }[]>()
  /** The layer's clock, Unix seconds. */
  readonly layerTime: () => bigint
  readonly #checkers: readonly Checker[]
  readonly #onViolation: (violation: Violation) => void
  readonly #onWord: (line: () => string) => void

  constructor(
    checkers: Readonly<Record<string, Make>>,
    onViolation: (violation: Violation) => void,
    /** Told every word, for those who read along. */
    onWord: (line: () => string) => void,
    layerTime: () => bigint,
  ) {
    this.layerTime = layerTime
    this.#onViolation = onViolation
    this.#onWord = onWord
    this.#checkers = Object.entries(checkers).map(([checker, make]) =>
      make(this, (what) => this.fail(checker, what)),
    )
  }

  fail(checker: string, what: string): void {
    if (this.violations.length >= violationsMax) return
    const violation = { checker, what }
    this.violations.push(violation)
    this.#onViolation(violation)
  }

  add(person: NewSubject): void {
    this.people.set(person.name, {
      ...person,
      channels: new Map(),
      lanes: new Map(),
      receipts: new Map(),
      appointments: new Map(),
      released: new Set(),
    })
  }

  subject(name: string): Subject {
    const person = this.people.get(name)
    if (person === undefined) throw new Error(`there is no ${name} in this world`)
    return person
  }

  get honest(): Subject[] {
    return [...this.people.values()].filter(({ honest }) => honest)
  }

  /** A person's disk has taken these writes. */
  durable(name: string, writes: readonly Write[]): void {
    const person = this.subject(name)
    const news = writes.flatMap(({ key, value }) => this.#record(person, key, value) ?? [])
    // Writes of one commit are seen together, as they became durable.
    if (person.honest) for (const tell of news) tell()
  }

  /** Takes note of a record; returns what checkers are told of it. */
  #record(person: Subject, key: string, value: Uint8Array | undefined): (() => void) | undefined {
    if (key.startsWith(Records.channelPrefix)) return this.#channel(person, key, value)
    if (key.startsWith(Records.lanePrefix)) return this.#lane(person, key, value)
    if (key.startsWith(Records.watchPrefix)) return this.#receipt(person, key, value)
    if (!key.startsWith(watchPrefix)) return undefined
    const place = key.slice(watchPrefix.length)
    if (value !== undefined)
      person.appointments.set(place, Wire.decode(WatchMessage.appointment, value))
    else if (person.appointments.delete(place)) person.released.add(place)
    return undefined
  }

  #receipt(person: Subject, key: string, value: Uint8Array | undefined): (() => void) | undefined {
    const id = key.slice(Records.watchPrefix.length) as Hex
    if (value === undefined) {
      person.receipts.delete(id)
      return undefined
    }
    const receipt = Wire.decode(Records.watch, value)
    person.receipts.set(id, receipt)
    return () => {
      for (const checker of this.#checkers) checker.onReceipt?.(person, id, receipt)
    }
  }

  #channel(person: Subject, key: string, value: Uint8Array | undefined): () => void {
    const id = key.slice(Records.channelPrefix.length) as Hex
    const before = person.channels.get(id)
    if (value === undefined) {
      person.channels.delete(id)
      return () => undefined
    }
    const channel = Wire.decode(Records.channel, value)
    person.channels.set(id, channel)
    // What only a liar has whole was signed by all the same.
    const isNew = channel.complete?.version !== before?.complete?.version
    if (!person.honest && isNew && channel.complete !== undefined)
      this.model.completed(channel, channel.complete)
    return () => {
      for (const checker of this.#checkers) checker.onChannel?.(person, channel, before)
    }
  }

  #lane(person: Subject, key: string, value: Uint8Array | undefined): () => void {
    const before = person.lanes.get(key)
    const lane = value && Wire.decode(Records.lane, value)
    if (lane === undefined) person.lanes.delete(key)
    else person.lanes.set(key, lane)
    return () => {
      for (const checker of this.#checkers) checker.onLane?.(person, key, lane, before)
    }
  }

  /** Bytes leave a person; a liar's as it sends them. */
  said(from: string, to: string, stream: StreamName, bytes: Uint8Array): void {
    const [speaker, listener] = [this.subject(from), this.subject(to)]
    for (const said of this.#tap.read(from, to, stream, bytes)) {
      this.#onWord(() => `${from}>${to} ${stream.id} ${spell(said)}`)
      if (said.type === 'message' && 'updates' in said.message)
        this.model.proposed(said.message.channelId, said.message.version, said.message.updates)
      if (said.type === 'message' && said.message.type === 'propose') this.onProposal(said.message)
      for (const checker of this.#checkers) checker.onWord?.(speaker, listener, said, stream)
    }
  }

  /** A person starts again on an older disk. */
  restored(name: string, contents: ReadonlyMap<string, Uint8Array>): void {
    const person = this.subject(name)
    for (const records of [person.channels, person.lanes, person.receipts]) records.clear()
    for (const [key, value] of contents) this.#record(person, key, value)
    for (const checker of this.#checkers) checker.onRestored?.(person)
  }

  started(name: string): void {
    const person = this.subject(name)
    for (const checker of this.#checkers) checker.onStarted?.(person)
  }

  looked(name: string, channelId: Hex): void {
    const person = this.subject(name)
    if (person.honest) for (const checker of this.#checkers) checker.onLooked?.(person, channelId)
  }

  problem(name: string, error: SluiceError): void {
    const person = this.subject(name)
    if (person.honest) for (const checker of this.#checkers) checker.onProblem?.(person, error)
  }

  /** Up, or down, from now on. */
  presence(name: string, isUp: boolean): void {
    this.#presence.set(name, [
      ...(this.#presence.get(name) ?? []),
      { since: this.layerTime(), isUp },
    ])
  }

  /** Seconds between two of the layer's times that a resident was up. */
  upFor(name: string, from: bigint, to: bigint): bigint {
    let [total, since] = [0n, from]
    let wasUp = false
    for (const { since: at, isUp } of this.#presence.get(name) ?? []) {
      const now = at < from ? from : at > to ? to : at
      if (wasUp) total += now - since
      since = now
      wasUp = isUp
    }
    return wasUp ? total + (to - since) : total
  }

  /** A resident shows the layer a version of a channel. */
  shown(name: string, channelId: Hex, version: bigint): void {
    const person = this.subject(name)
    if (person.honest)
      for (const checker of this.#checkers) checker.onShown?.(person, channelId, version)
  }

  layer(events: readonly LedgerEvent[]): void {
    for (const { type } of events) if (type === 'challenged') this.disputes += 1
    for (const checker of this.#checkers) {
      checker.onLayer?.()
      for (const event of events) checker.onEvent?.(event)
    }
  }

  end(): void {
    for (const checker of this.#checkers) checker.onEnd?.()
  }
}

/** Enough of bytes or an id to tell it from others. */
export const short = (id: Hex | Uint8Array): string =>
  (typeof id === 'string' ? id : toHex(id)).slice(0, 10)

/** A word as a person reads it. */
function spell(said: Said): string {
  const plain = (value: unknown): string =>
    JSON.stringify(value, (key, each) =>
      key === 'signature' || key === 'signatures' || key === 'nodes' || key === 'anchors'
        ? undefined
        : typeof each === 'bigint'
          ? String(each)
          : each instanceof Uint8Array
            ? short(each)
            : typeof each === 'string' && each.startsWith('0x')
              ? each.slice(0, 10)
              : each,
    )
  if (said.type === 'message' || said.type === 'stream' || said.type === 'watch')
    return plain(said.message)
  if (said.type === 'voucher') return `voucher ${plain(said.signed.voucher)}`
  if (said.type === 'ticks') return `ticks ${plain(said.frame)}`
  return said.type === 'junk' ? 'junk' : `${said.type} to ${said.position}`
}
