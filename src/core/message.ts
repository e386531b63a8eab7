/**
 * Control messages of `/sluice/channel/1`, and the records that share their shapes, as codecs. Every
 * message may be lost, repeated or late; the newest one carries enough to repair what came before.
 */
import type { Channel } from './channel.js'
import type { Claim } from './claim.js'
import * as Codec from './codec.js'
import type { Complete } from './complete.js'
import type { Lane } from './lane.js'
import { limits } from './limits.js'
import type { Parameters, Seat } from './parameters.js'
import type { Proposal } from './proposal.js'
import type { Body, Kind, Outcome, Table } from './state.js'
import type { Update } from './update.js'
import * as Voucher from './voucher.js'

const signature = Codec.bytes(65)
const seat = Codec.integer(limits.seatsMax - 1)
const asset = Codec.integer(limits.assetsMax - 1)
const version = Codec.uint64
const attempt = Codec.integer(0xffff_ffff)
const channelId = Codec.id
const addresses = Codec.list(Codec.text(limits.addressMax), limits.seatsMax)

const table: Codec.Codec<Table> = Codec.list(
  Codec.list(Codec.amount, limits.assetsMax),
  limits.seatsMax,
)

export const parameters = Codec.record<Parameters>({
  seats: Codec.list(
    Codec.record<Seat>({ signer: Codec.address, payout: Codec.address }),
    limits.seatsMax,
  ),
  assets: Codec.list(Codec.address, limits.assetsMax),
  deposits: table,
  fundBy: Codec.uint64,
  challengePeriod: Codec.uint64,
  codeHash: Codec.bytes(32),
  salt: Codec.bytes(32),
})

export const lane = Codec.record<Lane>({
  id: Codec.uint64,
  payer: seat,
  payee: seat,
  asset,
  folded: Codec.amount,
  reserved: Codec.amount,
  sessionKey: Codec.address,
})

export const outcome = Codec.record<Outcome>({
  balances: table,
  deposited: table,
  withdrawn: table,
  pots: table,
  nextLane: Codec.uint64,
})

export const kind: Codec.Codec<Kind> = {
  encode: (value) => value,
  decode: (wire) => Codec.integer(2).decode(wire) as Kind,
}

export const body = Codec.record<Body>({ outcome, lanes: Codec.list(lane, limits.lanesMax) })

export const complete = Codec.record<Complete>({
  version,
  kind,
  body,
  signatures: Codec.list(signature, limits.seatsMax),
})

const update: Codec.Codec<Update> = Codec.union({
  'lane-open': Codec.record({
    payer: seat,
    payee: seat,
    asset,
    reserved: Codec.amount,
    sessionKey: Codec.address,
  }),
  fold: Codec.record({ lane: Codec.uint64, claim: Codec.amount }),
  'lane-close': Codec.record({ lane: Codec.uint64, claim: Codec.amount }),
  'top-up': Codec.record({ seat, asset, amount: Codec.amount }),
  withdraw: Codec.record({ seat, asset, amount: Codec.amount }),
  resume: Codec.record({}),
  final: Codec.record({}),
})

const updates = Codec.list(update, limits.lanesMax + 1)

/** A signed voucher, in its fixed layout. */
const voucher: Codec.Codec<Voucher.Signed> = {
  encode: Voucher.encode,
  decode: (wire) => {
    if (!(wire instanceof Uint8Array)) throw new Codec.CodecError('a voucher is a binary')
    return Voucher.decode(wire)
  },
}

export const claim = Codec.record<Claim>({
  signed: voucher,
  indices: Codec.list(Codec.integer(limits.chainStepsMax), limits.digitsMax),
  nodes: Codec.list(Codec.bytes(32), limits.digitsMax),
})

/** What a proposer says and whoever answers repeats. */
const draft = { version, attempt, seal: Codec.bytes(32), updates }

const problem = { code: Codec.text(64), message: Codec.text(1_024) }

/** Everything two peers say to each other about channels. */
export const message = Codec.union({
  /** First on every connection, both ways. */
  hello: Codec.record({
    chainId: Codec.amount,
    adjudicator: Codec.address,
    signer: Codec.address,
    payout: Codec.address,
    /** The signer's, on an introduction of this peer to that one. */
    signature,
  }),
  /** A channel is wanted; `signature` of the proposer's `seat` on state 0. */
  open: Codec.record({ parameters, seat, addresses, signature }),
  opened: Codec.record({ channelId, signature }),
  /**
   * The newest complete state held; on every connection, and wherever the peer seems to be behind. `dropped`
   * and `refused`: attempts at the version after it that are over, of the sender and of the receiver.
   */
  sync: Codec.record({
    channelId,
    complete: Codec.optional(complete),
    dropped: attempt,
    refused: attempt,
  }),
  /** All channels were synced: from here on, states may be signed. */
  synced: Codec.record({}),
  /** First without a signature; with the proposer's, once every seat has answered ok. */
  propose: Codec.record({
    channelId,
    ...draft,
    latest: complete,
    signature: Codec.optional(signature),
  }),
  /** Without a signature it is an ok: all seats are to answer so before anybody signs. */
  agree: Codec.record({ channelId, ...draft, signature: Codec.optional(signature) }),
  /** Every seat's signature, in seat order. */
  complete: Codec.record({
    channelId,
    version,
    signatures: Codec.list(signature, limits.seatsMax),
  }),
  /** The proposer takes its proposal back. */
  drop: Codec.record({ channelId, version, attempt }),
  refuse: Codec.record({ channelId, version, attempt, ...problem }),
  /** The payer wants to pay on a lane over this connection … */
  bind: Codec.record({ channelId, lane: Codec.uint64 }),
  /** … and the payee gives it a handle, and shows what it holds. */
  bound: Codec.record({
    channelId,
    lane: Codec.uint64,
    handle: Codec.integer(0xffff_ffff),
    claim: Codec.optional(claim),
  }),
  /** A channel is to be closed: pay what you owe on its lanes to the unit … */
  settle: Codec.record({ channelId }),
  /** … and say what you can prove on those that pay you; `idle` unless streams of the channel run. */
  settled: Codec.record({
    channelId,
    idle: Codec.flag,
    claims: Codec.list(Codec.record({ lane: Codec.uint64, claim: Codec.amount }), limits.lanesMax),
  }),
  /** The last message or pay frame was refused; nothing changed. */
  problem: Codec.record(problem),
})

export type Message = Codec.Of<typeof message>

export const proposal = Codec.record<Proposal>({
  proposer: seat,
  ...draft,
  oks: Codec.list(seat, limits.seatsMax),
  signatures: Codec.list(Codec.optional(signature), limits.seatsMax),
})

/** A channel as it lies in the store. */
export const channel = Codec.record<Channel>({
  id: Codec.id,
  parameters,
  seat,
  addresses,
  phase: Codec.word(
    'opening',
    'funding',
    'live',
    'challenged',
    'frozen',
    'closing',
    'closed',
    'dead',
  ),
  complete: Codec.optional(complete),
  proposals: Codec.list(proposal, limits.seatsMax),
  attempts: Codec.list(attempt, limits.seatsMax),
  deposited: table,
  calls: Codec.list(
    Codec.word('open', 'deposit', 'refund', 'withdraw', 'resume', 'close'),
    limits.callsMax,
  ),
})
