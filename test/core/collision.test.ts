/**
 * All propose at once, over links that deliver in any order, lose and break: nobody signs two contents of one
 * version, and one proposal stands in the end. SLUICE_SEEDS says how many seeds, SLUICE_SEED which is first.
 */
import { expect, it } from 'vitest'
import * as World from './support/channel-world.js'

const seeds = Number(process.env.SLUICE_SEEDS ?? 1_000)
const first = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Numbers from a seed (mulberry32): small, and the same everywhere. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) % below
  }
}

function run(seed: number): void {
  const below = random(seed)
  const world = World.create([2, 2, 3, 4][below(4)])
  World.begin(world)
  World.heal(world)
  for (let round = 0; round < 3; round++) {
    for (const side of world.sides)
      World.act(world, {
        type: 'propose',
        side,
        wish: { type: 'lane-open', lane: below(8), amount: below(20) },
      })
    for (let steps = below(24); steps > 0; steps--) {
      const [side, at, chance] = [below(world.sides.length), below(4), below(20)]
      if (chance === 0) World.act(world, { type: 'reconnect', drain: true })
      else if (chance === 1) World.act(world, { type: 'lose', side, at })
      else if (chance === 2) World.act(world, { type: 'repeat', side, at })
      else World.act(world, { type: 'deliver', side, at, crash: chance === 3 })
    }
  }
  World.heal(world)
  const [a, ...others] = world.channels
  expect(a?.complete?.version).toBeGreaterThan(0n)
  for (const channel of world.channels) expect(channel?.proposals).toEqual([])
  for (const channel of others) expect(channel?.complete).toEqual(a?.complete)
}

it(`of ${seeds} seeds from ${first} on, none makes anybody sign twice`, () => {
  for (let seed = first; seed < first + seeds; seed++)
    try {
      run(seed)
    } catch (error) {
      throw new Error(`SLUICE_SEED=${seed}`, { cause: error })
    }
})
