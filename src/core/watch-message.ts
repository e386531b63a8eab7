/**
 * Messages of `/sluice/watch/1`, between a node and its watchtower, and the record a tower keeps. The node
 * asks, the tower answers each request in turn; every request may be repeated on a new connection.
 */
import type { Appointment } from './appointment.js'
import * as Codec from './codec.js'
import type { Content } from './complete.js'
import { limits } from './limits.js'
import * as Message from './message.js'

const signature = Codec.bytes(65)

/** At most one a lane. */
export const claims = Codec.list(Message.claim, limits.lanesMax)

export const appointment = Codec.record<Appointment>({
  parameters: Message.parameters,
  seat: Codec.integer(limits.seatsMax - 1),
  newest: Message.complete,
  pending: Codec.optional(Message.proposal),
  claims,
})

/** What a state says, without signatures. */
export const content = Codec.record<Content>({
  version: Codec.uint64,
  kind: Message.kind,
  body: Message.body,
})

const time = Codec.uint64

export const watchMessage = Codec.union({
  /** First, both ways: who signs, on an introduction of this peer to that one. */
  hello: Codec.record({
    chainId: Codec.amount,
    adjudicator: Codec.address,
    signer: Codec.address,
    signature,
  }),
  /** The node asks for what the tower holds of its seats: `held` for each, or several, and `consulted` after the last. */
  consult: Codec.record({}),
  held: Codec.record({
    appointment,
    /** In a dispute, an older state that the layer may settle by; each comes in a message of its own. */
    past: Codec.optional(content),
  }),
  consulted: Codec.record({}),
  /** The node leaves an appointment, signed by its seat's key; `receipt` or `refused` answers. */
  appoint: Codec.record({ appointment, signature }),
  /** The tower's signature on the same, held since `time` on the layer's clock. */
  receipt: Codec.record({ channelId: Codec.id, time, signature }),
  refused: Codec.record({
    channelId: Codec.id,
    code: Codec.text(64),
    message: Codec.text(1_024),
  }),
  /** Is the tower there, and where is the layer, as it sees it? */
  ping: Codec.record({}),
  pong: Codec.record({ time }),
})

export type WatchMessage = Codec.Of<typeof watchMessage>
