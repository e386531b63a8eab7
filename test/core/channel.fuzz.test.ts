import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Message } from '../../src/core/message.js'
import * as World from './support/channel-world.js'
import * as Liar from './support/liar.js'

const side = fc.constantFrom<World.Side>(0, 1)
const at = fc.nat(7)

const wish = fc.record({
  type: fc.constantFrom('lane-open', 'lane-open', 'fold', 'fold', 'lane-close'),
  lane: fc.nat(5),
  amount: fc.nat(500),
}) as fc.Arbitrary<World.Wish>

const propose = fc.record({ type: fc.constant('propose' as const), side, wish })
const end = fc.record({
  type: fc.constant('propose' as const),
  side,
  wish: fc.constant<World.Wish>({ type: 'final', lane: 0, amount: 0 }),
})
const pay = fc.record({ type: fc.constant('pay' as const), side, lane: at, amount: fc.nat(60) })
const look = fc.record({ type: fc.constant('look' as const), side })
const next = fc.record({ type: fc.constant('deliver' as const), side, at: fc.constant(0) })

/** What a libp2p connection does: everything in order, until it breaks and loses the rest. */
const orderly: fc.Arbitrary<World.Action>[] = [propose, pay, look, next, next, next]

const breaks: fc.Arbitrary<World.Action>[] = [
  fc.record({
    type: fc.constant('deliver' as const),
    side,
    at: fc.constant(0),
    crash: fc.constant(true),
  }),
  fc.record({ type: fc.constant('reconnect' as const), drain: fc.constant(true) }),
]

/** What no connection does, and the machine bears all the same. */
const chaos: fc.Arbitrary<World.Action>[] = [
  fc.record({ type: fc.constant('deliver' as const), side, at, crash: fc.boolean() }),
  fc.record({ type: fc.constantFrom('lose' as const, 'repeat' as const), side, at }),
  fc.record({ type: fc.constant('reconnect' as const), drain: fc.boolean() }),
]

const story = (...actions: fc.Arbitrary<World.Action>[]): fc.Arbitrary<World.Action[]> =>
  fc.array(fc.oneof(...actions), { minLength: 20, maxLength: 80, size: 'max' })

/** A world whose channel is live, and the actions played in it. */
function play(actions: readonly World.Action[], live: boolean): World.World {
  const world = World.create()
  World.begin(world)
  if (live) World.heal(world)
  try {
    for (const action of actions) World.act(world, action)
    return world
  } catch (error) {
    throw new Error(world.log.join('\n'), { cause: error })
  }
}

/** The two agree, and nothing is left open. */
function expectSettled(world: World.World): void {
  const [a, b] = world.channels
  const why = world.log.join('\n')
  const { status } = world.ledger
  expect([a?.phase, b?.phase], why).toEqual([status, status])
  if (status === 'closed') return
  expect([a?.proposal, b?.proposal], why).toEqual([undefined, undefined])
  expect(a?.complete?.version, why).toBe(b?.complete?.version)
  expect(a?.complete, why).toEqual(b?.complete)
}

/** The channel can still change: a proposal of either side completes. */
function expectProgress(world: World.World): void {
  for (const side of [0, 1] as const) {
    const version = world.channels[0]?.complete?.version ?? 0n
    World.act(world, { type: 'propose', side, wish: { type: 'lane-open', lane: 0, amount: 0 } })
    World.settle(world)
    expectSettled(world)
    expect(world.channels[0]?.complete?.version, world.log.join('\n')).toBe(version + 1n)
  }
}

it('on a link without faults every proposal ends by itself', () => {
  fc.assert(
    fc.property(story(...orderly), (actions) => {
      const world = play(actions, true)
      World.settle(world)
      expectSettled(world)
      expectProgress(world)
    }),
  )
})

it.each([
  { link: 'a link that breaks, with crashes', faults: breaks },
  { link: 'a link that loses, repeats, delays and disorders', faults: [...breaks, ...chaos] },
])('on $link both converge when it is back', ({ faults }) => {
  fc.assert(
    fc.property(story(...orderly, ...faults), fc.boolean(), (actions, live) => {
      const world = play(actions, live)
      World.heal(world)
      expectSettled(world)
      expectProgress(world)
    }),
  )
})

it('against a peer that lies, we sign no version twice, no other state, and no claim but ours', () => {
  const ours = fc.oneof(propose, pay)
  const lie = Liar.lie(wish)
  fc.assert(
    fc.property(
      fc.array(fc.oneof(ours, lie, lie), { maxLength: 60, size: 'max' }),
      side,
      (all, us) => {
        const world = play([], true)
        const told: Message[] = []
        for (const each of all) {
          if (!Liar.isLie(each)) World.act(world, { ...each, side: us })
          else
            for (const message of Liar.tell(world, us, each, told)) {
              told.push(message)
              World.input(world, us, { type: 'message', message })
            }
        }
      },
    ),
  )
})

it('whoever ends the channel, both see it closed', () => {
  fc.assert(
    fc.property(story(...orderly, ...breaks, ...chaos, end), end, (actions, last) => {
      const world = play([...actions, last], true)
      World.heal(world)
      World.act(world, last)
      World.heal(world)
      expect(world.ledger.status, world.log.join('\n')).toBe('closed')
      expectSettled(world)
    }),
  )
})
