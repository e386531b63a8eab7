/**
 * The book of channels: loads them, steps them one input at a time, persists each step before any of its
 * effects leave, and asks the layer again for what it owes until it is done.
 */
import type { Appointment } from '../core/appointment.js'
import { type Address, type Hex, zeroAddress } from '../core/bytes.js'
import * as Channel from '../core/channel.js'
import { InvariantError, SluiceError } from '../core/errors.js'
import { limits } from '../core/limits.js'
import type { Message } from '../core/message.js'
import * as Parameters from '../core/parameters.js'
import { isOpen } from '../core/phase.js'
import type { Update } from '../core/update.js'
import { type Entry, entryOf } from './entry.js'
import { follow } from './follow.js'
import type { Ledger, LedgerChannel, Sleep, Store, Write } from './ports.js'
import * as Records from './records.js'
import { isTransient } from './retry.js'
import { peersOf, seatOf, signerAt } from './seats.js'
import { submit } from './submit.js'
import * as Wire from './wire.js'

/** What the book needs; `context` signs with the seat's key. */
export type BookPorts = {
  readonly store: Store
  readonly ledger: Ledger
  readonly sleep: Sleep
  readonly context: Pick<Channel.Context, 'domain' | 'sign' | 'recover' | 'seal'>
  /** Claim held, or promised, on a lane. */
  readonly claim: (channelId: Hex, lane: bigint) => bigint
  /** The least that a lane of an asset may reserve. */
  readonly reserveMin: (asset: Address) => bigint
  /** Whether a peer, by its signing key, has shown since our start what it holds. */
  readonly synced: (signer: Address) => boolean
  /** Further records that change with a channel, to lie in the same write. */
  readonly also: (channel: Channel.Channel) => readonly Write[]
  /** Sends to a peer by its signing key; a peer that is away gets it after it is back. */
  readonly send: (signer: Address, message: Message) => void
  readonly onChanged: (channel: Channel.Channel) => void
  /** A change is wanted or under way, and a seat has not shown yet what it holds: it is to be reached. */
  readonly onMissing: (channel: Channel.Channel) => void
  /** The newest version of a channel that may be signed; see `Bonds`. */
  readonly versionMax: (channelId: Hex) => bigint | undefined
  /** The layer shows a channel; before anything is made of it. */
  readonly onView: (channel: Channel.Channel, view: LedgerChannel) => Promise<void>
  /** The layer shows the channel challenged or frozen, with the root of the newest state posted. */
  readonly onDispute: (channelId: Hex, root: Uint8Array) => Promise<void>
  readonly onProblem: (error: unknown) => void
}

/** Milliseconds between two tries of a ledger call that did not get through. */
const ledgerRetryMs = 500
/** Milliseconds before a change is proposed again that the peer could not take yet. */
const changeRetryMs = 200
/** Milliseconds between two looks at a channel that waits for the layer. */
const pollMs = 5_000

export class Book {
  readonly #ports: BookPorts
  readonly #entries = new Map<Hex, Entry>()
  /** By signing key, the channels with a peer that may still change. */
  readonly #byPeer = new Map<Address, Set<Entry>>()
  readonly #ended: AbortSignal
  /** Channels are added one after another: the same offer twice must not become two entries. */
  #adding: Promise<unknown> = Promise.resolve()

  constructor(ports: BookPorts, ended: AbortSignal) {
    this.#ports = ports
    this.#ended = ended
    for (const [, bytes] of ports.store.entries(Records.channelPrefix)) {
      this.#enter(entryOf(Wire.decode(Records.channel, bytes), false))
    }
  }

  #enter(entry: Entry): void {
    this.#entries.set(entry.channel.id, entry)
    if (!isOpen(entry.channel)) return
    for (const { signer } of peersOf(entry.channel)) {
      const known = this.#byPeer.get(signer) ?? new Set()
      this.#byPeer.set(signer, known.add(entry))
    }
  }

  get(id: Hex): Channel.Channel | undefined {
    return this.#entries.get(id)?.channel
  }

  /** The channel as it was judged last: its write may still be under way, and nothing is said of it yet. */
  decided(id: Hex): Channel.Channel | undefined {
    return this.#entries.get(id)?.decided
  }

  /** The id that parameters give a channel. */
  idOf(parameters: Parameters.Parameters): Hex {
    return Parameters.id(this.#ports.context.domain, parameters)
  }

  all(): Channel.Channel[] {
    return [...this.#entries.values()].map((entry) => entry.channel)
  }

  /** Why our last proposal for a channel, or the channel itself, was refused. */
  fate(id: Hex): SluiceError | undefined {
    return this.#entry(id).fate
  }

  /** Channels with the peer who signs with `signer` that can still change. */
  with(signer: Address): Channel.Channel[] {
    const known = this.#byPeer.get(signer) ?? new Set<Entry>()
    // Once over, always over.
    for (const entry of known) if (!isOpen(entry.channel)) known.delete(entry)
    if (known.size === 0) this.#byPeer.delete(signer)
    return [...known].map(({ channel }) => channel)
  }

  /** Proposes a channel to its other seats. */
  async propose(
    parameters: Parameters.Parameters,
    seat: number,
    addresses: readonly string[],
  ): Promise<Hex> {
    return this.#add(Channel.propose(this.#context(undefined), parameters, seat, addresses), true)
  }

  /** Takes a peer's offer. */
  async accept(offer: Message & { type: 'open' }, seat: number): Promise<Hex> {
    return this.#add(Channel.accept(this.#context(undefined), offer, seat), true)
  }

  /** A channel that begins now has nothing to be asked the layer for. */
  #add(step: Channel.Step, isNew: boolean): Promise<Hex> {
    const added = this.#adding.then(() => this.#addNow(step, isNew))
    this.#adding = added.catch(() => undefined)
    return added
  }

  async #addNow({ channel, effects }: Channel.Step, isNew: boolean): Promise<Hex> {
    if (this.#entries.has(channel.id)) return channel.id
    for (const { signer } of peersOf(channel)) {
      const mates = this.with(signer).length
      if (mates >= limits.channelsPerPeerMax)
        throw new BookError(
          'CHANNEL_LIMIT',
          `There are ${mates} channels with this peer; close some first.`,
        )
    }
    if (this.all().filter(isUnfunded).length >= limits.unfundedMax)
      throw new BookError('CHANNEL_LIMIT', 'Too many channels wait for deposits; try again later.')
    await this.#ports.store.commit([
      Records.write(Records.channelKey(channel.id), Records.channel, channel),
    ])
    const entry = entryOf(channel, isNew)
    this.#enter(entry)
    this.#perform(entry, effects)
    return channel.id
  }

  /** Takes what our watchtower has kept for us: a channel that our disk has lost, or newer states of one. */
  async restore({ parameters, seat, newest, pending }: Appointment): Promise<void> {
    const id = this.idOf(parameters)
    if (!this.#entries.has(id))
      await this.#add(Channel.lost(this.#context(undefined), parameters, seat), false)
    await this.update(id, { type: 'restore', complete: newest, pending })
    await this.look(id)
  }

  /** Steps a channel; resolves once the step is durable and its effects are on their way. */
  async update(id: Hex, input: Channel.Input): Promise<void> {
    const refused = await this.#turn(this.#entry(id), input)
    if (refused !== undefined) this.#problem(refused)
  }

  /** Does something with a channel while no step changes it. */
  inTurn<T>(id: Hex, task: (channel: Channel.Channel) => Promise<T>): Promise<T> {
    const entry = this.#entry(id)
    const turn = entry.turn.then(() => task(entry.channel))
    entry.turn = turn.catch(() => undefined)
    return turn
  }

  #turn(entry: Entry, input: Channel.Input): Promise<SluiceError | undefined> {
    const turn = entry.turn.then(() => this.#step(entry, input))
    entry.turn = turn.catch(() => undefined)
    return turn
  }

  /** One step; what it refused of its input comes back. */
  async #step(entry: Entry, input: Channel.Input): Promise<SluiceError | undefined> {
    if (entry.frozen)
      return new BookError('CHANNEL_FROZEN', 'This channel is frozen after a broken invariant.')
    try {
      const { channel, effects } = Channel.step(
        this.#context(entry.channel.id),
        entry.channel,
        input,
      )
      entry.decided = channel
      if (channel !== entry.channel)
        await this.#ports.store.commit([
          Records.write(Records.channelKey(channel.id), Records.channel, channel),
          ...this.#ports.also(channel),
        ])
      entry.channel = channel
      this.#perform(entry, effects)
      const refused = effects.find((effect) => effect.type === 'refused')
      return refused && new BookError(refused.code, refused.message)
    } catch (error) {
      entry.decided = entry.channel
      if (error instanceof InvariantError) entry.frozen = true
      throw error
    }
  }

  #perform(entry: Entry, effects: readonly Channel.Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'send')
        this.#ports.send(signerAt(entry.channel, effect.to), effect.message)
      else if (effect.type === 'submit') void this.#submit(entry)
      else if (effect.type === 'changed') this.#ports.onChanged(entry.channel)
      else if (effect.type === 'dropped') entry.fate = new BookError(effect.code, effect.message)
    }
    entry.changed.notify()
    if (entry.channel.proposals.length > 0) this.#gather(entry.channel)
  }

  #gather(channel: Channel.Channel): void {
    if (isOpen(channel) && !this.isInStep(channel)) this.#ports.onMissing(channel)
  }

  /** What we say on a new connection about each channel, so that both sides converge. */
  greetings(signer: Address): Message[] {
    return this.with(signer).flatMap((channel) => Channel.greet(channel, seatOf(channel, signer)))
  }

  /** Channels with a peer in which a change is under way that it may have to answer. */
  pending(signer: Address): Channel.Channel[] {
    return this.with(signer).filter(({ proposals }) => proposals.length > 0)
  }

  /** A peer has shown what it holds: channels whose seats have all done so may go on. */
  async onSynced(signer: Address): Promise<void> {
    for (const channel of this.with(signer))
      if (this.isInStep(channel)) await this.update(channel.id, { type: 'synced' })
  }

  /** Whether all others of a channel have shown since our start what they hold. */
  isInStep(channel: Channel.Channel): boolean {
    return peersOf(channel).every(({ signer }) => this.#ports.synced(signer))
  }

  /**
   * Brings a change of a channel about: proposes what `updates` makes of it, again after a collision, until
   * a complete state carries it, or `updates` says by undefined that none is needed any more. Changes of one
   * channel wait for one another. @throws what refused it
   */
  async change(
    id: Hex,
    updates: (channel: Channel.Channel) => readonly Update[] | undefined,
    signal?: AbortSignal,
  ): Promise<Channel.Channel> {
    const entry = this.#entry(id)
    const wanted = this.#whileRunning(signal)
    // Of several that waited for the same one the first goes on.
    do await entry.changed.until(() => !entry.isChanging, wanted)
    while (entry.isChanging)
    entry.isChanging = true
    try {
      return await this.#change(entry, updates, wanted)
    } finally {
      entry.isChanging = false
      entry.changed.notify()
    }
  }

  async #change(
    entry: Entry,
    updates: (channel: Channel.Channel) => readonly Update[] | undefined,
    signal: AbortSignal,
  ): Promise<Channel.Channel> {
    for (;;) {
      const isFree = (): boolean =>
        !isOpen(entry.channel) ||
        (entry.channel.proposals.length === 0 && this.isInStep(entry.channel))
      this.#gather(entry.channel)
      await entry.changed.until(isFree, signal)
      const before = entry.channel.complete?.version ?? 0n
      entry.fate = undefined
      const wanted = updates(entry.channel)
      if (wanted === undefined) return entry.channel
      const refused = await this.#turn(entry, { type: 'propose', updates: wanted })
      if (refused !== undefined && refused.code !== 'BUSY') throw refused
      if (refused !== undefined) continue
      const decided = (): boolean => (entry.channel.complete?.version ?? 0n) > before
      try {
        await entry.changed.until(() => entry.fate !== undefined || decided(), signal)
      } catch (error) {
        // Nobody waits for it any more: it must not keep the others from theirs.
        await this.#turn(entry, { type: 'drop' })
        throw error
      }
      const { fate } = entry as Entry
      if (fate === undefined) return entry.channel
      if (!isPassing.has(fate.code)) throw fate
      // A collision is over; what else passes needs a word of the peer, and asking at once would be a storm.
      if (fate.code !== 'BUSY') await this.#ports.sleep(changeRetryMs, signal)
    }
  }

  /** Waits until a channel satisfies `condition`. */
  async until(
    id: Hex,
    condition: (channel: Channel.Channel) => boolean,
    signal?: AbortSignal,
  ): Promise<Channel.Channel> {
    const entry = this.#entry(id)
    await entry.changed.until(() => condition(entry.channel), this.#whileRunning(signal))
    return entry.channel
  }

  /** Nothing is waited for beyond the node's end. */
  #whileRunning(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#ended : AbortSignal.any([signal, this.#ended])
  }

  /** Looks at the layer for one channel, and goes on from what it says. */
  async refresh(id: Hex): Promise<void> {
    const [view, time] = await Promise.all([
      this.#ports.ledger.channel(id),
      this.#ports.ledger.time(),
    ])
    // First of all: it must not wait for a disk that is full.
    if (view?.challenge !== undefined) await this.#ports.onDispute(id, view.challenge.root)
    const entry = this.#entry(id)
    if (view !== undefined) await this.#ports.onView(entry.channel, view)
    await this.update(id, { type: 'ledger', view, time })
    // Not before the step is durable: by a disk that is full the channel may be live that is over.
    entry.isSeen = true
    entry.changed.notify()
  }

  /** Whether the layer has shown since our start what became of a channel. */
  isSeen(id: Hex): boolean {
    return this.#entries.get(id)?.isSeen ?? false
  }

  /** Resolves once it has shown that of all channels with a peer: what is not over by our disk may be so by now. */
  async see(signer: Address, signal: AbortSignal): Promise<void> {
    const wanted = this.#whileRunning(signal)
    const looks = this.with(signer).map(({ id }) => {
      const entry = this.#entry(id)
      void this.#ask(entry)
      return entry.changed.until(() => entry.isSeen, wanted)
    })
    await Promise.all(looks)
  }

  /** One look will do, however many wait for it; what it failed of for good whoever comes next asks again. */
  async #ask(entry: Entry): Promise<void> {
    if (entry.isSeen || entry.isAsked) return
    entry.isAsked = true
    await this.look(entry.channel.id)
    entry.isAsked = false
  }

  /** Follows the layer: all open channels once, and every event, until the node ends. */
  async follow(): Promise<void> {
    const { ledger, store, sleep } = this.#ports
    void this.#poll()
    for (const entry of this.#entries.values()) void this.#submit(entry)
    const ports = {
      ledger,
      store,
      sleep,
      all: () => this.all().flatMap((channel) => (isOpen(channel) ? channel.id : [])),
      concerns: (id: Hex) => this.#entries.has(id),
      look: (id: Hex) => this.refresh(id),
      onProblem: (error: unknown) => this.#problem(error),
    }
    await follow(ports, this.#ended)
  }

  /**
   * `fundBy` passes without any event, and a layer that refused a call may take it later: channels that wait
   * for the layer are looked at now and then.
   */
  async #poll(): Promise<void> {
    while (!this.#ended.aborted) {
      await this.#ports.sleep(pollMs, this.#ended)
      for (const entry of [...this.#entries.values()]) {
        if (entry.channel.phase === 'dead') await this.#forget(entry.channel)
        const { phase, calls } = entry.channel
        if (!isOpen(entry.channel) || (phase === 'live' && calls.length === 0)) continue
        // Not until it goes: the others must not wait for one that cannot be looked at.
        await this.refresh(entry.channel.id).catch((error) => this.#problem(error))
        void this.#submit(entry)
      }
    }
  }

  /** What a peer offered and never funded leaves nothing to remember. */
  async #forget({ id, parameters, seat }: Channel.Channel): Promise<void> {
    if ((parameters.deposits[seat] ?? []).some((amount) => amount > 0n)) return
    try {
      await this.#ports.store.commit([{ key: Records.channelKey(id), value: undefined }])
      this.#entries.delete(id)
    } catch (error) {
      this.#problem(error)
    }
  }

  /** As `refresh`, again and again until the layer answers. */
  async look(id: Hex): Promise<void> {
    while (!this.#ended.aborted) {
      try {
        return await this.refresh(id)
      } catch (error) {
        if (this.#ended.aborted) return
        this.#problem(error)
        if (!isTransient(error)) return
        await this.#ports.sleep(ledgerRetryMs, this.#ended)
      }
    }
  }

  /** Does what the channel wants of the layer, one call at a time, until the layer has it. */
  async #submit(entry: Entry): Promise<void> {
    if (entry.submitting) return
    entry.submitting = true
    try {
      while (!this.#ended.aborted) {
        const [call] = entry.channel.calls
        if (call === undefined || !isOpen(entry.channel)) return
        try {
          await submit(this.#ports.ledger, entry.channel, call)
          await this.refresh(entry.channel.id)
          if (entry.channel.calls[0] === call) return
        } catch (error) {
          if (this.#ended.aborted) return
          this.#problem(error)
          if (!isTransient(error)) return
          await this.#ports.sleep(ledgerRetryMs, this.#ended)
        }
      }
    } finally {
      entry.submitting = false
    }
  }

  #problem(error: unknown): void {
    if (!this.#ended.aborted) this.#ports.onProblem(error)
  }

  #entry(id: Hex): Entry {
    const entry = this.#entries.get(id)
    if (entry === undefined)
      throw new BookError('CHANNEL_UNKNOWN', `There is no channel ${id} here.`)
    return entry
  }

  #context(id: Hex | undefined): Channel.Context {
    const { context, claim, reserveMin, versionMax } = this.#ports
    const channel = id === undefined ? undefined : this.get(id)
    return {
      ...context,
      claim: (lane) => (id === undefined ? 0n : claim(id, lane)),
      reserveMin: (asset) => reserveMin(channel?.parameters.assets[asset] ?? zeroAddress),
      synced: channel !== undefined && this.isInStep(channel),
      versionMax: id === undefined ? undefined : versionMax(id),
    }
  }
}

const isUnfunded = ({ phase }: Channel.Channel): boolean =>
  phase === 'opening' || phase === 'funding'

/** Why a proposal was dropped that may well be made again. */
const isPassing: ReadonlySet<string> = new Set(['BUSY', 'REFUSED_BEFORE', 'VERSION_TAKEN'])

/** A channel that is not here, or a change that was refused. */
export class BookError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'BookError'
  }
}
