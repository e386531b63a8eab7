/**
 * What the channel machine promises, checked after every single step of a world. Each check throws.
 */
import { expect } from 'vitest'
import * as Amount from '../../../src/core/amount.js'
import { equals, toHex } from '../../../src/core/bytes.js'
import type * as Channel from '../../../src/core/channel.js'
import type { Complete } from '../../../src/core/complete.js'
import type { Message } from '../../../src/core/message.js'
import * as State from '../../../src/core/state.js'
import * as Update from '../../../src/core/update.js'
import { domain, type Side, signers, type World } from './channel-world.js'
import * as Signatures from './signatures.js'

/** Everything the machine promises, looked at after every single step. */
export function checkStep(
  world: World,
  side: Side,
  before: Channel.Channel | undefined,
  { channel: after, effects }: Channel.Step,
): void {
  const { complete, proposals } = after
  if (effects.some((effect) => effect.type === 'refused') && effects.length === 1)
    expect(after, 'refused input changes nothing').toEqual(before)
  if (before?.complete !== undefined)
    expect(complete?.version).toBeGreaterThanOrEqual(before.complete.version)
  for (const { version, signatures } of proposals)
    noteSignature(world, side, version, signatures[side], complete)
  const signed = proposals.filter(({ signatures }) => signatures[side] !== undefined)
  expect(signed.length === 0 || proposals.length === 1, 'signed, and open for others').toBe(true)
  for (const effect of effects)
    if (effect.type === 'send') noteMessage(world, side, effect.message, complete)
  if (complete !== undefined) {
    noteSignature(world, side, complete.version, complete.signatures[side], complete)
    if (complete !== before?.complete) checkComplete(world, after, complete)
  }
  expect(
    world.signed[side]?.size,
    'every signature is of a version of its own, and is known to the channel',
  ).toBe(world.digests[side]?.size)
  checkProposalEnds(side, before, after, effects)
  checkLastFolds(world, before, after)
}

function noteMessage(
  world: World,
  side: Side,
  message: Message,
  complete: Complete | undefined,
): void {
  if (message.type === 'agree' || message.type === 'propose')
    noteSignature(world, side, message.version, message.signature, complete)
  if (message.type === 'complete')
    noteSignature(world, side, message.version, message.signatures[side], complete)
  if (message.type === 'open' || message.type === 'opened')
    noteSignature(world, side, 0n, message.signature, complete)
}

/** Nobody signs two contents of one version, nor a version whose predecessor it does not hold. */
function noteSignature(
  world: World,
  side: Side,
  version: bigint | undefined,
  signature: Uint8Array | undefined,
  complete: Complete | undefined,
): void {
  if (version === undefined || signature === undefined) return
  const known = world.signed[side]?.get(version) ?? toHex(signature)
  expect(toHex(signature), `seat ${side} signed two contents of version ${version}`).toBe(known)
  world.signed[side]?.set(version, known)
  if (version > 0n)
    expect(complete?.version, 'signed ahead of what is complete').toBeGreaterThanOrEqual(
      version - 1n,
    )
}

function checkComplete(
  world: World,
  channel: Channel.Channel,
  { version, kind, body, signatures }: Complete,
): void {
  State.checkShape(world.parameters, body)
  for (const [seat, row] of body.outcome.deposited.entries())
    expect(row[0], 'counted, and not deposited').toBeLessThanOrEqual(
      Amount.larger(
        State.cell(world.ledger.deposited, seat, 0),
        State.cell(world.parameters.deposits, seat, 0),
      ),
    )
  const root = State.root(channel.id, body)
  const digest = State.digest(domain, { channelId: channel.id, version, kind, root })
  for (const [seat, signature] of signatures.entries())
    expect(Signatures.recover(digest, signature)).toBe(signers[seat])
  for (const lane of body.lanes.filter(({ payer }) => payer === channel.seat)) {
    expect(lane.sessionKey, 'a lane of ours under a key of theirs').toBe(signers[channel.seat])
    expect(lane.folded).toBeLessThanOrEqual(world.promised.get(lane.id) ?? 0n)
  }
  for (const channel of world.channels)
    if (channel?.complete?.version === version)
      expect(equals(State.root(channel.id, channel.complete.body), root)).toBe(true)
}

/** A proposal of ours is open until it is complete as it was proposed, or said to be dropped. */
function checkProposalEnds(
  side: Side,
  before: Channel.Channel | undefined,
  after: Channel.Channel,
  effects: readonly Channel.Effect[],
): void {
  const ours = before?.proposals.find(({ proposer }) => proposer === side)
  if (ours === undefined || before?.complete === undefined) return
  // By its seal: what an older disk forgot may have had the same number.
  const open = after.proposals.some(
    ({ proposer, seal }) => proposer === side && equals(seal, ours.seal),
  )
  const dropped = effects.some((effect) => effect.type === 'dropped')
  if (open) {
    expect(dropped, 'dropped, and still open').toBe(false)
    return
  }
  const wanted = State.root(before.id, Update.apply(before.complete.body, ours.updates).body)
  const isLater = (after.complete?.version ?? 0n) > ours.version
  const done =
    after.complete?.version === ours.version &&
    equals(State.root(after.id, after.complete.body), wanted)
  expect(isLater || done !== dropped, 'a proposal ended neither complete nor dropped').toBe(true)
}

/** A lane ends with no less than we hold as payee, and no more than we promised as payer. */
function checkLastFolds(
  world: World,
  before: Channel.Channel | undefined,
  after: Channel.Channel,
): void {
  if (before === undefined) return
  const [only, ...more] = before.proposals
  if (only === undefined || more.length > 0 || after.complete?.version !== only.version) return
  for (const update of only.updates)
    if (update.type === 'lane-close') {
      const lane = before.complete?.body.lanes.find(({ id }) => id === update.lane)
      const [promised, accepted] = [
        world.promised.get(update.lane),
        world.accepted.get(update.lane),
      ]
      if (lane?.payee === after.seat) expect(update.claim).toBeGreaterThanOrEqual(accepted ?? 0n)
      if (lane?.payer === after.seat) expect(update.claim).toBeLessThanOrEqual(promised ?? 0n)
    }
}
