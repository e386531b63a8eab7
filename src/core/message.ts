/**
 * Control messages of `/sluice/channel/1`, and the records that share their shapes, as codecs. Every
 * message may be lost, repeated or late; the newest one carries enough to repair what came before.
 */
import type { Channel, Complete, Pending, Proposal } from './channel.js'
import type { Claim } from './claim.js'
import * as Codec from './codec.js'
import type { Lane } from './lane.js'
import { limits } from './limits.js'
import type { Parameters, Seat } from './parameters.js'
import type { Body, Kind, Outcome, Table } from './state.js'
import type { Update } from './update.js'
import * as Voucher from './voucher.js'

const signature = Codec.bytes(65)
const seat = Codec.integer(limits.seatsMax - 1)
const asset = Codec.integer(limits.assetsMax - 1)
const version = Codec.uint64
const attempt = Codec.integer(0xffff_ffff)
const channelId = Codec.id

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

const kind: Codec.Codec<Kind> = {
  encode: (value) => value,
  decode: (wire) => Codec.integer(2).decode(wire) as Kind,
}

export const complete = Codec.record<Complete>({
  version,
  kind,
  body: Codec.record<Body>({ outcome, lanes: Codec.list(lane, limits.lanesMax) }),
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
  open: Codec.record({ parameters, seat, signature }),
  opened: Codec.record({ channelId, signature }),
  /** The newest complete state held; on every connection, and wherever the peer seems to be behind. */
  sync: Codec.record({ channelId, complete: Codec.optional(complete) }),
  /** All channels were synced: from here on, states may be signed. */
  synced: Codec.record({}),
  propose: Codec.record({ channelId, version, attempt, updates, latest: complete }),
  agree: Codec.record({ channelId, version, signature }),
  complete: Codec.record({ channelId, version, signature }),
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
  /** The last message or pay frame was refused; nothing changed. */
  problem: Codec.record(problem),
})

export type Message = Codec.Of<typeof message>

const proposal = Codec.record<Proposal>({
  proposer: seat,
  version,
  attempt,
  updates,
  signature: Codec.optional(signature),
})

const pending: Codec.Codec<Pending> = Codec.union({
  send: Codec.record({ message }),
  submit: Codec.record({ call: Codec.word('open', 'deposit', 'refund', 'close') }),
})

/** A channel as it lies in the store: state and outbox in one record. */
export const channel = Codec.record<Channel>({
  id: Codec.id,
  parameters,
  seat,
  phase: Codec.word('opening', 'funding', 'live', 'closing', 'closed', 'dead'),
  complete: Codec.optional(complete),
  proposal: Codec.optional(proposal),
  attempts: attempt,
  refused: attempt,
  outbox: Codec.list(pending, limits.outboxMax),
})
