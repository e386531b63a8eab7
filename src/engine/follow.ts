/**
 * The layer's events, one after another, for as long as the program runs. How far they were looked at is kept, to
 * save looking at them again after a start: a disk that refuses it is told, and ends nothing.
 */
import type { Hex } from '../core/bytes.js'
import type { Ledger, Store } from './ports.js'
import * as Records from './records.js'

export type FollowPorts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly concerns: (channelId: Hex) => boolean
  /** Resolves once what the layer shows of the channel has been taken note of. */
  readonly look: (channelId: Hex) => Promise<void>
  readonly onProblem: (error: unknown, channelId: Hex) => void
}

/** Resolves when `signal` ends it. @throws LedgerError where the layer ends it. */
export async function follow(ports: FollowPorts, signal: AbortSignal): Promise<void> {
  const { ledger, store, concerns, look, onProblem } = ports
  const after = Records.read(store, Records.sequenceKey, Records.sequence) ?? 0
  for await (const { channelId, sequence } of ledger.events({ after, signal })) {
    if (!concerns(channelId)) continue
    await look(channelId)
    try {
      await store.commit([Records.write(Records.sequenceKey, Records.sequence, sequence)])
    } catch (error) {
      onProblem(error, channelId)
    }
  }
}
