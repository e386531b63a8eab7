/**
 * The guard: drives channels that are challenged or frozen to their end. What to do is decided by
 * `core/defence`; here it is done, again and again until the layer has it. It keeps nothing of its own: after
 * a crash it starts from the store and the layer. It never opens a challenge.
 */

import { withRoot } from '../core/appointment.js'
import { type Address, type Hex, zeroAddress } from '../core/bytes.js'
import * as Claim from '../core/claim.js'
import type { Complete, Content } from '../core/complete.js'
import * as Defence from '../core/defence.js'
import * as Dispute from '../core/dispute.js'
import { assert, SluiceError, toProblem } from '../core/errors.js'
import type { Parameters } from '../core/parameters.js'
import * as State from '../core/state.js'
import { Notifier } from './notifier.js'
import type { Ledger, LedgerChannel, LedgerLane, Sleep } from './ports.js'

/** A channel that is defended for one of its seats, as it stands now. */
export type Ward = {
  readonly channelId: Hex
  readonly parameters: Parameters
  readonly seat: number
  readonly newest: Complete
  /** What else the layer may settle by: the next state, once the seat has signed it, and past ones. */
  readonly others: readonly Content[]
  /** What the seat can prove on a lane that pays it. */
  readonly claim: (lane: bigint) => Claim.Claim | undefined
}

export type GuardPorts = {
  readonly ledger: Ledger
  readonly sleep: Sleep
  /** Newest knowledge of a ward; undefined once it is no concern any more. */
  readonly find: (key: string) => Ward | undefined
  /** Whether an action is ours to take, while so many are under way; false leaves it to others. */
  readonly may: (key: string, action: Defence.Action, underWay: number) => boolean
  /** The layer has done it. */
  readonly onDone: (key: string, action: Defence.Action) => Promise<void>
  /** What the layer has paid on a lane, cumulative; where that is more than our claim, it is adopted. */
  readonly onSettled: (key: string, lane: bigint, claim: bigint) => void
  /** Nothing is left to do. */
  readonly onOver: (key: string) => void
  readonly onProblem: (error: SluiceError) => void
  /** Least gain in an asset for which a lane is redeemed. */
  readonly gainMin: (asset: Address) => bigint
}

/** How a dispute stands. */
export type Standing = {
  readonly view: LedgerChannel | undefined
  /** The layer's clock. */
  readonly time: bigint
  /** The state it settles by, once no other can come and where we hold it; and its lanes on the layer. */
  readonly frozen: State.Body | undefined
  readonly lanes: ReadonlyMap<bigint, LedgerLane>
  readonly plan: Defence.Plan
}

type Task = {
  /** Something changed since the last look. */
  again: boolean
  readonly changed: Notifier
}

/** Milliseconds between two looks, at most and at least; and after a call that failed. */
const pollMs = 30_000
const pauseMs = 250
const retryMs = 1_000

/**
 * Redemptions of one ward at once: on a slow layer each waits for its blocks, and all of them have one deadline. What
 * has none goes one by one.
 */
const redeemMax = 8

export class Guard {
  readonly #ports: GuardPorts
  readonly #ended: AbortSignal
  readonly #tended = new Map<string, Task>()

  constructor(ports: GuardPorts, ended: AbortSignal) {
    this.#ports = ports
    this.#ended = ended
  }

  /** Sees to a ward until nothing is left to do; one that is seen to already is looked at once more. */
  tend(key: string): void {
    const running = this.#tended.get(key)
    if (running !== undefined) {
      running.again = true
      running.changed.notify()
      return
    }
    const task = { again: false, changed: new Notifier() }
    this.#tended.set(key, task)
    void this.#run(key, task).catch((error) => this.#problem(error))
  }

  /** Looks once more at a ward that is seen to; what nobody disputes is left alone. */
  wake(key: string): void {
    if (this.tends(key)) this.tend(key)
  }

  /** Whether a ward is seen to: what was shown for it may lie on the layer, and not be seen there yet. */
  tends(key: string): boolean {
    return this.#tended.has(key)
  }

  /** How a ward stands on the layer, and what is planned. @throws LedgerError */
  async look(ward: Ward): Promise<Standing> {
    const { ledger, gainMin } = this.#ports
    const [view, time] = await Promise.all([ledger.channel(ward.channelId), ledger.time()])
    const { challenge } = view ?? {}
    const isFrozen = challenge !== undefined && time > challenge.statesUntil
    const states = [ward.newest, ...ward.others]
    const frozen = isFrozen ? withRoot(ward.channelId, challenge.root, states)?.body : undefined
    const lanes = new Map<bigint, LedgerLane>()
    await sideBySide(frozen?.lanes ?? [], redeemMax, async ({ id }) => {
      lanes.set(id, await ledger.lane(ward.channelId, id))
    })
    const settled = (id: bigint): LedgerLane => lanes.get(id) ?? { claim: 0n, swept: false }
    const { assets } = ward.parameters
    const least = (asset: number): bigint => gainMin(assets[asset] ?? zeroAddress)
    const plan = Defence.next(view, time, holdingOf(ward), settled, least)
    return { view, time, frozen, lanes, plan }
  }

  async #run(key: string, task: Task): Promise<void> {
    for (;;) {
      task.again = false
      const waitMs = await this.#round(key)
      if (this.#ended.aborted) return
      if (waitMs === undefined && !task.again) break
      await this.#pause(task, waitMs ?? 0)
    }
    this.#tended.delete(key)
    this.#ports.onOver(key)
  }

  /** Waits so long, or until there is news of the ward. */
  async #pause(task: Task, ms: number): Promise<void> {
    const done = new AbortController()
    const over = AbortSignal.any([done.signal, this.#ended])
    const news = task.changed.until(() => task.again, over).catch(() => undefined)
    await Promise.race([news, this.#ports.sleep(ms, over)])
    done.abort()
  }

  /** One look, and all that is due; returns the milliseconds to the next, undefined where none is needed. */
  async #round(key: string): Promise<number | undefined> {
    const ward = this.#ports.find(key)
    if (ward === undefined) return undefined
    try {
      const standing = await this.look(ward)
      const { time, plan, lanes } = standing
      if (plan.isLost) this.#ports.onProblem(unknownState(ward.channelId))
      for (const [lane, { claim }] of lanes) this.#ports.onSettled(key, lane, claim)
      let [acted, failed, underWay] = [false, false, 0]
      const act = async (action: Defence.Action): Promise<void> => {
        if (this.#ended.aborted || !this.#ports.may(key, action, underWay)) return
        underWay += 1
        const isDone = await this.#goes(() => this.#call(ward, standing, action))
        underWay -= 1
        if (isDone) acted = true
        if (!isDone || !(await this.#goes(() => this.#ports.onDone(key, action)))) failed = true
      }
      const isUrgent = ({ type }: Defence.Action): boolean => type === 'redeem'
      await sideBySide(plan.actions.filter(isUrgent), redeemMax, act)
      for (const action of plan.actions) if (!isUrgent(action)) await act(action)
      if (failed) return retryMs
      if (acted) return pauseMs
      if (plan.until === undefined) return undefined
      return Math.min(pollMs, Math.max(pauseMs, Number(plan.until - time) * 1_000))
    } catch (error) {
      this.#problem(error)
      return retryMs
    }
  }

  /** Whether it went well; what the layer refuses is said and tried again later, and holds up no other. */
  async #goes(task: () => Promise<void>): Promise<boolean> {
    try {
      await task()
      return true
    } catch (error) {
      this.#problem(error)
      return false
    }
  }

  #call(ward: Ward, { frozen }: Standing, action: Defence.Action): Promise<void> {
    const { ledger } = this.#ports
    const { channelId, parameters, newest } = ward
    const posting = (): Dispute.Posting => Dispute.posting(channelId, newest)
    if (action.type === 'answer') return ledger.answer(parameters, posting())
    if (action.type === 'resume') return ledger.resume(parameters, posting())
    if (action.type === 'close')
      return ledger.close(parameters, posting(), Dispute.preimage(channelId, newest.body))
    assert(frozen !== undefined, 'what the layer settles by is known here')
    if (action.type === 'freeze')
      return ledger.freeze(parameters, Dispute.preimage(channelId, frozen))
    const leaf = Dispute.leaves(channelId, frozen).find(({ lane }) => lane.id === action.lane)
    assert(leaf !== undefined, 'a lane that is settled lies in the state that settles it')
    if (action.type === 'sweep') return ledger.sweep(parameters, leaf)
    const claim = ward.claim(action.lane)
    assert(claim !== undefined, 'a lane is redeemed with a claim')
    return ledger.redeem(parameters, { ...leaf, claim })
  }

  #problem(error: unknown): void {
    if (this.#ended.aborted) return
    const { code, message } = toProblem(error)
    this.#ports.onProblem(error instanceof SluiceError ? error : new GuardError(code, message))
  }
}

/** Does `work` for each, the first ones first, so many at once. */
async function sideBySide<T>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values()
  const workOn = async (): Promise<void> => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: most }, workOn))
}

function holdingOf({ channelId, seat, newest, others, claim }: Ward): Defence.Holding {
  const known = ({ version, kind, body }: Content): Defence.Known => ({
    version,
    kind,
    root: State.root(channelId, body),
    lanes: body.lanes,
  })
  return {
    seat,
    newest: known(newest),
    others: others.map(known),
    claim: (lane) => Claim.amount(claim(lane)),
  }
}

const unknownState = (channelId: Hex): GuardError =>
  new GuardError(
    'STATE_UNKNOWN',
    `The ledger settles channel ${channelId} by a state that is not held here. Whoever holds it, the peer or a watchtower, can have it paid out.`,
  )

/** A defence that cannot go on. */
export class GuardError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'GuardError'
  }
}
