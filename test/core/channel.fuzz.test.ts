import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/core/message.js'
import * as World from './support/channel-world.js'
import * as Liar from './support/liar.js'

const side: fc.Arbitrary<World.Side> = fc.nat(15)
const at = fc.nat(7)

const wish = fc.record({
  type: fc.constantFrom(
    'lane-open',
    'lane-open',
    'fold',
    'fold',
    'lane-close',
    'top-up',
    'withdraw',
    'resume',
  ),
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
const deposit = fc.record({ type: fc.constant('deposit' as const), side, amount: fc.nat(99) })
const challenge = fc.record({ type: fc.constant('challenge' as const), side })
const drop = fc.record({ type: fc.constant('drop' as const), side })
const look = fc.record({ type: fc.constant('look' as const), side })
const next = fc.record({ type: fc.constant('deliver' as const), side, at: fc.constant(0) })

/** What a libp2p connection does: everything in order, until it breaks and loses the rest. */
const orderly: fc.Arbitrary<World.Action>[] = [
  propose,
  pay,
  fc.oneof(look, deposit, drop),
  next,
  next,
  next,
]

const breaks: fc.Arbitrary<World.Action>[] = [
  fc.oneof(challenge, look),
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

/** One seat starts again from any earlier state of its disk, now and then. */
const oldDisk: fc.Arbitrary<World.Action>[] = [
  fc.record({ type: fc.constant('restore' as const), side, back: fc.nat(12) }),
]

/** A world whose channel is live, and the actions played in it. */
function play(actions: readonly World.Action[], live: boolean, seats = 2): World.World {
  const world = World.create(seats)
  World.begin(world)
  if (live) World.heal(world)
  try {
    for (const action of actions) World.act(world, action)
    return world
  } catch (error) {
    throw new Error(world.log.join('\n'), { cause: error })
  }
}

/** All agree, and nothing is left open. */
function expectSettled(world: World.World): void {
  const [first, ...rest] = world.channels
  const why = world.log.join('\n')
  const { status } = world.ledger
  for (const channel of world.channels) expect(channel?.phase, why).toBe(status)
  if (status === 'closed') return
  for (const channel of world.channels) expect(channel?.proposals, why).toEqual([])
  for (const channel of rest) expect(channel?.complete, why).toEqual(first?.complete)
}

/** The channel can still change: a proposal of any side completes, and the first ends a challenge. */
function expectProgress(world: World.World): void {
  if (world.ledger.status === 'challenged') {
    World.act(world, { type: 'propose', side: 0, wish: { type: 'resume', lane: 0, amount: 0 } })
    World.heal(world)
    expect(world.ledger.status, world.log.join('\n')).toBe('live')
  }
  for (const side of world.sides.slice(0, 3)) {
    const version = world.channels[0]?.complete?.version ?? 0n
    World.act(world, { type: 'propose', side, wish: { type: 'lane-open', lane: 0, amount: 0 } })
    World.settle(world)
    expectSettled(world)
    expect(world.channels[0]?.complete?.version, world.log.join('\n')).toBe(version + 1n)
  }
}

describe.each([2, 3, 5, 16])('a channel of %i seats', (seats) => {
  // The larger the dearer: every message is one of a seat to a seat.
  const runs = {
    numRuns: Math.ceil(Number(fc.readConfigureGlobal().numRuns ?? 100) / seats ** 1.5),
  }

  it('without faults ends every proposal by itself', () => {
    fc.assert(
      fc.property(story(...orderly), (actions) => {
        const world = play(actions, true, seats)
        World.settle(world)
        expectSettled(world)
        expectProgress(world)
      }),
      runs,
    )
  })

  it.each([
    { links: 'links that break, with crashes', faults: breaks },
    { links: 'links that lose, repeat, delay and disorder', faults: [...breaks, ...chaos] },
    { links: 'links that break, and old disks', faults: [...breaks, ...oldDisk] },
  ])('on $links converges when they are back', ({ faults }) => {
    fc.assert(
      fc.property(story(...orderly, ...faults), fc.boolean(), side, (actions, live, old) => {
        // One seat's disk at a time: what two have forgotten nobody can tell them.
        const told = actions.map((each) =>
          each.type === 'restore' ? { ...each, side: old } : each,
        )
        const world = play(told, live, seats)
        World.heal(world)
        expectSettled(world)
        expectProgress(world)
      }),
      runs,
    )
  })
})

it('a proposal that was signed, and forgotten twice over, is taken up although its number was used again', () => {
  const open: World.Wish = { type: 'lane-open', lane: 0, amount: 0 }
  const world = play([{ type: 'propose', side: 0, wish: open }], true)
  const used = (world.disks[0]?.length ?? 0) - 1
  const act = (...actions: World.Action[]): void => {
    for (const action of actions) World.act(world, action)
  }
  const back = (): number => (world.disks[0]?.length ?? 0) - 1 - used
  // From before its first proposal, it makes another one, which the other side signs.
  act(
    { type: 'restore', side: 0, back: 1 },
    { type: 'deliver', side: 0, at: 0 },
    { type: 'deliver', side: 0, at: 0 },
    { type: 'deliver', side: 1, at: 0 },
    { type: 'deliver', side: 1, at: 0 },
    { type: 'propose', side: 0, wish: { ...open, amount: 7 } },
    { type: 'deliver', side: 1, at: 0 },
  )
  expect(world.channels[1]?.proposals[0]?.signatures[1]).toBeDefined()
  // The disk that comes next knows the first one alone.
  act({ type: 'restore', side: 0, back: back() })
  expect(world.channels[0]?.proposals[0]?.updates[0]).toMatchObject({ reserved: 0n })
  World.heal(world)
  expectSettled(world)
  expect(world.channels[0]?.complete?.body.lanes[0]).toMatchObject({ reserved: 7n })
})

it('against a peer that lies, we sign no version twice, no other state, and no claim but ours', () => {
  const ours = fc.oneof(propose, pay)
  const lie = Liar.lie(wish)
  fc.assert(
    fc.property(
      fc.array(fc.oneof(ours, lie, lie), { maxLength: 60, size: 'max' }),
      fc.nat(1),
      (all, us) => {
        const world = play([], true)
        const told: Message[] = []
        for (const each of all) {
          if (!Liar.isLie(each)) World.act(world, { ...each, side: us })
          else
            for (const message of Liar.tell(world, us, each, told)) {
              told.push(message)
              World.input(world, us, { type: 'message', from: 1 - us, message })
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
