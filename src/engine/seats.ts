/** Who sits where in a channel. */
import { type Address, zeroAddress } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import * as Parameters from '../core/parameters.js'

/** The other seats of a channel. */
export const peersOf = (channel: Channel): readonly Parameters.Seat[] =>
  channel.parameters.seats.filter((_, seat) => seat !== channel.seat)

/** Signing key of a seat. */
export const signerAt = ({ parameters }: Channel, seat: number): Address =>
  parameters.seats[seat]?.signer ?? zeroAddress

/** The seat of a signing key; −1 where it has none. */
export const seatOf = ({ parameters }: Channel, signer: Address): number =>
  Parameters.seatOf(parameters, signer) ?? -1
