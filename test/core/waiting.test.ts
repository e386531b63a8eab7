import { describe, expect, it } from 'vitest'
import { waitingFor } from '../../src/core/waiting.js'
import * as World from './support/channel-world.js'

const waits = (world: World.World, side: World.Side) => {
  const channel = world.channels[side]
  return channel && waitingFor(channel)
}

const deliver = (world: World.World, side: World.Side): void =>
  World.act(world, { type: 'deliver', side, at: 0 })

const wish = { type: 'lane-open', lane: 0, amount: 10 } as const

describe('three seats', () => {
  it('wait for signatures, then for deposits, then for nothing', () => {
    const world = World.create(3)
    World.begin(world)
    expect(waits(world, 0)).toEqual({ what: 'signature', seats: [1, 2] })
    while (world.queues[1]?.length) deliver(world, 1)
    expect(waits(world, 1)).toEqual({ what: 'signature', seats: [0] })
    World.settle(world)
    expect(waits(world, 2)).toEqual({ what: 'deposit', seats: [0, 1, 2] })
    World.look(world, 1)
    World.look(world, 2)
    expect(waits(world, 2)).toEqual({ what: 'deposit', seats: [0, 2] })
    World.heal(world)
    expect(waits(world, 0)).toEqual({ what: 'nothing', seats: [] })
  })

  it('wait for whom a change waits for: first for every ok, then for every signature', () => {
    const world = World.create(3)
    World.begin(world)
    World.heal(world)
    World.act(world, { type: 'propose', side: 1, wish })
    deliver(world, 0)
    deliver(world, 1)
    expect(waits(world, 1)).toEqual({ what: 'answer', seats: [2] })
    expect(waits(world, 0)).toEqual({ what: 'proposer', seats: [1] })
    deliver(world, 2)
    deliver(world, 1)
    expect(waits(world, 1)).toEqual({ what: 'answer', seats: [0, 2] })
    World.settle(world)
    expect(waits(world, 1)).toEqual({ what: 'nothing', seats: [] })
  })

  it('wait out a challenge, unless they are ending it', () => {
    const world = World.create(3)
    World.begin(world)
    World.heal(world)
    World.act(world, { type: 'challenge', side: 2 })
    for (const side of world.sides) World.look(world, side)
    expect(waits(world, 0)).toEqual({ what: 'challenge', seats: [] })
    World.act(world, { type: 'propose', side: 0, wish: { ...wish, type: 'resume' } })
    expect(waits(world, 0)).toEqual({ what: 'answer', seats: [1, 2] })
  })
})
