/**
 * A stream opening: the session key's word that this lane pays this quote between these two peers. It is
 * signed for a nonce that the provider drew, so it opens one stream once.
 */
import { fromHex, type Hex } from './bytes.js'
import { peerHash } from './introduction.js'
import * as TypedData from './typed-data.js'

export type Opening = {
  readonly channelId: Hex
  readonly lane: bigint
  /** libp2p peer ids, as text. */
  readonly payer: string
  readonly payee: string
  readonly quote: Uint8Array
  readonly nonce: Uint8Array
}

const type = {
  name: 'StreamOpening',
  members: {
    channelId: 'bytes32',
    lane: 'uint64',
    payer: 'bytes32',
    payee: 'bytes32',
    quote: 'bytes32',
    nonce: 'bytes32',
  },
} as const satisfies TypedData.Type

/** EIP-712 digest that the lane's session key signs; peer ids enter as tagged hashes of their text. */
export const digest = (domain: TypedData.Domain, opening: Opening): Uint8Array =>
  TypedData.digest(domain, type, {
    ...opening,
    channelId: fromHex(opening.channelId, 32),
    payer: peerHash(opening.payer),
    payee: peerHash(opening.payee),
  })
