/**
 * States are what was proposed and nothing else; lanes close with what was proven, no less and no more than
 * was owed; and the layer pays that out to the unit (promises 1, 3 and 4).
 */
import * as Amount from '../../core/amount.js'
import { equals, type Hex } from '../../core/bytes.js'
import * as Claim from '../../core/claim.js'
import * as Voucher from '../../core/voucher.js'
import * as Records from '../../engine/records.js'
import type { View } from '../layer.js'
import { costOf, windowOf } from '../model.js'
import { type Make, type Subject, short } from '../witness.js'
import { newlySigned } from './signed.js'

/** Every state that completes is what the reference model makes of the proposals. */
export const asProposed: Make = (witness, fail) => ({
  onChannel(person, channel, before) {
    const { complete } = channel
    if (complete === undefined || complete.version === before?.complete?.version) return
    if (witness.model.completed(channel, complete) === undefined)
      fail(
        `version ${complete.version} of ${short(channel.id)} at ${person.name} is not what was proposed`,
      )
  },
})

/**
 * A payee agrees to no claim below what it has accepted by then; what a liar pays while the other signature is on
 * its way is lost with the lane at worst, and that is within the credit window (promise 1). With an honest payer
 * nothing is.
 */
export const noUnderFold: Make = (witness, fail) => {
  /** By payee and lane: the highest claim its disk ever had, and the price of the dearest quantum. */
  const lanes = new Map<string, { accepted: bigint; quantum: bigint }>()
  const at = (person: Subject, channelId: Hex, lane: bigint) =>
    lanes.get(`${person.name} ${Records.laneKey(channelId, lane)}`) ?? { accepted: 0n, quantum: 1n }
  return {
    onChannel(person, channel, before) {
      const { id, seat, complete } = channel
      const old = before?.complete?.body.lanes ?? []
      // What we propose ourselves has to be right when we say it; we sign when the others have answered.
      const agreed = newlySigned(channel, before).filter(({ proposer }) => proposer !== seat)
      const proposed = channel.proposals.filter(
        (now) =>
          now.proposer === seat && !before?.proposals.some(({ seal }) => equals(seal, now.seal)),
      )
      for (const update of [...agreed, ...proposed].flatMap(({ updates }) => updates)) {
        if (update.type !== 'lane-close' && update.type !== 'fold') continue
        const isOurs = old.some((lane) => lane.id === update.lane && lane.payee === seat)
        const { accepted } = at(person, id, update.lane)
        if (isOurs && update.claim < accepted)
          fail(`${person.name} agrees to a claim of ${update.claim}; it has accepted ${accepted}`)
      }
      if (complete === undefined || complete.version === before?.complete?.version) return
      const purse = witness.model.completed(channel, complete)
      for (const lane of old) {
        const claim = purse?.closed.get(lane.id)
        if (lane.payee !== seat || claim === undefined) continue
        const { accepted, quantum } = at(person, id, lane.id)
        const payer = channel.parameters.seats[lane.payer]?.signer
        const isHonest = witness.honest.some(({ signer }) => signer === payer)
        if (accepted - claim > (isHonest ? 0n : windowOf(quantum, claim)))
          fail(`${person.name} let a lane close with ${claim}; it had accepted ${accepted}`)
      }
    },
    onLane(person, key, record) {
      const known = lanes.get(`${person.name} ${key}`) ?? { accepted: 0n, quantum: 1n }
      const quantum = (record?.meter.purchases ?? [])
        .map((each) => costOf(each.price, each.quantum))
        .reduce(Amount.larger, known.quantum)
      const accepted = Amount.larger(known.accepted, Claim.amount(record?.claim))
      lanes.set(`${person.name} ${key}`, { accepted, quantum })
    },
    onRestored(person) {
      for (const key of [...lanes.keys()]) if (key.startsWith(`${person.name} `)) lanes.delete(key)
    },
  }
}

/** A payer never promises, nor closes a lane with, more than it has acknowledged costs. */
export const noOverPay: Make = (_witness, fail) => {
  /** By payer and lane: how far its disk has each purchase acknowledged, and what all acknowledgements cost. */
  const lanes = new Map<string, { offsets: Map<Hex, bigint>; owed: bigint }>()
  const vouchers = new Map<string, Voucher.Voucher>()
  const check = (person: Subject, at: string, promised: bigint): void => {
    const owed = lanes.get(at)?.owed ?? 0n
    if (promised > owed) fail(`${person.name} promises ${promised} where it owes ${owed}`)
  }
  return {
    onLane(person, key, record) {
      const at = `${person.name} ${key}`
      const lane = lanes.get(at) ?? { offsets: new Map<Hex, bigint>(), owed: 0n }
      lanes.set(at, lane)
      for (const { id, price, acknowledged } of record?.meter.purchases ?? []) {
        const before = lane.offsets.get(id) ?? 0n
        if (acknowledged <= before) continue
        lane.offsets.set(id, acknowledged)
        lane.owed += costOf(price, acknowledged) - costOf(price, before)
      }
    },
    onWord(from, _to, said) {
      if (!from.honest) return
      if (said.type === 'voucher') {
        const { voucher } = said.signed
        const at = `${from.name} ${Records.laneKey(voucher.channelId, voucher.lane)}`
        vouchers.set(`${at} ${voucher.epoch}`, voucher)
        check(from, at, voucher.base)
      }
      if (said.type === 'ticks') {
        const at = `${from.name} ${Records.laneKey(said.of.channelId, said.of.lane)}`
        const voucher = vouchers.get(`${at} ${said.frame.epoch}`)
        const { index = 0 } = said.frame.entries[0] ?? {}
        if (voucher !== undefined) check(from, at, Voucher.claim(voucher, [index]))
      }
    },
    onChannel(person, channel, before) {
      const lanes = before?.complete?.body.lanes ?? []
      for (const update of newlySigned(channel, before).flatMap(({ updates }) => updates)) {
        if (update.type !== 'lane-close' && update.type !== 'fold') continue
        if (lanes.some((lane) => lane.id === update.lane && lane.payer === channel.seat))
          check(person, `${person.name} ${Records.laneKey(channel.id, update.lane)}`, update.claim)
      }
    },
    /** Bytes that an old disk has not are lost: they are taken, and paid, once more. */
    onRestored(person) {
      for (const [at, { offsets }] of lanes) {
        const [name, key = ''] = at.split(' ')
        if (name !== person.name) continue
        offsets.clear()
        for (const { id, acknowledged } of person.lanes.get(key)?.meter.purchases ?? [])
          offsets.set(id, acknowledged)
      }
    },
  }
}

/** What a cooperative close has paid out is what the final state says. */
export const paidToTheUnit =
  ({ channels }: View): Make =>
  (witness, fail) => {
    const disputed = new Set<Hex>()
    return {
      onEvent({ type, channelId }) {
        if (type === 'frozen') disputed.add(channelId)
      },
      onEnd() {
        for (const { id, view } of channels()) {
          if (view.status !== 'closed' || disputed.has(id)) continue
          const isDue = witness.model
            .payable(id, view.deposited)
            .some((paid) => String(paid) === String(view.withdrawn))
          if (!isDue)
            fail(`${short(id)} was paid out as ${view.withdrawn}, which no final state says`)
        }
      },
    }
  }
