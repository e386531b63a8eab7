/** Signatures that cost nothing, and a layer in a map, for tests that try very many transactions. */
import {
  type Address,
  concat,
  equals,
  fromHex,
  type Hex,
  toHex,
  uint,
  zeroes,
} from '../../src/core/bytes.js'
import * as Call from '../../src/ledger/embedded/call.js'
import type { Recover, Rules } from '../../src/ledger/embedded/effect.js'
import * as Machine from '../../src/ledger/embedded/machine.js'
import * as Records from '../../src/ledger/embedded/records.js'
import { LedgerError } from '../../src/ledger/error.js'

/** A signature that cannot be made for another digest: the digest and the name. */
export const sign = (digest: Uint8Array, signer: Hex): Uint8Array =>
  concat(digest, fromHex(signer, 20), zeroes(13))

const recover: Recover = (digest, signature) => {
  if (!equals(digest, signature.slice(0, 32))) throw new Error('of something else')
  return toHex(signature.slice(32, 52))
}

export const rules: Rules = {
  domain: Call.domainOf(2n ** 40n),
  minChallengePeriod: 60n,
  challengeBond: 7n,
  faucetMax: 40n,
  recover,
}

export const account = (number: number): Address => toHex(uint(number, 20))

/** A layer whose clock stands still unless it is moved. */
export function toy() {
  const store = new Map<string, Uint8Array>()
  const records = Records.over((key) => store.get(key))
  const layer = {
    records,
    now: 0n,
    /** What came of a transaction, or why it was refused. Anything else than a refusal is thrown. */
    submit(transaction: Call.Transaction): Machine.Result | LedgerError {
      try {
        const result = Machine.apply(rules, records, transaction, layer.now)
        for (const change of result.changes) {
          const { key, value } = Records.write(change)
          store.set(key, value as Uint8Array)
        }
        return result
      } catch (error) {
        if (error instanceof LedgerError) return error
        throw error
      }
    },
    transaction(call: Call.Call, from: Hex, by: Hex = from): Call.Transaction {
      const unsigned = { from, nonce: records.nonce(from), data: Call.encode(call) }
      return { ...unsigned, signature: sign(Call.digest(rules.domain, unsigned), by) }
    },
  }
  return layer
}
