/**
 * The swarm scenario: a few people who buy and sell, a few kinds of fault that the seed switches on, perhaps a
 * liar, perhaps a watchtower. First nothing may be lost; then all is healed, and every channel of honest people
 * must settle: together, or by force where the other side is a liar.
 */
import type { Channel } from '../core/channel.js'
import { isOpen } from '../core/phase.js'
import * as Price from '../core/price.js'
import type { Engine } from '../crypto/engine.js'
import * as Chance from './chance.js'
import { mercy, presence } from './checks/disputes.js'
import { type Lie, lies } from './liar.js'
import { addressOf } from './network.js'
import { buy, type OwnerPorts, type Shop, sell } from './owner.js'
import type { Person } from './person.js'
import { Rogue } from './rogue.js'
import { beginningMs } from './time.js'
import { faultKinds, kindsMin, unsettle } from './unrest.js'
import type { Ware } from './wares.js'
import type { Violation } from './witness.js'
import { World } from './world.js'

export type Outcome = {
  readonly seed: number
  /** Hash of the trace: the same for the same seed. */
  readonly trace: string
  readonly inputs: number
  readonly events: number
  readonly faults: ReadonlyMap<string, number>
  /** Challenges on the layer. */
  readonly disputes: number
  readonly virtualMs: number
  readonly violations: readonly Violation[]
}

export type SwarmOptions = {
  readonly seed: number
  /** Kinds of fault, lies, and manners of people that are switched on whatever the seed says: planted bugs name those they need. */
  readonly always?: readonly string[]
  /** The world may end as soon as this checker has found something. */
  readonly hunter?: string
  readonly crypto: Engine
  readonly onLine?: (line: string) => void
}

/** What makes a world worth its seed. */
const inputsMin = 200
/** Virtual milliseconds of the first phase, least and most; and the most that healing may take. */
const unrestMs = [20_000, 90_000] as const
const unrestMaxMs = 3_600_000
const disputeMaxMs = 700_000
const healingMaxMs = 3_600_000

/** Runs one seed to its end. */
export async function run(options: SwarmOptions): Promise<Outcome> {
  const { seed, crypto, onLine, always = [], hunter } = options
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
  const state = { busy: true, restless: true }
  const told = lies.filter((lie) => plan.hit(0.4) || always.includes(lie))
  const hits = (what: string, share: number): boolean => plan.hit(share) || always.includes(what)
  const isQuarrelsome = hits('quarrel', 0.5)
  const manners = { hits, isQuarrelsome, isBusy: () => state.busy }
  await populate(world, plan, kinds.includes('liar') ? told : [], manners)
  unsettle(world, plan, kinds, () => state.restless)
  const { trace, time, witness } = world
  const isCaught = (): boolean => witness.violations.some(({ checker }) => checker === hunter)
  const until = time.nowMs + plan.between(...unrestMs)
  const enough = (): boolean =>
    time.nowMs >= until && trace.inputs >= inputsMin && trace.faults.size >= kindsMin
  await world.run(() => isCaught() || enough(), unrestMaxMs)
  if (!isCaught() && !enough())
    world.witness.fail('progress', `a tiny world: ${trace.inputs} inputs`)
  state.busy = false
  // Some disputes run into their end while all goes wrong, others while all is well.
  if (plan.hit(0.5)) await world.run(() => isCaught() || !isDisputed(world), disputeMaxMs)
  state.restless = false
  world.heal()
  trace.note('HEALED')
  if (!isCaught()) await settle(world, isQuarrelsome, isCaught)
  world.witness.end()
  const outcome = {
    seed,
    trace: trace.digest(),
    inputs: trace.inputs,
    events: time.events,
    faults: new Map(trace.faults),
    disputes: world.witness.disputes,
    virtualMs: time.nowMs - beginningMs,
    violations: [...world.witness.violations],
  }
  await world.end()
  return outcome
}

const isDisputed = ({ books }: World): boolean =>
  books.channels().some(({ view }) => view.challenge !== undefined)

type Manners = {
  /** Whether a manner of people is on; its share of all worlds. */
  readonly hits: (what: string, share: number) => boolean
  readonly isQuarrelsome: boolean
  readonly isBusy: () => boolean
}

/** Sellers with wares, buyers with money; one of them may be a liar. */
async function populate(
  world: World,
  plan: Chance.Chance,
  repertoire: readonly Lie[],
  { hits, isQuarrelsome, isBusy }: Manners,
): Promise<void> {
  const { time, chance, trace, witness } = world
  const sellers = ['sam', 'sue'].slice(0, plan.between(1, 2))
  const buyers = ['ben', 'bea', 'bob'].slice(0, plan.between(1, 3))
  const people = [...sellers, ...buyers] as [string, ...string[]]
  const ports: OwnerPorts = {
    time,
    chance,
    trace,
    witness,
    isBusy,
    closing: hits('hasty', 0.2) ? 0.4 : 0.12,
    isQuarrelsome,
    isRestless: hits('resize', 0.5),
    club: hits('club', 0.3) ? people.map(addressOf) : [],
  }
  const liar = repertoire.length > 0 ? plan.pick(people) : undefined
  const tower = hits('tower', 0.4) ? world.addTower('tess').name : undefined
  const challengePeriod = plan.pick([120n, 180n, 300n])
  const manner = (name: string) => ({
    challengePeriod,
    ...(tower !== undefined && plan.hit(0.6) ? { tower } : {}),
    ...(name === liar ? { lies: repertoire as readonly [Lie, ...Lie[]] } : {}),
  })
  const shops: Shop[] = []
  for (const name of sellers) {
    const wares = stock(plan)
    shops.push({ seller: name, address: addressOf(name), wares })
    const exposureMax = hits('cap', 0.3) ? BigInt(plan.between(1_000, 20_000)) : undefined
    await world.add({
      name,
      // For bonds, and to put in beside what it is paid.
      funds: 1_000_000n,
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
  if (liar !== undefined) await Rogue.begin(world, liar, repertoire)
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

/** Every channel of honest people must settle now: with a liar in it, or a quarrelsome owner, by force. */
async function settle(
  world: World,
  isQuarrelsome: boolean,
  isCaught: () => boolean,
): Promise<void> {
  const { witness, time, trace, chance } = world
  const people = [...world.people.values()].filter(({ honest }) => honest)
  const honest = new Set(people.map(({ name }) => witness.subject(name).signer))
  const open = (name: string): Channel[] =>
    [...witness.subject(name).channels.values()].filter(isOpen)
  const isAmongFriends = ({ parameters }: Channel): boolean =>
    parameters.seats.every(({ signer }) => honest.has(signer))
  let last = ''
  for (const person of people) void end(person)
  async function end(person: Person): Promise<void> {
    for (let tries = 0; ; tries++) {
      const { own, name } = person
      const channel = open(name)[tries % Math.max(1, open(name).length)]
      if (own === undefined || channel === undefined) await time.sleep(1_000)
      else
        try {
          trace.input(`${name} settles ${channel.id.slice(0, 10)}`)
          const isFriendly = isAmongFriends(channel)
          const ms = isFriendly ? 60_000 : 20_000
          const close = own.node.close(channel.id, { signal: time.deadline(ms) })
          // A node that dies meanwhile never answers.
          await Promise.race([close, time.sleep(ms + 1_000)])
        } catch (error) {
          last = `${name}: ${person.failed(error)}`
          trace.note(`${name} cannot settle yet: ${last}`)
          await force(person, channel)
          await introduce(person, channel)
          await time.sleep(chance.between(500, 5_000))
        }
    }
  }
  /** A disk that is an older one may have forgotten where the others are; its owner has not. */
  async function introduce({ own, disk, name }: Person, { parameters }: Channel): Promise<void> {
    if (!disk.wasRestored) return
    for (const { signer } of parameters.seats)
      for (const other of people)
        if (other.name !== name && witness.subject(other.name).signer === signer)
          await Promise.race([
            own?.node.quote(other.address).catch(() => undefined),
            time.sleep(20_000),
          ])
  }
  /** Nobody has to wait for a liar; one whose backup is old waits for friends. */
  async function force(person: Person, channel: Channel): Promise<void> {
    const { own, disk, tower, name } = person
    const isBlind = disk.wasRestored && tower === undefined
    if (own === undefined || channel.phase !== 'live' || isBlind) return
    // Among friends patience must do, or what keeps them apart would never show.
    if (isAmongFriends(channel) && !(isQuarrelsome && chance.hit(0.2))) return
    try {
      await Promise.race([own.node.challenge(channel.id), time.sleep(60_000)])
      trace.note(`${name} challenges ${channel.id.slice(0, 10)}`)
    } catch (error) {
      trace.note(`${name} cannot challenge: ${person.failed(error)}`)
    }
  }
  const settled = (): boolean => people.every(({ name }) => open(name).length === 0)
  if (await world.run(() => isCaught() || settled(), healingMaxMs)) return
  for (const { name } of people)
    for (const { id, phase } of open(name)) {
      // Who was away, and had no tower that knew, is left to the mercy of who posted: nothing was promised.
      const { challenge } = world.books.channel(id)?.view ?? {}
      if (phase === 'frozen' && challenge !== undefined)
        if (witness.upFor(name, challenge.statesUntil - mercy, challenge.statesUntil) < presence)
          continue
      witness.fail('progress', `${name} is left with ${id.slice(0, 10)}, ${phase}; ${last}`)
    }
}
