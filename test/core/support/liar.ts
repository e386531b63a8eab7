/** A peer that says what it likes, signed with its own key; it has no other, and all that it ever heard. */
import fc from 'fast-check'
import type { Message } from '../../../src/core/message.js'
import * as State from '../../../src/core/state.js'
import * as Update from '../../../src/core/update.js'
import * as World from './channel-world.js'
import * as Signatures from './signatures.js'

export type Lie = {
  readonly lie: 'propose' | 'sign' | 'sign another' | 'refuse' | 'show' | 'repeat'
  readonly wish: World.Wish
  /** How far the version it speaks of is ahead of the newest. */
  readonly ahead: bigint
  readonly attempt: number
}

export const lie = (wish: fc.Arbitrary<World.Wish>): fc.Arbitrary<Lie> =>
  fc.record({
    lie: fc.constantFrom('propose', 'propose', 'sign', 'sign another', 'refuse', 'show', 'repeat'),
    wish,
    ahead: fc.constantFrom(1n, 1n, 1n, 0n, 2n),
    attempt: fc.nat(3),
  })

export const isLie = (deed: object): deed is Lie => 'lie' in deed

/** What the liar says to `side`; `told` is what it said before. */
export function tell(
  world: World.World,
  side: World.Side,
  { lie, wish, ahead, attempt }: Lie,
  told: readonly Message[],
): readonly Message[] {
  const channel = world.channels[side]
  const complete = channel?.complete
  if (channel === undefined || complete === undefined) return []
  const liar = side === 0 ? 1 : 0
  const key = World.signers[liar]
  const channelId = channel.id
  const version = complete.version + ahead
  switch (lie) {
    case 'propose': {
      const ours = wish.lane % 2 === 0
      const updates = World.updatesOf(world, side, wish).map((update) =>
        // A lane of its own, or one that pays out our money under its key.
        update.type === 'lane-open'
          ? { ...update, payer: ours ? side : liar, payee: ours ? liar : side, sessionKey: key }
          : update,
      )
      return [{ type: 'propose', channelId, version, attempt, updates, latest: complete }]
    }
    case 'refuse':
      return [{ type: 'refuse', channelId, version, attempt, code: 'NO', message: 'no' }]
    case 'show':
      return [{ type: 'sync', channelId, complete: { ...complete, version } }]
    case 'repeat':
      return told.slice(-1 - attempt).slice(0, 1)
    case 'sign':
    case 'sign another': {
      if (channel.proposal === undefined) return []
      const { version, updates } = channel.proposal
      const { body, kind } = Update.apply(complete.body, updates)
      const root = State.root(channelId, lie === 'sign' ? body : complete.body)
      const digest = State.digest(World.domain, { channelId, version, kind, root })
      const signature = Signatures.sign(key, digest)
      return [
        { type: 'agree', channelId, version, signature },
        { type: 'complete', channelId, version, signature },
      ]
    }
  }
}
