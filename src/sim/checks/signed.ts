/** Signatures that lie on somebody's disk, as checkers look at them. */
import type { Channel } from '../../core/channel.js'

/** What a seat has signed, as far as this record of the channel has it. */
export const signedBy = (
  { complete, proposals }: Channel,
  seat: number,
): { version: bigint; signature: Uint8Array }[] =>
  [...(complete === undefined ? [] : [complete]), ...proposals].flatMap(
    ({ version, signatures }) => {
      const signature = signatures[seat]
      return signature === undefined ? [] : [{ version, signature }]
    },
  )

/** Proposals that this record has signed and the one before had not, with what they change. */
export const newlySigned = (channel: Channel, before: Channel | undefined): Channel['proposals'] =>
  channel.proposals.filter(
    (now) =>
      now.signatures[channel.seat] !== undefined &&
      !before?.proposals.some(
        (then) => then.version === now.version && then.signatures[channel.seat] !== undefined,
      ),
  )
