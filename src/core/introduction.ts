/**
 * An introduction: a seat's signing key vouches for the libp2p peer that speaks for it, to one other peer.
 * Without it anyone could pose as a counterparty and have states signed that lead nowhere.
 */
import type { Address } from './bytes.js'
import { SluiceError } from './errors.js'
import * as Hash from './hash.js'
import * as TypedData from './typed-data.js'

/** libp2p peer ids, as text: who speaks, and to whom. */
export type Introduction = { readonly from: string; readonly to: string }

const type = {
  name: 'Introduction',
  members: { from: 'bytes32', to: 'bytes32' },
} as const satisfies TypedData.Type

/** EIP-712 digest that the seat's key signs. */
export const digest = (domain: TypedData.Domain, { from, to }: Introduction): Uint8Array =>
  TypedData.digest(domain, type, { from: peerHash(from), to: peerHash(to) })

/** What the speaker says of itself, in every protocol's first message. */
export type Speaker = {
  readonly chainId: bigint
  readonly adjudicator: Address
  readonly signer: Address
  /** The signer's, on the introduction. */
  readonly signature: Uint8Array
}

type Signing = {
  publicAddress(secretKey: Uint8Array): Address
  sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array
}

/** @throws SecretKeyError */
export const introduce = (
  domain: TypedData.Domain,
  { publicAddress, sign }: Signing,
  secretKey: Uint8Array,
  introduction: Introduction,
): Speaker => ({
  chainId: domain.chainId,
  adjudicator: domain.adjudicator,
  signer: publicAddress(secretKey),
  signature: sign(digest(domain, introduction), secretKey),
})

/** @throws IntroductionError `WRONG_LEDGER`, `BAD_SIGNATURE` */
export function check(
  domain: TypedData.Domain,
  recover: (digest: Uint8Array, signature: Uint8Array) => Address,
  { chainId, adjudicator, signer, signature }: Speaker,
  introduction: Introduction,
): void {
  if (chainId !== domain.chainId || adjudicator !== domain.adjudicator)
    throw new IntroductionError(
      'WRONG_LEDGER',
      'The two peers use different ledgers; give both the same --ledger.',
    )
  if (recover(digest(domain, introduction), signature) !== signer)
    throw new IntroductionError('BAD_SIGNATURE', 'The peer does not hold the key it signs with.')
}

/** How a peer id enters what is signed: a tagged hash of its text. */
export const peerHash = (peer: string): Uint8Array =>
  Hash.tagged('peer', new TextEncoder().encode(peer))

/** A peer on another ledger, or one that poses as somebody else. */
export class IntroductionError extends SluiceError {
  constructor(code: 'WRONG_LEDGER' | 'BAD_SIGNATURE', message: string) {
    super(code, message)
    this.name = 'IntroductionError'
  }
}
