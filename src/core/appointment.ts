/**
 * An appointment: what a seat leaves with a watchtower, so that the tower can answer and collect in its
 * name. Its size does not depend on the number of payments, and everything in it proves itself: a tower
 * believes nobody, and whoever steals an appointment can do no more with it than defend its seat.
 */
import * as Amount from './amount.js'
import { type Address, equals, fromHex, type Hex, uint, zeroes } from './bytes.js'
import type { Walk } from './chain.js'
import * as Claim from './claim.js'
import * as Complete from './complete.js'
import * as Dispute from './dispute.js'
import { SluiceError } from './errors.js'
import * as Hash from './hash.js'
import * as Parameters from './parameters.js'
import * as Proposal from './proposal.js'
import * as State from './state.js'
import * as TypedData from './typed-data.js'
import * as Voucher from './voucher.js'

export type Appointment = {
  readonly parameters: Parameters.Parameters
  /** Whose money is watched. */
  readonly seat: number
  readonly newest: Complete.Complete
  /** The next state, once the seat has signed it: the others may make it complete alone. */
  readonly pending: Proposal.Proposal | undefined
  /** What the seat can prove on the lanes that pay it; at most one claim a lane. */
  readonly claims: readonly Claim.Claim[]
}

/** What a tower needs to judge an appointment; all of it deterministic. */
export type Context = {
  readonly domain: TypedData.Domain
  /** @throws SluiceError for a signature that is none */
  readonly recover: (digest: Uint8Array, signature: Uint8Array) => Address
  readonly walk: Walk
}

const members = {
  channelId: 'bytes32',
  seat: 'uint8',
  version: 'uint64',
  content: 'bytes32',
} as const

const orderType = { name: 'Appointment', members } as const satisfies TypedData.Type
const receiptType = {
  name: 'WatchReceipt',
  members: { ...members, time: 'uint64' },
} as const satisfies TypedData.Type

/** The gist of an appointment: what order and receipt are about. */
export type Summary = {
  readonly channelId: Hex
  readonly seat: number
  readonly version: bigint
  /** Roots of the newest state, and of the pending one. */
  readonly newest: Uint8Array
  readonly pending: Uint8Array | undefined
  readonly claims: readonly { readonly lane: bigint; readonly claim: bigint }[]
}

/** @throws UpdateError when its proposal makes no state */
export function summary(domain: TypedData.Domain, appointment: Appointment): Summary {
  const { parameters, seat, newest, claims } = appointment
  const channelId = Parameters.id(domain, parameters)
  const pending = pendingContent(appointment)
  return {
    channelId,
    seat,
    version: newest.version,
    newest: State.root(channelId, newest.body),
    pending: pending && State.root(channelId, pending.body),
    claims: claims.map((claim) => ({ lane: laneOf(claim), claim: Claim.amount(claim) })),
  }
}

/**
 * Tagged hash of: root of the newest state ‖ root of the pending one, zeroes where none ‖ then for each claim,
 * by rising lane, lane u64 ‖ amount u256.
 */
export function content({ newest, pending, claims }: Summary): Uint8Array {
  const sorted = [...claims].sort((a, b) => (a.lane < b.lane ? -1 : 1))
  const amounts = sorted.flatMap(({ lane, claim }) => [uint(lane, 8), Amount.encode(claim)])
  return Hash.tagged('appointment', newest, pending ?? zeroes(), ...amounts)
}

const valuesOf = (gist: Summary) => ({
  channelId: fromHex(gist.channelId, 32),
  seat: gist.seat,
  version: gist.version,
  content: content(gist),
})

/** EIP-712 digest that the seat signs: the order to act for it. */
export const digest = (domain: TypedData.Domain, gist: Summary): Uint8Array =>
  TypedData.digest(domain, orderType, valuesOf(gist))

/** EIP-712 digest that the tower signs: it holds this since `time`, on the layer's clock, and will act on it. */
export const receiptDigest = (domain: TypedData.Domain, gist: Summary, time: bigint): Uint8Array =>
  TypedData.digest(domain, receiptType, { ...valuesOf(gist), time })

/** What the pending state says. @throws UpdateError */
export const pendingContent = ({
  newest,
  pending,
}: Pick<Appointment, 'newest' | 'pending'>): Complete.Content | undefined =>
  pending && Proposal.contentOn(newest, pending)

/** The state with this root, where it is among these. */
export const withRoot = (
  channelId: Hex,
  root: Uint8Array,
  states: readonly (Complete.Content | undefined)[],
): Complete.Content | undefined =>
  states.find((state) => state !== undefined && equals(State.root(channelId, state.body), root))

/**
 * What can be proven on lanes of `past` states, and not of the newest: should that one come too late to be shown, the
 * layer still settles by one of those. `claims` are those of before, newest first.
 */
export const outlived = (
  past: readonly Complete.Content[],
  newest: Complete.Content,
  claims: readonly Claim.Claim[],
): Claim.Claim[] => {
  const closed = new Set(past.flatMap(({ body }) => body.lanes.map(({ id }) => id)))
  for (const { id } of newest.body.lanes) closed.delete(id)
  return [...closed].flatMap((id) => claims.find((claim) => laneOf(claim) === id) ?? [])
}

export const laneOf = (claim: Claim.Claim): bigint => claim.signed.voucher.lane

/** What can be proven on a lane; 0n where nothing. */
export const claimOn = ({ claims }: Appointment, lane: bigint): bigint =>
  Claim.amount(claims.find((claim) => laneOf(claim) === lane))

/**
 * Checks every signature and proof of an appointment; what `held` proves already is not proven again.
 * @throws AppointmentError `BAD_APPOINTMENT`; `APPOINTMENT_OLD` when more is held already; SluiceError
 */
export function check(
  context: Context,
  appointment: Appointment,
  held: Appointment | undefined,
): void {
  const { parameters, newest, pending, seat } = appointment
  Parameters.check(parameters)
  const channelId = Parameters.id(context.domain, parameters)
  refuse(parameters.seats[seat] === undefined, 'it is for no seat of the channel')
  if (held !== undefined) checkNewer(channelId, appointment, held)
  if (!isHeldState(context.domain, channelId, newest, held))
    Complete.check(context, channelId, parameters, newest)
  const next = pendingContent(appointment)
  if (pending !== undefined && next !== undefined) {
    refuse(pending.version !== newest.version + 1n, 'its pending state does not follow the newest')
    State.checkShape(parameters, next.body)
  }
  const lanes = [...newest.body.lanes, ...(next?.body.lanes ?? [])]
  const seen = new Set<bigint>()
  for (const claim of appointment.claims) {
    const id = laneOf(claim)
    const lane = lanes.find((each) => each.id === id)
    if (lane === undefined || lane.payee !== seat || seen.has(id))
      throw new AppointmentError(
        'BAD_APPOINTMENT',
        'each claim is on another lane that pays the seat',
      )
    seen.add(id)
    if (!isHeld(held, claim))
      Dispute.checkClaim(channelId, lane, claim, signerOf(context, claim), context.walk)
  }
}

/** A signature, and what it is of. */
export type Signed = { readonly digest: Uint8Array; readonly signature: Uint8Array }

/** What `check` will ask a judge about, for who has it verified together with what others ask. */
export function asked(
  domain: TypedData.Domain,
  { parameters, newest, claims }: Appointment,
  held: Appointment | undefined,
): Signed[] {
  const channelId = Parameters.id(domain, parameters)
  const digest = Complete.digest(domain, channelId, newest)
  const states = isHeldState(domain, channelId, newest, held)
    ? []
    : newest.signatures.map((signature) => ({ digest, signature }))
  const vouchers = claims
    .filter((claim) => !isHeld(held, claim))
    .map(({ signed: { voucher, signature } }) => ({
      digest: Voucher.digest(domain, voucher),
      signature,
    }))
  return [...states, ...vouchers]
}

/** What is held may only rise. */
function checkNewer(channelId: Hex, appointment: Appointment, held: Appointment): void {
  const { newest } = appointment
  const sameVersion = newest.version === held.newest.version
  const older =
    newest.version < held.newest.version ||
    (sameVersion && held.pending !== undefined && appointment.pending === undefined)
  if (older || held.claims.some((claim) => fallsBehind(appointment, claim)))
    throw new AppointmentError('APPOINTMENT_OLD', 'the tower holds a newer one; consult it first')
  const rootOf = (of: { readonly body: State.Body } | undefined): Uint8Array =>
    of === undefined ? new Uint8Array(32) : State.root(channelId, of.body)
  const differs =
    !equals(rootOf(newest), rootOf(held.newest)) ||
    (held.pending !== undefined &&
      !equals(rootOf(pendingContent(appointment)), rootOf(pendingContent(held))))
  refuse(sameVersion && differs, 'it has another content of a version that is held')
}

/** Whether the lane of a held claim is still there, and its new claim proves less. */
function fallsBehind(appointment: Appointment, held: Claim.Claim): boolean {
  const id = laneOf(held)
  const lives = appointment.newest.body.lanes.some((lane) => lane.id === id)
  return lives && claimOn(appointment, id) < Claim.amount(held)
}

const signerOf = ({ domain, recover }: Context, { signed }: Claim.Claim): Address =>
  recover(Voucher.digest(domain, signed.voucher), signed.signature)

/** Whether this very state, with these very signatures, was checked before. */
const isHeldState = (
  domain: TypedData.Domain,
  channelId: Hex,
  state: Complete.Complete,
  held: Appointment | undefined,
): boolean =>
  held !== undefined &&
  equals(
    Complete.digest(domain, channelId, state),
    Complete.digest(domain, channelId, held.newest),
  ) &&
  isEach(state.signatures, held.newest.signatures)

/** Whether this very claim was proven before. */
const isHeld = (held: Appointment | undefined, claim: Claim.Claim): boolean =>
  isSame(
    claim,
    held?.claims.find((each) => laneOf(each) === laneOf(claim)),
  )

const isSame = (claim: Claim.Claim, held: Claim.Claim | undefined): boolean =>
  held !== undefined &&
  claim.indices.length === held.indices.length &&
  claim.indices.every((index, digit) => index === held.indices[digit]) &&
  isEach(claim.nodes, held.nodes) &&
  equals(Voucher.encode(claim.signed), Voucher.encode(held.signed))

const isEach = (some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean =>
  some.length === others.length &&
  some.every((bytes, at) => equals(bytes, others[at] ?? new Uint8Array()))

function refuse(condition: boolean, why: string): void {
  if (condition) throw new AppointmentError('BAD_APPOINTMENT', why)
}

/** An appointment that proves too little, or less than the tower holds. */
export class AppointmentError extends SluiceError {
  constructor(code: 'BAD_APPOINTMENT' | 'APPOINTMENT_OLD', why: string) {
    super(code, `The appointment is refused: ${why}.`)
    this.name = 'AppointmentError'
  }
}
