/**
 * Unrest: faults that happen to a world one after another, of the kinds that its seed has switched on. Nobody's
 * eyes are kept shut at the end of a challenge window: who is not there once in each has been promised nothing.
 */
import type { Hex } from '../core/bytes.js'
import { isOpen } from '../core/phase.js'
import type { Chance } from './chance.js'
import { mercy } from './checks/disputes.js'
import type { Person } from './person.js'
import type { Resident } from './resident.js'
import type { World } from './world.js'

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
  'absence',
  'ledger-slow',
  'ledger-down',
  'reorganisation',
  'clock-skew',
  'liar',
] as const

export type FaultKind = (typeof faultKinds)[number]

/** Kinds of fault that every world has its share of. */
export const kindsMin = 3

/** Kinds that keep nobody from the layer; after so many milliseconds a world that lacks faults gets these. */
const harmless = ['partition', 'delay', 'cut'] as const satisfies readonly FaultKind[]
const poorMs = 120_000

/** Milliseconds between two faults, and how long the lasting ones last. */
const betweenMs = [300, 6_000] as const
const lastingMs = [500, 30_000] as const

/** Lets faults happen for as long as it `isRestless`. */
export function unsettle(
  world: World,
  plan: Chance,
  kinds: readonly FaultKind[],
  isRestless: () => boolean,
): void {
  const { time, chance, weather, trace } = world
  if (kinds.includes('split')) weather.network.split = 0.2
  if (kinds.includes('half-open')) weather.network.halfOpen = 0.5
  if (kinds.includes('reorganisation'))
    Object.assign(weather.ledger, { blockMs: plan.between(500, 6_000), reorganised: 0.4 })
  if (plan.hit(0.2)) weather.network.windowBytes = 4_096
  const sudden = kinds.filter((kind) => kind in inject)
  // Two kinds need an occasion that may never come; with these, every world has its share.
  const isSure = (kind: FaultKind): boolean => kind !== 'absence' && kind !== 'old-disk'
  for (const kind of ['partition', 'delay', 'clock-skew'] as const)
    if (sudden.filter(isSure).length < kindsMin && !sudden.includes(kind)) sudden.push(kind)
  const began = time.nowMs
  const next = (): void => {
    time.after(chance.between(...betweenMs), () => {
      if (!isRestless()) return
      // Where disputes follow one another, much may be forbidden for long.
      const isPoor = trace.faults.size < kindsMin && time.nowMs - began > poorMs
      const kind = chance.pick<FaultKind>(
        isPoor ? harmless : (sudden as [FaultKind, ...FaultKind[]]),
      )
      const detail = inject[kind]?.(world)
      if (detail !== undefined) trace.fault(kind, detail)
      next()
    })
  }
  next()
}

/** Milliseconds until nobody's eyes may be shut any more; none where a window is about to end. */
export function blindMs({ books }: World): number {
  const time = books.time()
  const ends = books.channels().flatMap(({ view: { challenge } }) => {
    if (challenge === undefined) return []
    const { statesUntil, redeemUntil } = challenge
    return [statesUntil, redeemUntil].filter((end) => end >= time)
  })
  return ends.reduce((least, end) => Math.min(least, Number(end - mercy - time) * 1_000), 1e9)
}

const calm = new WeakMap<object, object>()

/** For a while `target` is otherwise; then as it was, unless all has been healed meanwhile. */
function lasting<T extends object>(world: World, target: T, change: Partial<T>): string {
  const ms = world.chance.between(...lastingMs)
  const names = Object.keys(change) as (keyof T)[]
  // As it was before the first of those that overlap, or the last one would leave it changed for good.
  const before = (calm.get(target) ?? {}) as Partial<T>
  calm.set(target, before)
  for (const name of names) if (!(name in before)) before[name] = target[name]
  Object.assign(target, change)
  world.time.after(ms, () => {
    for (const name of names)
      if (target[name] === change[name]) Object.assign(target, { [name]: before[name] })
  })
  return `for ${ms} ms`
}

/** As `lasting`, where it keeps nobody from the layer at the end of a window. */
const blinding = <T extends object>(
  world: World,
  target: T,
  change: Partial<T>,
): string | undefined =>
  blindMs(world) < lastingMs[1] ? undefined : lasting(world, target, change)

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
    const names = world.residents.map(({ name }) => name)
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
  'slow-disk': (world) => blinding(world, world.weather.disk, { latencyMs: [50, 3_000] }),
  'full-disk': (world) => blinding(world, anyone(world).disk, { full: true }),
  crash(world) {
    const resident = anyone(world)
    if (blindMs(world) < lastingMs[1]) return undefined
    // At any border it crosses from now on: before or after a commit, a send, a call of the layer.
    resident.life?.endIn(world.chance.between(1, 120))
    return undefined
  },
  'old-disk': restoreOne,
  /** A client of a tower is gone for longer than a whole dispute takes; once, or nobody would ever meet anybody. */
  absence(world) {
    const clients = [...world.people.values()].filter(
      ({ tower, isUp, honest, wasAway }) => honest && isUp && !wasAway && tower !== undefined,
    )
    if (clients.length === 0) return undefined
    const ms = world.chance.between(60_000, 1_200_000)
    const { name } = world.chance.pick(clients as [Person, ...Person[]])
    world.person(name).crash(undefined, ms)
    return `${name} for ${ms} ms`
  },
  'ledger-slow': (world) => blinding(world, world.weather.ledger, { latencyMs: [100, 8_000] }),
  'ledger-down': (world) =>
    blinding(world, world.weather.ledger, {
      downUntilMs: world.time.nowMs + world.chance.between(...lastingMs),
    }),
  'clock-skew'(world) {
    const ms = world.chance.pick([1_500, 45_000, 400_000])
    // A window that passes in one leap is a window in which nobody was there.
    if (blindMs(world) < ms) return undefined
    world.skewMs += ms
    return `${ms} ms ahead`
  },
}

/**
 * Somebody starts from an older copy of the disk. Without towers only one person ever does, and none beside a
 * liar: where all have forgotten a state, or the only other holder lies, nobody is left to be asked for it. Who
 * has a tower that holds everything may, as often as it likes.
 */
function restoreOne(world: World): string | undefined {
  const { chance, witness } = world
  const person = chance.pick([...world.people.values()] as [Person, ...Person[]])
  if (!person.isUp || !person.honest || blindMs(world) < lastingMs[1]) return undefined
  const all = [...world.people.values()]
  const isKept = isAllPushed(world, person)
  const isSole = all.every(
    ({ honest, disk, tower, name }) =>
      honest && (name === person.name || tower !== undefined || !disk.wasRestored),
  )
  if (!isKept && (person.tower !== undefined || !isSole)) return undefined
  // A disk from before a channel was opened knows nothing of it, and no peer can tell it.
  const open = [...witness.subject(person.name).channels.values()].filter(isOpen)
  const copies = person.disk.snapshots.filter((copy) =>
    open.every(({ id }) => isKept || copy.has(`channel/${id}`)),
  )
  if (copies.length === 0) return undefined
  person.crash(chance.pick(copies as [(typeof copies)[number]]))
  return undefined
}

/** Whether a person's tower holds all that the person does. */
export function isAllPushed({ witness }: World, { name, tower }: Person): boolean {
  const { channels } = witness.subject(name)
  const keeper = tower?.split('/').at(-1)
  if (keeper === undefined) return false
  const { appointments } = witness.subject(keeper)
  return [...channels.values()].filter(isOpen).every((channel) => {
    const { id, seat, complete, proposals } = channel
    const held = appointments.get(`${id as Hex}/${seat}`)
    const pending = proposals.find(({ signatures }) => signatures[seat] !== undefined)
    return (
      held !== undefined &&
      held.newest.version === complete?.version &&
      held.pending?.attempt === pending?.attempt
    )
  })
}

const anyone = (world: World): Resident =>
  world.chance.pick(world.residents as [Resident, ...Resident[]])
