/**
 * No signature, voucher, acknowledgement, receipt or byte leaves before what it commits to is durable, be it to a
 * peer, to a watchtower, or to the layer (promise 2).
 */
import type { Appointment } from '../../core/appointment.js'
import { equals, type Hex, toHex } from '../../core/bytes.js'
import type { Channel } from '../../core/channel.js'
import * as Claim from '../../core/claim.js'
import * as Meter from '../../core/meter.js'
import * as Records from '../../engine/records.js'
import type { StreamName } from '../stream.js'
import type { Said, Topic } from '../wiretap.js'
import { type Make, type Subject, short } from '../witness.js'
import { signedBy } from './signed.js'

export const persistFirst: Make = (_witness, fail) => {
  /** What disks have held of channels: what waits for a slow connection is said later than it was true. */
  const once = new Map<string, { newest: bigint; readonly seals: Set<string> }>()
  const keyOf = ({ name }: Subject, id: Hex): string => `${name} ${id}`
  const note = (person: Subject, { id, seat, complete, proposals }: Channel): void => {
    const known = once.get(keyOf(person, id)) ?? { newest: -1n, seals: new Set() }
    once.set(keyOf(person, id), known)
    const version = complete?.version ?? -1n
    if (version > known.newest) known.newest = version
    for (const { seal, signatures } of proposals) {
      known.seals.add(sealed(seal, undefined))
      known.seals.add(sealed(seal, signatures[seat]))
    }
  }
  const message = (from: Subject, said: Said & { type: 'message' }): void => {
    const { message } = said
    if (message.type === 'problem' || message.type === 'hello' || message.type === 'synced') return
    if (message.type === 'open') {
      const { parameters } = message
      const isKnown = [...from.channels.values()].some((channel) =>
        equals(channel.parameters.salt, parameters.salt),
      )
      if (!isKnown) fail(`${from.name} offers a channel that its disk does not know`)
      return
    }
    const channel = from.channels.get(message.channelId)
    const { newest, seals } = once.get(keyOf(from, message.channelId)) ?? nothing
    const where = `${message.type} of ${short(message.channelId)}`
    switch (message.type) {
      case 'opened':
        if (newest < 0n && channel === undefined)
          fail(`${from.name} says ${where}, unknown to its disk`)
        return
      case 'propose':
      case 'agree': {
        const { version, seal, signature } = message
        if (newest < version && !seals.has(sealed(seal, signature)))
          fail(`${from.name} says ${where} ${version}; its disk has ${newest}`)
        return
      }
      case 'complete':
        if (newest < message.version)
          fail(`${from.name} says ${where} ${message.version}; its disk has ${newest}`)
        return
      case 'settled':
        for (const { lane, claim } of message.claims)
          if (claim > Claim.amount(record(from, message.channelId, lane)?.claim))
            fail(`${from.name} settles for a claim of ${claim} that is not on its disk`)
        return
      case 'sync':
        if (newest < (message.complete?.version ?? -1n))
          fail(`${from.name} shows version ${message.complete?.version}; its disk has ${newest}`)
        return
      case 'bound': {
        const lane = record(from, message.channelId, message.lane)
        if (lane !== undefined && Claim.amount(message.claim) > Claim.amount(lane.claim))
          fail(`${from.name} shows a claim of ${Claim.amount(message.claim)}, not on its disk`)
      }
    }
  }
  const sale = (from: Subject, { open }: Topic): Meter.Meter | undefined =>
    open && record(from, open.channelId, open.lane)?.meter
  /** By stream: what was left last, and not receipted yet. */
  const left = new Map<number, Appointment>()
  const watch = (
    from: Subject,
    to: Subject,
    stream: StreamName,
    { message }: Said & { type: 'watch' },
  ): void => {
    if (message.type === 'appoint') {
      const { appointment } = message
      left.set(stream.id, appointment)
      const channel = channelOf(from, appointment)
      if (from.honest && !isHeld(appointment, from, channel))
        fail(`${from.name} leaves ${appointment.newest.version} with its tower, not on its disk`)
    }
    // A liar may say another thing before it has the answer to this one.
    if (message.type !== 'receipt' || !to.honest) return
    const taken = left.get(stream.id)
    const place = `${message.channelId}/${taken?.seat}`
    const kept = from.appointments.get(place)
    // One write may take a channel up and, as it is over by now, let go of it.
    if (kept === undefined && from.released.has(place)) return
    if (taken !== undefined && !covers(kept, taken))
      fail(`${from.name} receipts ${taken.newest.version}; its disk has ${kept?.newest.version}`)
  }
  return {
    onChannel: note,
    onRestored(person) {
      for (const key of [...once.keys()]) if (key.startsWith(`${person.name} `)) once.delete(key)
      for (const channel of person.channels.values()) note(person, channel)
    },
    onShown(person, id, version) {
      const channel = person.channels.get(id)
      // What the layer has carried out is posted by who signed it, complete or not.
      const held = channel === undefined ? [] : signedBy(channel, channel.seat)
      if (held.every((each) => each.version < version))
        fail(`${person.name} shows the layer ${version} of ${short(id)}; its disk has less`)
    },
    onWord(from, to, said, stream) {
      if (said.type === 'watch') return watch(from, to, stream, said)
      if (!from.honest) return
      if (said.type === 'message') return message(from, said)
      if (said.type === 'voucher') {
        // By what it says, not by its handle: a liar may have given two lanes one.
        const { channelId, lane: id, epoch } = said.signed.voucher
        const lane = record(from, channelId, id)
        if (lane !== undefined && epoch > (lane.claim?.signed.voucher.epoch ?? 0))
          fail(`${from.name} sends a voucher of epoch ${epoch} that is not on its disk`)
        return
      }
      if (said.type !== 'data' && said.type !== 'acknowledgement') return
      const meter = sale(from, said.topic)
      const purchase = meter && Meter.find(meter, said.topic.open?.purchase ?? '0x')
      if (meter === undefined) return
      if (said.type === 'data' && said.position > (purchase?.granted ?? 0n))
        fail(`${from.name} sends up to ${said.position}; granted is ${purchase?.granted}`)
      if (said.type === 'acknowledgement' && said.position > (purchase?.acknowledged ?? 0n))
        fail(`${from.name} acknowledges ${said.position}; its disk has ${purchase?.acknowledged}`)
    },
  }
}

const nothing = { newest: -1n, seals: new Set<string>() } as const

/** A proposal, as its seat says it: with its signature, or none. */
const sealed = (seal: Uint8Array, signature: Uint8Array | undefined): string =>
  `${toHex(seal)} ${signature === undefined ? '' : toHex(signature)}`

const channelOf = (person: Subject, { parameters }: Appointment): Channel | undefined =>
  [...person.channels.values()].find((each) => equals(each.parameters.salt, parameters.salt))

/** Whether a client's disk has what it leaves with its tower. */
function isHeld(
  { newest, pending, claims }: Appointment,
  person: Subject,
  channel: Channel | undefined,
): boolean {
  const version = channel?.complete?.version ?? -1n
  const isSigned = channel?.proposals.some(
    ({ seal, signatures }) =>
      pending !== undefined && equals(seal, pending.seal) && signatures[channel.seat] !== undefined,
  )
  return (
    version >= newest.version &&
    (pending === undefined || isSigned === true || version >= pending.version) &&
    claims.every((claim) => {
      const { channelId, lane } = claim.signed.voucher
      const known = record(person, channelId, lane)
      return known === undefined || Claim.amount(known.claim) >= Claim.amount(claim)
    })
  )
}

/** Whether what a tower keeps is as new as what it was left. */
const covers = (kept: Appointment | undefined, taken: Appointment): boolean =>
  kept !== undefined &&
  // A newer state may have closed the lane that a claim was on.
  (kept.newest.version > taken.newest.version ||
    (kept.newest.version === taken.newest.version && claimsCover(kept, taken)))

const claimsCover = (kept: Appointment, taken: Appointment): boolean =>
  taken.claims.every((claim) =>
    kept.claims.some(
      (each) =>
        each.signed.voucher.lane === claim.signed.voucher.lane &&
        Claim.amount(each) >= Claim.amount(claim),
    ),
  )

/** The lane's record on disk; undefined once the lane is closed there. A lane never written reads as empty. */
function record(from: Subject, channelId: Hex, lane: bigint): Records.LaneRecord | undefined {
  const known = from.lanes.get(Records.laneKey(channelId, lane))
  const { phase, complete } = from.channels.get(channelId) ?? {}
  const isOpen = phase !== 'closed' && complete?.body.lanes.some(({ id }) => id === lane)
  return known ?? (isOpen ? { claim: undefined, meter: Meter.empty } : undefined)
}
