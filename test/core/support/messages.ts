/** Arbitrary control messages, and channels as they lie in the store. */
import fc from 'fast-check'
import type { Channel } from '../../../src/core/channel.js'
import type { Claim } from '../../../src/core/claim.js'
import type { Complete } from '../../../src/core/complete.js'
import { limits } from '../../../src/core/limits.js'
import type { Message } from '../../../src/core/message.js'
import type { Parameters } from '../../../src/core/parameters.js'
import type { Update } from '../../../src/core/update.js'
import * as Arbitrary from './arbitraries.js'

const { address, amount, bytes, id, signature, uint } = Arbitrary
const is = <T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type)
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const uint32 = fc.nat(0xffff_ffff)
const version = uint(64)
const seat = fc.nat(limits.seatsMax - 1)
const asset = fc.nat(limits.assetsMax - 1)
const table = fc.array(fc.array(amount, { maxLength: 2 }), { maxLength: 3 })

const parameters: fc.Arbitrary<Parameters> = fc.record({
  seats: fc.array(fc.record({ signer: address, payout: address }), { maxLength: 3 }),
  assets: fc.array(address, { maxLength: 2 }),
  deposits: table,
  fundBy: uint(64),
  challengePeriod: uint(64),
  codeHash: bytes(32),
  salt: bytes(32),
})

const complete: fc.Arbitrary<Complete> = fc.record({
  version,
  kind: fc.constantFrom(0, 1, 2),
  body: Arbitrary.body,
  signatures: fc.array(signature, { maxLength: 3 }),
})

const update: fc.Arbitrary<Update> = fc.oneof(
  fc.record({
    type: is('lane-open'),
    payer: seat,
    payee: seat,
    asset,
    reserved: amount,
    sessionKey: address,
  }),
  fc.record({ type: is('fold'), lane: uint(64), claim: amount }),
  fc.record({ type: is('lane-close'), lane: uint(64), claim: amount }),
  fc.record({ type: is('top-up'), seat, asset, amount }),
  fc.record({ type: is('withdraw'), seat, asset, amount }),
  fc.record({ type: is('resume') }),
  fc.record({ type: is('final') }),
)
const updates = fc.array(update, { maxLength: 4 })

const claim: fc.Arbitrary<Claim> = fc.record({
  signed: Arbitrary.signed,
  indices: fc.array(fc.nat(limits.chainStepsMax), { maxLength: limits.digitsMax }),
  nodes: fc.array(bytes(32), { maxLength: limits.digitsMax }),
})

const draft = { version, attempt: uint32, seal: bytes(32), updates }

const addresses = fc.array(fc.string({ maxLength: limits.addressMax }), { maxLength: 3 })
const problem = { code: fc.string({ maxLength: 64 }), message: fc.string({ maxLength: 1_024 }) }

export const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: is('hello'),
    chainId: amount,
    adjudicator: address,
    signer: address,
    payout: address,
    signature,
  }),
  fc.record({ type: is('open'), parameters, seat, addresses, signature }),
  fc.record({ type: is('opened'), channelId: id, signature }),
  fc.record({
    type: is('sync'),
    channelId: id,
    complete: optional(complete),
    dropped: uint32,
    refused: uint32,
  }),
  fc.record({ type: is('synced') }),
  fc.record({
    type: is('propose'),
    channelId: id,
    ...draft,
    latest: complete,
    signature: optional(signature),
  }),
  fc.record({ type: is('agree'), channelId: id, ...draft, signature: optional(signature) }),
  fc.record({
    type: is('complete'),
    channelId: id,
    version,
    signatures: fc.array(signature, { maxLength: 3 }),
  }),
  fc.record({ type: is('drop'), channelId: id, version, attempt: uint32 }),
  fc.record({ type: is('refuse'), channelId: id, version, attempt: uint32, ...problem }),
  fc.record({ type: is('bind'), channelId: id, lane: uint(64) }),
  fc.record({
    type: is('bound'),
    channelId: id,
    lane: uint(64),
    handle: uint32,
    claim: optional(claim),
  }),
  fc.record({ type: is('settle'), channelId: id }),
  fc.record({
    type: is('settled'),
    channelId: id,
    idle: fc.boolean(),
    claims: fc.array(fc.record({ lane: uint(64), claim: amount }), { maxLength: 3 }),
  }),
  fc.record({ type: is('problem'), ...problem }),
)

export const channel: fc.Arbitrary<Channel> = fc.record({
  id,
  parameters,
  seat,
  addresses,
  phase: fc.constantFrom(
    'opening',
    'funding',
    'live',
    'challenged',
    'frozen',
    'closing',
    'closed',
    'dead',
  ),
  complete: optional(complete),
  proposals: fc.array(
    fc.record({
      proposer: seat,
      ...draft,
      oks: fc.array(seat, { maxLength: 3 }),
      signatures: fc.array(optional(signature), { maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
  attempts: fc.array(uint32, { maxLength: 3 }),
  deposited: table,
  calls: fc.array(fc.constantFrom('open', 'deposit', 'refund', 'withdraw', 'resume', 'close'), {
    maxLength: 3,
  }),
})
