/**
 * A liar's hands on the layer: beside its node, which the liar bends on the wire, it posts states that are long
 * over, shows newer ones in the last second, and redeems vouchers of others that are old.
 */
import type { Hex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import * as Claim from '../core/claim.js'
import type { Complete } from '../core/complete.js'
import * as Dispute from '../core/dispute.js'
import type { Ledger } from '../engine/ports.js'
import { type Lie, layerLies } from './liar.js'
import { keysOf } from './resident.js'
import type { Subject } from './witness.js'
import type { World } from './world.js'

/** Milliseconds between two looks, and the share of them that end in a lie, where one fits. */
const everyMs = [1_000, 8_000] as const
const share = 0.4

type Kept = { readonly channel: Channel; readonly states: Map<bigint, Complete> }

export class Rogue {
  readonly #world: World
  readonly #name: string
  readonly #lies: readonly Lie[]
  readonly #ledger: Ledger
  readonly #kept = new Map<Hex, Kept>()
  /** By payee and lane: a claim it had once. */
  readonly #claims = new Map<string, Claim.Claim>()

  private constructor(world: World, name: string, told: readonly Lie[], ledger: Ledger) {
    this.#world = world
    this.#name = name
    this.#lies = told
    this.#ledger = ledger
  }

  /** Begins its work beside the liar's node, where any of the lies is one for the layer. */
  static async begin(world: World, name: string, repertoire: readonly Lie[]): Promise<void> {
    const told = layerLies.filter((lie) => repertoire.includes(lie))
    if (told.length === 0) return
    const ledger = await world.account(`${name} in the dark`)
    await ledger.faucet(ledger.account, 1_000_000n)
    new Rogue(world, name, told, ledger).#next()
  }

  #next(): void {
    const { time, chance } = this.#world
    time.after(chance.between(...everyMs), () => {
      this.#look()
      this.#next()
    })
  }

  #look(): void {
    const { witness, chance } = this.#world
    const { channels } = witness.subject(this.#name)
    for (const channel of channels.values()) this.#keep(channel)
    for (const person of witness.honest) this.#keepClaims(person)
    for (const [id, kept] of this.#kept)
      if (chance.hit(share)) void this.#lie(id, kept).catch(() => undefined)
  }

  #keep(channel: Channel): void {
    const { id, complete } = channel
    const states = this.#kept.get(id)?.states ?? new Map<bigint, Complete>()
    this.#kept.set(id, { channel, states })
    if (complete !== undefined) states.set(complete.version, complete)
  }

  #keepClaims(person: Subject): void {
    for (const [key, { claim }] of person.lanes)
      if (claim !== undefined && !this.#claims.has(`${person.name} ${key}`))
        this.#claims.set(`${person.name} ${key}`, claim)
  }

  async #lie(id: Hex, kept: Kept): Promise<void> {
    const { books, chance } = this.#world
    const lie = chance.pick(this.#lies as [Lie, ...Lie[]])
    const view = books.channel(id)?.view
    if (lie === 'stale-post' && view?.status === 'live') return this.#post(kept, view.versionMin)
    if (lie === 'late-answer' && view?.status === 'challenged')
      return this.#answerLate(kept, Number((view.challenge?.statesUntil ?? 0n) - books.time()))
    if (lie === 'old-voucher' && view?.status === 'frozen')
      return this.#redeem(id, kept, view.challenge?.version ?? 0n)
  }

  /** A state that is over, the oldest or any. */
  async #post({ channel, states }: Kept, versionMin: bigint): Promise<void> {
    const { chance, trace, crypto } = this.#world
    const { id, complete, seat, parameters } = channel
    const over = [...states.values()].filter(
      ({ version, kind }) =>
        version >= versionMin && version < (complete?.version ?? 0n) && kind !== 1,
    )
    if (over.length === 0) return
    const old = chance.pick(over as [Complete, ...Complete[]])
    const digest = Dispute.digest(this.#ledger.domain, {
      channelId: id,
      version: old.version,
      account: this.#ledger.account,
    })
    trace.fault('lie-stale-post', `${old.version} of ${id.slice(0, 10)}`)
    const signature = crypto.secp256k1.sign(digest, keysOf(this.#name).signing)
    await this.#ledger.challenge(parameters, seat, Dispute.posting(id, old), signature)
  }

  /** What was withheld is shown in the last second, if it is newer by then. */
  async #answerLate({ channel }: Kept, seconds: number): Promise<void> {
    const { time, books, trace, witness } = this.#world
    await time.sleep(Math.max(0, seconds * 1_000))
    const newest = witness.subject(this.#name).channels.get(channel.id)?.complete
    const shown = books.channel(channel.id)?.view.challenge?.version
    if (newest === undefined || shown === undefined || newest.version <= shown) return
    trace.fault('lie-late-answer', `${newest.version} of ${channel.id.slice(0, 10)}`)
    await this.#ledger.answer(channel.parameters, Dispute.posting(channel.id, newest))
  }

  /** As any stranger may. */
  async #redeem(id: Hex, { channel, states }: Kept, version: bigint): Promise<void> {
    const { trace } = this.#world
    const body = states.get(version)?.body
    for (const leaf of body === undefined ? [] : Dispute.leaves(id, body))
      for (const claim of this.#claims.values()) {
        const { voucher } = claim.signed
        if (voucher.channelId !== id || voucher.lane !== leaf.lane.id) continue
        trace.fault('lie-old-voucher', `${Claim.amount(claim)} of ${id.slice(0, 10)}`)
        await this.#ledger.redeem(channel.parameters, { ...leaf, claim })
      }
  }
}
