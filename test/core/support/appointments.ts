/** Appointments of a two-seat channel whose seat 1 is paid on lane 5, signed by stand-ins. */
import type { Appointment, Context } from '../../../src/core/appointment.js'
import type { Claim } from '../../../src/core/claim.js'
import type { Complete } from '../../../src/core/complete.js'
import type { Lane } from '../../../src/core/lane.js'
import * as Parameters from '../../../src/core/parameters.js'
import * as State from '../../../src/core/state.js'
import * as Voucher from '../../../src/core/voucher.js'
import { filler } from '../../vectors/reference.js'
import * as Payer from './payer.js'
import * as Signatures from './signatures.js'

export const domain = { chainId: 7n, adjudicator: Signatures.addressOf('adjudicator') }
export const context: Context = { domain, recover: Signatures.recover, walk: Payer.walk }
export const signers = ['alice', 'bob'].map(Signatures.addressOf)

export const parameters: Parameters.Parameters = {
  seats: signers.map((signer) => ({ signer, payout: signer })),
  assets: [Signatures.addressOf('token')],
  deposits: [[1_000n], [400n]],
  fundBy: 1_000n,
  challengePeriod: 60n,
  codeHash: Parameters.noCode,
  salt: filler('salt'),
}
export const channelId = Parameters.id(domain, parameters)

/** A state with one lane that pays seat 1 out of 300. */
export function complete(version: bigint, lane: Partial<Lane> = {}): Complete {
  const { outcome } = State.opening(parameters)
  const lanes = [{ ...Payer.laneOf(300n), ...lane }]
  const reserved = lanes[0]?.reserved ?? 0n
  const body: State.Body = {
    outcome: { ...outcome, balances: [[1_000n - reserved], [400n]], nextLane: 6n },
    lanes,
  }
  return sign({ version, kind: 0, body })
}

export function sign(state: Omit<Complete, 'signatures'>): Complete {
  const root = State.root(channelId, state.body)
  const digest = State.digest(domain, { channelId, version: state.version, kind: state.kind, root })
  return { ...state, signatures: signers.map((signer) => Signatures.sign(signer, digest)) }
}

/** What seat 1 holds after `index` ticks of 3 on a voucher of base 10. */
export function claim(index: number, epoch = 1): Claim {
  const shape = { epoch, base: 10n, unit: 3n, digits: 1, radix: 1, length: 90 }
  const { signed, nodes } = Payer.issue(shape, { channel: channelId })
  const signature = Signatures.sign(Payer.session, Voucher.digest(domain, signed.voucher))
  const node = nodes[0]?.[index] ?? filler('')
  return { signed: { voucher: signed.voucher, signature }, indices: [index], nodes: [node] }
}

export const appointment = (more: Partial<Appointment> = {}): Appointment => ({
  parameters,
  seat: 1,
  newest: complete(4n),
  pending: undefined,
  claims: [claim(20)],
  ...more,
})
