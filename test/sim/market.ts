/** A calm world with one seller and one buyer, and how scenarios wait in virtual time. */
import type { Channel } from '../../src/core/channel.js'
import type { Engine } from '../../src/crypto/engine.js'
import { World } from '../../src/sim/world.js'

export const funds = 10_000_000n

/** Sam sells, Ben has a live channel with him. */
export async function market(
  crypto: Engine,
  seed: string,
): Promise<{ world: World; channel: Channel }> {
  const world = await World.create({ seed, crypto })
  await world.add({ name: 'sam' })
  await world.add({ name: 'ben', funds })
  await everybodyUp(world)
  const ben = node(world, 'ben')
  const channel = await meanwhile(
    world,
    ben.open(world.person('sam').address, { deposit: 1_000_000n }),
  )
  return { world, channel }
}

/** What a promise gives, with the world's time running meanwhile. */
export async function meanwhile<T>(world: World, promise: Promise<T>, ms = 3_600_000): Promise<T> {
  let result: { value: T } | { error: unknown } | undefined
  promise.then(
    (value) => {
      result = { value }
    },
    (error) => {
      result = { error }
    },
  )
  await world.run(() => result !== undefined, ms)
  if (result === undefined) throw new Error(`nothing came of it in ${ms} virtual ms`)
  if ('error' in result) throw result.error
  return result.value
}

export async function everybodyUp(world: World): Promise<void> {
  const isUp = await world.run(
    () => [...world.people.values()].every(({ own }) => own !== undefined),
    60_000,
  )
  if (!isUp) throw new Error('somebody does not come up')
}

export function node(world: World, name: string) {
  const { own } = world.person(name)
  if (own === undefined) throw new Error(`${name} is down`)
  return own.node
}
