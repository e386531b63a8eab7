/** Nobody signs two different states with one version, crash or no crash (promise 2). */
import { type Hex, toHex } from '../../core/bytes.js'
import { type Make, type Subject, short } from '../witness.js'
import { signedBy } from './signed.js'

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
  return {
    onChannel(person, channel) {
      for (const { version, signature } of signedBy(channel, channel.seat))
        note(person, channel.id, version, signature)
    },
    onWord(from, _, said) {
      if (!from.honest || said.type !== 'message') return
      const { message } = said
      if (message.type !== 'agree' && message.type !== 'propose') return
      if (message.signature !== undefined)
        note(from, message.channelId, message.version, message.signature)
    },
    /** What an old disk has forgotten counts no more, unless somebody has it. */
    onRestored(person) {
      const kept = new Set<string>()
      for (const other of witness.people.values())
        for (const channel of other.channels.values()) {
          const { id, complete, parameters } = channel
          const seat = parameters.seats.findIndex(({ signer }) => signer === person.signer)
          for (const { version } of signedBy(channel, seat)) kept.add(key(person, id, version))
          for (let version = complete?.version ?? -1n; version >= 0n; version -= 1n)
            kept.add(key(person, id, version))
        }
      for (const at of [...signed.keys()])
        if (at.startsWith(`${person.name} `) && !kept.has(at)) signed.delete(at)
    },
  }
}
