/**
 * All lanes of a node, each with its payer's or payee's end, and what the node is exposed to over all of
 * them. Debt of a lane that was closed unpaid stays with the peer who left it.
 */
import * as Amount from '../core/amount.js'
import { type Address, type Hex, zeroAddress } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import * as Codec from '../core/codec.js'
import * as Counted from '../core/counted.js'
import type { Lane } from '../core/lane.js'
import type { Bounds } from '../core/meter.js'
import { isOpen } from '../core/phase.js'
import type { Domain } from '../core/typed-data.js'
import type { Engine } from '../crypto/engine.js'
import { Payee } from './payee.js'
import { Payer } from './payer.js'
import type { Sleep, Store, Write } from './ports.js'
import * as Records from './records.js'
import { signerAt } from './seats.js'

export type LanesPorts = {
  readonly store: Store
  readonly crypto: Engine
  readonly domain: Domain
  readonly session: Uint8Array
  readonly sleep: Sleep
  readonly exposureMax: bigint | undefined
  readonly channel: (id: Hex) => Channel | undefined
  /** As it was judged last, which may not be durable yet. */
  readonly decided: (id: Hex) => Channel | undefined
  readonly onPayment: (role: 'payer' | 'payee', end: Payer | Payee, by: bigint) => void
}

/** One end of a lane, the signing key of whoever is at the other, and the asset that it holds. */
type Owned<End> = { readonly end: End; readonly signer: Address; readonly asset: Address }

/** A payee's end, and what its peer owes us on it. */
type Owed = Owned<Payee> & { exposure: bigint }

export class Lanes {
  readonly #ports: LanesPorts
  readonly #payers = new Map<string, Owned<Payer>>()
  readonly #payees = new Map<string, Owed>()
  readonly #byChannel = new Map<Hex, Set<Payer | Payee>>()
  readonly #byPeer = new Map<Address, Set<Owned<Payer> | Owed>>()
  /** What is owed to us per asset, and there per peer: each payment asks for it, however many lanes there are. */
  readonly #exposures = new Map<string, bigint>()

  constructor(ports: LanesPorts) {
    this.#ports = ports
  }

  payer(channelId: Hex, lane: bigint): Payer | undefined {
    return this.#payers.get(Records.laneKey(channelId, lane))?.end
  }

  payee(channelId: Hex, lane: bigint): Payee | undefined {
    return this.#payees.get(Records.laneKey(channelId, lane))?.end
  }

  /** Signing key of who pays us on a lane. */
  payerOf(channelId: Hex, lane: bigint): Address | undefined {
    return this.#payees.get(Records.laneKey(channelId, lane))?.signer
  }

  /** Signing key of whom we pay on a lane. */
  payeeOf(channelId: Hex, lane: bigint): Address | undefined {
    return this.#payers.get(Records.laneKey(channelId, lane))?.signer
  }

  /** Lanes by which we pay the peer with this signing key, in one asset or any. */
  paying(signer: Address, asset?: Address): Payer[] {
    return [...(this.#byPeer.get(signer) ?? [])]
      .filter((each) => (asset ?? each.asset) === each.asset)
      .flatMap(({ end }) => (end instanceof Payer ? end : []))
  }

  /** Both ends' lanes of one channel. */
  of(channelId: Hex): { payers: Payer[]; payees: Payee[] } {
    const ends = [...(this.#byChannel.get(channelId) ?? [])]
    return {
      payers: ends.filter((end) => end instanceof Payer),
      payees: ends.filter((end) => end instanceof Payee),
    }
  }

  /** Whether no stream runs at our ends of a channel's lanes. */
  isIdle(channelId: Hex): boolean {
    const { payers, payees } = this.of(channelId)
    return payers.every((payer) => payer.isIdle) && !payees.some((payee) => payee.hasStreams)
  }

  /** What we have promised, or durably accepted, on a lane. */
  claim(channelId: Hex, lane: bigint): bigint {
    return this.payer(channelId, lane)?.promised ?? this.payee(channelId, lane)?.accepted ?? 0n
  }

  /** What a state must pay on a lane for us to sign it: what we hold may be ahead of what is durable. */
  due(channelId: Hex, lane: bigint): bigint {
    return this.payer(channelId, lane)?.promised ?? this.payee(channelId, lane)?.held ?? 0n
  }

  /** The layer has paid a claim on a lane: one that is higher than ours is adopted. */
  settled(channelId: Hex, lane: bigint, claim: bigint): void {
    this.payee(channelId, lane)?.settle(claim)
  }

  /** Takes note of a channel's lanes: new ones get an end here, closed ones are forgotten. */
  update(channel: Channel): void {
    for (const lane of lanesOf(channel)) this.#add(channel, lane)
    for (const end of this.#closed(channel)) {
      const key = Records.laneKey(end.channelId, end.id)
      const [paying, owed] = [this.#payers.get(key), this.#payees.get(key)]
      if (owed !== undefined) this.#expose(owed, 0n)
      this.#payers.delete(key)
      this.#payees.delete(key)
      remove(this.#byChannel, channel.id, end)
      const owned = owed ?? paying
      if (owned !== undefined) remove(this.#byPeer, owned.signer, owned)
      end.wake()
    }
  }

  /**
   * What the lanes leave behind that are closed in this channel, to lie in one write with it: nothing but what
   * the peer owes us.
   */
  farewell(channel: Channel): Write[] {
    const ends = this.#closed(channel)
    const writes = ends.map((end): Write => {
      return { key: Records.laneKey(end.channelId, end.id), value: undefined }
    })
    const debts = new Map<string, bigint>()
    for (const { channelId, id } of ends) {
      const owed = this.#payees.get(Records.laneKey(channelId, id))
      if (owed === undefined || owed.end.exposure === 0n) continue
      const key = debtKey(owed)
      debts.set(key, (debts.get(key) ?? this.#writtenOff(owed)) + owed.end.exposure)
    }
    for (const [key, debt] of debts) writes.push(Records.write(key, Codec.amount, debt))
    return writes
  }

  /** Our ends of lanes that the channel no longer has. */
  #closed(channel: Channel): (Payer | Payee)[] {
    const lanes = lanesOf(channel)
    const { payers, payees } = this.of(channel.id)
    return [...payers, ...payees].filter((end) => !lanes.some(({ id }) => id === end.id))
  }

  #add(channel: Channel, { id, payer, payee, asset: index }: Lane): void {
    const asset = channel.parameters.assets[index] ?? zeroAddress
    const key = Records.laneKey(channel.id, id)
    const signer = signerAt(channel, payer === channel.seat ? payee : payer)
    const lane = (): Lane | undefined =>
      lanesOf(this.#ports.channel(channel.id)).find((each) => each.id === id)
    const { onPayment } = this.#ports
    if (payer === channel.seat && !this.#payers.has(key)) {
      // Beyond what a lane closes with nothing is promised: its payee need not take it. That we agree to it counts
      // from when it was judged, before the write: what is promised meanwhile would come after our signature.
      const promisable = (): Lane | undefined => {
        const now = this.#ports.decided(channel.id)
        return now === undefined ? undefined : Counted.reliable(now, id)
      }
      const ports = {
        ...this.#ports,
        onPaid: (end: Payer, by: bigint) => onPayment('payer', end, by),
      }
      const owned = { signer, asset, end: new Payer(ports, channel.id, id, promisable) }
      this.#payers.set(key, owned)
      this.#enlist(owned)
    }
    if (payee === channel.seat && !this.#payees.has(key)) {
      const ports = {
        ...this.#ports,
        capacity: (end: Payee) => this.#capacity(end),
        bounds: () => this.#bounds(owed),
        onExposed: (_: Payee, amount: bigint) => this.#expose(owed, amount),
        onPaid: (end: Payee, by: bigint) => onPayment('payee', end, by),
        onFreed: () => this.#onFreed(owed),
        onStarted: () => this.#onStarted(owed),
      }
      const end = new Payee(ports, channel.id, id, lane)
      const owed: Owed = { signer, asset, end, exposure: 0n }
      this.#payees.set(key, owed)
      this.#expose(owed, end.exposure)
      this.#enlist(owed)
    }
  }

  #enlist(owned: Owned<Payer> | Owed): void {
    add(this.#byChannel, owned.end.channelId, owned.end)
    add(this.#byPeer, owned.signer, owned)
  }

  /** Keeps count of what is owed to us. */
  #expose(owed: Owed, amount: bigint): void {
    const by = amount - owed.exposure
    owed.exposure = amount
    for (const key of [owed.asset, peerKey(owed)]) {
      const sum = (this.#exposures.get(key) ?? 0n) + by
      if (sum === 0n) this.#exposures.delete(key)
      else this.#exposures.set(key, sum)
    }
  }

  /** More credit may be free for other lanes now, of this peer or of any, where that was what held them back. */
  #onFreed(owed: Owed): void {
    const isOwnersLimit = this.#ports.exposureMax !== undefined
    for (const other of isOwnersLimit ? this.#payees.values() : this.#paidBy(owed.signer))
      if (other.end.isHeldBack && other !== owed) other.end.poke()
  }

  #onStarted(owed: Owed): void {
    for (const other of this.#sharing(owed)) if (other !== owed) other.end.trim()
  }

  /** Lanes that carry streams of this peer and asset, and share what it may owe. */
  #sharing({ signer, asset }: Owed): Owed[] {
    return this.#paidBy(signer).filter((other) => other.asset === asset && other.end.hasStreams)
  }

  #paidBy(signer: Address): Owed[] {
    return [...(this.#byPeer.get(signer) ?? [])].filter((owned) => 'exposure' in owned)
  }

  #bounds(owed: Owed): Omit<Bounds, 'accepted' | 'quantumPrice'> {
    const { exposureMax } = this.#ports
    const others = (key: string): bigint => (this.#exposures.get(key) ?? 0n) - owed.exposure
    const writtenOff = this.#writtenOff(owed)
    const ownerAllows =
      exposureMax === undefined ? undefined : Amount.larger(0n, exposureMax - others(owed.asset))
    return {
      capacity: this.#capacity(owed.end),
      peerExposure: writtenOff + others(peerKey(owed)),
      lanes: this.#sharing(owed).length,
      ownerAllows,
      writtenOff,
      ownerMax: exposureMax,
    }
  }

  #capacity({ channelId, id }: Payee): bigint {
    const channel = this.#ports.channel(channelId)
    return channel === undefined ? 0n : Counted.payable(channel, id)
  }

  /** What this peer left unpaid on lanes that are gone. */
  #writtenOff(owed: Owed): bigint {
    return Records.read(this.#ports.store, debtKey(owed), Codec.amount) ?? 0n
  }
}

/**
 * Lanes on which something can still be paid. A channel that the layer has closed has none, even where our disk
 * is an old one and never saw the final state.
 */
const lanesOf = (channel: Channel | undefined): readonly Lane[] =>
  channel === undefined || !isOpen(channel) ? [] : (channel.complete?.body.lanes ?? [])

function add<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  index.set(key, (index.get(key) ?? new Set()).add(value))
}

function remove<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  index.get(key)?.delete(value)
  if (index.get(key)?.size === 0) index.delete(key)
}

const peerKey = ({ signer, asset }: Owed): string => `${signer}/${asset}`

const debtKey = (owed: Owed): string => `debt/${peerKey(owed)}`
