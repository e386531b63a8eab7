/**
 * The channels of a node as their owner sees them: opening, lanes, resizing and closing, and which channels of
 * peers are welcome. States are the book's; this module only brings changes about.
 */
import { parseAddress } from '../core/address.js'
import * as Amount from '../core/amount.js'
import { type Address, type Hex, toHex, zeroAddress } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import * as Counted from '../core/counted.js'
import { SluiceError } from '../core/errors.js'
import * as Lane from '../core/lane.js'
import type { Message } from '../core/message.js'
import * as Parameters from '../core/parameters.js'
import { isOpen } from '../core/phase.js'
import { isPair } from '../core/proposal.js'
import * as State from '../core/state.js'
import type { Update } from '../core/update.js'
import type { Book } from './book.js'
import { Closing } from './closing.js'
import type { Contacts } from './contacts.js'
import type { Lanes } from './lanes.js'
import { type Link, whileOpen } from './link.js'
import type { Payer } from './payer.js'
import type { Peers } from './peers.js'
import type { Ledger, Network, Random, Sleep } from './ports.js'
import { peersOf } from './seats.js'

/** A channel that a peer offers: who sits where is in the parameters, `seat` is ours, `peer` proposes it. */
export type Offer = {
  readonly parameters: Parameters.Parameters
  readonly seat: number
  readonly peer: string
}

export type ChannelsPorts = {
  readonly network: Network
  readonly ledger: Ledger
  readonly random: Random
  readonly sleep: Sleep
  readonly book: Book
  readonly lanes: Lanes
  readonly peers: Peers
  readonly contacts: Contacts
  /** Our state-signing key, and the device's lane key. */
  readonly signer: Address
  readonly session: Address
  readonly onProblem: (error: unknown) => void
  /** What channels hold unless told otherwise, ours and those that peers offer. */
  readonly asset: Address
  /** Least that a lane of an asset reserves. */
  readonly reserveMin: (asset: Address) => bigint
  /** The owner's word on channels that peers offer; by default those in which we deposit nothing. */
  readonly accept: ((offer: Offer) => boolean | Promise<boolean>) | undefined
  /** Seconds of each challenge window of channels that we propose; a day unless told. */
  readonly challengePeriod: bigint | undefined
}

export type OpenOptions = {
  /** What we put in, all of it reserved on one lane to the peer. */
  readonly deposit: bigint
  /**
   * An older channel will do that can still pay this much, if no purchase in it is left to be resumed. Unless
   * told, any that can still pay `deposit`.
   */
  readonly enough?: bigint
  readonly asset?: Address
  readonly signal?: AbortSignal
}

export type OpenManyOptions = {
  /** Per seat, ours first and then the peers in their order, and per asset. */
  readonly deposits: readonly (readonly bigint[])[]
  /** By default the node's own asset alone. */
  readonly assets?: readonly Address[]
  readonly signal?: AbortSignal
}

/** An amount of one of a channel's assets, the first unless told. */
export type AmountOptions = {
  readonly amount: bigint
  readonly asset?: Address
  readonly signal?: AbortSignal
}

/** Seconds that the seats have for their deposits; and the most that a peer may ask for. */
const fundWithin = 600n
const fundWithinMax = 3_600n
/** Seconds of each challenge window, where the layer does not want more. */
const challengePeriodDefault = 86_400n
/** And the most that a peer may ask for, a month: what is held for a century by whoever does not sign is lost. */
const challengePeriodMax = 2_592_000n

export class Channels {
  readonly #ports: ChannelsPorts
  readonly #closing: Closing
  /** The last `topUp` of each channel: the next begins after it, or would count what that one has brought. */
  readonly #topUps = new Map<Hex, Promise<Channel>>()

  constructor(ports: ChannelsPorts) {
    this.#ports = ports
    this.#closing = new Closing(ports)
  }

  /** A channel with one peer that will do, or a new one; live, its money on one lane. */
  async open(address: string, options: OpenOptions): Promise<Channel> {
    const { deposit, signal } = options
    const asset = parseAddress(options.asset ?? this.#ports.asset)
    const link = await this.#ports.contacts.connect(address, signal)
    const known = this.#ports.book
      .with(link.signer ?? zeroAddress)
      .find((channel) => channel.parameters.assets[0] === asset && this.#willDo(channel, options))
    const alive = whileOpen([link], signal)
    if (known === undefined) this.#checkWorth(asset, deposit)
    const id = known?.id ?? (await this.#propose([link], [asset], [[deposit], [0n]], []))
    const channel = await this.#live(id, alive)
    return this.#reserve(channel, alive)
  }

  #willDo(channel: Channel, { deposit, enough }: OpenOptions): boolean {
    if (!isPair(channel)) return false
    if (enough === undefined) return this.#spendable(channel) >= deposit
    const { payers } = this.#ports.lanes.of(channel.id)
    return this.#spendable(channel) >= enough && payers.every(({ isFinished }) => isFinished)
  }

  /** A new channel with several peers, funded and live; lanes are opened by `openLane`. */
  async openMany(addresses: readonly string[], options: OpenManyOptions): Promise<Channel> {
    const { deposits, signal } = options
    const assets = (options.assets ?? [this.#ports.asset]).map(parseAddress)
    const links: Link[] = []
    for (const address of addresses) links.push(await this.#ports.contacts.connect(address, signal))
    const own = this.#ports.network.addresses()[0] ?? ''
    const reached = links.length > 1 ? [own, ...addresses] : []
    const id = await this.#propose(links, assets, deposits, reached)
    return this.#live(id, whileOpen(links, signal))
  }

  /** Before money moves: a deposit whose lane the seats would refuse is of no use. */
  #checkWorth(asset: Address, deposit: bigint): void {
    const least = this.#ports.reserveMin(asset)
    if (deposit < least)
      throw new ChannelsError(
        'LANE_TOO_SMALL',
        `A deposit of ${deposit} would not pay for its redemption on this layer, should it come to that: give at least ${least}; what is not spent comes back.`,
      )
  }

  async #propose(
    links: readonly Link[],
    assets: readonly Address[],
    deposits: readonly (readonly bigint[])[],
    addresses: readonly string[],
  ): Promise<Hex> {
    const { ledger, random, book, signer } = this.#ports
    for (const [at, asset] of assets.entries()) {
      const [balance, due] = [await ledger.balance(ledger.account, asset), deposits[0]?.[at] ?? 0n]
      if (balance < due)
        throw new ChannelsError(
          'INSUFFICIENT_BALANCE',
          `The account ${ledger.account} holds ${balance}, the deposit needs ${due}. Fund it, or deposit less.`,
        )
    }
    const seats = links.map(({ introduction }) => {
      if (introduction === undefined)
        throw new ChannelsError('CONNECTION_LOST', 'The peer is gone.')
      return { signer: introduction.signer, payout: introduction.payout }
    })
    return book.propose(
      {
        seats: [{ signer, payout: ledger.account }, ...seats],
        assets,
        deposits,
        fundBy: (await ledger.time()) + fundWithin,
        challengePeriod: Amount.larger(
          ledger.minChallengePeriod,
          this.#ports.challengePeriod ?? challengePeriodDefault,
        ),
        codeHash: Parameters.noCode,
        salt: random(32),
      },
      0,
      addresses,
    )
  }

  /** Waits until a channel is funded by all. */
  async #live(id: Hex, signal: AbortSignal): Promise<Channel> {
    const { book } = this.#ports
    const isSettled = ({ phase }: Channel): boolean => phase !== 'opening' && phase !== 'funding'
    const channel = await book.until(id, isSettled, signal)
    if (channel.phase === 'live') return channel
    throw book.fate(id) ?? new ChannelsError('CHANNEL_DEAD', 'The channel was not funded in time.')
  }

  /** Puts what is left of our balance on a lane, unless there is none or a lane has it already. */
  async #reserve(channel: Channel, signal: AbortSignal): Promise<Channel> {
    const { book, lanes, session } = this.#ports
    const [payer, payee] = [channel.seat, 1 - channel.seat]
    const open = (now: Channel): readonly Update[] | undefined => {
      const reserved = Counted.balance(now)
      const least = Amount.larger(
        1n,
        this.#ports.reserveMin(now.parameters.assets[0] ?? zeroAddress),
      )
      if (reserved < least && lanes.of(now.id).payers.length > 0) return undefined
      return [{ type: 'lane-open', payer, payee, asset: 0, reserved, sessionKey: session }]
    }
    return book.change(channel.id, open, signal)
  }

  /**
   * The most that one purchase can cost in a channel: a lane pays for all of it, one that we have or the one that
   * our balance makes.
   */
  #spendable(channel: Channel): bigint {
    if (channel.phase === 'opening' || channel.phase === 'funding')
      return channel.parameters.deposits[channel.seat]?.[0] ?? 0n
    if (channel.phase !== 'live') return -1n
    return peersOf(channel)
      .flatMap(({ signer }) => this.#ports.lanes.paying(signer, channel.parameters.assets[0]))
      .filter(({ channelId }) => channelId === channel.id)
      .map((payer) => this.free(payer))
      .reduce(Amount.larger, this.#unreserved(channel))
  }

  /** Our balance in the newest complete state: what a lane-open under way takes from it is still to be spent here. */
  #unreserved({ complete, seat }: Channel): bigint {
    return complete?.body.outcome.balances[seat]?.[0] ?? 0n
  }

  /** Whether a purchase may begin on a lane of ours. */
  isUsable({ channelId, id }: Payer): boolean {
    const channel = this.#ports.book.decided(channelId)
    return channel?.phase === 'live' && !Counted.isClosing(channel, id)
  }

  /** What a lane of ours can still pay, beside what is being bought by it. */
  free(payer: Payer): bigint {
    const channel = this.#ports.book.get(payer.channelId)
    const lane = channel && Counted.reliable(channel, payer.id)
    if (lane === undefined) return 0n
    return Lane.capacity(lane) - Amount.larger(payer.expected, payer.promised)
  }

  /** Opens a lane from us to another seat, out of our balance; returns its id. */
  async openLane(id: Hex, options: AmountOptions & { readonly payee: number }): Promise<bigint> {
    const { payee, amount: reserved, signal } = options
    const { session } = this.#ports
    const { seat: payer } = this.#find(id)
    const asset = this.#assetOf(id, options)
    let lane = 0n
    const open = ({ complete }: Channel): readonly Update[] => {
      lane = complete?.body.outcome.nextLane ?? 0n
      return [{ type: 'lane-open', payer, payee, asset, reserved, sessionKey: session }]
    }
    await this.#change(id, open, signal)
    return lane
  }

  /**
   * Adds money to a channel that lives: to the layer first, then to its next state. What an earlier call left
   * on the layer without a state counts.
   */
  async topUp(id: Hex, options: AmountOptions): Promise<Channel> {
    const before = this.#topUps.get(id)
    const done = (async () => {
      await before?.catch(() => undefined)
      return this.#topUp(id, options)
    })()
    this.#topUps.set(id, done)
    try {
      return await done
    } finally {
      if (this.#topUps.get(id) === done) this.#topUps.delete(id)
    }
  }

  async #topUp(id: Hex, options: AmountOptions): Promise<Channel> {
    const { ledger, book } = this.#ports
    const { parameters, seat } = this.#find(id)
    const asset = this.#assetOf(id, options)
    const missing = (now: Channel): bigint =>
      State.cell(now.deposited, seat, asset) -
      State.cell(now.complete?.body.outcome.deposited ?? now.deposited, seat, asset)
    await book.refresh(id)
    const more = options.amount - missing(this.#find(id))
    if (more > 0n) {
      const total = State.cell(this.#find(id).deposited, seat, asset) + more
      await ledger.topUp(parameters, seat, asset, total)
      await book.refresh(id)
    }
    const credit = (now: Channel): readonly Update[] | undefined => {
      const amount = missing(now)
      return amount > 0n ? [{ type: 'top-up', seat, asset, amount }] : undefined
    }
    return this.#change(id, credit, options.signal)
  }

  /** Takes money out of our balance while the channel lives on; resolves once the layer has paid. */
  async withdraw(id: Hex, options: AmountOptions): Promise<Channel> {
    const { amount, signal } = options
    const { book } = this.#ports
    const { seat } = this.#find(id)
    const asset = this.#assetOf(id, options)
    await this.#change(id, () => [{ type: 'withdraw', seat, asset, amount }], signal)
    // Where the channel ends together, it is the end that pays.
    const isPaid = (now: Channel): boolean =>
      !isOpen(now) || (now.phase !== 'closing' && !now.calls.includes('withdraw'))
    const now = await book.until(id, isPaid, signal)
    if (now.phase === 'frozen')
      throw new ChannelsError(
        'NOT_LIVE',
        'The channel is being closed by force; what was to be withdrawn is paid out with its balance.',
      )
    return now
  }

  /** Moves what we have earned on our lanes into our balance; streams run on meanwhile. */
  async fold(id: Hex, options: { readonly signal?: AbortSignal } = {}): Promise<Channel> {
    const { lanes } = this.#ports
    const earned = ({ complete, seat }: Channel): readonly Update[] | undefined => {
      const updates = (complete?.body.lanes ?? []).flatMap(
        ({ id: lane, payee, folded }): Update[] => {
          const claim = lanes.due(id, lane)
          return payee === seat && claim > folded ? [{ type: 'fold', lane, claim }] : []
        },
      )
      return updates.length > 0 ? updates : undefined
    }
    return this.#change(id, earned, options.signal)
  }

  /**
   * Brings a change about with all other seats. Where one of them is away it fails and is taken back: who
   * waits for a peer that may never come back does so by calling again.
   */
  async #change(
    id: Hex,
    updates: (channel: Channel) => readonly Update[] | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Channel> {
    const links = await this.#ports.contacts.linksTo(this.#find(id), signal)
    return this.#ports.book.change(id, updates, whileOpen(links, signal))
  }

  /** Has all seats agree that a challenged channel lives on; resolves once it does. */
  async resume(id: Hex, signal: AbortSignal | undefined): Promise<Channel> {
    const { book } = this.#ports
    // One will do: the other seat may have asked for it at the same time.
    const wanted = ({ phase, calls }: Channel): readonly Update[] | undefined =>
      phase === 'challenged' && !calls.includes('resume') ? [{ type: 'resume' }] : undefined
    await book.refresh(id)
    await this.#change(id, wanted, signal)
    return book.until(id, ({ phase }) => phase !== 'challenged', signal)
  }

  /** Closes a channel cooperatively. */
  close(id: Hex, signal: AbortSignal | undefined): Promise<Channel> {
    return this.#closing.channel(this.#find(id), signal)
  }

  /** Closes one of our lanes. */
  async closeLane(id: Hex, lane: bigint, signal: AbortSignal | undefined): Promise<Channel> {
    return this.#closing.lane(this.#find(id), lane, signal)
  }

  /**
   * Peers that are connected show what they hold first, before we post what we hold: our disk might be old. One that
   * keeps silent keeps nobody from it.
   */
  async inStep(id: Hex): Promise<void> {
    const { peers, sleep } = this.#ports
    const links = peersOf(this.#find(id)).flatMap(({ signer }) => peers.find(signer) ?? [])
    const done = new AbortController()
    const shown = links.map((link) => peers.inStep(link, done.signal).catch(() => undefined))
    await Promise.race([Promise.all(shown), sleep(silenceMs, done.signal)])
    done.abort()
  }

  /** The owner's policy for channels that peers offer: theirs to fund, ours to be paid by, unless told. */
  async welcome({ parameters, seat }: Message & { type: 'open' }, link: Link): Promise<number> {
    const { ledger, signer, accept } = this.#ports
    const time = await ledger.time()
    const own = Parameters.seatOf(parameters, signer)
    const refuse = (condition: boolean, why: string): void => {
      if (condition)
        throw new ChannelsError('CHANNEL_REFUSED', `The peer refuses this channel: ${why}.`)
    }
    refuse(own === undefined || own === seat, 'it has no seat in it')
    refuse(parameters.seats[seat]?.signer !== link.signer, 'its proposer does not sit in it')
    refuse(
      parameters.seats[own ?? 0]?.payout !== ledger.account,
      'it does not pay out to its account',
    )
    refuse(
      parameters.challengePeriod < ledger.minChallengePeriod,
      'its challenge period is too short',
    )
    refuse(parameters.challengePeriod > challengePeriodMax, 'its challenge period is too long')
    refuse(parameters.fundBy > time + fundWithinMax, 'it would wait too long for deposits')
    refuse(toHex(parameters.codeHash) !== toHex(Parameters.noCode), 'it runs no contracts')
    if (accept !== undefined)
      refuse(
        !(await accept({ parameters, seat: own ?? 0, peer: link.peer })),
        'its owner does not want it',
      )
    else {
      const deposits = parameters.deposits[own ?? 0] ?? []
      refuse(
        deposits.some((amount) => amount > 0n),
        'it does not deposit',
      )
      refuse(
        parameters.assets.length !== 1 || parameters.assets[0] !== this.#ports.asset,
        'it takes one asset only, and not this one',
      )
    }
    return own ?? 0
  }

  #find(id: Hex): Channel {
    const channel = this.#ports.book.get(id)
    if (channel === undefined)
      throw new ChannelsError('CHANNEL_UNKNOWN', `There is no channel ${id} here.`)
    return channel
  }

  /** Index of an asset in a channel. */
  #assetOf(id: Hex, { asset }: AmountOptions): number {
    const { assets } = this.#find(id).parameters
    const index = asset === undefined ? 0 : assets.indexOf(parseAddress(asset))
    if (index < 0)
      throw new ChannelsError('ASSET_UNKNOWN', `The channel does not hold the asset ${asset}.`)
    return index
  }
}

/** Milliseconds that a connected peer has to show what it holds, before a challenge goes on without it. */
const silenceMs = 15_000

/** What a node refuses its owner or a peer about channels. */
export class ChannelsError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'ChannelsError'
  }
}
