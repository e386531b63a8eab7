/**
 * Tick frames on their way to the payees: all that one read brought is verified in one call of the lane table.
 * Handles are checked against the connection they came on, and nothing is a payee's that the table did not verify.
 */
import { concat } from '../core/bytes.js'
import type { Claim } from '../core/claim.js'
import * as Lane from '../core/lane.js'
import { limits } from '../core/limits.js'
import * as Tick from '../core/tick.js'
import type { Engine } from '../crypto/engine.js'
import { batchBytesMax, type LaneTable } from '../crypto/lane-table.js'
import * as Verdict from '../crypto/verdict.js'
import { LinkError } from './link.js'
import type { Payee } from './payee.js'

/** A lane that pays us over one connection. */
type Bound = {
  readonly payee: Payee
  readonly connection: number
  /** What the table holds of it; it may be behind, for instance after a voucher. */
  claim: Claim | undefined
  capacity: bigint
}

export class Ticks {
  readonly #create: Engine['lanes']
  /** Made for the first lane that pays us; never where the engine has none: then the payees verify, frame by frame. */
  #table: LaneTable | undefined
  readonly #bound = new Map<number, Bound>()
  readonly #handles = new Map<number, Map<Payee, number>>()
  #last = 0

  constructor({ lanes }: Engine) {
    this.#create = lanes
  }

  /**
   * The handle of a lane on a connection: a new one, or the one it has.
   * @throws LinkError `LANE_LIMIT`, LaneTableError `LANE_TABLE_FULL`
   */
  bind(connection: number, payee: Payee): number {
    const handles = this.#handles.get(connection) ?? new Map<Payee, number>()
    this.#handles.set(connection, handles)
    const known = handles.get(payee)
    if (known !== undefined) return known
    if (handles.size >= limits.handlesMax) this.#release(handles)
    if (handles.size >= limits.handlesMax)
      throw new LinkError('LANE_LIMIT', 'Too many lanes at once.')
    const { tweak } = payee
    this.#table ??= this.#create?.()
    const handle = this.#table?.open({ connection, tweak }) ?? this.#last++
    handles.set(payee, handle)
    this.#bound.set(handle, { payee, connection, claim: undefined, capacity: 0n })
    return handle
  }

  /** Handles of lanes that are closed are of no more use. */
  #release(handles: Map<Payee, number>): void {
    for (const [payee, handle] of handles) {
      if (payee.lane !== undefined) continue
      handles.delete(payee)
      this.#drop(handle)
    }
  }

  #drop(handle: number): void {
    this.#bound.delete(handle)
    this.#table?.close(handle)
  }

  /** The connection is gone, and its handles with it. */
  forget(connection: number): void {
    for (const handle of this.#handles.get(connection)?.values() ?? []) this.#drop(handle)
    this.#handles.delete(connection)
  }

  /** @throws LinkError `LANE_UNKNOWN` for a handle that this connection was not given */
  payee(connection: number, handle: number): Payee {
    return this.#lane(connection, handle).payee
  }

  /**
   * Takes frames, end to end in each of `pieces`. What is well-formed and proved counts, whatever lies beside it.
   * @throws TickError, LinkError `LANE_UNKNOWN` when one of them is an offence
   */
  take(connection: number, pieces: readonly Uint8Array[]): void {
    let batch: Uint8Array[] = []
    let size = 0
    for (const piece of pieces) {
      if (size + piece.length > batchBytesMax) {
        this.#apply(connection, batch)
        batch = []
        size = 0
      }
      batch.push(piece)
      size += piece.length
    }
    if (size > 0) this.#apply(connection, batch)
  }

  #apply(connection: number, pieces: readonly Uint8Array[]): void {
    if (this.#table === undefined) {
      for (const frame of pieces.flatMap(Tick.decodeAll))
        this.payee(connection, frame.handle).takeTicks(frame)
      return
    }
    // A piece that is malformed must not swallow the next, so each is looked at before they are joined.
    const handles = pieces.flatMap(Tick.handlesOf)
    const lanes = new Map(
      [...new Set(handles)].map((handle) => [handle, this.#lane(connection, handle)] as const),
    )
    for (const [handle, bound] of lanes) load(this.#table, handle, bound)
    const verdicts = this.#table.apply(concat(...pieces), connection)
    for (const [handle, bound] of lanes) settle(this.#table, handle, bound)
    for (const [at, handle] of handles.entries()) {
      const verdict = verdicts[at] ?? Verdict.truncated
      // What comes late for a lane that is closed is nobody's fault.
      if (verdict > Verdict.stale && lanes.get(handle)?.payee.lane !== undefined)
        throw new Tick.TickError(offences.get(verdict) ?? 'it is malformed')
    }
  }

  #lane(connection: number, handle: number): Bound {
    const bound = this.#bound.get(handle)
    if (bound?.connection !== connection)
      throw new LinkError('LANE_UNKNOWN', `There is no handle ${handle} here.`)
    return bound
  }
}

/** Brings the table to what the payee holds, if it is not there: a voucher came, or another connection paid. */
function load(table: LaneTable, handle: number, bound: Bound): void {
  const { newest: claim, lane } = bound.payee
  if (claim === undefined || lane === undefined) return
  const capacity = Lane.capacity(lane)
  if (claim === bound.claim && capacity === bound.capacity) return
  const { epoch, length, radix, anchors, unit, base } = claim.signed.voucher
  const limit = unit === 0n || capacity < base ? 0n : (capacity - base) / unit
  table.renew(handle, { epoch, length, radix, anchors, limit }, claim)
  bound.claim = claim
  bound.capacity = capacity
}

function settle(table: LaneTable, handle: number, bound: Bound): void {
  const { payee, claim } = bound
  if (claim === undefined || payee.lane === undefined) return
  const { indices, nodes } = table.read(handle)
  payee.takeProgress(indices, nodes)
  bound.claim = payee.newest
}

/** What a verdict says of its frame, in the words of `core/claim.ts`. */
const offences: ReadonlyMap<number, string> = new Map([
  [Verdict.earlyEpoch, 'no voucher of its epoch came before it'],
  [Verdict.badDigit, 'its digit or index lies beyond the voucher'],
  [Verdict.badIndex, 'its digit or index lies beyond the voucher'],
  [Verdict.tooManySteps, 'it rises more than 256 steps at once'],
  [Verdict.overLimit, 'the lane does not hold that much'],
  [Verdict.wrongNode, 'its node is not of the chain'],
])
