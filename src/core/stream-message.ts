/**
 * What is said on a paid stream, `/sluice/stream/1`. The first byte of a frame tells its kind; data and
 * acknowledgements have fixed layouts, everything else is a message.
 *
 *     0 message          MessagePack
 *     1 data             position u64 ‖ bytes      provider → consumer; the offset after these bytes
 *     2 acknowledgement  position u64              consumer → provider; everything below it is durable
 */
import * as Codec from './codec.js'
import { limits } from './limits.js'
import type { Price } from './price.js'
import type { Quote } from './quote.js'
import { reasons } from './receipt.js'

export const kinds = { message: 0, data: 1, acknowledgement: 2 } as const

/** Bytes in front of the payload of a data frame: kind and position. */
export const dataHeadSize = 9

/** Payload of one data frame, at most. */
export const payloadMax = limits.streamBytesMax - dataHeadSize

/** The largest offset that a stream can name. */
export const offsetMax = 2n ** 64n - 1n

export const price = Codec.record<Price>({
  amount: Codec.amount,
  per: Codec.amount,
  unit: Codec.word('byte', 'second', 'item'),
})

export const quote = Codec.record<Quote>({
  resource: Codec.text(limits.resourceBytesMax),
  price,
  asset: Codec.address,
  quantum: Codec.uint64,
  size: Codec.optional(Codec.uint64),
  sha256: Codec.optional(Codec.bytes(32)),
})

const reason = Codec.word(...reasons)
const signature = Codec.bytes(65)

export const message = Codec.union({
  /** Consumer: what does this cost? An empty name asks for the provider's only resource. */
  ask: Codec.record({ resource: Codec.text(limits.resourceBytesMax) }),
  /** Provider: this; sign your opening for `nonce`. */
  quote: Codec.record({ quote, nonce: Codec.bytes(32) }),
  /** Consumer: send it from `offset`, and no further than `limit`, where the budget ends; this lane pays. */
  open: Codec.record({
    channelId: Codec.id,
    lane: Codec.uint64,
    purchase: Codec.id,
    offset: Codec.uint64,
    limit: Codec.optional(Codec.uint64),
    signature,
  }),
  /** Consumer: stop; what is on its way will be paid. */
  drain: Codec.record({ reason }),
  /** Provider: nothing follows; `offset` is where it ends. */
  end: Codec.record({ reason, offset: Codec.uint64 }),
  /** Both: our signature on the receipt, the consumer's first. */
  receipt: Codec.record({ signature }),
  /** Provider: refused; the stream ends. */
  problem: Codec.record({ code: Codec.text(64), message: Codec.text(1_024) }),
})

export type StreamMessage = Codec.Of<typeof message>
