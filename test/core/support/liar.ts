/** A peer that says what it likes, signed with its own key; it has no other, and all that it ever heard. */
import fc from 'fast-check'
import type { Complete } from '../../../src/core/complete.js'
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
  const key = World.signers[liar] ?? '0x'
  const channelId = channel.id
  const version = complete.version + ahead
  const seal = new Uint8Array(32)
  /** Its own signature on whatever it says. */
  const forge = (version: bigint, updates: readonly Update.Update[]): Uint8Array => {
    const { body, kind } = applied(complete, updates)
    const root = State.root(channelId, body)
    return Signatures.sign(key, State.digest(World.domain, { channelId, version, kind, root }))
  }
  switch (lie) {
    case 'propose': {
      const ours = wish.lane % 2 === 0
      const updates = World.updatesOf(world, side, wish).map((update) =>
        // A lane of its own, or one that pays out our money under its key.
        update.type === 'lane-open'
          ? { ...update, payer: ours ? side : liar, payee: ours ? liar : side, sessionKey: key }
          : update,
      )
      const signature = wish.amount % 4 === 0 ? forge(version, updates) : undefined
      return [
        {
          type: 'propose',
          channelId,
          version,
          attempt,
          seal,
          updates,
          latest: complete,
          signature,
        },
      ]
    }
    case 'refuse':
      return [{ type: 'refuse', channelId, version, attempt, code: 'NO', message: 'no' }]
    case 'show':
      return [
        {
          type: 'sync',
          channelId,
          complete: ahead === 0n ? complete : { ...complete, version },
          dropped: attempt,
          refused: attempt,
        },
      ]
    case 'repeat':
      return told.slice(-1 - attempt).slice(0, 1)
    case 'sign':
    case 'sign another': {
      const [open] = channel.proposals
      if (open === undefined) return []
      const { version, attempt, seal } = open
      const updates = lie === 'sign' ? open.updates : World.updatesOf(world, liar, wish)
      const signature = forge(version, updates)
      const signatures = World.signers.slice(0, 2).map((_, seat) => {
        return (seat === liar ? signature : open.signatures[seat]) ?? new Uint8Array(65)
      })
      return [
        { type: 'agree', channelId, version, attempt, seal, updates, signature },
        { type: 'complete', channelId, version, signatures },
      ]
    }
  }
}

/** What updates come to; nothing, where they apply to nothing. */
function applied(complete: Complete, updates: readonly Update.Update[]) {
  try {
    return Update.apply(complete.body, updates)
  } catch {
    return complete
  }
}
