/**
 * What the engine needs from the outside world. Adapters in store/, net/, ledger/ and crypto/ implement
 * these; the engine never imports an adapter, and no adapter imports another.
 */
import type { Address, Hex } from '../core/bytes.js'
import type { Leaf, Posting, Preimage, Redemption } from '../core/dispute.js'
import type { Parameters } from '../core/parameters.js'
import type { Table } from '../core/state.js'
import type { Domain } from '../core/typed-data.js'

/** One change of a commit; an undefined value deletes the key. */
export type Write = { readonly key: string; readonly value: Uint8Array | undefined }

/** A durable, ordered key-value store. Keys are ASCII, at most 512 characters. */
export type Store = {
  get(key: string): Uint8Array | undefined
  /** All entries whose key starts with `prefix`, in key order. */
  entries(prefix: string): Iterable<readonly [key: string, value: Uint8Array]>
  /**
   * All writes or none. Resolves once they would survive a loss of power: after the sync, not after
   * the commit. Calls made while one is under way are grouped into the next sync.
   * @throws StoreError `DISK_FULL`, `STORE_FAILED`
   */
  commit(writes: readonly Write[]): Promise<void>
  close(): Promise<void>
}

/** A bidirectional byte stream (a yamux substream) with back-pressure in both directions. */
export type ByteStream = AsyncIterable<Uint8Array> & {
  readonly protocol: string
  /** Queues `bytes`; false means: await `drained` before sending more. The bytes are not copied. */
  send(bytes: Uint8Array): boolean
  drained(signal?: AbortSignal): Promise<void>
  /** Half-close: flush and send the end of our direction; the other may go on. */
  close(): Promise<void>
  /** Drop the stream at once, both directions. */
  abort(error: Error): void
}

/** One connection to one authenticated peer. */
export type Connection = {
  readonly id: string
  /** libp2p peer id, as text. */
  readonly peer: string
  /** The remote multiaddr, with its /p2p part. */
  readonly address: string
  /** Opens a substream. @throws NetworkError `PROTOCOL_UNSUPPORTED`, `PEER_UNREACHABLE` */
  open(protocol: string, options?: { signal?: AbortSignal }): Promise<ByteStream>
  /** Aborts when the connection is gone, whoever ended it. */
  readonly closed: AbortSignal
  close(): Promise<void>
}

export type Network = {
  /** Our libp2p peer id, as text. */
  readonly peer: string
  /** Multiaddrs we listen on, each with /p2p/<peer>. */
  addresses(): readonly string[]
  /**
   * The connection to the peer at `address` (a multiaddr with /p2p, or a bare peer id that is connected):
   * the one that exists if there is one; nothing is dialled twice.
   * @throws NetworkError `BAD_MULTIADDR`, `PEER_UNREACHABLE`, `PORT_IN_USE` (at start)
   */
  connect(address: string, options?: { signal?: AbortSignal }): Promise<Connection>
  /** Streams that peers open; one handler a protocol. */
  handle(
    protocol: string,
    handler: (stream: ByteStream, connection: Connection) => void,
  ): Promise<void>
  close(): Promise<void>
}

/** How the execution layer sees a channel. */
export type LedgerChannel = {
  /**
   * funding: deposits may come · dead: they did not, all is refundable · live · challenged: a state is posted,
   * newer ones may be shown · frozen: no more, lanes are redeemed, then swept · closed: nothing is left here.
   */
  readonly status: 'funding' | 'live' | 'challenged' | 'frozen' | 'closed' | 'dead'
  /** Per seat and asset: what has been deposited, and withdrawn or paid out beside lanes. */
  readonly deposited: Table
  readonly withdrawn: Table
  /** Per asset: what still lies there. */
  readonly held: readonly bigint[]
  readonly fundBy: bigint
  /** Lowest version that may still be posted, executed or closed with. */
  readonly versionMin: bigint
  /** While challenged or frozen. */
  readonly challenge: LedgerChallenge | undefined
}

export type LedgerChallenge = {
  /** Newest state shown, and its root. */
  readonly version: bigint
  readonly root: Uint8Array
  /** Seat that opened the challenge, and the version it posted then. */
  readonly poster: number
  readonly posted: bigint
  /** Last second for newer states, and for redemptions. */
  readonly statesUntil: bigint
  readonly redeemUntil: bigint
  /** Whether `freeze` has paid the balances out. */
  readonly paid: boolean
}

/** What the layer knows of one lane. */
export type LedgerLane = {
  /** Highest claim redeemed, cumulative over the lane's life. */
  readonly claim: bigint
  /** Whether the rest of its reserve went back to the payer. */
  readonly swept: boolean
}

/**
 * Something that happened on the layer. `sequence` starts above 0 and rises; after `reorganised` it may fall, and with
 * what the layer's endpoint left out at first.
 */
export type LedgerEvent = {
  readonly sequence: number
  readonly type:
    | 'opened'
    | 'deposited'
    | 'live'
    | 'refunded'
    | 'withdrawn'
    | 'challenged'
    | 'answered'
    | 'punished'
    | 'resumed'
    | 'frozen'
    | 'redeemed'
    | 'swept'
    | 'closed'
    /** What was told of the channel may not hold any more: look at it again. */
    | 'reorganised'
  readonly channelId: Hex
  /** Of challenged, answered and resumed. */
  readonly version?: bigint
  /** Of redeemed and swept. */
  readonly lane?: bigint
  /** Of redeemed. */
  readonly claim?: bigint
}

/**
 * An execution layer, seen by one account. Every call may be repeated after a crash: it succeeds when what it
 * asks for is already so. The rules of settlement are those of core/dispute.ts.
 * @throws LedgerError `LEDGER_UNREACHABLE` (retry), `INSUFFICIENT_BALANCE`, `CHANNEL_DEAD`, …
 */
export type Ledger = {
  /** EIP-712 domain of everything signed for this layer. */
  readonly domain: Domain
  /** The account that this view signs its transactions with. */
  readonly account: Address
  /** Seconds; the least a channel of this layer may agree on. */
  readonly minChallengePeriod: bigint
  /** What a challenge puts at stake, in the native coin. */
  readonly challengeBond: bigint
  /** About what redeeming one lane costs now, in base units of this asset; 0n where it is free, or nobody can tell. */
  redeemFee(asset: Address): bigint
  /** The layer's clock, Unix seconds. */
  time(): Promise<bigint>
  balance(account: Address, asset: Address): Promise<bigint>
  channel(channelId: Hex): Promise<LedgerChannel | undefined>
  lane(channelId: Hex, lane: bigint): Promise<LedgerLane>
  /** Registers the channel; `signatures` on state 0, one per seat, in seat order. */
  open(parameters: Parameters, signatures: readonly Uint8Array[]): Promise<void>
  /** Pays the seat's opening deposit, all assets, from our account. */
  deposit(parameters: Parameters, seat: number): Promise<void>
  /** Takes a deposit back after `fundBy` when the others never funded. */
  refund(parameters: Parameters, seat: number): Promise<void>
  /** Raises what the seat has deposited of one asset (its index) to `total`, from our account, while live. */
  topUp(parameters: Parameters, seat: number, asset: number, total: bigint): Promise<void>
  /** Pays what a state has withdrawn and the layer has not; no older state may be posted after it. */
  withdraw(parameters: Parameters, posting: Posting, preimage: Preimage): Promise<void>
  /** Cooperative close with a final state; pays out at once. */
  close(parameters: Parameters, posting: Posting, preimage: Preimage): Promise<void>
  /** Posts a state for `seat`, whose `signature` is on the Challenge of it from our account. */
  challenge(
    parameters: Parameters,
    seat: number,
    posting: Posting,
    signature: Uint8Array,
  ): Promise<void>
  /** Shows a state newer than the posted one. */
  answer(parameters: Parameters, posting: Posting): Promise<void>
  /** Ends a challenge with a newer state of kind resume: the channel lives on. */
  resume(parameters: Parameters, posting: Posting): Promise<void>
  /** Pays the balances of the state that was not answered. */
  freeze(parameters: Parameters, preimage: Preimage): Promise<void>
  /** Pays a claim to its payee; again for each higher one. */
  redeem(parameters: Parameters, redemption: Redemption): Promise<void>
  /** Gives the rest of a lane's reserve back to its payer. */
  sweep(parameters: Parameters, leaf: Leaf): Promise<void>
  /** Events with a sequence above `after`, past ones first, then as they happen, until aborted. */
  events(options: { after: number; signal: AbortSignal }): AsyncIterable<LedgerEvent>
}

/** Milliseconds since the Unix epoch. Tests and the simulator pass their own. */
export type Clock = () => number

/** Resolves after `ms` milliseconds, for 0 in the next turn of the event loop; or at once when aborted. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>

/** `size` unpredictable bytes. */
export type Random = (size: number) => Uint8Array
