import { beforeAll, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/core/bytes.js'
import type { Engine } from '../../src/crypto/engine.js'
import * as Chance from '../../src/sim/chance.js'
import { World } from '../../src/sim/world.js'
import { loadEngine } from '../../src/sluice.js'
import { everybodyUp, funds, meanwhile, node } from './market.js'

/** Worlds of one run of the tests; more on demand. */
const seeds = Number(process.env.SIM_COLLISIONS ?? 1_000)
const firstSeed = Number(process.env.SIM_COLLISION_SEED ?? 1)

let crypto: Engine
beforeAll(async () => {
  crypto = await loadEngine()
})

const wants = ['close', 'lane', 'withdrawal'] as const

/** A change of the channel that a seat wants; no two seats want the same. */
function want(world: World, id: Hex, seat: number, what: (typeof wants)[number], seats: number) {
  const own = node(world, names[seat] ?? '')
  const amount = 100_000n + BigInt(seat)
  if (what === 'lane') return own.openLane(id, { payee: (seat + 1) % seats, amount })
  return what === 'close' ? own.close(id) : own.withdraw(id, { amount })
}

const names = ['ann', 'ben', 'cat', 'dan']

/** All seats of a channel want another next state at the same moment; some are interrupted. */
async function collide(seed: number): Promise<{ contents: number; wrong: readonly unknown[] }> {
  const plan = Chance.from(`collision ${seed}`)
  const people = names.slice(0, plan.pick([2, 2, 3, 4]))
  const world = await World.create({ seed: `collision ${seed}`, crypto })
  for (const name of people) await world.add({ name, funds, accept: () => true })
  await everybodyUp(world)
  const [opener = '', ...others] = people
  const addresses = others.map((name) => world.person(name).address)
  const deposits = people.map(() => [1_000_000n])
  const { id } = await meanwhile(world, node(world, opener).open(addresses, { deposits }))
  const phase = (name: string) => world.witness.subject(name).channels.get(id)?.phase
  await world.run(() => people.every((name) => phase(name) === 'live'), 60_000)

  world.weather.network.latencyMs = [1, plan.between(1, 60)]
  const contents = new Map<bigint, Set<string>>()
  world.witness.onProposal = ({ version, updates }) => {
    const content = JSON.stringify(updates, (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    contents.set(version, (contents.get(version) ?? new Set()).add(content))
  }
  const lives = people.map((name) => world.person(name).life)
  let left = people.length
  for (const [seat] of people.entries())
    want(world, id, seat, plan.pick(wants), people.length)
      .catch((error) => world.person(names[seat] ?? '').failed(error))
      .finally(() => {
        left -= 1
      })
  const trouble = plan.pick(['none', 'crash', 'cut'])
  const victim = plan.below(people.length)
  if (trouble === 'crash') lives[victim]?.endIn(plan.between(1, 60))
  if (trouble === 'cut')
    world.time.after(plan.between(1, 100), () =>
      world.hub.cut(people[victim] ?? '', people[(victim + 1) % people.length] ?? ''),
    )
  await world.run(() => left === 0, 120_000)

  for (const life of lives) life?.endIn(Number.POSITIVE_INFINITY)
  world.heal()
  await everybodyUp(world)
  const isClosed = (name: string): boolean => phase(name) === 'closed'
  // Who has not yet noticed that a connection is gone is told so, and tries again.
  for (let tries = 0; tries < 5 && !people.every(isClosed); tries++) {
    const closer = node(world, people[tries % people.length] ?? '')
    await meanwhile(
      world,
      closer.close(id).catch(() => undefined),
    )
    await world.run(() => people.every(isClosed), 5_000)
  }
  world.witness.end()
  const open = people.filter((name) => !isClosed(name)).map((name) => `${name} cannot close`)
  const wrong = [...world.witness.violations, ...open]
  await world.end()
  return { contents: Math.max(...[...contents.values()].map(({ size }) => size)), wrong }
}

describe('all seats propose another content at once', () => {
  it(
    `in ${seeds} worlds nobody signs two contents of one version, and all can close`,
    async () => {
      let collisions = 0
      for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
        const again = `again: SIM_COLLISION_SEED=${seed} SIM_COLLISIONS=1`
        const { contents, wrong } = await collide(seed).catch((cause) => {
          throw new Error(again, { cause })
        })
        expect(wrong, again).toEqual([])
        if (contents > 1) collisions += 1
      }
      console.log(`${collisions} of ${seeds} worlds had two contents proposed for one version`)
      expect(collisions).toBeGreaterThan(seeds / 3)
    },
    Math.max(600_000, seeds * 200),
  )
})
