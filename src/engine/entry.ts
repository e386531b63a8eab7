/** What the book knows of one channel: as it lies on disk, and what is under way with it. */
import type { Channel } from '../core/channel.js'
import type { SluiceError } from '../core/errors.js'
import { Notifier } from './notifier.js'

export type Entry = {
  channel: Channel
  /** What the write that is under way makes of it; the channel itself where none is. */
  decided: Channel
  /** Inputs are stepped in order; this settles after the last one. */
  turn: Promise<unknown>
  readonly changed: Notifier
  /** Why our last proposal was dropped. */
  fate: SluiceError | undefined
  /** A change of our own is under way: they are made one after another. */
  isChanging: boolean
  submitting: boolean
  frozen: boolean
  /** The layer is being asked what became of it, for somebody who waits for that. */
  isAsked: boolean
  /** The layer has shown that since our start, or the channel is newer. */
  isSeen: boolean
}

export const entryOf = (channel: Channel, isSeen: boolean): Entry => ({
  channel,
  decided: channel,
  turn: Promise.resolve(),
  changed: new Notifier(),
  fate: undefined,
  isChanging: false,
  submitting: false,
  frozen: false,
  isAsked: false,
  isSeen,
})
