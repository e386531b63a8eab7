/**
 * A watchtower: holds appointments of many clients, answers stale postings and redeems lanes before their
 * deadlines, for clients that are not there. It believes nobody, promises by a signed receipt only what is
 * durable, and does no more than deadlines ask for: balances and rests wait for their owners.
 */
import { EventEmitter } from 'node:events'
import * as Amount from '../core/amount.js'
import * as Appointment from '../core/appointment.js'
import type { Address, Hex } from '../core/bytes.js'
import type { Content } from '../core/complete.js'
import type { Action } from '../core/defence.js'
import { SluiceError, toProblem } from '../core/errors.js'
import * as Introduction from '../core/introduction.js'
import * as Parameters from '../core/parameters.js'
import type { WatchMessage } from '../core/watch-message.js'
import type { Engine } from '../crypto/engine.js'
import { type Gather, gatherer, knowing } from '../crypto/gather.js'
import type { Verifier } from '../crypto/pool.js'
import { Appointments, keyOf, limitsDefault, TowerError, type TowerLimits } from './appointments.js'
import { closeAll } from './close-all.js'
import { follow } from './follow.js'
import { Guard, type Ward } from './guard.js'
import type {
  ByteStream,
  Connection,
  Ledger,
  LedgerChannel,
  Network,
  Sleep,
  Store,
} from './ports.js'
import { tell } from './tell.js'
import { Talk, watchProtocol } from './watch-talk.js'

export type TowerPorts = {
  readonly network: Network
  readonly store: Store
  readonly ledger: Ledger
  readonly crypto: Engine
  /** Other threads for what many clients bring at once; without it all is verified on this one. */
  readonly verifier?: Verifier | undefined
  readonly sleep: Sleep
  /** Signs receipts. */
  readonly signing: Uint8Array
  readonly limits?: Partial<TowerLimits> | undefined
}

export type TowerEvents = {
  /** An appointment is held, and its receipt on its way. */
  appointment: [held: { readonly channelId: Hex; readonly seat: number; readonly version: bigint }]
  /** The layer has done something that the tower asked for. */
  action: [done: { readonly channelId: Hex; readonly seat: number; readonly action: Action }]
  problem: [error: SluiceError]
}

export class Tower {
  readonly events = new EventEmitter<TowerEvents>()
  readonly #ports: TowerPorts
  readonly #held: Appointments
  readonly #guard: Guard
  readonly #gather: Gather | undefined
  readonly #ended = new AbortController()
  /** One stream a connection: more would only share its work. */
  readonly #talking = new Set<string>()
  #following: Promise<void> = Promise.resolve()

  /** Use `createTower`, which makes the ports. */
  constructor(ports: TowerPorts) {
    this.#ports = ports
    const { store, ledger, sleep } = ports
    const limits = { ...limitsDefault, ...ports.limits }
    this.#gather = ports.verifier && gatherer(ports.verifier)
    this.#held = new Appointments(store, limits)
    this.#guard = new Guard(
      {
        ledger,
        sleep,
        gainMin: (asset) => Amount.larger(limits.gainMin, ledger.redeemFee(asset)),
        find: (key) => this.#ward(key),
        may: (key, action, underWay) => this.#may(key, action, underWay),
        onDone: (key, action) => this.#onDone(key, action),
        onSettled: () => undefined,
        onOver: (key) => void this.#release(key),
        onProblem: (error) => this.#problem(error),
      },
      this.#ended.signal,
    )
  }

  async start(): Promise<void> {
    await this.#ports.network.handle(watchProtocol, (stream, connection) => {
      void this.#serve(stream, connection)
    })
    this.#following = this.#follow().catch((error) => this.#problem(error))
  }

  /** Stops watching and closes network and store. What is held stays. */
  async stop(): Promise<void> {
    this.#ended.abort()
    const { network, store } = this.#ports
    await closeAll([() => network.close(), () => this.#following, () => store.close()])
  }

  get addresses(): readonly string[] {
    return this.#ports.network.addresses()
  }

  /** Pays the fees of what the tower does. */
  get account(): Address {
    return this.#ports.ledger.account
  }

  /** What is held for a seat of a channel. */
  appointment(channelId: Hex, seat: number): Appointment.Appointment | undefined {
    return this.#held.get(keyOf(channelId, seat))
  }

  /** How much is held. */
  get load(): { readonly clients: number; readonly channels: number; readonly bytes: number } {
    return {
      clients: this.#held.clients,
      channels: this.#held.all().length,
      bytes: this.#held.bytes,
    }
  }

  /** Every watched channel once, and then whatever happens. */
  #follow(): Promise<void> {
    const { ledger, store, sleep } = this.#ports
    const ports = {
      ledger,
      store,
      sleep,
      all: () => [...new Set(this.#held.all().map(({ channelId }) => channelId))],
      concerns: (id: Hex) => this.#held.on(id).length > 0,
      look: async (id: Hex) => {
        await Promise.all(this.#held.on(id).map((key) => this.#look(key)))
      },
      onProblem: (error: unknown) => this.#problem(error),
    }
    return follow(ports, this.#ended.signal)
  }

  /** Takes up a dispute, or lets go of a channel that is settled. */
  async #look(key: string): Promise<void> {
    const channelId = channelOf(key)
    const view = await this.#ports.ledger.channel(channelId)
    if (view === undefined) return
    if (await this.#isOver(view)) return this.#held.forget(key)
    if (view.challenge === undefined) return this.#guard.wake(key)
    // First of all: it must not wait for a disk that is full.
    this.#guard.tend(key)
    await this.#held.keepPosted(key, channelId, view.challenge.root)
  }

  /** The guard has nothing left to do: not for now, or for good. */
  async #release(key: string): Promise<void> {
    try {
      const view = await this.#ports.ledger.channel(channelOf(key))
      if (view !== undefined && (await this.#isOver(view))) await this.#held.forget(key)
    } catch (error) {
      this.#problem(error)
    }
  }

  /** Whether nothing has a deadline any more. */
  async #isOver({ status, challenge }: LedgerChannel): Promise<boolean> {
    if (status === 'closed' || status === 'dead') return true
    return challenge !== undefined && (await this.#ports.ledger.time()) > challenge.redeemUntil
  }

  #ward(key: string): Ward | undefined {
    const appointment = this.#held.get(key)
    if (appointment === undefined) return undefined
    const { parameters, seat, newest, claims } = appointment
    const others = [Appointment.pendingContent(appointment), ...this.#held.past(key)]
    return {
      channelId: channelOf(key),
      parameters,
      seat,
      newest,
      others: others.filter((state) => state !== undefined),
      claim: (lane) =>
        [...claims, ...this.#held.outlived(key)].find(
          (claim) => Appointment.laneOf(claim) === lane,
        ),
    }
  }

  /** Only what cannot wait for the client, and only so often. */
  #may(key: string, { type }: Action, underWay: number): boolean {
    if (type === 'freeze' || type === 'sweep') return false
    if (this.#held.mayAct(key, underWay)) return true
    this.#problem(
      new TowerError(
        'ACTIONS_SPENT',
        `No more is spent on channel ${channelOf(key)}; its owner has to act itself.`,
      ),
    )
    return false
  }

  async #onDone(key: string, action: Action): Promise<void> {
    const seat = Number(key.slice(key.indexOf('/') + 1))
    tell(() => this.events.emit('action', { channelId: channelOf(key), seat, action }))
    await this.#held.countAction(key)
  }

  /** One client's stream, to its end. What it does wrong ends the stream. */
  async #serve(stream: ByteStream, connection: Connection): Promise<void> {
    if (this.#talking.has(connection.id)) return stream.abort(duplicate)
    this.#talking.add(connection.id)
    const talk = new Talk(stream)
    try {
      const client = await this.#greet(talk, connection)
      for (;;) {
        const message = await talk.next()
        if (message === undefined) break
        await this.#answer(talk, client, message)
      }
      await talk.end()
    } catch (error) {
      if (connection.closed.aborted) return
      talk.abort(asSluiceError(error))
      this.#problem(error)
    } finally {
      this.#talking.delete(connection.id)
    }
  }

  /** Introductions; returns the key that the client signs with. */
  async #greet(talk: Talk, connection: Connection): Promise<Address> {
    const { ledger, crypto, network, signing } = this.#ports
    const hello = await talk.next()
    if (hello?.type !== 'hello')
      throw new TowerError('UNEXPECTED', 'A client introduces itself first.')
    const theirs = { from: connection.peer, to: network.peer }
    Introduction.check(ledger.domain, crypto.secp256k1.recover, hello, theirs)
    const ours = { from: network.peer, to: connection.peer }
    const speaker = Introduction.introduce(ledger.domain, crypto.secp256k1, signing, ours)
    await talk.send({ type: 'hello', ...speaker })
    return hello.signer
  }

  async #answer(talk: Talk, client: Address, message: WatchMessage): Promise<void> {
    switch (message.type) {
      case 'consult':
        for (const key of this.#held.of(client)) {
          const appointment = this.#held.get(key)
          if (appointment === undefined) continue
          const kept: readonly (Content | undefined)[] = this.#held.past(key)
          for (const past of kept.length === 0 ? [undefined] : kept)
            await talk.send({ type: 'held', appointment, past })
        }
        return talk.send({ type: 'consulted' })
      case 'ping':
        return talk.send({ type: 'pong', time: await this.#ports.ledger.time() })
      case 'appoint':
        return talk.send(await this.#appoint(client, message))
      default:
        throw new TowerError('UNEXPECTED', `A client does not send ${message.type}.`)
    }
  }

  async #appoint(
    client: Address,
    { appointment, signature }: WatchMessage & { type: 'appoint' },
  ): Promise<WatchMessage> {
    const { ledger, crypto, signing } = this.#ports
    const channelId = Parameters.id(ledger.domain, appointment.parameters)
    try {
      const gist = Appointment.summary(ledger.domain, appointment)
      const order = Appointment.digest(ledger.domain, gist)
      const [known] = (await this.#gather?.(1, () => [{ digest: order, signature }])) ?? []
      if ((known ?? crypto.secp256k1.recover(order, signature)) !== client) throw notTheSeat
      const time = await this.#take(channelId, client, appointment)
      const digest = Appointment.receiptDigest(ledger.domain, gist, time)
      const receipt = crypto.secp256k1.sign(digest, signing)
      return { type: 'receipt', channelId, time, signature: receipt }
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      const { code, message } = error
      return {
        type: 'refused',
        channelId,
        code: code.slice(0, 64),
        message: message.slice(0, 1_024),
      }
    }
  }

  /** Checks all of an appointment and makes it durable; returns the layer's time. */
  async #take(
    channelId: Hex,
    client: Address,
    appointment: Appointment.Appointment,
  ): Promise<bigint> {
    const { ledger, crypto } = this.#ports
    const { parameters, seat, newest } = appointment
    if (parameters.seats[seat]?.signer !== client) throw notTheSeat
    // A channel with money in it costs something to make: nobody fills the tower for free.
    const [view, time] = await Promise.all([ledger.channel(channelId), ledger.time()])
    if (view === undefined || !watchable.has(view.status))
      throw new TowerError('NOT_LIVE', 'The tower watches channels that hold money on its ledger.')
    const key = keyOf(channelId, seat)
    if (view.challenge !== undefined)
      await this.#held.keepPosted(key, channelId, view.challenge.root)
    const recover = await this.#recover(appointment, this.#held.get(key))
    const context = { domain: ledger.domain, recover, walk: crypto.chain.walk }
    Appointment.check(context, appointment, this.#held.get(key))
    const isContested = view.challenge !== undefined || this.#guard.tends(key)
    await this.#held.put(channelId, client, appointment, isContested)
    tell(() => this.events.emit('appointment', { channelId, seat, version: newest.version }))
    if (view.challenge !== undefined) this.#guard.tend(key)
    return time
  }

  /** Knows who signed an appointment, where that was found out on other threads. */
  async #recover(
    appointment: Appointment.Appointment,
    held: Appointment.Appointment | undefined,
  ): Promise<Engine['secp256k1']['recover']> {
    const { secp256k1 } = this.#ports.crypto
    if (this.#gather === undefined) return secp256k1.recover
    const { domain } = this.#ports.ledger
    let asked: Appointment.Signed[] = []
    const most = appointment.newest.signatures.length + appointment.claims.length
    const signers = await this.#gather(most, () => {
      asked = Appointment.asked(domain, appointment, held)
      return asked
    })
    return knowing(secp256k1, asked, signers)
  }

  #problem(error: unknown): void {
    if (this.#ended.signal.aborted) return
    tell(() => this.events.emit('problem', asSluiceError(error)))
  }
}

const watchable: ReadonlySet<string> = new Set(['live', 'challenged', 'frozen'])

const channelOf = (key: string): Hex => key.slice(0, key.indexOf('/')) as Hex

const asSluiceError = (error: unknown): SluiceError => {
  if (error instanceof SluiceError) return error
  const { code, message } = toProblem(error)
  return new TowerError(code, message)
}

const notTheSeat = new TowerError('BAD_SIGNATURE', 'A seat makes its appointment itself.')

const duplicate = new TowerError('UNEXPECTED', 'This connection has such a substream already.')
