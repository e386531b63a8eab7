/**
 * What a call to any layer asks for, as a reading of the channel: where it is so already, the call has been made,
 * by us before a crash or by somebody who was quicker.
 */
import type { Table } from '../core/state.js'
import type { LedgerChannel } from '../engine/ports.js'
import { LedgerError } from './error.js'

type Test = (channel: LedgerChannel) => boolean

/**
 * Makes a call unless what it asks for is so already. A refusal does not matter where it is so by then: somebody was
 * quicker, or it was a call of ours whose answer was lost.
 */
export async function unless(isSo: () => Promise<boolean>, call: () => Promise<unknown>) {
  if (await isSo()) return
  try {
    await call()
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code === 'LEDGER_UNREACHABLE') throw error
    if (!(await isSo())) throw error
  }
}

/** The seat has brought all that is due, to a channel that is not dead. */
export const deposited =
  (seat: number, due: readonly bigint[]): Test =>
  (channel) =>
    channel.status !== 'dead' &&
    due.every((amount, asset) => (channel.deposited[seat]?.[asset] ?? 0n) >= amount)

/** The seat brought something, and has all of it back. */
export const refunded =
  (seat: number): Test =>
  ({ status, deposited, withdrawn }) =>
    status === 'dead' &&
    (deposited[seat] ?? []).some((amount) => amount > 0n) &&
    (deposited[seat] ?? []).every((amount, asset) => withdrawn[seat]?.[asset] === amount)

export const toppedUp =
  (seat: number, asset: number, total: bigint): Test =>
  ({ deposited }) =>
    (deposited[seat]?.[asset] ?? -1n) >= total

/** The layer has paid all that a state withdraws, which is something. */
export const withdrawn =
  (wanted: Table): Test =>
  (channel) =>
    wanted.flat().some((amount) => amount > 0n) &&
    wanted.every((row, seat) =>
      row.every((amount, asset) => (channel.withdrawn[seat]?.[asset] ?? 0n) >= amount),
    )

export const closed: Test = ({ status }) => status === 'closed'

export const challenged =
  (version: bigint): Test =>
  ({ challenge }) =>
    challenge !== undefined && challenge.version >= version

export const answered =
  (version: bigint): Test =>
  ({ challenge, versionMin }) =>
    (challenge?.version ?? versionMin) >= version

export const resumed =
  (version: bigint): Test =>
  ({ status, versionMin }) =>
    status === 'live' && versionMin >= version

export const frozen: Test = ({ status, challenge }) =>
  status === 'closed' || challenge?.paid === true
