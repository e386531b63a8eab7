/**
 * The swarm scenario: a few people who buy and sell, a few kinds of fault that the seed switches on, perhaps a
 * liar. First nothing may be lost; then all is healed, and every channel between honest people must pay or settle.
 */

import { isOpen } from '../core/phase.js'
import * as Price from '../core/price.js'
import type { Engine } from '../crypto/engine.js'
import * as Chance from './chance.js'
import { type Lie, lies } from './liar.js'
import { addressOf } from './network.js'
import { buy, type OwnerPorts, type Shop, sell } from './owner.js'
import type { Person } from './person.js'
import { beginningMs } from './time.js'
import type { Ware } from './wares.js'
import type { Violation } from './witness.js'
import { World } from './world.js'

export const faultKinds = [
  'cut',
  'partition',
  'delay',
  'split',
  'half-open',
  'slow-disk',
  'full-disk',
  'crash',
  'old-disk',
  'ledger-slow',
  'ledger-down',
  'reorganisation',
  'clock-skew',
  'liar',
] as const

export type FaultKind = (typeof faultKinds)[number]

export type Outcome = {
  readonly seed: number
  /** Hash of the trace: the same for the same seed. */
  readonly trace: string
  readonly inputs: number
  readonly events: number
  readonly faults: ReadonlyMap<string, number>
  readonly virtualMs: number
  readonly violations: readonly Violation[]
}

export type SwarmOptions = {
  readonly seed: number
  /** Kinds of fault, and lies, that are switched on whatever the seed says: planted bugs name those they need. */
  readonly always?: readonly string[]
  readonly crypto: Engine
  readonly onLine?: (line: string) => void
}

/** What makes a world worth its seed. */
const inputsMin = 200
const kindsMin = 3
/** Virtual milliseconds of the first phase, least and most; and the most that healing may take. */
const unrestMs = [20_000, 90_000] as const
const unrestMaxMs = 3_600_000
const healingMaxMs = 1_800_000

/** Runs one seed to its end. */
export async function run({ seed, crypto, onLine, always = [] }: SwarmOptions): Promise<Outcome> {
  const world = await World.create({
    seed: `${seed}`,
    crypto,
    ...(onLine === undefined ? {} : { onLine }),
  })
  const plan = Chance.from(`plan ${seed}`)
  const kinds = faultKinds.filter((kind) => plan.hit(0.5) || always.includes(kind))
  while (kinds.length < 5) {
    const kind = plan.pick(faultKinds)
    if (!kinds.includes(kind)) kinds.push(kind)
  }
  const state = { busy: true }
  const told = lies.filter((lie) => plan.hit(0.4) || always.includes(lie))
  await populate(world, plan, kinds.includes('liar') ? told : [], () => state.busy)
  unsettle(world, plan, kinds, () => state.busy)
  const { trace, time } = world
  const until = time.nowMs + plan.between(...unrestMs)
  const enough = (): boolean =>
    time.nowMs >= until && trace.inputs >= inputsMin && trace.faults.size >= kindsMin
  await world.run(enough, unrestMaxMs)
  if (!enough()) world.witness.fail('progress', `a tiny world: ${trace.inputs} inputs`)
  state.busy = false
  world.heal()
  trace.note('HEALED')
  await settle(world)
  world.witness.end()
  const outcome = {
    seed,
    trace: trace.digest(),
    inputs: trace.inputs,
    events: time.events,
    faults: new Map(trace.faults),
    virtualMs: time.nowMs - beginningMs,
    violations: [...world.witness.violations],
  }
  await world.end()
  return outcome
}

/** Sellers with wares, buyers with money; one of them may be a liar. */
async function populate(
  world: World,
  plan: Chance.Chance,
  repertoire: readonly Lie[],
  isBusy: () => boolean,
): Promise<void> {
  const { time, chance, trace, witness } = world
  const ports: OwnerPorts = { time, chance, trace, witness, isBusy }
  const sellers = ['sam', 'sue'].slice(0, plan.between(1, 2))
  const buyers = ['ben', 'bea', 'bob'].slice(0, plan.between(1, 3))
  const people = [...sellers, ...buyers] as [string, ...string[]]
  const liar = repertoire.length > 0 ? plan.pick(people) : undefined
  const manner = (name: string) =>
    name === liar ? { lies: repertoire as readonly [Lie, ...Lie[]] } : {}
  const shops: Shop[] = []
  for (const name of sellers) {
    const wares = stock(plan)
    shops.push({ seller: name, address: addressOf(name), wares })
    const exposureMax = plan.hit(0.3) ? BigInt(plan.between(2_000, 40_000)) : undefined
    await world.add({
      name,
      ...(exposureMax === undefined ? {} : { exposureMax }),
      ...manner(name),
      live: sell(ports, wares),
    })
  }
  for (const name of buyers)
    await world.add({
      name,
      funds: 10_000_000n,
      ...manner(name),
      live: buy(ports, shops as [Shop, ...Shop[]]),
    })
}

/** Two or three wares with odd prices, quanta and sizes. */
function stock(plan: Chance.Chance): readonly Ware[] {
  const bytes = plan.pick(['1/B', '7/3000B', '3/KiB', '2/3B'])
  const quantum = BigInt(plan.between(100, 2_000))
  const wares: Ware[] = [
    {
      name: 'file',
      price: Price.parse(bytes),
      quantum,
      size: BigInt(plan.between(1, 40_000)),
    },
  ]
  if (plan.hit(0.6))
    wares.push({ name: 'radio', price: Price.parse('5/s'), quantum: 1_000n, size: undefined })
  if (plan.hit(0.6))
    wares.push({
      name: 'songs',
      price: Price.parse('37/item'),
      quantum: 1n,
      size: BigInt(plan.between(1, 60)),
    })
  return wares
}

/** Milliseconds between two faults, and how long the lasting ones last. */
const betweenMs = [300, 6_000] as const
const lastingMs = [500, 30_000] as const

/** Lets faults happen, one after another, of the kinds that are switched on. */
function unsettle(
  world: World,
  plan: Chance.Chance,
  kinds: readonly FaultKind[],
  isBusy: () => boolean,
): void {
  const { time, chance, weather, trace } = world
  if (kinds.includes('split')) weather.network.split = 0.2
  if (kinds.includes('half-open')) weather.network.halfOpen = 0.5
  if (kinds.includes('reorganisation'))
    Object.assign(weather.ledger, { blockMs: plan.between(500, 6_000), reorganised: 0.4 })
  if (plan.hit(0.2)) weather.network.windowBytes = 4_096
  const sudden = kinds.filter((kind) => kind in inject)
  // Some kinds need an occasion; with these, every world has its share.
  for (const kind of ['partition', 'delay', 'clock-skew'] as const)
    if (sudden.length < kindsMin && !sudden.includes(kind)) sudden.push(kind)
  const next = (): void => {
    time.after(chance.between(...betweenMs), () => {
      if (!isBusy()) return
      const kind = chance.pick(sudden as [FaultKind, ...FaultKind[]])
      const detail = inject[kind]?.(world)
      if (detail !== undefined) trace.fault(kind, detail)
      next()
    })
  }
  next()
}

/** For a while `target` is otherwise; then as it was, unless all has been healed meanwhile. */
function lasting<T extends object>(world: World, target: T, change: Partial<T>): string {
  const ms = world.chance.between(...lastingMs)
  const names = Object.keys(change) as (keyof T)[]
  const before = Object.fromEntries(names.map((name) => [name, target[name]])) as Partial<T>
  Object.assign(target, change)
  world.time.after(ms, () => {
    if (names.every((name) => target[name] === change[name])) Object.assign(target, before)
  })
  return `for ${ms} ms`
}

/** One fault of a kind; says what happened, or undefined where it cannot now. */
const inject: Partial<Record<FaultKind, (world: World) => string | undefined>> = {
  cut(world) {
    const pairs = world.hub.connected()
    if (pairs.length === 0) return undefined
    const [a, b] = world.chance.pick(pairs as [readonly [string, string]])
    world.hub.cut(a, b)
    return `${a} ${b}`
  },
  partition(world) {
    const names = [...world.people.keys()]
    const a = world.chance.pick(names as [string])
    const b = world.chance.pick(names.filter((name) => name !== a) as [string])
    const ms = world.chance.between(...lastingMs)
    world.hub.partition(a, b, ms)
    return `${a} ${b} for ${ms} ms`
  },
  delay: (world) =>
    lasting(world, world.weather.network, {
      latencyMs: world.chance.pick([
        [1, 2_000],
        [300, 900],
      ]),
    }),
  'slow-disk': (world) => lasting(world, world.weather.disk, { latencyMs: [50, 3_000] }),
  'full-disk': (world) => lasting(world, anyone(world).disk, { full: true }),
  crash(world) {
    const person = anyone(world)
    // At any border it crosses from now on: before or after a commit, a send, a call of the layer.
    person.life?.endIn(world.chance.between(1, 120))
    return undefined
  },
  'old-disk'(world) {
    if ([...world.people.values()].some(({ honest }) => !honest)) return undefined
    // Only one person keeps old copies: where all have forgotten a state, nobody is left to be asked for it.
    const person = [...world.people.values()].find(({ disk }) => disk.wasRestored) ?? anyone(world)
    // A disk from before a channel was opened knows nothing of it, and no peer can tell it.
    const open = [...world.witness.subject(person.name).channels.values()].filter(isOpen)
    const copies = person.disk.snapshots.filter((copy) =>
      open.every(({ id }) => copy.has(`channel/${id}`)),
    )
    if (copies.length === 0 || person.life?.alive !== true) return undefined
    person.crash(world.chance.pick(copies as [(typeof copies)[number]]))
    return undefined
  },
  'ledger-slow': (world) => lasting(world, world.weather.ledger, { latencyMs: [100, 8_000] }),
  'ledger-down': (world) =>
    lasting(world, world.weather.ledger, {
      downUntilMs: world.time.nowMs + world.chance.between(...lastingMs),
    }),
  'clock-skew'(world) {
    const ms = world.chance.pick([1_500, 45_000, 400_000])
    world.skewMs += ms
    return `${ms} ms ahead`
  },
}

const anyone = (world: World): Person =>
  world.chance.pick([...world.people.values()] as [Person, ...Person[]])

/** Every channel between honest people must settle now; and pay before, where it still can. */
async function settle(world: World): Promise<void> {
  const { witness } = world
  const honest = new Set(witness.honest.map(({ signer }) => signer))
  const open = (name: string) =>
    [...witness.subject(name).channels.values()].filter(
      (channel) =>
        isOpen(channel) && channel.parameters.seats.every(({ signer }) => honest.has(signer)),
    )
  let last = ''
  for (const { name } of witness.honest) void close(name)
  async function close(name: string): Promise<void> {
    const { time, trace } = world
    for (;;) {
      const own = world.person(name).own
      const [channel] = open(name)
      if (own === undefined || channel === undefined) await time.sleep(1_000)
      else
        try {
          const signal = time.deadline(60_000)
          trace.input(`${name} settles ${channel.id.slice(0, 10)}`)
          // A node that dies meanwhile never answers.
          const late = time.sleep(61_000)
          await Promise.race([own.node.close(channel.id, { signal }), late])
        } catch (error) {
          last = `${name}: ${world.person(name).failed(error)}`
          trace.note(`${name} cannot settle yet: ${last}`)
          await time.sleep(world.chance.between(500, 5_000))
        }
    }
  }
  const settled = (): boolean => witness.honest.every(({ name }) => open(name).length === 0)
  if (await world.run(settled, healingMaxMs)) return
  for (const { name } of witness.honest)
    for (const { id, phase } of open(name))
      witness.fail('progress', `${name} is left with ${id.slice(0, 10)}, ${phase}; ${last}`)
}
