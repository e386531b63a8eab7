/** What a channel wants of the layer, as the calls that the layer takes. */
import type { Channel, LedgerCall } from '../core/channel.js'
import * as Dispute from '../core/dispute.js'
import { InvariantError } from '../core/errors.js'
import type { Ledger } from './ports.js'

/** Resolves once the layer has taken the call. @throws LedgerError */
export function submit(
  ledger: Ledger,
  { id, parameters, seat, complete }: Channel,
  call: LedgerCall,
): Promise<void> {
  if (call === 'deposit') return ledger.deposit(parameters, seat)
  if (call === 'refund') return ledger.refund(parameters, seat)
  if (complete === undefined) throw new InvariantError(`${call} needs a complete state`)
  if (call === 'open') return ledger.open(parameters, complete.signatures)
  const posting = Dispute.posting(id, complete)
  if (call === 'resume') return ledger.resume(parameters, posting)
  const preimage = Dispute.preimage(id, complete.body)
  if (call === 'withdraw') return ledger.withdraw(parameters, posting, preimage)
  return ledger.close(parameters, posting, preimage)
}
