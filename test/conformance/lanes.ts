/**
 * How every execution layer settles lanes after a freeze, run through the `Ledger` port alone: each by its
 * leaf, voucher and deepest nodes, by anyone, every rise once, and the rest back to the payer.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { zeroAddress } from '../../src/core/bytes.js'
import type { Claim } from '../../src/core/claim.js'
import type { Leaf } from '../../src/core/dispute.js'
import type { Lane } from '../../src/core/lane.js'
import type { Voucher } from '../../src/core/voucher.js'
import { filler } from '../vectors/reference.js'
import {
  collect,
  column,
  type Harness,
  laneOf,
  ledgerOf,
  promise,
  type Room,
  refusal,
  rooms,
  type Seat,
  type Signed,
  ticks,
} from './rooms.js'

export function laneSuite(name: string, create: () => Promise<Harness>): void {
  describe(`lane conformance: ${name}`, () => {
    let harness: Harness
    beforeAll(async () => {
      harness = await create()
    })
    afterAll(() => harness.close())

    const { seat, look, live, state, post, pass, expectPaid } = rooms(() => harness)

    type Open = ReturnType<typeof laneOf>

    /** A channel of these lanes, frozen with version 5 of it. */
    async function frozen(deposits: bigint[], balances: bigint[], ...lanes: Open[]) {
      const room = await live(...deposits)
      const last = await state(room, 5n, balances, { lanes: lanes.map(({ lane }) => lane) })
      await post(room, 0, last)
      await pass(room, 'states')
      return { room, last }
    }

    const leafOf = ({ leaves }: Signed, id = 0n): Leaf =>
      leaves.find(({ lane }) => lane.id === id) as Leaf

    const redeem = (
      room: Room,
      last: Signed,
      claim: Claim,
      by: Seat = room.seats[1] as Seat,
    ): Promise<void> =>
      by.ledger.redeem(room.parameters, { ...leafOf(last, claim.signed.voucher.lane), claim })

    const worth = (room: Room, open: Open, amount: bigint, change: Partial<Voucher> = {}) =>
      promise(ledgerOf(room.seats).domain, room.id, open.lane, open.key, amount, change)

    const revealed = (room: Room, open: Open, options: Parameters<typeof ticks>[4]) =>
      ticks(ledgerOf(room.seats).domain, room.id, open.lane, open.key, options)

    it('pays a claim of voucher and ticks to its payee, and the rest back to its payer', async () => {
      const open = laneOf({ folded: 5n, reserved: 20n })
      const { room, last } = await frozen([30n, 12n], [10n, 12n], open)
      const { ledger } = room.seats[0] as Seat
      await ledger.freeze(room.parameters, last.preimage)
      await expectPaid(room, [10n, 12n])
      await redeem(room, last, await revealed(room, open, { base: 7n, indices: [6] }))
      await expectPaid(room, [10n, 20n])
      expect(await ledger.lane(room.id, 0n)).toEqual({ claim: 13n, swept: false })
      expect(await look(room.seats, room.parameters)).toMatchObject({
        status: 'frozen',
        held: [12n],
      })
      await pass(room, 'redemption')
      await ledger.sweep(room.parameters, leafOf(last))
      await expectPaid(room, [22n, 20n])
      expect(await ledger.lane(room.id, 0n)).toEqual({ claim: 13n, swept: true })
      expect(await look(room.seats, room.parameters)).toMatchObject({
        status: 'closed',
        held: [0n],
      })
    })

    it('pays the newest even where a stranger redeems an old voucher first, and each rise once', async () => {
      const open = laneOf()
      const { room, last } = await frozen([30n, 12n], [20n, 12n], open)
      const stranger = await seat(0n)
      await redeem(room, last, await worth(room, open, 2n), stranger)
      await expectPaid(room, [0n, 2n])
      const newest = await revealed(room, open, { epoch: 2, base: 3n, indices: [4] })
      await redeem(room, last, newest)
      await expectPaid(room, [0n, 7n])
      await redeem(room, last, newest)
      await redeem(room, last, newest, stranger)
      await redeem(room, last, await worth(room, open, 2n), stranger)
      await redeem(room, last, await worth(room, open, 7n, { epoch: 9 }))
      await expectPaid(room, [0n, 7n])
      const later = await revealed(room, open, { epoch: 2, base: 3n, indices: [5] })
      await Promise.all([stranger, ...room.seats].map((by) => redeem(room, last, later, by)))
      await expectPaid(room, [0n, 8n])
    })

    it('clamps: nothing below what was folded, never more than is reserved', async () => {
      const open = laneOf({ folded: 100n, reserved: 10n })
      const { room, last } = await frozen([30n, 12n], [20n, 12n], open)
      const { ledger } = room.seats[0] as Seat
      for (const [claim, paid] of [
        [1n, 0n],
        [100n, 0n],
        [101n, 1n],
        [2n ** 256n - 1n, 10n],
      ] as const) {
        await redeem(room, last, await worth(room, open, claim), room.seats[0])
        await expectPaid(room, [0n, paid])
        expect(await ledger.lane(room.id, 0n)).toEqual({ claim, swept: false })
      }
      await ledger.freeze(room.parameters, last.preimage)
      await expectPaid(room, [20n, 22n])
      expect(await look(room.seats, room.parameters)).toMatchObject({ status: 'closed' })
    })

    it('settles every lane alone, in both directions and among many seats', async () => {
      const lanes = [
        laneOf({ id: 0n, payer: 0, payee: 1, reserved: 10n }),
        laneOf({ id: 1n, payer: 1, payee: 0, reserved: 4n }),
        laneOf({ id: 2n, payer: 2, payee: 1, reserved: 5n }),
        laneOf({ id: 7n, payer: 2, payee: 0, reserved: 6n }),
      ] as const
      const { room, last } = await frozen([30n, 12n, 11n], [20n, 8n, 0n], ...lanes)
      const third = room.seats[2] as Seat
      await redeem(room, last, await worth(room, lanes[0], 9n))
      await redeem(room, last, await worth(room, lanes[1], 4n))
      await redeem(room, last, await revealed(room, lanes[3], { indices: [1, 1] }), third)
      await expectPaid(room, [9n, 9n, 0n])
      await third.ledger.freeze(room.parameters, last.preimage)
      await expectPaid(room, [29n, 17n, 0n])
      await pass(room, 'redemption')
      for (const id of [0n, 1n, 2n, 7n]) await third.ledger.sweep(room.parameters, leafOf(last, id))
      await expectPaid(room, [30n, 17n, 6n])
      expect(await look(room.seats, room.parameters)).toMatchObject({
        status: 'closed',
        held: [0n],
      })
    })

    it('takes four digits to their ends: 1,024 steps', async () => {
      const open = laneOf({ reserved: 30_000n })
      const { room, last } = await frozen([30_000n, 0n], [0n, 0n], open)
      const indices = [256, 256, 256, 256]
      await redeem(room, last, await revealed(room, open, { length: 256, indices }))
      await expectPaid(room, [0n, 256n * 85n])
    })

    it('needs no freeze to redeem and sweep, and a freeze to be over', async () => {
      const open = laneOf()
      const { room, last } = await frozen([30n, 12n], [20n, 12n], open)
      const { ledger } = room.seats[1] as Seat
      await redeem(room, last, await worth(room, open, 10n))
      await pass(room, 'redemption')
      await ledger.sweep(room.parameters, leafOf(last))
      expect(await look(room.seats, room.parameters)).toMatchObject({
        status: 'frozen',
        held: [32n],
      })
      await ledger.freeze(room.parameters, last.preimage)
      await expectPaid(room, [20n, 22n])
      expect(await look(room.seats, room.parameters)).toMatchObject({
        status: 'closed',
        held: [0n],
      })
      await ledger.sweep(room.parameters, leafOf(last))
      await ledger.freeze(room.parameters, last.preimage)
      await expectPaid(room, [20n, 22n])
    })

    it('has a time for each call', async () => {
      const open = laneOf()
      const room = await live(30n, 12n)
      const { ledger } = room.seats[1] as Seat
      const last = await state(room, 5n, [20n, 12n], { lanes: [open.lane] })
      const claim = await worth(room, open, 6n)
      const sweep = () => ledger.sweep(room.parameters, leafOf(last))
      await expect(redeem(room, last, claim)).rejects.toThrow(refusal('NOT_CHALLENGED'))
      await expect(sweep()).rejects.toThrow(refusal('NOT_CHALLENGED'))
      await post(room, 0, last)
      await expect(redeem(room, last, claim)).rejects.toThrow(refusal('STATES_OPEN'))
      await expect(sweep()).rejects.toThrow(refusal('STATES_OPEN'))
      await pass(room, 'states')
      await expect(sweep()).rejects.toThrow(refusal('REDEMPTION_OPEN'))
      await pass(room, 'redemption')
      await expect(redeem(room, last, claim)).rejects.toThrow(refusal('REDEMPTION_OVER'))
      await sweep()
      await Promise.all([sweep(), sweep()])
      await expectPaid(room, [10n, 0n])
    })

    it('refuses vouchers of another channel, layer, lane or key, and what is not canonical', async () => {
      const [open, other] = [laneOf(), laneOf({ id: 1n })]
      const { room, last } = await frozen([30n, 12n], [10n, 12n], open, other)
      const { domain } = ledgerOf(room.seats)
      const { lane, key } = open
      const again = await live(30n, 12n)
      const stranger = laneOf()
      const asLane0 = (claim: Claim): Claim => ({
        ...claim,
        signed: { ...claim.signed, voucher: { ...claim.signed.voucher, lane: 0n } },
      })
      const chain = { ...domain, chainId: domain.chainId + 1n }
      const adjudicator = { ...domain, adjudicator: stranger.key.address }
      const honest = await worth(room, open, 3n)
      const raised = { ...honest.signed.voucher, base: 9n }
      const foreign: Claim[] = [
        await worth(again, open, 9n),
        await promise(chain, room.id, lane, key, 9n),
        await promise(adjudicator, room.id, lane, key, 9n),
        await worth(room, { lane, key: stranger.key }, 9n),
        await worth(room, { lane, key: other.key }, 9n),
        asLane0(await worth(room, other, 9n)),
        { ...honest, signed: { ...honest.signed, voucher: raised } },
        { ...honest, signed: { ...honest.signed, signature: new Uint8Array(65) } },
        await worth(room, open, 9n, { epoch: 0 }),
        await worth(room, open, 9n, { unit: 1n }),
        await worth(room, open, 2n ** 256n - 1n, {
          unit: 1n,
          digits: 1,
          radix: 1,
          length: 4,
          anchors: [filler('anchor')],
        }),
      ]
      for (const claim of foreign) {
        const shown = claim.indices.length === claim.signed.voucher.digits
        const { anchors } = claim.signed.voucher
        const whole = shown ? claim : { ...claim, indices: anchors.map(() => 0), nodes: anchors }
        await expect(redeem(room, last, whole)).rejects.toThrow(refusal('BAD_VOUCHER'))
      }
      await expectPaid(room, [])
      // A voucher of this very channel under a lane's leaf that is not its own.
      const { ledger } = room.seats[1] as Seat
      const wrongLane = { ...leafOf(last, 1n), claim: honest }
      await expect(ledger.redeem(room.parameters, wrongLane)).rejects.toThrow(
        refusal('BAD_VOUCHER'),
      )
    })

    it('refuses nodes of another epoch, digit, index or lane', async () => {
      const [open, other] = [laneOf(), laneOf({ id: 1n })]
      const { room, last } = await frozen([30n, 12n], [10n, 12n], open, other)
      const good = await revealed(room, open, { epoch: 2, base: 1n, indices: [3, 2] })
      const deeper = await revealed(room, open, { epoch: 2, indices: [4, 2] })
      const bad: Partial<Claim>[] = [
        { indices: [4, 2] },
        { indices: [2, 2] },
        { nodes: deeper.nodes },
        { nodes: [...good.nodes].reverse() },
        { nodes: (await revealed(room, open, { epoch: 1, indices: [3, 2] })).nodes },
        { nodes: (await revealed(room, other, { epoch: 2, indices: [3, 2] })).nodes },
        { indices: [17, 2] },
        { indices: [0, 0] },
      ]
      for (const change of bad)
        await expect(redeem(room, last, { ...good, ...change })).rejects.toThrow(
          refusal('BAD_TICK'),
        )
      await expectPaid(room, [])
      await redeem(room, last, good)
      await expectPaid(room, [0n, 10n])
    })

    it('refuses lanes that are not in the posted state', async () => {
      const lanes = [laneOf(), laneOf({ id: 1n }), laneOf({ id: 2n, reserved: 0n })] as const
      const { room, last } = await frozen([40n, 12n], [20n, 12n], ...lanes)
      const { ledger } = room.seats[1] as Seat
      const [open] = lanes
      const claim = await worth(room, open, 10n)
      const leaf = leafOf(last)
      const older = await state(room, 4n, [20n, 12n], { lanes: [{ ...open.lane, reserved: 20n }] })
      const withLane = (change: Partial<Lane>): Leaf => ({
        ...leaf,
        lane: { ...leaf.lane, ...change },
      })
      const otherBranch = { ...leaf.branches, objects: filler('objects') }
      const bad: Leaf[] = [
        leafOf(older),
        { ...leafOf(older), branches: leaf.branches },
        withLane({ reserved: 11n }),
        withLane({ payee: 0 }),
        withLane({ sessionKey: zeroAddress }),
        { ...leaf, branches: otherBranch },
        { ...leaf, siblings: leaf.siblings.slice(1) },
        { ...leaf, siblings: [...leaf.siblings, filler('sibling')] },
        { ...leafOf(last, 1n), lane: leaf.lane },
      ]
      for (const each of bad) {
        await expect(ledger.redeem(room.parameters, { ...each, claim })).rejects.toThrow(
          refusal('BAD_PROOF'),
        )
      }
      await pass(room, 'redemption')
      for (const each of bad)
        await expect(ledger.sweep(room.parameters, each)).rejects.toThrow(refusal('BAD_PROOF'))
      await expectPaid(room, [])
      for (const id of [0n, 1n, 2n]) await ledger.sweep(room.parameters, leafOf(last, id))
      await expectPaid(room, [20n, 0n])
    })

    it('has nothing for old vouchers where a channel closed, or its lane was closed in a state', async () => {
      const open = laneOf()
      const room = await live(30n, 12n)
      const { ledger } = room.seats[1] as Seat
      const withLane = await state(room, 4n, [20n, 12n], { lanes: [open.lane] })
      const claim = await worth(room, open, 10n)
      const final = await state(room, 6n, [25n, 17n], { kind: 1 })
      await ledger.close(room.parameters, final.posting, final.preimage)
      await expect(redeem(room, withLane, claim)).rejects.toThrow(refusal('CHANNEL_CLOSED'))
      await expectPaid(room, [25n, 17n])

      const next = await live(30n, 12n)
      const reopened = { lane: { ...open.lane, id: 1n }, key: open.key }
      const older = await state(next, 4n, [20n, 12n], { lanes: [open.lane] })
      const newer = await state(next, 5n, [20n, 12n], { lanes: [reopened.lane] })
      await post(next, 0, newer)
      await pass(next, 'states')
      const old = await worth(next, open, 10n)
      await expect(redeem(next, older, old)).rejects.toThrow(refusal('BAD_PROOF'))
      const { ledger: payee } = next.seats[1] as Seat
      await expect(
        payee.redeem(next.parameters, { ...leafOf(newer, 1n), claim: old }),
      ).rejects.toThrow(refusal('BAD_VOUCHER'))
    })

    it('survives states that all seats signed and that do not add up', async () => {
      const open = laneOf({ reserved: 30n })
      const { room, last } = await frozen([10n, 10n], [15n, 30n], open)
      const { ledger } = room.seats[0] as Seat
      await redeem(room, last, await worth(room, open, 8n))
      await expectPaid(room, [0n, 8n])
      await ledger.freeze(room.parameters, last.preimage)
      await expectPaid(room, [12n, 8n])
      expect(await look(room.seats, room.parameters)).toMatchObject({
        status: 'closed',
        held: [0n],
      })

      const short = await live(10n, 10n)
      const pots = await state(short, 1n, [1n, 2n], { pots: column(3n, 4n), lanes: [open.lane] })
      await post(short, 1, pots)
      await pass(short, 'states')
      await ledger.freeze(short.parameters, pots.preimage)
      await expectPaid(short, [4n, 6n])
      await redeem(short, pots, await worth(short, open, 30n))
      await expectPaid(short, [4n, 16n])
      expect(await look(short.seats, short.parameters)).toMatchObject({ status: 'closed' })
    })

    it('tells of each rise and of what was swept', async () => {
      const open = laneOf({ id: 3n })
      const { room, last } = await frozen([30n, 12n], [20n, 12n], open)
      const { ledger } = room.seats[1] as Seat
      await redeem(room, last, await worth(room, open, 4n))
      await redeem(room, last, await worth(room, open, 9n))
      await ledger.freeze(room.parameters, last.preimage)
      await pass(room, 'redemption')
      await ledger.sweep(room.parameters, leafOf(last, 3n))
      const told = await collect(ledger, 0, ({ channelId }) => channelId === room.id, 10)
      expect(told.slice(4).map(({ sequence, channelId, ...event }) => event)).toEqual([
        { type: 'challenged', version: 5n },
        { type: 'redeemed', lane: 3n, claim: 4n },
        { type: 'redeemed', lane: 3n, claim: 9n },
        { type: 'frozen' },
        { type: 'swept', lane: 3n },
        { type: 'closed' },
      ])
    })
  })
}
