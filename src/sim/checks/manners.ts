/**
 * Bad input gets a typed error and changes nothing, no invariant breaks, and nothing is signed for a peer that
 * has not shown what it holds (promises 2 and 6).
 */
import { type Address, equals, zeroes } from '../../core/bytes.js'
import type { Channel } from '../../core/channel.js'
import { type Make, type Subject, short, type Witness } from '../witness.js'
import { newlySigned, signedBy } from './signed.js'

export const typedErrors: Make = (_witness, fail) => ({
  onProblem(person, { code, message }) {
    if (code === 'INTERNAL' || code === 'INVARIANT') fail(`${person.name}: ${code} ${message}`)
  },
})

/**
 * Honest people give one another no offence: what breaks the protocol ends the connection, with all that is on it. An
 * older disk may speak of what is over, and be told that it is.
 */
export const noOffence: Make = (_witness, fail) => {
  const restored = new Set<string>()
  return {
    onRestored({ name }) {
      restored.add(name)
    },
    onWord(from, to, said) {
      if (said.type !== 'message' || said.message.type !== 'problem') return
      const { code, message } = said.message
      const isFit = ({ name, honest }: Subject): boolean => honest && !restored.has(name)
      // Its own trouble ends a connection as well.
      if (code === 'DISK_FULL' || !isFit(from) || !isFit(to)) return
      fail(`${from.name} takes offence at ${to.name}: ${code} ${message}`)
    },
  }
}

/** Whether a signature lies on somebody else's disk already: then it was made in an earlier life. */
function liesElsewhere(witness: Witness, person: Subject, channel: Channel, at: bigint): boolean {
  const { id, seat } = channel
  const made = signedBy(channel, seat).filter(({ version }) => version === at)
  const isMade = ({ signatures }: Signatures): boolean =>
    made.some(({ signature }) => equals(signature, signatures[seat] ?? zeroes(0)))
  return [...witness.people.values()].some(({ name, channels, appointments }) => {
    if (name === person.name) return false
    const { complete, proposals = [] } = channels.get(id) ?? {}
    const watched = [...appointments.values()].flatMap(({ newest, pending }) => [newest, pending])
    return [complete, ...proposals, ...watched].some((each) => each !== undefined && isMade(each))
  })
}

type Signatures = { readonly signatures: readonly (Uint8Array | undefined)[] }

/**
 * After every start, newest states are exchanged before anything is signed: the other side has shown the channel
 * since, and so has the layer. What a liar shows protects nobody.
 */
export const inStepFirst: Make = (witness, fail) => {
  /** Who has been shown which channel since it started, and by whom, be it the layer. */
  const shown = new Set<string>()
  return {
    onStarted(person) {
      for (const at of [...shown]) if (at.startsWith(`${person.name} `)) shown.delete(at)
    },
    onLooked(person, id) {
      shown.add(`${person.name} ${id} layer`)
    },
    onWord(from, to, said) {
      if (said.type !== 'message') return
      // Whoever has said all it holds has nothing to show of a channel that its disk has forgotten.
      if (said.message.type === 'synced')
        for (const id of to.channels.keys())
          if (!from.channels.has(id)) shown.add(`${to.name} ${id} ${from.signer}`)
      if (!('channelId' in said.message)) return
      const { type, channelId } = said.message
      if (type === 'sync' || type === 'propose' || type === 'opened')
        shown.add(`${to.name} ${channelId} ${from.signer}`)
    },
    onChannel(person, channel, before) {
      const { id, parameters, seat } = channel
      const others = parameters.seats.filter((_, at) => at !== seat).map(({ signer }) => signer)
      // A channel that begins in this life has nothing to be shown.
      if (before === undefined)
        for (const by of [...others, 'layer']) shown.add(`${person.name} ${id} ${by}`)
      const isHonest = (signer: Address): boolean =>
        witness.honest.some((each) => each.signer === signer)
      const fresh = newlySigned(channel, before).filter(
        ({ version }) => !liesElsewhere(witness, person, channel, version),
      )
      if (fresh.length === 0) return
      for (const by of [...others.filter(isHonest), 'layer'])
        if (!shown.has(`${person.name} ${id} ${by}`))
          fail(`${person.name} signs in ${short(id)} before all have shown it the newest state`)
    },
  }
}
