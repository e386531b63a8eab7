/**
 * Bad input gets a typed error and changes nothing, no invariant breaks, and nothing is signed for a peer that
 * has not shown what it holds (promises 2 and 6).
 */
import type { Make } from '../witness.js'

export const typedErrors: Make = (_witness, fail) => ({
  onProblem(person, { code, message }) {
    if (code === 'INTERNAL' || code === 'INVARIANT') fail(`${person.name}: ${code} ${message}`)
  },
})

/**
 * After every start, newest states are exchanged before anything is signed: on each connection the other side
 * has shown the channel first. What a liar shows protects nobody.
 */
export const inStepFirst: Make = (_witness, fail) => {
  /** Connection, who showed it, and the channel. */
  const shown = new Set<string>()
  return {
    onWord(from, to, said, { connection }) {
      if (said.type !== 'message' || !('channelId' in said.message)) return
      const { type, channelId } = said.message
      if (type === 'sync' || type === 'propose' || type === 'opened')
        shown.add(`${connection} ${from.name} ${channelId}`)
      if (!from.honest || !to.honest || shown.has(`${connection} ${to.name} ${channelId}`)) return
      if (type === 'agree' || type === 'complete')
        fail(`${from.name} says ${type} before ${to.name} has shown what it holds`)
    },
  }
}
