/** Nobody signs two different states with one version, crash or no crash (promise 2). */
import { type Hex, toHex } from '../../core/bytes.js'
import type { Channel } from '../../core/channel.js'
import { type Make, type Subject, short } from '../witness.js'

/** Signatures are deterministic: another signature is one of another content. */
export const oneContent: Make = (witness, fail) => {
  const signed = new Map<string, string>()
  const key = (person: Subject, channelId: Hex, version: bigint): string =>
    `${person.name} ${channelId} ${version}`
  const note = (person: Subject, channelId: Hex, version: bigint, signature: Uint8Array): void => {
    const [at, now] = [key(person, channelId, version), toHex(signature)]
    const known = signed.get(at)
    if (known === undefined) signed.set(at, now)
    else if (known !== now)
      fail(`${person.name} signed two contents of version ${version} of ${short(channelId)}`)
  }
  const held = ({ complete, proposal }: Channel, seat: number): [bigint, Uint8Array][] => [
    ...[complete?.signatures[seat]].flatMap((s): [bigint, Uint8Array][] =>
      s === undefined || complete === undefined ? [] : [[complete.version, s]],
    ),
    ...(proposal?.signature === undefined || proposal.proposer === seat
      ? []
      : ([[proposal.version, proposal.signature]] as [bigint, Uint8Array][])),
  ]
  return {
    onChannel(person, channel) {
      for (const [version, signature] of held(channel, channel.seat))
        note(person, channel.id, version, signature)
    },
    onWord(from, _, said) {
      if (!from.honest || said.type !== 'message') return
      const { message } = said
      if (message.type === 'agree' || message.type === 'complete')
        note(from, message.channelId, message.version, message.signature)
      const complete =
        message.type === 'sync'
          ? message.complete
          : message.type === 'propose'
            ? message.latest
            : undefined
      if (complete === undefined || !('channelId' in message)) return
      const seat = from.channels.get(message.channelId)?.seat
      const signature = seat === undefined ? undefined : complete.signatures[seat]
      if (signature !== undefined) note(from, message.channelId, complete.version, signature)
    },
    /** What an old disk has forgotten counts no more, unless somebody has it. */
    onRestored(person) {
      const kept = new Set<string>()
      for (const other of witness.people.values())
        for (const channel of other.channels.values()) {
          const { parameters } = channel
          const seat = parameters.seats.findIndex(({ signer }) => signer === person.signer)
          if (seat < 0) continue
          for (const [version] of held(channel, seat)) kept.add(key(person, channel.id, version))
          for (const at of signed.keys()) {
            const [name, id, version] = at.split(' ')
            const newest = channel.complete?.version ?? -1n
            if (name === person.name && id === channel.id && BigInt(version ?? 0) < newest)
              kept.add(at)
          }
        }
      for (const at of [...signed.keys()])
        if (at.startsWith(`${person.name} `) && !kept.has(at)) signed.delete(at)
    },
  }
}
