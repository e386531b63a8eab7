/** What a node tells its owner, by event name. */
import type { Hex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import type { SluiceError } from '../core/errors.js'
import type * as Receipt from '../core/receipt.js'

export type NodeEvents = {
  /** A channel got a new state, or passed to another phase. */
  channel: [channel: Channel]
  /** Money was promised (we pay) or accepted (we are paid) on a lane; `total` is cumulative. */
  payment: [
    payment: {
      readonly role: 'payer' | 'payee'
      readonly channelId: Hex
      readonly lane: bigint
      readonly by: bigint
      readonly total: bigint
    },
  ]
  /** A stream was drained, paid and receipted. */
  receipt: [receipt: Receipt.Signed]
  /** A peer was connected and upgraded, or is gone. */
  peer: [peer: { readonly peer: string; readonly connected: boolean }]
  /** Something went wrong that no caller waits for; the node goes on. */
  problem: [error: SluiceError]
}
