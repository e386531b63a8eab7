/**
 * A node's defence of its own channels: the guard that drives disputes, and the watchtower it leaves its
 * newest states and claims with. What it signs and leaves there is only ever what is durable here.
 */
import * as Amount from '../core/amount.js'
import { type Appointment, laneOf, pendingContent, withRoot } from '../core/appointment.js'
import type { Address, Hex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import * as Claim from '../core/claim.js'
import type { Content } from '../core/complete.js'
import * as Dispute from '../core/dispute.js'
import { SluiceError } from '../core/errors.js'
import { isOpen } from '../core/phase.js'
import { signed } from '../core/proposal.js'
import type { Table } from '../core/state.js'
import type { Engine } from '../crypto/engine.js'
import type { Bonds } from './bonds.js'
import type { Book } from './book.js'
import { Guard, type Standing, type Ward } from './guard.js'
import type { Lanes } from './lanes.js'
import * as Past from './past.js'
import type { Ledger, LedgerChannel, Network, Sleep, Store, Write } from './ports.js'
import * as Records from './records.js'
import { isTransient } from './retry.js'
import { Watch } from './watch.js'

export type DefenderPorts = {
  readonly network: Network
  readonly store: Store
  readonly ledger: Ledger
  readonly crypto: Engine
  readonly sleep: Sleep
  /** The seat's key. */
  readonly signing: Uint8Array
  /** About what redeeming a lane costs: less is not collected. */
  readonly redeemFee: (asset: Address) => bigint
  /** Multiaddr of our watchtower. */
  readonly tower: string | undefined
  readonly book: Book
  readonly bonds: Bonds
  readonly lanes: Lanes
  readonly onProblem: (error: SluiceError) => void
}

/** How a dispute stands; times are the layer's, in Unix seconds. */
export type DisputeView = {
  readonly time: bigint
  /** Seat that opened it, and the newest version shown. */
  readonly poster: number
  readonly version: bigint
  /** Newer states count until then … */
  readonly statesUntil: bigint
  /** … and claims until then. */
  readonly redeemUntil: bigint
  /** The balances were paid out. */
  readonly paid: boolean
  /** What we get in all, per asset, as things stand: balance, claims, and what is left of lanes we pay by. */
  readonly due: readonly bigint[]
  /** Nothing more is to come for us. */
  readonly isSettled: boolean
}

/** How our watchtower stands. */
export type WatchView = {
  readonly address: string
  /** It answers, and sees the same layer. */
  readonly isAlive: boolean
  /**
   * What peers have paid us that it does not know yet, or that was paid in a channel whose newest state it does not
   * know: it can be lost while we are offline.
   */
  readonly unpushed: bigint
}

/** Milliseconds between two tries to post a state. */
const retryMs = 1_000

export class Defender {
  readonly #ports: DefenderPorts
  readonly #guard: Guard
  readonly #watch: Watch | undefined
  readonly #ended: AbortSignal

  constructor(ports: DefenderPorts, ended: AbortSignal) {
    this.#ports = ports
    this.#ended = ended
    this.#guard = new Guard(
      {
        ledger: ports.ledger,
        sleep: ports.sleep,
        find: (id) => this.#ward(id as Hex),
        may: () => true,
        onDone: async () => undefined,
        onSettled: (id, lane, claim) => ports.lanes.settled(id as Hex, lane, claim),
        onOver: () => undefined,
        onProblem: ports.onProblem,
        gainMin: ports.redeemFee,
      },
      ended,
    )
    const { tower } = ports
    if (tower === undefined) return
    this.#watch = new Watch(
      {
        ...ports,
        channels: () => ports.book.all().map(({ id }) => id),
        appointment: (id) => this.#appointment(id),
        adopt: (appointment, past) => this.#adopt(appointment, past),
      },
      tower,
      ended,
    )
  }

  /** Talks to the tower until the node ends. */
  async run(): Promise<void> {
    await this.#watch?.run()
  }

  /** Resolves once the tower, where there is one, has shown what it holds: before, nothing is signed. */
  async consulted(signal: AbortSignal = this.#ended): Promise<void> {
    await this.#watch?.consulted(AbortSignal.any([signal, this.#ended]))
  }

  get watch(): WatchView | undefined {
    if (this.#watch === undefined) return undefined
    const unpushed = Amount.sum(this.#ports.book.all().map((channel) => this.#unpushed(channel)))
    return { address: this.#ports.tower ?? '', isAlive: this.#watch.isAlive, unpushed }
  }

  /** Resolves once the tower has receipted all that is durable here; at once without a tower. */
  async pushed(signal?: AbortSignal): Promise<void> {
    await this.#watch?.pushed(signal)
  }

  /** The channel has a new state, or we a new claim in it. */
  changed(id: Hex): void {
    this.#watch?.push(id)
    this.#guard.wake(id)
  }

  /**
   * What a channel leaves behind here, in one write with its new state: nothing once it is over, and while the layer
   * may settle by an older one that state, and the claims on lanes that are closed since.
   */
  farewell(channel: Channel): Write[] {
    const { id } = channel
    if (isOpen(channel)) return this.#isContested(id) ? this.#keepPast(channel) : []
    const keys = [Records.watchKey, Records.forcedKey]
    const own = keys.map((keyOf) => ({ key: keyOf(id), value: undefined }))
    return [...own, ...Past.forget(this.#ports.store, Past.place(id))]
  }

  /** Whether a challenge may run: one is seen to, or might have begun while we were away. */
  #isContested(id: Hex): boolean {
    return this.#guard.tends(id) || !this.#ports.book.isSeen(id)
  }

  #keepPast({ id, complete }: Channel): Write[] {
    const { book, lanes, store } = this.#ports
    const before = book.get(id)?.complete
    if (before === undefined || complete === undefined || before === complete) return []
    const held = lanes.of(id).payees.flatMap(({ newest }) => newest ?? [])
    return Past.replace(store, Past.place(id), before, complete, held)
  }

  /** The layer shows a dispute, and the root of the newest state posted. */
  async disputed(id: Hex, root: Uint8Array): Promise<void> {
    this.#guard.tend(id)
    await this.#keepPosted(id, root, [])
  }

  /** The state with this root is kept from now on, whatever newer ones may come: the layer may settle by it. */
  async #keepPosted(
    id: Hex,
    root: Uint8Array,
    shown: readonly (Content | undefined)[],
  ): Promise<void> {
    const ward = this.#ward(id)
    if (ward === undefined) return
    const posted = withRoot(id, root, [ward.newest, ...ward.others, ...shown])
    const { store } = this.#ports
    const writes = Past.show(store, Past.place(id), posted)
    if (writes.length > 0) await store.commit(writes)
  }

  /**
   * Posts our newest state, with our bond. Its owner's word: nothing else ever opens a challenge.
   * @throws DefenceError `NOT_LIVE`, LedgerError `INSUFFICIENT_BALANCE`
   */
  async challenge(id: Hex): Promise<void> {
    await this.consulted()
    const { bonds } = this.#ports
    const isFirst = bonds.versionMax(id) === undefined
    try {
      await this.#post(id)
    } catch (error) {
      if (isTransient(error)) void this.#insist(id)
      // What an earlier call asked for may have come to the layer all the same.
      else if (isFirst && !(error instanceof DefenceError)) await bonds.release(id)
      throw error
    }
  }

  /** The layer did not answer, and may have taken it: what the owner wants is asked for until it is so. */
  async #insist(id: Hex): Promise<void> {
    const { sleep, onProblem } = this.#ports
    while (!this.#ended.aborted) {
      await sleep(retryMs, this.#ended)
      try {
        return await this.#post(id)
      } catch (error) {
        if (error instanceof DefenceError || this.#ended.aborted) return
        if (error instanceof SluiceError) onProblem(error)
        if (!isTransient(error)) return
      }
    }
  }

  async #post(id: Hex): Promise<void> {
    const { book, bonds, ledger, crypto, signing } = this.#ports
    const view = await ledger.channel(id)
    const { parameters, seat, posting } = await book.inTurn(id, async (channel) => {
      const posting = postingOf(channel, view)
      if (channel.phase !== 'live' || posting === undefined)
        throw new DefenceError('NOT_LIVE', 'Only a live channel can be challenged.')
      await bonds.stake(id, posting.version)
      return { ...channel, posting }
    })
    const digest = Dispute.digest(ledger.domain, {
      channelId: id,
      version: posting.version,
      account: ledger.account,
    })
    const signature = crypto.secp256k1.sign(digest, signing)
    await ledger.challenge(parameters, seat, posting, signature)
    await book.refresh(id)
  }

  /** How a channel's dispute stands; undefined where there is none. @throws LedgerError */
  async dispute(id: Hex): Promise<DisputeView | undefined> {
    const ward = this.#ward(id)
    if (ward === undefined) return undefined
    const standing = await this.#guard.look(ward)
    const { view, time, plan } = standing
    if (view?.challenge === undefined) return undefined
    const { poster, version, statesUntil, redeemUntil, paid } = view.challenge
    const due = dueTo(ward, view, standing)
    const { isSettled } = plan
    return { time, poster, version, statesUntil, redeemUntil, paid, due, isSettled }
  }

  #ward(id: Hex): Ward | undefined {
    const channel = this.#ports.book.get(id)
    if (channel?.complete === undefined) return undefined
    const { parameters, seat, complete } = channel
    const pending = signed(channel)
    const past = Past.states(this.#ports.store, Past.place(id))
    const others = [pendingContent({ newest: complete, pending }), ...past]
    return {
      channelId: id,
      parameters,
      seat,
      newest: complete,
      others: others.filter((state) => state !== undefined),
      claim: (lane) => this.#claim(id, lane),
    }
  }

  #claim(id: Hex, lane: bigint): Claim.Claim | undefined {
    const { lanes, store } = this.#ports
    const payee = lanes.payee(id, lane)
    // Durable or not: it commits the payer, not us, and the layer keeps it where a full disk does not.
    const past = (): readonly Claim.Claim[] => Past.claims(store, Past.place(id))
    return payee?.newest ?? past().find((claim) => laneOf(claim) === lane)
  }

  #appointment(id: Hex): Appointment | undefined {
    const channel = this.#ports.book.get(id)
    if (channel?.complete === undefined || !watched.has(channel.phase)) return undefined
    const { parameters, seat, complete } = channel
    const pending = signed(channel)
    const { payees } = this.#ports.lanes.of(id)
    const claims = payees.flatMap(({ claim }) => claim ?? [])
    return { parameters, seat, newest: complete, pending, claims }
  }

  /** Our disk is an old one where the tower holds more: what it holds is ours, and proves itself. */
  async #adopt(appointment: Appointment, past: Content | undefined): Promise<void> {
    const { book, lanes, ledger } = this.#ports
    const id = book.idOf(appointment.parameters)
    await book.restore(appointment)
    const { challenge } = (await ledger.channel(id)) ?? {}
    if (challenge !== undefined)
      await this.#keepPosted(id, challenge.root, [appointment.newest, past])
    for (const claim of appointment.claims)
      await lanes.payee(id, claim.signed.voucher.lane)?.restore(claim)
  }

  #unpushed(channel: Channel): bigint {
    const { store, lanes } = this.#ports
    const record = Records.read(store, Records.watchKey(channel.id), Records.watch)
    return Amount.sum(
      lanes.of(channel.id).payees.map(({ lane, accepted }) => {
        if (lane === undefined) return 0n
        return Amount.larger(0n, accepted - Records.covered(record, channel, lane))
      }),
    )
  }
}

/**
 * What we post: our newest state. Where the layer has carried out the next one, whose last signature never reached
 * us, that is ours to post without signatures: the layer takes no older one, and has seen them.
 */
function postingOf(channel: Channel, view: LedgerChannel | undefined): Dispute.Posting | undefined {
  const { id, complete } = channel
  if (complete === undefined) return undefined
  const next = pendingContent({ newest: complete, pending: signed(channel) })
  const isCarried = next !== undefined && next.version === view?.versionMin
  return Dispute.posting(id, isCarried ? { ...next, signatures: [] } : complete)
}

/** Per asset: what our seat takes out of the channel, by the state that it settles by or else our newest. */
function dueTo(ward: Ward, { deposited }: LedgerChannel, { frozen, lanes }: Standing): bigint[] {
  const { seat, newest, claim } = ward
  const { outcome, lanes: all } = frozen ?? newest.body
  const at = (table: Table, asset: number): bigint => table[seat]?.[asset] ?? 0n
  return ward.parameters.assets.map((_, asset) => {
    const later = at(deposited, asset) - at(outcome.deposited, asset)
    const own = all.filter((lane) => lane.asset === asset)
    return own.reduce(
      (sum, lane) => {
        const settled = lanes.get(lane.id)?.claim ?? 0n
        const paid = Dispute.redeemable(lane, Amount.larger(settled, Claim.amount(claim(lane.id))))
        if (lane.payee === seat) return sum + paid
        return lane.payer === seat ? sum + lane.reserved - paid : sum
      },
      at(outcome.balances, asset) + at(outcome.pots, asset) + later,
    )
  })
}

/** Phases in which a state can be posted. */
const watched: ReadonlySet<string> = new Set(['live', 'challenged', 'frozen', 'closing'])

/** A dispute that cannot be opened. */
export class DefenceError extends SluiceError {
  constructor(code: 'NOT_LIVE', message: string) {
    super(code, message)
    this.name = 'DefenceError'
  }
}
