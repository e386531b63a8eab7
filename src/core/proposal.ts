/**
 * Proposals: what the next state is to say, and who has answered. Whether one is acceptable is decided here,
 * before anybody agrees to it; nothing here signs.
 */
import { uint } from './bytes.js'
import type * as Channel from './channel.js'
import * as Complete from './complete.js'
import { SluiceError } from './errors.js'
import * as State from './state.js'
import * as Update from './update.js'

/** The next state, not yet signed by all. Unsigned by us, it binds nobody. */
export type Proposal = {
  readonly proposer: number
  readonly version: bigint
  /** Counts the proposer's proposals for this version, so that a late refusal hits no later one. */
  readonly attempt: number
  /** Of the proposer, over content and attempt: what its own disk forgot it knows again by this. */
  readonly seal: Uint8Array
  readonly updates: readonly Update.Update[]
  /** Seats that answered ok without a signature, as the proposer knows. */
  readonly oks: readonly number[]
  /** Per seat, as far as known. Once ours is here, no other content of this version is ever signed. */
  readonly signatures: readonly (Uint8Array | undefined)[]
}

/**
 * Whether we may take part in what `proposer` wants. `isSigned`: somebody has signed it. Where that is so, or the
 * proposal may be from before this connection, a challenge that came later does not stop what we may have signed.
 * @throws ProposalError, UpdateError
 */
export function check(
  context: Channel.Context,
  channel: Channel.Channel,
  proposer: number,
  updates: readonly Update.Update[],
  isSigned = false,
): void {
  const { body, version } = changeable(channel)
  checkBond(context, version + 1n)
  const next = Update.apply(body, updates)
  if (!isSigned && context.synced) checkPhase(channel, next.kind)
  for (const update of updates) {
    checkClaim(context, channel, body, update, isSigned, proposer)
    if (proposer !== channel.seat) checkOwner(proposer, update)
    if (update.type === 'lane-open') {
      const least = context.reserveMin(update.asset)
      if (update.reserved < least)
        throw new ProposalError(
          'LANE_TOO_SMALL',
          `A lane of this asset reserves at least ${least}: less is not worth redeeming.`,
        )
    }
  }
  checkDeposited(channel, next.body.outcome)
}

/** Whether the layer is to be looked at before a proposal is judged: its proposer may have seen more. */
export const needsLook = (
  { phase, deposited, complete }: Channel.Channel,
  updates: readonly Update.Update[],
): boolean =>
  phase === 'funding' ||
  phase === 'challenged' ||
  updates.some(
    (update) =>
      update.type === 'resume' ||
      (update.type === 'top-up' &&
        (deposited[update.seat]?.[update.asset] ?? 0n) <
          (complete?.body.outcome.deposited[update.seat]?.[update.asset] ?? 0n) + update.amount),
  )

/** The state that a change builds on. @throws ProposalError `NOT_LIVE` */
export function changeable({ phase, complete }: Channel.Channel): Complete.Complete {
  if ((phase !== 'live' && phase !== 'challenged') || complete === undefined)
    throw new ProposalError('NOT_LIVE', `The channel is ${phase}; only a live one can change.`)
  return complete
}

/**
 * Two states newer than the one we posted cost us our bond, whoever shows them: the layer cannot know that we
 * signed them afterwards. @throws ProposalError `BOND_AT_STAKE`
 */
function checkBond({ versionMax }: Channel.Context, version: bigint): void {
  if (versionMax !== undefined && version > versionMax)
    throw new ProposalError(
      'BOND_AT_STAKE',
      'This channel is being closed by force, and another state would cost the bond of who posted; both windows have to pass.',
    )
}

/**
 * While a challenge runs, only what ends it is signed, once: whoever has state upon state signed in one challenge has
 * those forgotten that the layer may settle by. And nothing ends one that does not run.
 */
function checkPhase({ phase, calls }: Channel.Channel, kind: State.Kind): void {
  if (phase === 'challenged' && kind === 0)
    throw new ProposalError('CHALLENGED', 'The channel is challenged: resume or close it first.')
  if (phase === 'challenged' && kind === 2 && calls.includes('resume'))
    throw new ProposalError('RESUMED', 'The newest state ends the challenge already.')
  if (phase === 'live' && kind === 2)
    throw new ProposalError('NOT_CHALLENGED', 'There is no challenge to end.')
}

/**
 * As payee we agree to no claim below what we hold; as payer to none above what we have promised, and to close a
 * lane with nothing less: what is on its way to the payee would be lost with the lane. What others may have signed
 * already is not held up for that: nothing else could follow it.
 * @throws ProposalError `UNDER_FOLD`, `OVER_CLAIM`, `UNDER_CLAIM`
 */
function checkClaim(
  context: Channel.Context,
  { seat }: Channel.Channel,
  body: State.Body,
  update: Update.Update,
  isSigned: boolean,
  proposer: number,
): void {
  if (update.type !== 'fold' && update.type !== 'lane-close') return
  const lane = Update.find(body, update.lane)
  const held = context.claim(update.lane)
  if (lane.payee === seat && update.claim < held)
    throw new ProposalError('UNDER_FOLD', `Lane ${update.lane} has a proven claim of ${held}.`)
  // What we proposed ourselves, and another has signed, was promised: our disk is one that has forgotten it.
  const isForgotten = isSigned && proposer === seat
  if (lane.payer === seat && update.claim > held && !isForgotten)
    throw new ProposalError('OVER_CLAIM', `Lane ${update.lane} was promised ${held}, no more.`)
  if (lane.payer === seat && update.type === 'lane-close' && update.claim < held && !isSigned)
    throw new ProposalError(
      'UNDER_CLAIM',
      `Lane ${update.lane} was promised ${held}; close it once that has arrived.`,
    )
}

/**
 * Only who pays opens a lane: another's would put its money under a key that is not its own. And nobody
 * takes another's money out. @throws ProposalError `FOREIGN_LANE`, `FOREIGN_WITHDRAWAL`
 */
function checkOwner(proposer: number, update: Update.Update): void {
  if (update.type === 'lane-open' && update.payer !== proposer)
    throw new ProposalError('FOREIGN_LANE', 'A lane is opened by the seat that pays on it.')
  if (update.type === 'withdraw' && update.seat !== proposer)
    throw new ProposalError('FOREIGN_WITHDRAWAL', 'Only its own seat withdraws a balance.')
}

/** A state counts no deposit that the layer does not hold. @throws ProposalError `NOT_DEPOSITED` */
function checkDeposited({ deposited }: Channel.Channel, outcome: State.Outcome): void {
  for (const [seat, row] of outcome.deposited.entries())
    for (const [asset, amount] of row.entries())
      if (amount > State.cell(deposited, seat, asset))
        throw new ProposalError(
          'NOT_DEPOSITED',
          `The layer does not hold ${amount} for seat ${seat} yet.`,
        )
}

/** Our own proposal. */
export const own = ({ proposals, seat }: Channel.Channel): Proposal | undefined =>
  proposals.find(({ proposer }) => proposer === seat)

/** The proposal we have signed. */
export const signed = ({ proposals, seat }: Channel.Channel): Proposal | undefined =>
  proposals.find(({ signatures }) => signatures[seat] !== undefined)

/** Between two, the responder's signature is its ok. */
export const isPair = ({ parameters }: Channel.Channel): boolean => parameters.seats.length === 2

/** Nobody's signature yet. */
export const blank = ({ parameters }: Channel.Channel): (Uint8Array | undefined)[] =>
  parameters.seats.map(() => undefined)

type Draft = Pick<Proposal, 'version' | 'updates'>

/** A proposal is looked at in every step until it is over; what it makes of a state is worked out once. */
const known = new WeakMap<readonly Update.Update[], Known>()
type Known = { readonly on: Complete.Complete; readonly content: Complete.Content }

/** What a proposal makes of a complete state. @throws UpdateError */
export function contentOn(
  complete: Complete.Complete,
  { version, updates }: Draft,
): Complete.Content {
  const before = known.get(updates)
  if (before?.on === complete && before.content.version === version) return before.content
  const content = { version, ...Update.apply(complete.body, updates) }
  known.set(updates, { on: complete, content })
  return content
}

/** What a proposal makes of the newest complete state; state 0 stands by itself. @throws UpdateError */
export const contentOf = (
  { complete, parameters }: Channel.Channel,
  draft: Draft,
): Complete.Content =>
  draft.version === 0n || complete === undefined
    ? Complete.opening(parameters)
    : contentOn(complete, draft)

/** What its seats sign. @throws UpdateError */
export const digestOf = (
  context: Channel.Context,
  channel: Channel.Channel,
  draft: Draft,
): Uint8Array => Complete.digest(context.domain, channel.id, contentOf(channel, draft))

/** Nobody else can make it: what bears it we proposed. */
export const sealOf = (
  context: Channel.Context,
  channel: Channel.Channel,
  draft: Draft & { attempt: number },
) => context.seal(digestOf(context, channel, draft), uint(draft.attempt, 4))

/** What a seat does not take part in. */
export class ProposalError extends SluiceError {
  constructor(
    code:
      | 'BOND_AT_STAKE'
      | 'CHALLENGED'
      | 'FOREIGN_LANE'
      | 'FOREIGN_WITHDRAWAL'
      | 'LANE_TOO_SMALL'
      | 'NOT_CHALLENGED'
      | 'NOT_DEPOSITED'
      | 'NOT_LIVE'
      | 'OVER_CLAIM'
      | 'RESUMED'
      | 'UNDER_CLAIM'
      | 'UNDER_FOLD',
    message: string,
  ) {
    super(code, message)
    this.name = 'ProposalError'
  }
}
