/**
 * Disputes: the newest state counts, what was proven is collected, the bond goes where it should, and all of it
 * to the unit (promises 1, 3 and 4). Whoever is to act for that has to be there: who is up for most of a
 * window's end, or has a tower that is.
 */
import { type Address, type Hex, zeroAddress } from '../../core/bytes.js'
import * as Claim from '../../core/claim.js'
import type { LedgerEvent } from '../../engine/ports.js'
import * as Records from '../../engine/records.js'
import type { Seen, View } from '../layer.js'
import { collected, forfeit } from '../model.js'
import { type Make, type Subject, short, type Witness } from '../witness.js'

/** Seconds at a window's end in which nobody's eyes are kept shut, and how many of them one has to be up. */
export const mercy = 90n
export const presence = 60n

type Case = {
  /** Undefined where the challenge began and ended in one block. */
  readonly challenge: Seen['escrow']['challenge']
  readonly posted: bigint
  readonly seats: Seen['escrow']['parameters']['seats']
  /** Newest version shown. */
  version: bigint
  frozen: boolean
  punished: boolean
  over: boolean
}

/** Follows the challenges of all channels: what is told of each event, and of the case that it is of. */
function cases(view: View, tell: (event: LedgerEvent, of: Case) => void) {
  const open = new Map<Hex, Case>()
  return {
    open,
    onEvent(event: LedgerEvent): void {
      const { type, channelId, version = 0n } = event
      // What ends a challenge may cost the bond right after.
      if (type !== 'punished' && open.get(channelId)?.over) open.delete(channelId)
      if (type === 'challenged') {
        const { escrow } = view.channel(channelId) ?? {}
        open.set(channelId, {
          challenge: escrow?.challenge,
          posted: version,
          seats: escrow?.parameters.seats ?? [],
          version,
          frozen: false,
          punished: false,
          over: false,
        })
      }
      const known = open.get(channelId)
      if (known === undefined) return
      if (type === 'answered' || type === 'resumed') known.version = version
      if (type === 'frozen') known.frozen = true
      tell(event, known)
      if (type === 'punished') known.punished = true
      if (type === 'resumed' || type === 'closed') known.over = true
    },
  }
}

/** Two versions newer is fraud and costs the bond; one may be a lost co-signature, and never does. */
export const bondsFair =
  (view: View): Make =>
  (witness, fail) => {
    /** Channels whose poster must be punished next. */
    const due = new Set<Hex>()
    const forgetful = new Set<string>()
    const unpunished = (id: Hex): void =>
      fail(`two versions newer in ${short(id)}, and no bond lost`)
    const { onEvent } = cases(view, ({ type, channelId }, of) => {
      if (type !== 'punished') {
        if (due.delete(channelId)) unpunished(channelId)
        const shown = type === 'closed' && !of.frozen ? newest(witness, channelId) : of.version
        const ends = type === 'answered' || type === 'resumed' || type === 'closed'
        if (ends && !of.punished && shown - of.posted >= 2n) due.add(channelId)
        return
      }
      if (!due.delete(channelId))
        fail(
          `the bond of ${short(channelId)} is lost, ${of.posted} was posted, ${of.version} shown`,
        )
      const signer = of.seats[of.challenge?.poster ?? -1]?.signer
      const poster = witness.honest.find((person) => person.signer === signer)
      if (poster !== undefined && !forgetful.has(poster.name))
        fail(`${poster.name} loses its bond in ${short(channelId)}, posting ${of.posted}`)
    })
    return {
      onEvent,
      // It may post what is long over, and be taken for a thief; a tower is there for that.
      onRestored(person) {
        if (person.tower === undefined) forgetful.add(person.name)
      },
      onEnd() {
        for (const id of due) unpunished(id)
      },
    }
  }

/** The newest version that anybody holds. */
const newest = (witness: Witness, id: Hex): bigint =>
  [...witness.people.values()].reduce((most, { channels }) => {
    const version = channels.get(id)?.complete?.version ?? 0n
    return version > most ? version : most
  }, 0n)

/** A freeze pays by the formula, and in the end everybody has exactly what the model says. */
export const settledByFormula =
  (view: View): Make =>
  (witness, fail) => {
    const { bond } = view
    const bonds: { account: Address; amount: bigint }[] = []
    const frozen = new Map<Hex, Case>()
    const { onEvent } = cases(view, ({ type, channelId }, of) => {
      const { challenge, seats } = of
      if (challenge === undefined) return
      const { account } = challenge
      if (type === 'challenged') bonds.push({ account, amount: -bond })
      // In the block that ends a challenge the bond is told to be lost after the end is.
      if (type === 'punished' && of.over) bonds.push({ account, amount: -bond })
      if (type === 'punished')
        for (const [seat, amount] of forfeit(bond, seats.length, challenge.poster).entries())
          bonds.push({ account: seats[seat]?.payout ?? zeroAddress, amount })
      const isOver = type === 'frozen' || type === 'resumed' || (type === 'closed' && !of.frozen)
      if (isOver && !of.punished) bonds.push({ account, amount: bond })
      if (type !== 'frozen') return
      frozen.set(channelId, of)
      const seen = view.channel(channelId)
      const due = seen && witness.model.frozen(channelId, of.version, seen.view.deposited)
      if (String(due) !== String(seen?.view.withdrawn))
        fail(
          `${short(channelId)} is frozen with ${of.version}: paid ${seen?.view.withdrawn}, due ${due}`,
        )
    })
    return {
      onEvent,
      onEnd() {
        const due = new Map<Address, bigint>()
        const add = (account: Address | undefined, amount: bigint): void => {
          if (account !== undefined) due.set(account, (due.get(account) ?? 0n) + amount)
        }
        for (const { account, funds } of witness.people.values()) add(account, funds)
        for (const { account, amount } of bonds) add(account, amount)
        for (const { escrow } of view.channels())
          for (const [seat, { payout }] of escrow.parameters.seats.entries())
            add(payout, (escrow.withdrawn[seat]?.[0] ?? 0n) - (escrow.deposited[seat]?.[0] ?? 0n))
        for (const [id, { version, seats }] of frozen)
          for (const [lane, strip] of witness.model.lanes(id, version)) {
            const { claim, swept } = view.lane(id, lane)
            const paid = collected(strip, claim)
            add(seats[strip.payee]?.payout, paid)
            add(seats[strip.payer]?.payout, swept ? strip.reserved - paid : 0n)
          }
        for (const { name, account } of witness.honest) {
          const has = view.balance(account, zeroAddress)
          if (has !== due.get(account))
            fail(`${name} has ${has} in the end, and should have ${due.get(account)}`)
        }
      },
    }
  }

/** The layer settles by nothing older than what an honest seat held in time. */
export const newestCounts =
  (view: View): Make =>
  (witness, fail) => {
    const known = knowledge(witness)
    const check = (id: Hex, { challenge, version }: Case): void => {
      if (challenge === undefined) return
      for (const person of seated(witness, view, id)) {
        const own = known.own(person, versionKey(person, id), challenge.statesUntil)
        if (own > version)
          fail(`${short(id)} is settled by ${version}; ${person.name} held ${own} in time`)
      }
    }
    const { onEvent, open } = cases(view, ({ type, channelId }, of) => {
      if (type === 'frozen') check(channelId, of)
    })
    return {
      ...known.hear,
      onEvent,
      // Who is robbed may not even be able to have it paid out.
      onEnd() {
        for (const [id, of] of open)
          if (!of.over && (of.challenge?.statesUntil ?? view.time()) < view.time()) check(id, of)
      },
    }
  }

/** Whoever is there collects all that it held in time on the lanes that pay it. */
export const claimsCollected =
  (view: View): Make =>
  (witness, fail) => {
    const known = knowledge(witness)
    const { onEvent } = cases(view, ({ type, channelId }, of) => {
      if (type !== 'closed' || !of.frozen || of.challenge === undefined) return
      const { redeemUntil } = of.challenge
      for (const { person, lane, strip, claim } of payees(witness, view, channelId, of.version)) {
        const held = known.own(person, laneKey(person, channelId, lane), redeemUntil)
        if (collected(strip, held) > collected(strip, claim))
          fail(
            `${person.name} held ${held} on lane ${lane} of ${short(channelId)}, and got ${claim}`,
          )
      }
    })
    return { ...known.hear, onEvent }
  }

/** What a tower has receipted counts and is collected, wherever its client is. */
export const towerDefends =
  (view: View): Make =>
  (witness, fail) => {
    const known = knowledge(witness)
    const { onEvent } = cases(view, ({ type, channelId }, of) => {
      if (of.challenge === undefined) return
      const { statesUntil, redeemUntil } = of.challenge
      if (type === 'frozen')
        for (const person of seated(witness, view, channelId)) {
          const left = known.receipted(person, versionKey(person, channelId), statesUntil)
          if (left > of.version)
            fail(
              `the tower of ${person.name} held ${left} of ${short(channelId)}; ${of.version} counts`,
            )
        }
      if (type !== 'closed' || !of.frozen) return
      for (const { person, lane, strip, claim } of payees(witness, view, channelId, of.version)) {
        // Under a state that was not left with it, it can collect nothing; its client has been shown that.
        const version = known.receipted(person, versionKey(person, channelId), statesUntil)
        if (version < of.version) continue
        const left = known.receipted(person, laneKey(person, channelId, lane), redeemUntil)
        if (collected(strip, left) > collected(strip, claim))
          fail(
            `the tower of ${person.name} held ${left} on lane ${lane} of ${short(channelId)}; it got ${claim}`,
          )
      }
    })
    return { ...known.hear, onEvent }
  }

const versionKey = (person: Subject, id: Hex): string => `${person.name} ${id}`
const laneKey = (person: Subject, id: Hex, lane: bigint): string =>
  `${person.name} ${Records.laneKey(id, lane)}`

/** Honest seats of a channel. */
const seated = (witness: Witness, view: View, id: Hex): Subject[] =>
  (view.channel(id)?.escrow.parameters.seats ?? []).flatMap(
    ({ signer }) => witness.honest.find((person) => person.signer === signer) ?? [],
  )

/** Lanes of a version that pay an honest seat, and the claim that the layer has of each. */
const payees = (witness: Witness, view: View, id: Hex, version: bigint) =>
  [...witness.model.lanes(id, version)].flatMap(([lane, strip]) => {
    const signer = view.channel(id)?.escrow.parameters.seats[strip.payee]?.signer
    const person = witness.honest.find((each) => each.signer === signer)
    return person === undefined ? [] : [{ person, lane, strip, claim: view.lane(id, lane).claim }]
  })

type Note = { readonly at: bigint; readonly amount: bigint }

/** When each person, and each tower by its receipts, knew which version and claim. */
function knowledge(witness: Witness) {
  const own = new Map<string, Note[]>()
  const receipts = new Map<string, Note[]>()
  const note = (notes: Map<string, Note[]>, key: string, amount: bigint): void => {
    const known = notes.get(key) ?? []
    notes.set(key, known)
    if (known.at(-1)?.amount !== amount) known.push({ at: witness.layerTime(), amount })
  }
  const before = (notes: Map<string, Note[]>, key: string, deadline: bigint): bigint =>
    (notes.get(key) ?? []).reduce(
      (most, { at, amount }) => (at <= deadline - mercy && amount > most ? amount : most),
      0n,
    )
  const isThere = (name: string, deadline: bigint): boolean =>
    witness.upFor(name, deadline - mercy, deadline) >= presence
  return {
    /** What the person held in time for a deadline, where it was there to say so. */
    own: (person: Subject, key: string, deadline: bigint): bigint =>
      isThere(person.name, deadline) ? before(own, key, deadline) : 0n,
    /** What its tower did. */
    receipted(person: Subject, key: string, deadline: bigint): bigint {
      const tower = person.tower?.split('/').at(-1)
      return tower !== undefined && isThere(tower, deadline) ? before(receipts, key, deadline) : 0n
    },
    hear: {
      onChannel(person: Subject, { id, complete }: { id: Hex; complete: Versioned }): void {
        if (complete !== undefined) note(own, versionKey(person, id), complete.version)
      },
      onLane(person: Subject, key: string, lane: Records.LaneRecord | undefined): void {
        if (lane?.claim !== undefined) note(own, `${person.name} ${key}`, Claim.amount(lane.claim))
      },
      onReceipt(person: Subject, id: Hex, { version, claims }: Records.WatchRecord): void {
        note(receipts, versionKey(person, id), version)
        for (const { lane, claim } of claims) note(receipts, laneKey(person, id, lane), claim)
      },
      onRestored({ name }: Subject): void {
        for (const key of [...own.keys()]) if (key.startsWith(`${name} `)) own.delete(key)
      },
    },
  }
}

type Versioned = { readonly version: bigint } | undefined
