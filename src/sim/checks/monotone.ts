/** Amounts only rise, and none beyond what backs it: the design's table, at every durable write (promises 3 and 5). */
import * as Claim from '../../core/claim.js'
import type { Lane } from '../../core/lane.js'
import { type Make, type Subject, short } from '../witness.js'

export const monotone: Make = (_witness, fail) => {
  const lane = (person: Subject, key: string): Lane | undefined => {
    const [, channelId = '', id = ''] = key.split('/')
    const { complete } = person.channels.get(channelId as `0x${string}`) ?? {}
    return complete?.body.lanes.find((each) => `${each.id}` === id)
  }
  return {
    onChannel(person, { id, complete, phase }, before) {
      const [now, then] = [complete?.version ?? -1n, before?.complete?.version ?? -1n]
      const where = `of ${short(id)} at ${person.name}`
      if (now < then) fail(`the version ${where} falls from ${then} to ${now}`)
      if (before?.phase === 'closed' && phase !== 'closed') fail(`a closed channel lives ${where}`)
      for (const old of before?.complete?.body.lanes ?? []) {
        const next = complete?.body.lanes.find((each) => each.id === old.id)
        if (next !== undefined && next.folded < old.folded)
          fail(`folded of lane ${old.id} ${where} falls from ${old.folded} to ${next.folded}`)
      }
      for (const [seat, row] of (before?.complete?.body.outcome.withdrawn ?? []).entries())
        for (const [asset, amount] of row.entries()) {
          const next = complete?.body.outcome.withdrawn[seat]?.[asset] ?? 0n
          if (next < amount) fail(`withdrawn of seat ${seat} ${where} falls`)
        }
    },
    onLane(person, key, record, before) {
      if (record === undefined) return
      const [now, then] = [record.claim, before?.claim]
      const open = lane(person, key)
      const isPayee = person.channels.get(channelOf(key))?.seat === open?.payee
      const what = isPayee ? 'accepted' : 'signed'
      if (Claim.amount(now) < Claim.amount(then))
        fail(`${what} of ${person.name} falls from ${Claim.amount(then)} to ${Claim.amount(now)}`)
      if ((now?.signed.voucher.epoch ?? 0) < (then?.signed.voucher.epoch ?? 0))
        fail(`the voucher's epoch of ${person.name} falls`)
      if (open !== undefined && Claim.amount(now) > open.folded + open.reserved)
        fail(`${what} ${Claim.amount(now)} of ${person.name} is more than its lane holds`)
      for (const purchase of before?.meter.purchases ?? []) {
        const next = record.meter.purchases.find(({ id }) => id === purchase.id)
        if (next !== undefined && next.acknowledged < purchase.acknowledged)
          fail(`what ${person.name} has acknowledged falls`)
      }
    },
  }
}

const channelOf = (key: string): `0x${string}` => (key.split('/')[1] ?? '0x') as `0x${string}`
