/**
 * Complete states: what every seat has signed, with its preimage. Only these are kept, shown to a layer and
 * built upon; whatever comes from outside is checked to the last signature before it is one.
 */
import { type Address, equals, type Hex, zeroes } from './bytes.js'
import { SluiceError } from './errors.js'
import type { Parameters } from './parameters.js'
import * as State from './state.js'
import type { Domain } from './typed-data.js'

/** A state that every seat signed, with its preimage. */
export type Complete = {
  readonly version: bigint
  readonly kind: State.Kind
  readonly body: State.Body
  /** In seat order. */
  readonly signatures: readonly Uint8Array[]
}

/** What a state says, before anybody signs it. */
export type Content = Omit<Complete, 'signatures'>

/** What judges signatures. */
export type Judge = {
  readonly domain: Domain
  /** @throws SluiceError for a signature that is none */
  readonly recover: (digest: Uint8Array, signature: Uint8Array) => Address
}

/** State 0 of a channel. */
export const opening = (parameters: Parameters): Content => ({
  version: 0n,
  kind: 0,
  body: State.opening(parameters),
})

/** Bodies never change, and what is made of one is signed, checked and shown several times, complete or not. */
const digests = new WeakMap<State.Body, Known>()
type Known = Omit<State.State, 'root'> & { readonly domain: Domain; readonly digest: Uint8Array }

/** EIP-712 digest that every seat signs. */
export function digest(domain: Domain, channelId: Hex, content: Content): Uint8Array {
  const { version, kind, body } = content
  const before = digests.get(body)
  if (
    before?.domain === domain &&
    before.channelId === channelId &&
    before.version === version &&
    before.kind === kind
  )
    return before.digest
  const root = State.root(channelId, body)
  const digest = State.digest(domain, { channelId, version, kind, root })
  digests.set(body, { domain, channelId, version, kind, digest })
  return digest
}

/** @throws SignedError `BAD_SIGNATURE` unless `signature` is that of `seat` */
export function checkSignature(
  judge: Judge,
  { seats }: Parameters,
  digest: Uint8Array,
  seat: number,
  signature: Uint8Array,
): void {
  if (judge.recover(digest, signature) !== seats[seat]?.signer)
    throw new SignedError(`The signature is not that of seat ${seat}.`)
}

/** A state that somebody shows us. @throws StateError, SignedError `BAD_SIGNATURE` */
export function check(
  judge: Judge,
  channelId: Hex,
  parameters: Parameters,
  complete: Complete,
): void {
  State.checkShape(parameters, complete.body)
  checkSignatures(judge, channelId, parameters, complete)
}

/**
 * `known`: what has been checked before, by seat; only others are.
 * @throws SignedError `BAD_SIGNATURE` unless every seat signed the content
 */
export function checkSignatures(
  judge: Judge,
  channelId: Hex,
  parameters: Parameters,
  complete: Complete,
  known: readonly (Uint8Array | undefined)[] = [],
): void {
  const { signatures } = complete
  if (signatures.length !== parameters.seats.length)
    throw new SignedError('A complete state has a signature of every seat.')
  const wanted = digest(judge.domain, channelId, complete)
  for (const [seat, signature] of signatures.entries())
    if (!equals(signature, known[seat] ?? zeroes(0)))
      checkSignature(judge, parameters, wanted, seat, signature)
}

/** A signature of somebody else, or of nobody. */
export class SignedError extends SluiceError {
  constructor(message: string) {
    super('BAD_SIGNATURE', message)
    this.name = 'SignedError'
  }
}
