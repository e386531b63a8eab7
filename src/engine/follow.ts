/**
 * The layer, for as long as the program runs: every channel once, and then whatever happens. What fails is told and
 * tried again beside the rest, so that no channel keeps another waiting, and no error of the layer or the disk ends
 * it. How far events were looked at is kept, to save looking at them again after a start.
 */
import type { Hex } from '../core/bytes.js'
import type { Ledger, Sleep, Store } from './ports.js'
import * as Records from './records.js'

export type FollowPorts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly sleep: Sleep
  /** Channels in which something can still happen. */
  readonly all: () => readonly Hex[]
  readonly concerns: (channelId: Hex) => boolean
  /** Resolves once what the layer shows of the channel has been taken note of. */
  readonly look: (channelId: Hex) => Promise<void>
  readonly onProblem: (error: unknown) => void
}

/** Milliseconds between two tries of what failed. */
const retryMs = 1_000

/** Resolves when `signal` ends it. */
export async function follow(ports: FollowPorts, signal: AbortSignal): Promise<void> {
  const { ledger, store, sleep, all, concerns, onProblem } = ports
  const failing = new Set<Hex>()

  /** Whether it went well; what did not is told. */
  async function goes(task: () => Promise<void>): Promise<boolean> {
    try {
      await task()
      return true
    } catch (error) {
      if (!signal.aborted) onProblem(error)
      return false
    }
  }

  async function look(id: Hex): Promise<void> {
    if (!(await goes(() => ports.look(id)))) void lookAgain(id)
  }

  async function lookAgain(id: Hex): Promise<void> {
    if (failing.has(id)) return
    failing.add(id)
    do await sleep(retryMs, signal)
    while (!signal.aborted && concerns(id) && !(await goes(() => ports.look(id))))
    failing.delete(id)
  }

  async function lookAtAll(): Promise<void> {
    for (const id of all()) {
      if (signal.aborted) return
      await look(id)
    }
  }

  let after = Records.read(store, Records.sequenceKey, Records.sequence) ?? 0

  async function hear(): Promise<void> {
    for await (const { channelId, sequence } of ledger.events({ after, signal })) {
      after = sequence
      if (!concerns(channelId)) continue
      await look(channelId)
      await goes(() =>
        store.commit([Records.write(Records.sequenceKey, Records.sequence, sequence)]),
      )
    }
  }

  async function hearOn(): Promise<void> {
    while (!signal.aborted) {
      await goes(hear)
      await sleep(retryMs, signal)
    }
  }

  await Promise.all([lookAtAll(), hearOn()])
}
