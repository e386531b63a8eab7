import fc from 'fast-check'
import { type Hex, hashTypedData } from 'viem'
import { expect, it } from 'vitest'
import { toHex } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import * as Introduction from '../../src/core/introduction.js'
import * as Opening from '../../src/core/opening.js'
import * as Receipt from '../../src/core/receipt.js'
import * as State from '../../src/core/state.js'
import * as TypedData from '../../src/core/typed-data.js'
import * as Voucher from '../../src/core/voucher.js'
import { tagged } from '../vectors/reference.js'
import * as Arbitrary from './support/arbitraries.js'

/** viem's digest of a struct whose members are given as `type name,…`. */
function viemDigest(
  { chainId, adjudicator }: TypedData.Domain,
  primaryType: string,
  members: string,
  message: Record<string, unknown>,
): Hex {
  const fields = members.split(',').map((member) => {
    const [type = '', name = ''] = member.split(' ')
    return { type, name }
  })
  const domain = { name: 'Sluice', version: '1', chainId, verifyingContract: adjudicator }
  return hashTypedData({ domain, primaryType, types: { [primaryType]: fields }, message })
}

const peer = fc.string()
const peerHash = (peer: string): Hex => toHex(tagged('peer', Buffer.from(peer)))

it('any flat struct has the digest that viem gives it', () => {
  const type = {
    name: 'Everything',
    members: {
      a: 'bytes32',
      b: 'bytes',
      c: 'address',
      d: 'uint8',
      e: 'uint16',
      f: 'uint32',
      g: 'uint64',
      h: 'uint128',
      i: 'uint256',
    },
  } as const satisfies TypedData.Type
  const members = TypedData.describe(type).slice('Everything('.length, -1)
  const values = fc.record({
    a: Arbitrary.bytes(32),
    b: fc.uint8Array(),
    c: Arbitrary.address,
    d: fc.nat(0xff),
    e: fc.nat(0xffff),
    f: fc.nat(0xffff_ffff),
    g: Arbitrary.uint(64),
    h: Arbitrary.uint(128),
    i: Arbitrary.uint(256),
  })
  fc.assert(
    fc.property(Arbitrary.domain, values, (domain, values) => {
      const message = { ...values, a: toHex(values.a), b: toHex(values.b) }
      const expected = viemDigest(domain, 'Everything', members, message)
      expect(toHex(TypedData.digest(domain, type, values))).toBe(expected)
    }),
  )
})

it('an integer that does not fit its member has no digest', () => {
  const type = { name: 'T', members: { a: 'uint8' } } as const satisfies TypedData.Type
  const domain = { chainId: 1n, adjudicator: `0x${'00'.repeat(20)}` } as const
  for (const a of [256, -1, 2n ** 64n])
    expect(() => TypedData.digest(domain, type, { a })).toThrow(
      expect.objectContaining({ code: 'OUT_OF_RANGE' }),
    )
})

it('challenges', () => {
  const challenge = fc.record({
    channelId: Arbitrary.id,
    version: Arbitrary.uint(64),
    account: Arbitrary.address,
  })
  const members = 'bytes32 channelId,uint64 version,address account'
  fc.assert(
    fc.property(Arbitrary.domain, challenge, (domain, challenge) => {
      const expected = viemDigest(domain, 'Challenge', members, challenge)
      expect(toHex(Dispute.digest(domain, challenge))).toBe(expected)
    }),
  )
})

it('states', () => {
  const state = fc.record({
    channelId: Arbitrary.id,
    version: Arbitrary.uint(64),
    root: Arbitrary.bytes(32),
    kind: fc.constantFrom<State.Kind>(0, 1, 2),
  })
  const members = 'bytes32 channelId,uint64 version,bytes32 root,uint8 kind'
  fc.assert(
    fc.property(Arbitrary.domain, state, (domain, state) => {
      const expected = viemDigest(domain, 'State', members, { ...state, root: toHex(state.root) })
      expect(toHex(State.digest(domain, state))).toBe(expected)
    }),
  )
})

it('vouchers', () => {
  const members =
    'bytes32 channelId,uint64 lane,uint32 epoch,uint256 base,uint128 unit,uint8 digits,uint16 radix,uint16 length,bytes32 anchors,bytes32 context'
  fc.assert(
    fc.property(Arbitrary.domain, Arbitrary.voucher, (domain, voucher) => {
      const anchors = toHex(tagged('anchors', ...voucher.anchors))
      const message = { ...voucher, anchors, context: toHex(voucher.context) }
      expect(toHex(Voucher.digest(domain, voucher))).toBe(
        viemDigest(domain, 'Voucher', members, message),
      )
    }),
  )
})

it('stream openings', () => {
  const opening = fc.record({
    channelId: Arbitrary.id,
    lane: Arbitrary.uint(64),
    payer: peer,
    payee: peer,
    quote: Arbitrary.bytes(32),
    nonce: Arbitrary.bytes(32),
  })
  const members =
    'bytes32 channelId,uint64 lane,bytes32 payer,bytes32 payee,bytes32 quote,bytes32 nonce'
  fc.assert(
    fc.property(Arbitrary.domain, opening, (domain, opening) => {
      const message = {
        ...opening,
        payer: peerHash(opening.payer),
        payee: peerHash(opening.payee),
        quote: toHex(opening.quote),
        nonce: toHex(opening.nonce),
      }
      expect(toHex(Opening.digest(domain, opening))).toBe(
        viemDigest(domain, 'StreamOpening', members, message),
      )
    }),
  )
})

it('receipts', () => {
  const receipt = fc.record({
    channelId: Arbitrary.id,
    lane: Arbitrary.uint(64),
    quote: Arbitrary.bytes(32),
    purchase: Arbitrary.bytes(32),
    offset: Arbitrary.uint(64),
    owed: Arbitrary.amount,
    reason: fc.constantFrom(...Receipt.reasons),
  })
  const members =
    'bytes32 channelId,uint64 lane,bytes32 quote,bytes32 purchase,uint64 offset,uint256 owed,uint8 reason'
  fc.assert(
    fc.property(Arbitrary.domain, receipt, (domain, receipt) => {
      const message = {
        ...receipt,
        quote: toHex(receipt.quote),
        purchase: toHex(receipt.purchase),
        reason: Receipt.reasons.indexOf(receipt.reason),
      }
      expect(toHex(Receipt.digest(domain, receipt))).toBe(
        viemDigest(domain, 'Receipt', members, message),
      )
    }),
  )
})

it('introductions', () => {
  fc.assert(
    fc.property(Arbitrary.domain, peer, peer, (domain, from, to) => {
      const message = { from: peerHash(from), to: peerHash(to) }
      expect(toHex(Introduction.digest(domain, { from, to }))).toBe(
        viemDigest(domain, 'Introduction', 'bytes32 from,bytes32 to', message),
      )
    }),
  )
})
