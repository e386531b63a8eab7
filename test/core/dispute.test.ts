import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Address } from '../../src/core/bytes.js'
import * as Chain from '../../src/core/chain.js'
import type { Claim } from '../../src/core/claim.js'
import * as Dispute from '../../src/core/dispute.js'
import type { Lane } from '../../src/core/lane.js'
import * as State from '../../src/core/state.js'
import type { Voucher } from '../../src/core/voucher.js'
import '../support/fuzz.js'
import { filler, tagged } from '../vectors/reference.js'
import * as Arbitrary from './support/arbitraries.js'

const refusal = (code: string) => expect.objectContaining({ code })

describe('the preimage of a root', () => {
  it('is four hashes, of which the contract and the objects are empty for now', () => {
    fc.assert(
      fc.property(Arbitrary.id, Arbitrary.body, (channelId, body) => {
        const branches = Dispute.branches(Dispute.preimage(channelId, body))
        const { outcome, lanes, contract, objects } = branches
        expect(Dispute.root(branches)).toEqual(State.root(channelId, body))
        expect(Dispute.root(branches)).toEqual(tagged('root', outcome, lanes, contract, objects))
        const complete = { version: 3n, kind: 0 as const, signatures: [], body }
        const { root } = Dispute.posting(channelId, complete)
        expect(root).toEqual(State.root(channelId, body))
      }),
    )
  })
})

describe('the leaf of a lane', () => {
  it('is proven under the root, and neither another lane, nor another root or channel', () => {
    const change = fc.constantFrom<Partial<Lane>>(
      { folded: 1n },
      { reserved: 1n },
      { payee: 15 },
      { sessionKey: `0x${'11'.repeat(20)}` },
      { id: 7n },
    )
    fc.assert(
      fc.property(Arbitrary.id, Arbitrary.id, Arbitrary.body, change, (id, other, body, change) => {
        const root = State.root(id, body)
        for (const leaf of Dispute.leaves(id, body)) {
          Dispute.checkLeaf(id, root, leaf)
          const forged = { ...leaf, lane: { ...leaf.lane, ...change } }
          const same = Object.entries(change).every(
            ([name, value]) => leaf.lane[name as keyof Lane] === value,
          )
          if (same) continue
          const check = (channelId: typeof id, expected: Uint8Array, shown: Dispute.Leaf) => () =>
            Dispute.checkLeaf(channelId, expected, shown)
          expect(check(id, root, forged)).toThrow(refusal('BAD_PROOF'))
          expect(check(id, filler('another root'), leaf)).toThrow(refusal('BAD_PROOF'))
          expect(check(other, root, leaf)).toThrow(refusal('BAD_PROOF'))
          const branches = { ...leaf.branches, contract: filler('contract') }
          expect(check(id, root, { ...leaf, branches })).toThrow(refusal('BAD_PROOF'))
          const long = { ...leaf, siblings: [...leaf.siblings, filler('sibling')] }
          expect(check(id, root, long)).toThrow(refusal('BAD_PROOF'))
        }
      }),
    )
  })
})

describe('a claim', () => {
  const channelId = `0x${'ab'.repeat(32)}` as const
  const signer: Address = `0x${'cd'.repeat(20)}`
  const lane: Lane = {
    id: 4n,
    payer: 0,
    payee: 1,
    asset: 0,
    folded: 10n,
    reserved: 100n,
    sessionKey: signer,
  }
  const tweak = Chain.laneTweak(channelId, lane.id)
  const chain = (digit: number, epoch = 2): Uint8Array =>
    Chain.generate({ tweak, epoch, digit }, 8, filler(`seed ${digit}`))
  const node = (digit: number, index: number, epoch = 2): Uint8Array =>
    chain(digit, epoch).slice(index * 32, index * 32 + 32)
  const voucher: Voucher = {
    channelId,
    lane: 4n,
    epoch: 2,
    base: 20n,
    unit: 3n,
    digits: 2,
    radix: 5,
    length: 8,
    anchors: [node(0, 0), node(1, 0)],
    context: filler('context'),
  }
  const claim = (change: Partial<Claim> = {}, voucherChange: Partial<Voucher> = {}): Claim => ({
    signed: { voucher: { ...voucher, ...voucherChange }, signature: new Uint8Array(65) },
    indices: [3, 0],
    nodes: [node(0, 3), node(1, 0)],
    ...change,
  })
  const check =
    (shown: Claim, by: Address | undefined = signer) =>
    () =>
      Dispute.checkClaim(channelId, lane, shown, by)

  it('is whole: each digit shows a node that leads to its anchor, or the anchor itself', () => {
    check(claim())()
    check(claim({ indices: [0, 0], nodes: voucher.anchors }))()
    check(claim({ indices: [8, 8], nodes: [node(0, 8), node(1, 8)] }))()
    const bad: Partial<Claim>[] = [
      { nodes: [node(0, 4), node(1, 0)] },
      { nodes: [node(0, 3), node(1, 1)] },
      { nodes: [node(1, 3), node(0, 0)] },
      { nodes: [node(0, 3, 3), node(1, 0)] },
      { indices: [3, 1] },
      { indices: [9, 0] },
      { indices: [3] },
      { nodes: [node(0, 3)] },
      { indices: [3, 0, 0] },
    ]
    for (const change of bad) expect(check(claim(change))).toThrow(refusal('BAD_TICK'))
  })

  it('goes no further than its voucher, however long the payer has made the chain', () => {
    const long = Chain.generate({ tweak, epoch: 2, digit: 0 }, 9, filler('seed'))
    const at = (index: number): Uint8Array => long.slice(index * 32, index * 32 + 32)
    const shown = (index: number): Claim =>
      claim(
        { indices: [index, 0], nodes: [at(index), node(1, 0)] },
        { anchors: [at(0), node(1, 0)] },
      )
    check(shown(8))()
    expect(check(shown(9))).toThrow(refusal('BAD_TICK'))
  })

  it('is of this lane of this channel, canonical, and signed by the session key', () => {
    const bad: Partial<Voucher>[] = [
      { channelId: `0x${'ac'.repeat(32)}` },
      { lane: 5n },
      { epoch: 0 },
      { unit: 0n },
      { length: 513 },
      { base: 2n ** 256n - 1n },
      { anchors: [node(0, 0)] },
    ]
    for (const change of bad) expect(check(claim({}, change))).toThrow(refusal('BAD_VOUCHER'))
    const stranger: Address = `0x${'ce'.repeat(20)}`
    expect(check(claim(), stranger)).toThrow(refusal('BAD_VOUCHER'))
    expect(() => Dispute.checkClaim(channelId, lane, claim(), undefined)).toThrow(
      refusal('BAD_VOUCHER'),
    )
  })

  it('pays what it proves beyond what was folded, and never more than is reserved', () => {
    expect(Dispute.redeemable(lane, 0n)).toBe(0n)
    expect(Dispute.redeemable(lane, 10n)).toBe(0n)
    expect(Dispute.redeemable(lane, 11n)).toBe(1n)
    expect(Dispute.redeemable(lane, 110n)).toBe(100n)
    expect(Dispute.redeemable(lane, 2n ** 256n - 1n)).toBe(100n)
  })
})

describe('shares', () => {
  const outcome = (balances: bigint[], change: Partial<State.Outcome> = {}): State.Outcome => {
    const table = (amounts: bigint[]) => amounts.map((amount) => [amount])
    const none = table(balances.map(() => 0n))
    const deposited = table([10n, 10n])
    return {
      balances: table(balances),
      deposited,
      withdrawn: none,
      pots: none,
      nextLane: 0n,
      ...change,
    }
  }
  const layer = (deposited: bigint[], withdrawn: bigint[], held: bigint): Dispute.Holding => ({
    deposited: deposited.map((amount) => [amount]),
    withdrawn: withdrawn.map((amount) => [amount]),
    held: [held],
  })

  it('of a freeze are balances and pots, and what the layer saw that the state did not', () => {
    const shares = (...of: Parameters<typeof Dispute.frozenShares>) =>
      Dispute.frozenShares(...of).map(([amount]) => amount)
    expect(shares(outcome([3n, 17n]), layer([10n, 10n], [0n, 0n], 20n))).toEqual([3n, 17n])
    expect(shares(outcome([3n, 17n]), layer([10n, 15n], [0n, 0n], 25n))).toEqual([3n, 22n])
    const early = outcome([3n, 12n], { withdrawn: [[0n], [5n]] })
    expect(shares(early, layer([10n, 10n], [0n, 0n], 20n))).toEqual([3n, 17n])
    expect(shares(early, layer([10n, 10n], [0n, 5n], 15n))).toEqual([3n, 12n])
    const pots = outcome([3n, 12n], { pots: [[4n], [1n]] })
    expect(shares(pots, layer([10n, 10n], [0n, 0n], 20n))).toEqual([7n, 13n])
  })

  it('of a freeze end where nothing is held, in seat order, and are never negative', () => {
    const shares = (...of: Parameters<typeof Dispute.frozenShares>) => Dispute.frozenShares(...of)
    expect(shares(outcome([15n, 15n]), layer([10n, 10n], [0n, 0n], 20n))).toEqual([[15n], [5n]])
    expect(shares(outcome([3n, 17n]), layer([10n, 10n], [9n, 0n], 11n))).toEqual([[0n], [11n]])
    const misfit = { ...outcome([1n]), deposited: [], withdrawn: [] }
    expect(shares(misfit, layer([10n, 10n], [0n, 0n], 20n))).toEqual([[11n], [9n]])
  })

  it('of a close are exactly what is held, or there are none', () => {
    const here = layer([10n, 10n], [0n, 0n], 20n)
    expect(Dispute.finalShares(outcome([3n, 17n]), here)).toEqual([[3n], [17n]])
    expect(Dispute.finalShares(outcome([3n, 16n]), here)).toBeUndefined()
    expect(Dispute.finalShares(outcome([3n, 18n]), here)).toBeUndefined()
    const negative = outcome([20n, 0n], { deposited: [[10n], [11n]] })
    expect(Dispute.finalShares(negative, { ...here, held: [19n] })).toBeUndefined()
  })

  it('of a withdrawal are what the state has withdrawn and the layer has not', () => {
    const state = outcome([0n, 0n], { withdrawn: [[4n], [9n]] })
    const here = layer([10n, 10n], [6n, 2n], 12n)
    expect(Dispute.withdrawals(state, here)).toEqual([[0n], [7n]])
  })
})

describe('a bond', () => {
  it('is lost to a state two versions newer, and kept after one lost co-signature', () => {
    expect(Dispute.isFraud(5n, 5n)).toBe(false)
    expect(Dispute.isFraud(5n, 6n)).toBe(false)
    expect(Dispute.isFraud(5n, 7n)).toBe(true)
    expect(Dispute.isFraud(0n, 2n ** 64n - 1n)).toBe(true)
  })

  it('goes to the other seats equally, its rest to the first of them, to the unit', () => {
    expect(Dispute.splitBond(7n, 2, 0)).toEqual([0n, 7n])
    expect(Dispute.splitBond(7n, 2, 1)).toEqual([7n, 0n])
    expect(Dispute.splitBond(8n, 4, 0)).toEqual([0n, 4n, 2n, 2n])
    expect(Dispute.splitBond(11n, 4, 2)).toEqual([5n, 3n, 0n, 3n])
    fc.assert(
      fc.property(
        Arbitrary.uint(200),
        fc.integer({ min: 2, max: 16 }),
        fc.nat(),
        (bond, seats, at) => {
          const shares = Dispute.splitBond(bond, seats, at % seats)
          expect(shares.reduce((sum, share) => sum + share, 0n)).toBe(bond)
          expect(shares[at % seats]).toBe(0n)
        },
      ),
    )
  })
})
