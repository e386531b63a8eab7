/**
 * Closing together: one lane, or all of them with the channel. What is owed is paid to the unit first, and no lane
 * closes with less than it has paid, however late that arrives.
 */
import * as Amount from '../core/amount.js'
import { zeroAddress } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import { SluiceError } from '../core/errors.js'
import type { Lane } from '../core/lane.js'
import { isOpen } from '../core/phase.js'
import type { Update } from '../core/update.js'
import type { Book } from './book.js'
import type { Contacts } from './contacts.js'
import type { Lanes } from './lanes.js'
import { type Link, whileOpen } from './link.js'
import type { Payer } from './payer.js'
import type { Peers } from './peers.js'
import type { Sleep } from './ports.js'

export type ClosingPorts = {
  readonly book: Book
  readonly lanes: Lanes
  readonly peers: Peers
  readonly sleep: Sleep
  readonly contacts: Contacts
}

/** What a lane is closed with is behind what it has paid, or will have as soon as that arrives. */
const late: ReadonlySet<string> = new Set(['UNDER_FOLD', 'UNDER_CLAIM'])

/** Tries with newer claims before closing is given up, and milliseconds between two. */
const triesMax = 8
const retryMs = 500

export class Closing {
  readonly #ports: ClosingPorts

  constructor(ports: ClosingPorts) {
    this.#ports = ports
  }

  /** Closes a channel; resolves once the layer has paid. */
  async channel(channel: Channel, signal: AbortSignal | undefined): Promise<Channel> {
    const { book } = this.#ports
    const { id, phase } = channel
    if (phase === 'live' || phase === 'challenged') await this.#final(channel, signal)
    return book.until(id, (now) => !isOpen(now), signal)
  }

  async #final(channel: Channel, signal: AbortSignal | undefined): Promise<void> {
    const { book, lanes, peers, contacts } = this.#ports
    const { id } = channel
    const links = await contacts.linksTo(channel, signal)
    const checkIdle = (): void => {
      if (!lanes.isIdle(id)) throw running('Streams of this channel are running; drain them first.')
    }
    checkIdle()
    const alive = whileOpen(links, signal)
    for (const payer of lanes.of(id).payers) await this.#pay(payer, links, alive)
    await this.#insist(async () => {
      const told = await peers.settle(id, links, alive)
      const updates = (now: Channel): readonly Update[] | undefined => {
        if (now.phase !== 'live' && now.phase !== 'challenged') return undefined
        // One may have begun while the others paid; from here on none does.
        checkIdle()
        const closed = (now.complete?.body.lanes ?? []).map((lane) => {
          const isOurs = lane.payer === now.seat || lane.payee === now.seat
          return close(lane, isOurs ? lanes.due(id, lane.id) : (told.get(lane.id) ?? 0n))
        })
        return [...closed, { type: 'final' }]
      }
      await book.change(id, updates, alive)
    }, alive)
  }

  /** Closes one of our lanes: the rest of its reserve goes back to its payer's balance. */
  async lane(channel: Channel, id: bigint, signal: AbortSignal | undefined): Promise<Channel> {
    const { book, lanes, contacts } = this.#ports
    const [payer, payee] = [lanes.payer(channel.id, id), lanes.payee(channel.id, id)]
    if (payer === undefined && payee === undefined)
      throw new ClosingError('LANE_UNKNOWN', `There is no lane ${id} of ours in this channel.`)
    const links = await contacts.linksTo(channel, signal)
    const checkIdle = (): void => {
      if (payer?.isIdle === false || payee?.hasStreams)
        throw running('Streams of this lane are running; drain them first.')
    }
    checkIdle()
    const alive = whileOpen(links, signal)
    if (payer !== undefined) await this.#pay(payer, links, alive)
    const updates = ({ complete }: Channel): readonly Update[] | undefined => {
      checkIdle()
      const lane = complete?.body.lanes.find((each) => each.id === id)
      return lane && [close(lane, lanes.due(channel.id, id))]
    }
    return this.#insist(() => book.change(channel.id, updates, alive), alive)
  }

  /** Pays what we owe on a lane; one that this very connection has taught us of is shown to us first. */
  async #pay(payer: Payer, links: readonly Link[], signal: AbortSignal): Promise<void> {
    const { lanes, peers } = this.#ports
    const payee = lanes.payeeOf(payer.channelId, payer.id) ?? zeroAddress
    for (const link of links) if (link.signer === payee) await peers.bind(link, payer, signal)
    await payer.settle(undefined, signal)
  }

  /** Again with newer claims, where something was paid since or is still on its way. */
  async #insist<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let tries = 1; ; tries++)
      try {
        return await attempt()
      } catch (error) {
        const isLate = error instanceof SluiceError && late.has(error.code)
        if (!isLate || tries === triesMax) throw error
        await this.#ports.sleep(retryMs, signal)
      }
  }
}

const close = ({ id, folded }: Lane, claim: bigint): Update => ({
  type: 'lane-close',
  lane: id,
  claim: Amount.larger(folded, claim),
})

const running = (message: string): ClosingError => new ClosingError('STREAMS_RUNNING', message)

/** What cannot be closed now. */
export class ClosingError extends SluiceError {
  constructor(code: 'LANE_UNKNOWN' | 'STREAMS_RUNNING', message: string) {
    super(code, message)
    this.name = 'ClosingError'
  }
}
