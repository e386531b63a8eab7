/**
 * Bad input gets a typed error and changes nothing, no invariant breaks, and nothing is signed for a peer that
 * has not shown what it holds (promises 2 and 6).
 */
import { toHex } from '../../core/bytes.js'
import type { Channel } from '../../core/channel.js'
import { type Make, short } from '../witness.js'

export const typedErrors: Make = (_witness, fail) => ({
  onProblem(person, { code, message }) {
    if (code === 'INTERNAL' || code === 'INVARIANT') fail(`${person.name}: ${code} ${message}`)
  },
})

/**
 * After every start, newest states are exchanged before anything is signed: the other side has shown the channel
 * since. What a liar shows protects nobody.
 */
export const inStepFirst: Make = (witness, fail) => {
  /** Who has been shown which channel since it started, by the one in the other seat. */
  const shown = new Set<string>()
  const ownSignatures = ({ complete, proposal }: Channel, seat: number): string[] =>
    [complete?.signatures[seat], proposal?.signature].flatMap((s) => (s ? [toHex(s)] : []))
  return {
    onStarted(person) {
      for (const at of [...shown]) if (at.startsWith(`${person.name} `)) shown.delete(at)
    },
    onWord(_from, to, said) {
      if (said.type !== 'message' || !('channelId' in said.message)) return
      const { type, channelId } = said.message
      if (type === 'sync' || type === 'propose' || type === 'opened')
        shown.add(`${to.name} ${channelId}`)
    },
    onChannel(person, channel, before) {
      // A channel that begins in this life has nothing to be shown.
      if (before === undefined) shown.add(`${person.name} ${channel.id}`)
      if (before?.complete === undefined || shown.has(`${person.name} ${channel.id}`)) return
      const { parameters, seat } = channel
      const isHonest = parameters.seats.every(({ signer }) =>
        witness.honest.some((each) => each.signer === signer),
      )
      const known = ownSignatures(before, seat)
      if (isHonest && ownSignatures(channel, seat).some((signature) => !known.includes(signature)))
        fail(`${person.name} signs in ${short(channel.id)} before it was shown the newest state`)
    },
  }
}
