/**
 * A node's side of its watchtower: consults it after every start, before anything is signed, leaves it every
 * change, many at once, and checks that it is there and sees the same layer. What the tower has not receipted
 * yet can be lost while we are offline: that amount is always known.
 */
import * as Appointment from '../core/appointment.js'
import type { Address, Hex } from '../core/bytes.js'
import type { Content } from '../core/complete.js'
import { SluiceError, toProblem } from '../core/errors.js'
import * as Introduction from '../core/introduction.js'
import type { WatchMessage } from '../core/watch-message.js'
import type { Engine } from '../crypto/engine.js'
import { Notifier } from './notifier.js'
import type { Connection, Ledger, Network, Sleep, Store } from './ports.js'
import * as Records from './records.js'
import { Talk, watchProtocol } from './watch-talk.js'

export type WatchPorts = {
  readonly network: Network
  readonly store: Store
  readonly ledger: Ledger
  readonly crypto: Engine
  readonly sleep: Sleep
  /** The seat's key. */
  readonly signing: Uint8Array
  /** All channels. */
  readonly channels: () => readonly Hex[]
  /** What is durable here; undefined for a channel that needs no tower. */
  readonly appointment: (channelId: Hex) => Appointment.Appointment | undefined
  /** Takes over whatever the tower holds that is newer than ours. */
  readonly adopt: (appointment: Appointment.Appointment, past: Content | undefined) => Promise<void>
  readonly onProblem: (error: SluiceError) => void
}

/** Milliseconds between two tries to reach the tower; between two rounds of changes; until we ask if it is there. */
const retryMs = 1_000
const pushMs = 500
const pingMs = 15_000
/** So long may an answer take. */
const answerMs = 15_000
/** Seconds that the tower's view of the layer may be behind ours. */
const lagMax = 30n

type Session = { readonly talk: Talk; readonly connection: Connection; readonly tower: Address }

export class Watch {
  readonly #ports: WatchPorts
  readonly #address: string
  readonly #ended: AbortSignal
  readonly #changed = new Notifier()
  readonly #dirty = new Set<Hex>()
  /** Refused, and offered again after a while. */
  readonly #refused = new Set<Hex>()
  /** One waits for its receipt. */
  #isPushing = false
  #isAlive = false
  #isConsulted = false

  constructor(ports: WatchPorts, address: string, ended: AbortSignal) {
    this.#ports = ports
    this.#address = address
    this.#ended = ended
  }

  /** Talks to the tower until the node ends. */
  async run(): Promise<void> {
    while (!this.#ended.aborted) {
      try {
        await this.#session()
      } catch (error) {
        if (!this.#ended.aborted) this.#ports.onProblem(awayError(error))
      }
      this.#isAlive = false
      this.#changed.notify()
      await this.#ports.sleep(retryMs, this.#ended)
    }
  }

  /** Resolves once the tower has shown what it holds of ours: from then on we know what we signed. */
  consulted(signal: AbortSignal = this.#ended): Promise<void> {
    return this.#changed.until(() => this.#isConsulted, signal)
  }

  /** The tower answers, and knows the layer as we do. */
  get isAlive(): boolean {
    return this.#isAlive
  }

  /** A channel changed: the tower is to know. */
  push(channelId: Hex): void {
    this.#dirty.add(channelId)
    this.#changed.notify()
  }

  /** Resolves once the tower has receipted all that is durable here; what it refuses is offered again. */
  pushed(signal: AbortSignal = this.#ended): Promise<void> {
    const isPushed = (): boolean => this.#dirty.size + this.#refused.size === 0 && !this.#isPushing
    return this.#changed.until(() => this.#isConsulted && isPushed(), signal)
  }

  async #session(): Promise<void> {
    const signal = this.#ended
    const connection = await this.#ports.network.connect(this.#address, { signal })
    const talk = new Talk(await connection.open(watchProtocol, { signal }))
    const lost = (): void => {
      this.#isAlive = false
      this.#changed.notify()
    }
    connection.closed.addEventListener('abort', lost)
    try {
      const session = { talk, connection, tower: await this.#greet(talk, connection) }
      await this.#consult(session)
      this.#isConsulted = true
      this.#isAlive = true
      for (const id of this.#ports.channels()) this.#dirty.add(id)
      this.#changed.notify()
      while (!this.#ended.aborted) {
        if (connection.closed.aborted)
          throw new WatchError('CONNECTION_LOST', 'the connection is gone')
        if (this.#dirty.size > 0) await this.#pushAll(session)
        else await this.#ping(session)
      }
      await talk.end()
    } catch (error) {
      talk.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    } finally {
      connection.closed.removeEventListener('abort', lost)
    }
  }

  /** Introductions; returns the key that the tower signs with. */
  async #greet(talk: Talk, connection: Connection): Promise<Address> {
    const { network, ledger, crypto, signing } = this.#ports
    const { domain } = ledger
    const ours = { from: network.peer, to: connection.peer }
    const speaker = Introduction.introduce(domain, crypto.secp256k1, signing, ours)
    const hello = await this.#request(talk, { type: 'hello', ...speaker })
    if (hello.type !== 'hello') throw unexpected(hello)
    const theirs = { from: connection.peer, to: network.peer }
    Introduction.check(domain, crypto.secp256k1.recover, hello, theirs)
    return hello.signer
  }

  /** Sends one request and waits for the answer. */
  #request(talk: Talk, message: WatchMessage): Promise<WatchMessage> {
    return this.#inTime(async () => {
      await talk.send(message, this.#ended)
      return talk.next()
    })
  }

  #next(talk: Talk): Promise<WatchMessage> {
    return this.#inTime(() => talk.next())
  }

  /** What the tower answers, unless that takes too long; nor may it take its time to read what it is asked. */
  async #inTime(ask: () => Promise<WatchMessage | undefined>): Promise<WatchMessage> {
    const done = new AbortController()
    const silence = this.#ports.sleep(answerMs, AbortSignal.any([done.signal, this.#ended]))
    try {
      const message = await Promise.race([ask(), silence])
      if (message === undefined || message === null)
        throw new WatchError('TOWER_SILENT', 'it does not answer')
      return message
    } finally {
      done.abort()
    }
  }

  /** Whatever the tower holds that we do not, because our disk is an old one, is taken over. */
  async #consult({ talk }: Session): Promise<void> {
    let message = await this.#request(talk, { type: 'consult' })
    for (; message.type === 'held'; message = await this.#next(talk))
      await this.#ports.adopt(message.appointment, message.past)
    if (message.type !== 'consulted') throw unexpected(message)
  }

  /** Every channel that changed, once; what changes meanwhile shares the next round. */
  async #pushAll(session: Session): Promise<void> {
    for (const channelId of [...this.#dirty]) {
      this.#dirty.delete(channelId)
      this.#isPushing = true
      try {
        await this.#pushOne(session, channelId)
      } catch (error) {
        this.#dirty.add(channelId)
        throw error
      } finally {
        this.#isPushing = false
      }
    }
    this.#changed.notify()
    await this.#ports.sleep(pushMs, this.#ended)
  }

  async #pushOne(session: Session, channelId: Hex): Promise<void> {
    const { ledger, store, crypto, signing } = this.#ports
    const { sign, recover } = crypto.secp256k1
    const appointment = this.#ports.appointment(channelId)
    if (appointment === undefined) return
    const gist = Appointment.summary(ledger.domain, appointment)
    const signature = sign(Appointment.digest(ledger.domain, gist), signing)
    const answer = await this.#request(session.talk, { type: 'appoint', appointment, signature })
    if (answer.type === 'refused' && answer.channelId === channelId) {
      this.#ports.onProblem(new WatchError(answer.code, answer.message))
      this.#refused.add(channelId)
      // Somebody has made a newer one with our key: it must be ours, from before our disk was set back.
      if (answer.code === 'APPOINTMENT_OLD') await this.#consult(session)
      return
    }
    if (answer.type !== 'receipt' || answer.channelId !== channelId) throw unexpected(answer)
    const { time } = answer
    const receipt = Appointment.receiptDigest(ledger.domain, gist, time)
    if (recover(receipt, answer.signature) !== session.tower)
      throw new WatchError('BAD_SIGNATURE', 'its receipt is for something else')
    const record: Records.WatchRecord = {
      tower: session.tower,
      version: gist.version,
      content: Appointment.content(gist),
      claims: gist.claims,
      time,
      signature: answer.signature,
    }
    await store.commit([Records.write(Records.watchKey(channelId), Records.watch, record)])
  }

  /** Waits for changes; after a while without any, asks whether the tower is there and up to date. */
  async #ping({ talk, connection }: Session): Promise<void> {
    const done = new AbortController()
    const over = AbortSignal.any([done.signal, this.#ended])
    const news = (): boolean => this.#dirty.size > 0 || connection.closed.aborted
    const changed = this.#changed.until(news, over).catch(() => undefined)
    await Promise.race([changed, this.#ports.sleep(pingMs, over)])
    done.abort()
    if (news() || this.#ended.aborted) return
    const answer = await this.#request(talk, { type: 'ping' })
    if (answer.type !== 'pong') throw unexpected(answer)
    if (answer.time + lagMax < (await this.#ports.ledger.time()))
      throw new WatchError('TOWER_BEHIND', 'it sees an old state of the ledger')
    for (const id of this.#refused) this.#dirty.add(id)
    this.#refused.clear()
  }
}

const unexpected = ({ type }: WatchMessage): WatchError =>
  new WatchError('UNEXPECTED', `it answers with ${type}`)

/** What keeps us from our tower, said so that its owner knows whom it is about. */
function awayError(error: unknown): SluiceError {
  if (error instanceof WatchError) return error
  const { code, message } = toProblem(error)
  return new WatchError(code, message.replace(/\.$/, ''))
}

/** A tower that is away, behind, or does not do as it should. */
export class WatchError extends SluiceError {
  constructor(code: string, why: string) {
    super(code, `The watchtower is of no help: ${why.replace(/\.$/, '')}.`)
    this.name = 'WatchError'
  }
}
