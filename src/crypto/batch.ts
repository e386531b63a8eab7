/**
 * A batch of signatures in one piece of memory that threads share: asked and answered in place.
 * Whoever judges must copy what it judges first, so that nobody can change it between check and use.
 */
import { type Address, fromHex, toHex } from '../core/bytes.js'
import { assert } from '../core/errors.js'
import type { Secp256k1Engine } from './engine.js'
import { SignatureError } from './secp256k1.js'

/** What was signed, 32 bytes, and the signature as it came: of any form and length. */
export type Signed = { readonly digest: Uint8Array; readonly signature: Uint8Array }

/** Fewer signatures than this are best verified at once, where they are: a round trip to a thread costs about two. */
export const pooledMin = 16
/** Most signatures of one batch. */
export const signaturesMax = 4_096

/** The control words, then all digests, signatures, addresses and verdicts. */
export type Batch = SharedArrayBuffer

/** A verdict of neither value was not given yet: silence is never consent. */
const verdict = { accepted: 1, refused: 2 } as const

const sizes = { digest: 32, signature: 65, address: 20, verdict: 1 } as const
const entrySize = sizes.digest + sizes.signature + sizes.address + sizes.verdict

/** Words of 32 bits: the index that is judged next, by whoever takes it, and whether to stop. */
const control = { next: 0, stop: 1 } as const
const controlSize = 2 * Int32Array.BYTES_PER_ELEMENT

/** A signature of any other length than 65 bytes stays all zeroes, which is refused too. */
export function from(signed: readonly Signed[]): Batch {
  const batch = new SharedArrayBuffer(controlSize + signed.length * entrySize)
  const { digests, signatures } = views(batch)
  for (const [index, { digest, signature }] of signed.entries()) {
    assert(digest.length === sizes.digest, 'a digest to recover from has 32 bytes')
    digests.set(digest, index * sizes.digest)
    if (signature.length === sizes.signature) signatures.set(signature, index * sizes.signature)
  }
  return batch
}

/**
 * Gives verdicts until none is left to give, or the batch is stopped. Any number of threads may do so at once:
 * each takes one signature at a time, so that all end together, however late one began.
 */
export function judge(secp256k1: Secp256k1Engine, batch: Batch): void {
  const { words, digests, signatures, addresses, verdicts } = views(batch)
  while (Atomics.load(words, control.stop) === 0) {
    const index = Atomics.add(words, control.next, 1)
    if (index >= verdicts.length) return
    if (Atomics.load(verdicts, index) !== 0) continue
    const digest = entry(digests, sizes.digest, index).slice()
    const signature = entry(signatures, sizes.signature, index).slice()
    const address = recover(secp256k1, { digest, signature })
    if (address !== undefined) addresses.set(fromHex(address), index * sizes.address)
    Atomics.store(verdicts, index, address === undefined ? verdict.refused : verdict.accepted)
  }
}

/** Whoever judges from now on also gives the verdicts that were taken and never given: a thread died with them. */
export function rewind(batch: Batch): void {
  Atomics.store(views(batch).words, control.next, 0)
}

/** Who signed; undefined where the signature is refused. */
export function recover(
  secp256k1: Secp256k1Engine,
  { digest, signature }: Signed,
): Address | undefined {
  try {
    return secp256k1.recover(digest, signature)
  } catch (error) {
    if (error instanceof SignatureError) return undefined
    throw error
  }
}

/** The answers of a batch that is judged, in the order it was asked. */
export function answers(batch: Batch): (Address | undefined)[] {
  const { addresses, verdicts } = views(batch)
  return Array.from(verdicts, (given, index) => {
    assert(given !== 0, 'every signature of a batch gets its verdict')
    return given === verdict.accepted ? toHex(entry(addresses, sizes.address, index)) : undefined
  })
}

/** Nobody waits for this batch any more: whoever judges it may leave the rest. */
export function stop(batch: Batch): void {
  Atomics.store(views(batch).words, control.stop, 1)
}

export const isStopped = (batch: Batch): boolean =>
  Atomics.load(views(batch).words, control.stop) !== 0

function views(batch: Batch) {
  const count = (batch.byteLength - controlSize) / entrySize
  let at = controlSize
  const next = (size: number): Uint8Array => {
    const view = new Uint8Array(batch, at, size)
    at += size
    return view
  }
  return {
    words: new Int32Array(batch, 0, controlSize / Int32Array.BYTES_PER_ELEMENT),
    digests: next(count * sizes.digest),
    signatures: next(count * sizes.signature),
    addresses: next(count * sizes.address),
    verdicts: next(count * sizes.verdict),
  }
}

const entry = (all: Uint8Array, size: number, index: number): Uint8Array =>
  all.subarray(index * size, (index + 1) * size)
