/**
 * What is kept of a channel in dispute beside its newest state: older states, for the layer may settle by any of those
 * that were complete while it ran and what was shown last is not always known, and claims on lanes that are closed
 * since. Each version has a key of its own, so that one is kept in the very write that makes another the newest,
 * and no write undoes another; the keys come round, so that they are no more.
 */
import { outlived } from '../core/appointment.js'
import type { Claim } from '../core/claim.js'
import * as Codec from '../core/codec.js'
import type { Content } from '../core/complete.js'
import { limits } from '../core/limits.js'
import * as Message from '../core/message.js'
import * as WatchMessage from '../core/watch-message.js'
import type { Store, Write } from './ports.js'
import * as Records from './records.js'

const claimsCodec = Codec.list(Message.claim, limits.pastMax * limits.lanesMax)

/** Where a node keeps this of a channel; a tower has a place for each of its clients' seats. */
export const place = (channelId: string): string => `past/${channelId}`

/** The states, in no order. */
export const states = (store: Store, place: string): readonly Content[] =>
  slots(place).flatMap((key) => Records.read(store, key, WatchMessage.content) ?? [])

/** What proves something on lanes that past states have and the newest has no more. */
export const claims = (store: Store, place: string): readonly Claim[] =>
  Records.read(store, claimsKey(place), claimsCodec) ?? []

/** A newer state comes in the place of `before`; `held` is what can be proven, the newest first. */
export function replace(
  store: Store,
  place: string,
  before: Content,
  newest: Content,
  held: readonly Claim[],
): Write[] {
  const past = [before, ...states(store, place)]
  const kept = outlived(past, newest, [...held, ...claims(store, place)])
  const state = keep(place, before)
  return kept.length === 0 ? [state] : [state, Records.write(claimsKey(place), claimsCodec, kept)]
}

/** The layer shows this state: it is kept from now on, whatever newer ones may come. */
export const show = (store: Store, place: string, shown: Content | undefined): Write[] =>
  shown === undefined || states(store, place).some(({ version }) => version === shown.version)
    ? []
    : [keep(place, shown)]

/** The channel is over. */
export const forget = (store: Store, place: string): Write[] =>
  [...slots(place), claimsKey(place)].flatMap((key) =>
    store.get(key) === undefined ? [] : { key, value: undefined },
  )

const keep = (place: string, { version, kind, body }: Content): Write =>
  Records.write(slotOf(place, version), WatchMessage.content, { version, kind, body })

const slotOf = (place: string, version: bigint): string =>
  `${place}/${version % BigInt(limits.pastMax)}`

const slots = (place: string): string[] =>
  Array.from({ length: limits.pastMax }, (_, at) => slotOf(place, BigInt(at)))

const claimsKey = (place: string): string => `${place}/claims`
