/**
 * Wallets for ledger tests, made of viem and ox: what we sign and recover is checked by code we did not write.
 */
import { Secp256k1, Signature } from 'ox'
import { privateKeyToAccount } from 'viem/accounts'
import { type Address, fromHex, toHex, uint } from '../../src/core/bytes.js'
import type { Recover } from '../../src/ledger/embedded/effect.js'

export type Wallet = {
  readonly address: Address
  readonly sign: (digest: Uint8Array) => Promise<Uint8Array>
}

let count = 0

/** A wallet nobody else in this process has; `number` picks the same one again. */
export function wallet(number: number = ++count): Wallet {
  const account = privateKeyToAccount(toHex(uint(0x51_ce_00 + number, 32)))
  return {
    address: account.address.toLowerCase() as Address,
    sign: async (digest) => fromHex(await account.sign({ hash: toHex(digest) })),
  }
}

/** The address behind a 65-byte signature r ‖ s ‖ v. */
export const recover: Recover = (digest, signature) =>
  Secp256k1.recoverAddress({
    payload: toHex(digest),
    signature: Signature.fromBytes(signature),
  }).toLowerCase() as Address
