/**
 * The witness: sees every durable write and every word that leaves a node, keeps what is known of each person,
 * and asks the checkers. It is outside of the world: nothing it knows gets back in.
 */
import { type Address, type Hex, toHex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import type { SluiceError } from '../core/errors.js'
import type { Write } from '../engine/ports.js'
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
  readonly exposureMax: bigint | undefined
  readonly channels: Map<Hex, Channel>
  /** By `Records.laneKey`. */
  readonly lanes: Map<string, Records.LaneRecord>
}

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
  /** Somebody, honest or not, says something to somebody. */
  readonly onWord?: (from: Subject, to: Subject, said: Said, stream: StreamName) => void
  /** The person's node starts, on whatever the disk holds. */
  readonly onStarted?: (person: Subject) => void
  /** The person's disk is an older one from now on. */
  readonly onRestored?: (person: Subject) => void
  readonly onProblem?: (person: Subject, error: SluiceError) => void
  /** The layer has made something durable. */
  readonly onLayer?: () => void
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
  /** Told who proposes a state, each time it is said. */
  onProposal: (from: string) => void = () => undefined
  readonly #tap = new Wiretap()
  readonly #checkers: readonly Checker[]
  readonly #onViolation: (violation: Violation) => void
  readonly #onWord: (line: () => string) => void

  constructor(
    checkers: Readonly<Record<string, Make>>,
    onViolation: (violation: Violation) => void,
    /** Told every word, for those who read along. */
    onWord: (line: () => string) => void,
  ) {
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

  add(person: Omit<Subject, 'channels' | 'lanes'>): void {
    this.people.set(person.name, { ...person, channels: new Map(), lanes: new Map() })
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
    const news: (() => void)[] = []
    for (const { key, value } of writes) {
      if (key.startsWith(Records.channelPrefix)) news.push(this.#channel(person, key, value))
      if (key.startsWith(Records.lanePrefix)) news.push(this.#lane(person, key, value))
    }
    // Writes of one commit are seen together, as they became durable.
    if (person.honest) for (const tell of news) tell()
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
      if (said.type === 'message' && said.message.type === 'propose') this.onProposal(from)
      for (const checker of this.#checkers) checker.onWord?.(speaker, listener, said, stream)
    }
  }

  /** A person starts again on an older disk. */
  restored(name: string, contents: ReadonlyMap<string, Uint8Array>): void {
    const person = this.subject(name)
    person.channels.clear()
    person.lanes.clear()
    for (const [key, value] of contents) {
      if (key.startsWith(Records.channelPrefix)) this.#channel(person, key, value)
      if (key.startsWith(Records.lanePrefix)) this.#lane(person, key, value)
    }
    for (const checker of this.#checkers) checker.onRestored?.(person)
  }

  started(name: string): void {
    const person = this.subject(name)
    for (const checker of this.#checkers) checker.onStarted?.(person)
  }

  problem(name: string, error: SluiceError): void {
    const person = this.subject(name)
    if (person.honest) for (const checker of this.#checkers) checker.onProblem?.(person, error)
  }

  layer(): void {
    for (const checker of this.#checkers) checker.onLayer?.()
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
  if (said.type === 'message' || said.type === 'stream') return plain(said.message)
  if (said.type === 'voucher') return `voucher ${plain(said.signed.voucher)}`
  if (said.type === 'ticks') return `ticks ${plain(said.frame)}`
  return said.type === 'junk' ? 'junk' : `${said.type} to ${said.position}`
}
