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

/**
 * Proposals that this record has signed and the one before had not. Who signs last completes a state in the same
 * write; of two that may be it, none is named.
 */
export function newlySigned(channel: Channel, before: Channel | undefined): Channel['proposals'] {
  const { seat, complete, proposals } = channel
  const open = before?.proposals ?? []
  const isSigned = (each: Channel['proposals'][number]): boolean =>
    each.signatures[seat] !== undefined
  const completed = open.filter(({ version }) => version === complete?.version)
  if (completed.length === 1 && completed.every((each) => !isSigned(each))) return completed
  return proposals.filter(
    (now) => isSigned(now) && !open.some((then) => then.version === now.version && isSigned(then)),
  )
}
