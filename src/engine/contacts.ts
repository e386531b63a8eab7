/**
 * Where the seats of our channels are, and links to them: over the connection that exists, or where they were last
 * reached. Who has to answer a change and is gone is dialled again.
 */
import { type Address, equals, zeroAddress, zeroes } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import { SluiceError } from '../core/errors.js'
import * as Parameters from '../core/parameters.js'
import type { Book } from './book.js'
import type { Link } from './link.js'
import type { Peers } from './peers.js'
import type { Sleep, Store } from './ports.js'
import { peersOf } from './seats.js'

export type ContactsPorts = {
  readonly store: Store
  readonly sleep: Sleep
  readonly book: Book
  readonly peers: Peers
  readonly onProblem: (error: unknown) => void
  /** Nobody is dialled any more once it aborts. */
  readonly ended: AbortSignal
}

/** Milliseconds until a seat that could not be reached is dialled again, at first and at most. */
const dialAgainMs = 1_000
const dialAgainMsMax = 60_000

const addressKey = (signer: Address): string => `peer/${signer}`

export class Contacts {
  readonly #ports: ContactsPorts
  /** Signing keys of peers that are being dialled. */
  readonly #reaching = new Set<Address>()

  constructor(ports: ContactsPorts) {
    this.#ports = ports
  }

  /** Links to all other seats, over the connections that exist or where they were last reached. */
  async linksTo(channel: Channel, signal: AbortSignal | undefined): Promise<Link[]> {
    const links: Link[] = []
    for (const { signer } of peersOf(channel))
      links.push(await this.linkTo(channel, signer, signal))
    return links
  }

  /** A link to another seat, over the connection that exists or where it was last reached. */
  async linkTo(channel: Channel, signer: Address, signal: AbortSignal | undefined): Promise<Link> {
    const { peers } = this.#ports
    const link = peers.find(signer)
    if (link !== undefined) {
      await peers.inStep(link, signal)
      return link
    }
    const address = this.#addressOf(channel, signer)
    if (address === undefined)
      throw new ContactError(
        'PEER_UNREACHABLE',
        'The peer is not connected, and it never listened for us.',
      )
    return this.connect(address, signal)
  }

  /** Where a seat was last reached, or else said it listens; undefined where it never did. */
  #addressOf({ parameters, addresses }: Channel, signer: Address): string | undefined {
    const known = this.#ports.store.get(addressKey(signer))
    if (known !== undefined) return new TextDecoder().decode(known)
    return addresses[Parameters.seatOf(parameters, signer) ?? -1] || undefined
  }

  /** A peer is gone: where it may have to answer a change it is dialled. */
  lost(signer: Address): void {
    for (const channel of this.#ports.book.pending(signer)) this.reach(channel)
  }

  /** Connects to the seats of a channel that are not connected. */
  reach(channel: Channel): void {
    for (const { signer } of peersOf(channel)) {
      if (this.#reaching.has(signer) || this.#ports.peers.find(signer) !== undefined) continue
      this.#reaching.add(signer)
      void this.#dial(channel, signer).finally(() => this.#reaching.delete(signer))
    }
  }

  /** Dials a seat, where we know how; again, ever more seldom, while a change is under way that it has to answer. */
  async #dial(channel: Channel, signer: Address): Promise<void> {
    const { book, peers, sleep, ended, onProblem } = this.#ports
    const isMissed = (): boolean =>
      !ended.aborted && peers.find(signer) === undefined && book.pending(signer).length > 0
    for (let waitMs = dialAgainMs; ; waitMs = Math.min(2 * waitMs, dialAgainMsMax)) {
      const address = this.#addressOf(channel, signer)
      if (address === undefined) return
      try {
        await this.connect(address, ended)
        return
      } catch (error) {
        if (waitMs === dialAgainMs) onProblem(error)
      }
      await sleep(waitMs, ended)
      if (!isMissed()) return
    }
  }

  /** The link to the peer at an address, which is remembered. */
  async connect(address: string, signal: AbortSignal | undefined): Promise<Link> {
    const { peers, store } = this.#ports
    const link = await peers.connect(address, signal)
    const key = addressKey(link.signer ?? zeroAddress)
    const value = new TextEncoder().encode(address)
    if (address.includes('/p2p/') && !equals(store.get(key) ?? zeroes(0), value))
      await store.commit([{ key, value }])
    return link
  }
}

/** A seat that cannot be reached. */
export class ContactError extends SluiceError {
  constructor(code: 'PEER_UNREACHABLE', message: string) {
    super(code, message)
    this.name = 'ContactError'
  }
}
