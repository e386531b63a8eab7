/**
 * Older states of a channel in dispute: the layer may settle by any of those that were complete while it ran, for
 * what was shown last is not always known. Each version has a key of its own, so that one is kept in the very write
 * that makes another the newest, and no write undoes another; the keys come round, so that they are no more.
 */
import type { Content } from '../core/complete.js'
import { limits } from '../core/limits.js'
import * as WatchMessage from '../core/watch-message.js'
import type { Store, Write } from './ports.js'
import * as Records from './records.js'

/** Where a node keeps those of a channel; a tower has a place for each of its clients' seats. */
export const place = (channelId: string): string => `past/${channelId}`

/** What is kept, in no order. */
export const read = (store: Store, place: string): Content[] =>
  slots(place).flatMap((key) => Records.read(store, key, WatchMessage.content) ?? [])

export const keep = (place: string, { version, kind, body }: Content): Write =>
  Records.write(slotOf(place, version), WatchMessage.content, { version, kind, body })

/** The channel is over. */
export const forget = (store: Store, place: string): Write[] =>
  slots(place).flatMap((key) => (store.get(key) === undefined ? [] : { key, value: undefined }))

const slotOf = (place: string, version: bigint): string =>
  `${place}/${version % BigInt(limits.pastMax)}`

const slots = (place: string): string[] =>
  Array.from({ length: limits.pastMax }, (_, at) => slotOf(place, BigInt(at)))
