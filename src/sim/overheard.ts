/** The layer as a program speaks to it: what is shown there is heard by the witness, as words on the wire are. */
import type { Hex } from '../core/bytes.js'
import type { Posting } from '../core/dispute.js'
import * as Parameters from '../core/parameters.js'
import type { Ledger } from '../engine/ports.js'
import type { Witness } from './witness.js'

export function overheard(ledger: Ledger, name: string, witness: Witness): Ledger {
  const idOf = (parameters: Parameters.Parameters): Hex => Parameters.id(ledger.domain, parameters)
  const shown = (parameters: Parameters.Parameters, { version }: Pick<Posting, 'version'>): void =>
    witness.shown(name, idOf(parameters), version)
  return {
    ...ledger,
    open(parameters, signatures) {
      shown(parameters, { version: 0n })
      return ledger.open(parameters, signatures)
    },
    withdraw(parameters, posting, preimage) {
      shown(parameters, posting)
      return ledger.withdraw(parameters, posting, preimage)
    },
    close(parameters, posting, preimage) {
      shown(parameters, posting)
      return ledger.close(parameters, posting, preimage)
    },
    challenge(parameters, seat, posting, signature) {
      shown(parameters, posting)
      return ledger.challenge(parameters, seat, posting, signature)
    },
    answer(parameters, posting) {
      shown(parameters, posting)
      return ledger.answer(parameters, posting)
    },
    resume(parameters, posting) {
      shown(parameters, posting)
      return ledger.resume(parameters, posting)
    },
  }
}
