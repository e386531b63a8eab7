/**
 * Bonds at stake: which version of a channel we have posted, or asked the layer to post. Two states newer prove
 * a posting stale, and the layer cannot know that we signed them afterwards; so none but the next is signed from
 * before a challenge is submitted until it cannot count any more.
 */
import type { Hex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import type { LedgerChannel, Store } from './ports.js'
import * as Records from './records.js'
import * as Wire from './wire.js'

export class Bonds {
  readonly #store: Store
  readonly #posted = new Map<Hex, bigint>()

  constructor(store: Store) {
    this.#store = store
    for (const [key, bytes] of store.entries(Records.forcedPrefix))
      this.#posted.set(
        key.slice(Records.forcedPrefix.length) as Hex,
        Wire.decode(Records.forced, bytes),
      )
  }

  /** The newest version that may be signed; undefined where any may. */
  versionMax(id: Hex): bigint | undefined {
    const posted = this.#posted.get(id)
    return posted === undefined ? undefined : posted + 1n
  }

  /** This version is about to be posted; an older one that was may still count. */
  async stake(id: Hex, version: bigint): Promise<void> {
    if (!this.#posted.has(id)) await this.#set(id, version)
  }

  /** The layer has refused the posting for good. */
  async release(id: Hex): Promise<void> {
    if (this.#posted.has(id)) await this.#set(id, undefined)
  }

  /** What the layer shows decides: a disk that is an older one has forgotten what it posted. */
  async heed({ id, seat }: Channel, view: LedgerChannel): Promise<void> {
    const posted = this.#posted.get(id)
    const { challenge, status, versionMin } = view
    if (challenge?.poster === seat && challenge.posted !== posted)
      await this.#set(id, challenge.posted)
    else if (posted !== undefined && status === 'live' && versionMin > posted)
      await this.#set(id, undefined)
  }

  async #set(id: Hex, version: bigint | undefined): Promise<void> {
    const key = Records.forcedKey(id)
    await this.#store.commit([
      version === undefined
        ? { key, value: undefined }
        : Records.write(key, Records.forced, version),
    ])
    if (version === undefined) this.#posted.delete(id)
    else this.#posted.set(id, version)
  }
}
