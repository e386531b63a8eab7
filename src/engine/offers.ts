/**
 * What a node offers: resources by name, and the streams that sell them. A bounded number of streams runs
 * for one connection; what a peer does wrong on one of them ends that one.
 */
import { setMaxListeners } from 'node:events'
import { parseAddress } from '../core/address.js'
import type { Address, Hex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import { SluiceError } from '../core/errors.js'
import type { Lane } from '../core/lane.js'
import { limits } from '../core/limits.js'
import * as Price from '../core/price.js'
import type * as Receipt from '../core/receipt.js'
import type { Lanes } from './lanes.js'
import type { Link } from './link.js'
import { Notifier } from './notifier.js'
import type { Payee } from './payee.js'
import type { ByteStream } from './ports.js'
import * as Sale from './sale.js'
import { signerAt } from './seats.js'
import { StreamReader } from './stream-frame.js'

/** What is offered under a name. */
export type ServeOptions = {
  readonly price: Price.Price
  /** What it is paid in; by default the node's own asset. */
  readonly asset?: Address
  /** The content from `offset` on: bytes, or pieces on the resource's own timeline (see `Piece`). */
  readonly open: Sale.Offer['open']
  /** Offset steps in all; unknown for a live stream. */
  readonly size?: bigint
  readonly sha256?: Uint8Array
  /** Offset steps of one quantum; by default what `Price.quantum` gives. */
  readonly quantum?: bigint
  /** Withdraws the offer: running streams are drained. */
  readonly signal?: AbortSignal
}

export type OffersPorts = Omit<Sale.SalePorts, 'find' | 'lane'> & {
  readonly lanes: Lanes
  /** The node's own asset. */
  readonly asset: Address
  readonly channel: (id: Hex) => Channel | undefined
  /** Aborts when the node ends. */
  readonly ended: AbortSignal
  readonly onReceipt: (receipt: Receipt.Signed) => void
  readonly onProblem: (error: unknown) => void
}

export class Offers {
  readonly #ports: OffersPorts
  readonly #offers = new Map<string, Sale.Offer>()
  readonly #running = new Map<Link, number>()

  constructor(ports: OffersPorts) {
    this.#ports = ports
  }

  /** Puts `resource` on offer; the generator yields the receipt of each stream drained and paid. */
  serve(resource: string, options: ServeOptions): AsyncGenerator<Receipt.Signed, void, undefined> {
    if (this.#offers.has(resource))
      throw new OfferError('RESOURCE_TAKEN', `"${resource}" is offered already.`)
    const price = Price.check(options.price)
    const quantum = options.quantum ?? Price.quantum(price)
    const { size, sha256, open, signal } = options
    const asset = parseAddress(options.asset ?? this.#ports.asset)
    const withdraw = new AbortController()
    const signals = [withdraw.signal, this.#ports.ended, ...(signal === undefined ? [] : [signal])]
    const withdrawn = AbortSignal.any(signals)
    // Each of its streams hears it.
    setMaxListeners(0, withdrawn)
    const receipts: Receipt.Signed[] = []
    const changed = new Notifier()
    const onReceipt = (receipt: Receipt.Signed): void => {
      this.#ports.onReceipt(receipt)
      if (receipts.length < limits.receiptsMax) receipts.push(receipt)
      changed.notify()
    }
    const quote = { resource, price, asset, quantum, size, sha256 }
    if (!withdrawn.aborted)
      this.#offers.set(resource, {
        quote,
        open,
        withdrawn,
        onReceipt,
        onProblem: this.#ports.onProblem,
      })
    const onWithdrawn = (): void => {
      this.#offers.delete(resource)
      changed.notify()
    }
    // Once: a composed signal that has aborted is kept for ever by the listeners that are left on it.
    withdrawn.addEventListener('abort', onWithdrawn, { once: true })
    return (async function* () {
      try {
        for (;;) {
          await changed.until(() => receipts.length > 0 || withdrawn.aborted)
          const receipt = receipts.shift()
          if (receipt === undefined) return
          yield receipt
        }
      } finally {
        withdraw.abort()
      }
    })()
  }

  /** Serves one stream that a peer opened. */
  async sell(link: Link, stream: ByteStream): Promise<void> {
    const running = this.#running.get(link) ?? 0
    if (running >= limits.streamsPerPeerMax) {
      stream.abort(new OfferError('STREAM_LIMIT', 'Too many streams at once; drain one first.'))
      return
    }
    this.#running.set(link, running + 1)
    const reader = new StreamReader(stream, limits.consumerBytesMax)
    try {
      const ports = {
        ...this.#ports,
        find: (resource: string) => this.#find(resource),
        lane: (from: Link, opening: Sale.Opening) => this.#lane(from, opening),
      }
      await Sale.serve(ports, link, stream, reader)
    } catch (error) {
      this.#ports.onProblem(error)
    } finally {
      await reader.discard()
      const left = (this.#running.get(link) ?? 1) - 1
      if (left > 0) this.#running.set(link, left)
      else this.#running.delete(link)
    }
  }

  #find(resource: string): Sale.Offer {
    const [only, ...others] = [...this.#offers.values()]
    const offer = resource === '' && others.length === 0 ? only : this.#offers.get(resource)
    if (offer !== undefined) return offer
    const names = [...this.#offers.keys()].slice(0, 8).join(', ')
    throw new OfferError(
      'RESOURCE_UNKNOWN',
      `There is no "${resource}" here. On offer: ${names || 'nothing'}.`,
    )
  }

  /** The lane that pays for a stream: a live one in its asset, from the peer of this very connection. */
  async #lane(
    link: Link,
    { channelId, lane: id, quote }: Sale.Opening,
  ): Promise<{ payee: Payee; lane: Lane }> {
    await link.until(() => link.isInformed)
    const channel = this.#ports.channel(channelId)
    const payee = this.#ports.lanes.payee(channelId, id)
    const lane = channel?.complete?.body.lanes.find((each) => each.id === id)
    if (payee === undefined || lane === undefined || channel === undefined)
      throw new OfferError('LANE_UNKNOWN', `There is no lane ${id} of channel ${channelId} here.`)
    if (signerAt(channel, lane.payer) !== link.signer || channel.phase !== 'live')
      throw new OfferError('LANE_UNKNOWN', 'This lane does not pay for this connection.')
    if (channel.parameters.assets[lane.asset] !== quote.asset)
      throw new OfferError(
        'WRONG_ASSET',
        `"${quote.resource}" is sold in another asset than this lane holds.`,
      )
    return { payee, lane }
  }
}

/** A resource or lane that is not here, or too many streams. */
export class OfferError extends SluiceError {
  constructor(
    code: 'RESOURCE_TAKEN' | 'RESOURCE_UNKNOWN' | 'LANE_UNKNOWN' | 'WRONG_ASSET' | 'STREAM_LIMIT',
    message: string,
  ) {
    super(code, message)
    this.name = 'OfferError'
  }
}
