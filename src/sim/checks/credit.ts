/**
 * No honest party loses more than the credit window of one lane, nor more over all than its owner allows
 * (promise 1): what was sent, at its price, less what can be claimed.
 */
import * as Amount from '../../core/amount.js'
import type { Hex } from '../../core/bytes.js'
import * as Claim from '../../core/claim.js'
import type { Price } from '../../core/price.js'
import * as Records from '../../engine/records.js'
import { costOf, windowOf } from '../model.js'
import type { Make, Subject } from '../witness.js'

type Sold = { readonly price: Price; readonly quantum: bigint; position: bigint }

export const creditWindow: Make = (_witness, fail) => {
  const lanes = tracked()
  return {
    onWord(from, _to, said) {
      if (!from.honest || said.type !== 'data') return
      const key = lanes.note(from, said)
      if (key === undefined) return
      const { debt, allowed } = lanes.debt(from, key)
      if (debt > allowed)
        fail(`${from.name} has sent for ${debt} more than was paid; the window is ${allowed}`)
    },
    onLane: lanes.paid,
    onRestored: lanes.forget,
  }
}

export const exposureCap: Make = (_witness, fail) => {
  const lanes = tracked()
  return {
    onWord(from, _to, said) {
      if (!from.honest || from.exposureMax === undefined || said.type !== 'data') return
      if (lanes.note(from, said) === undefined) return
      const total = lanes.open(from).reduce((sum, key) => {
        const { debt } = lanes.debt(from, key)
        return sum + (debt > 0n ? debt : 0n)
      }, 0n)
      if (total > from.exposureMax)
        fail(`${from.name} is owed ${total} in all; its owner allows ${from.exposureMax}`)
    },
    onLane: lanes.paid,
    onRestored: lanes.forget,
  }
}

/** What each payee has sent on each lane. */
function tracked() {
  /** By payee and lane, then by purchase. */
  const sold = new Map<string, Map<Hex, Sold>>()
  /** The highest claim a lane was seen with. */
  const paid = new Map<string, bigint>()
  const at = (person: Subject, key: string): string => `${person.name} ${key}`
  return {
    /** Takes note of data that leaves; the lane's key. */
    note(
      from: Subject,
      said: { topic: { quote: Quoted | undefined; open: Opened | undefined }; position: bigint },
    ): string | undefined {
      const { quote, open } = said.topic
      if (quote === undefined || open === undefined) return undefined
      const key = Records.laneKey(open.channelId, open.lane)
      const purchases = sold.get(at(from, key)) ?? new Map<Hex, Sold>()
      sold.set(at(from, key), purchases)
      const { price, quantum } = quote
      const known = purchases.get(open.purchase) ?? { price, quantum, position: open.offset }
      purchases.set(open.purchase, known)
      if (said.position > known.position) known.position = said.position
      return key
    },
    debt(person: Subject, key: string): { debt: bigint; allowed: bigint } {
      const record = person.lanes.get(key)
      const accepted = paid.get(at(person, key)) ?? 0n
      let cost = 0n
      const purchases = [...(sold.get(at(person, key))?.values() ?? [])]
      for (const { price, position } of purchases) cost += costOf(price, position)
      // Of all that share the lane, whether they have sent anything or not, the one with the widest window: a
      // window is a whole number of quanta, so the dearest quantum need not make it.
      const allowed = [...purchases, ...(record?.meter.purchases ?? [])]
        .map((each) => windowOf(costOf(each.price, each.quantum), accepted))
        .reduce(Amount.larger, 0n)
      return { debt: cost - accepted, allowed }
    },
    /** A lane that is closed leaves what it was paid, and its streams end where they are. */
    paid(person: Subject, key: string, record: Records.LaneRecord | undefined): void {
      if (record !== undefined) paid.set(at(person, key), Claim.amount(record.claim))
    },
    /** Lanes of a payee that are open on its disk. */
    open: (person: Subject): string[] =>
      [...person.channels.values()].flatMap(({ id, phase, complete }) =>
        (phase === 'closed' ? [] : (complete?.body.lanes ?? []))
          .map((lane) => Records.laneKey(id, lane.id))
          .filter((key) => person.lanes.has(key) && sold.has(at(person, key))),
      ),
    /** With an old disk the debt of its future is lost: one window, which is what an old disk may cost. */
    forget(person: Subject): void {
      for (const key of [...sold.keys()]) if (key.startsWith(`${person.name} `)) sold.delete(key)
    },
  }
}

type Quoted = { readonly price: Price; readonly quantum: bigint }
type Opened = {
  readonly channelId: Hex
  readonly lane: bigint
  readonly purchase: Hex
  readonly offset: bigint
}
