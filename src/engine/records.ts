/**
 * What the engine keeps in the store: a record of each channel and lane, what a tower has receipted of a
 * channel, and the keys they lie under. All have a fixed size in the number of payments.
 */

import * as Amount from '../core/amount.js'
import type { Address, Hex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import type { Claim } from '../core/claim.js'
import * as Codec from '../core/codec.js'
import type { Lane } from '../core/lane.js'
import { limits } from '../core/limits.js'
import * as Message from '../core/message.js'
import type { Meter, Purchase } from '../core/meter.js'
import { signed } from '../core/proposal.js'
import * as StreamMessage from '../core/stream-message.js'
import type { Store, Write } from './ports.js'
import * as Wire from './wire.js'

const meter = Codec.record<Meter>({
  forgotten: Codec.amount,
  purchases: Codec.list(
    Codec.record<Purchase>({
      id: Codec.id,
      quote: Codec.id,
      price: StreamMessage.price,
      quantum: Codec.uint64,
      acknowledged: Codec.uint64,
      granted: Codec.uint64,
      sent: Codec.uint64,
      restarts: Codec.integer(limits.restartsMax),
      finished: Codec.flag,
    }),
    limits.purchasesPerLaneMax,
  ),
})

/**
 * Our side of a lane. As payee: the claim we can prove, and what it is owed for. As payer: the newest voucher
 * we signed (the claim's nodes are then only those known to be revealed), and what we acknowledged.
 */
export type LaneRecord = { readonly claim: Claim | undefined; readonly meter: Meter }

export const lane = Codec.record<LaneRecord>({ claim: Codec.optional(Message.claim), meter })

export const channel = Message.channel

export const channelPrefix = 'channel/'
export const channelKey = (id: Hex): string => `${channelPrefix}${id}`
export const lanePrefix = 'lane/'
export const laneKey = (channelId: Hex, id: bigint): string => `${lanePrefix}${channelId}/${id}`

/** What our watchtower has receipted of a channel: its newest receipt, which anyone can check. */
export type WatchRecord = {
  readonly tower: Address
  readonly version: bigint
  readonly content: Uint8Array
  readonly claims: readonly { readonly lane: bigint; readonly claim: bigint }[]
  readonly time: bigint
  readonly signature: Uint8Array
}

export const watch = Codec.record<WatchRecord>({
  tower: Codec.address,
  version: Codec.uint64,
  content: Codec.bytes(32),
  claims: Codec.list(Codec.record({ lane: Codec.uint64, claim: Codec.amount }), limits.lanesMax),
  time: Codec.uint64,
  signature: Codec.bytes(65),
})

/**
 * What a tower is sure to collect of a lane while we are offline. Under a state that it does not know it collects
 * nothing: what was folded is ours in that state, all else can be lost.
 */
export function covered(
  record: WatchRecord | undefined,
  channel: Channel,
  { id, folded }: Lane,
): bigint {
  const isKnown = record?.version === channel.complete?.version && signed(channel) === undefined
  const claim = record?.claims.find(({ lane }) => lane === id)?.claim ?? 0n
  return isKnown ? Amount.larger(folded, claim) : folded
}

export const watchPrefix = 'watched/'
export const watchKey = (channelId: Hex): string => `${watchPrefix}${channelId}`

/** The version that we posted, or asked the layer to post: two newer ones would cost us the bond. */
export const forced = Codec.uint64
export const forcedPrefix = 'forced/'
export const forcedKey = (channelId: Hex): string => `${forcedPrefix}${channelId}`

/** Sequence of the last ledger event that concerned us. */
export const sequence = Codec.integer(Number.MAX_SAFE_INTEGER)
export const sequenceKey = 'ledger/sequence'

/** A record as it lies in the store. @throws CodecError when it is none of ours */
export function read<T>(
  store: Pick<Store, 'get'>,
  key: string,
  codec: Codec.Codec<T>,
): T | undefined {
  const bytes = store.get(key)
  return bytes && Wire.decode(codec, bytes)
}

/** One record to be written. */
export const write = <T>(key: string, codec: Codec.Codec<T>, value: T): Write => ({
  key,
  value: Wire.encode(codec, value),
})
