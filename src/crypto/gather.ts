/**
 * Signatures that many peers bring within one turn of the event loop, verified as one batch: what each of them
 * brings is seldom worth a thread.
 */
import { type Address, equals } from '../core/bytes.js'
import * as Batch from './batch.js'
import type { Secp256k1Engine } from './engine.js'
import { type Verifier, VerifierError } from './pool.js'

/** Who signed each, in the order given; undefined where it is refused. Empty where nobody has verified them yet. */
export type Signers = readonly (Address | undefined)[]

/**
 * Asks who made some signatures, `most` or fewer. They are made out only if the turn may bring enough for a
 * batch: whoever verifies a few itself has no digest to make twice.
 */
export type Gather = (most: number, signed: () => readonly Batch.Signed[]) => Promise<Signers>

type Question = { readonly most: number; readonly signed: () => readonly Batch.Signed[] }

export function gatherer(verifier: Verifier): Gather {
  let asked: Question[] = []
  let turn: Promise<ReadonlyMap<Question, Signers>> | undefined

  async function answer(): Promise<ReadonlyMap<Question, Signers>> {
    // Every socket that has something is read before this.
    await new Promise(setImmediate)
    const questions = asked
    asked = []
    turn = undefined
    const most = questions.reduce((sum, question) => sum + question.most, 0)
    return most < Batch.pooledMin ? new Map() : answers(questions, verifier)
  }

  return async (most, signed) => {
    if (most === 0) return []
    const question = { most, signed }
    asked.push(question)
    turn ??= answer()
    return (await turn).get(question) ?? []
  }
}

async function answers(
  questions: readonly Question[],
  verifier: Verifier,
): Promise<ReadonlyMap<Question, Signers>> {
  const lists = questions.map(({ signed }) => madeOut(signed))
  const all = lists.flat()
  const signers: (Address | undefined)[] = []
  try {
    for (let from = 0; from < all.length; from += Batch.signaturesMax) {
      while (!verifier.ready()) await verifier.drained()
      const some = await verifier.recoverAll(all.slice(from, from + Batch.signaturesMax))
      for (const signer of some) signers.push(signer)
    }
  } catch (error) {
    // It closes: whoever still wants to know verifies for itself.
    if (!(error instanceof VerifierError)) throw error
    return new Map()
  }
  const known = new Map<Question, Signers>()
  let at = 0
  for (const [index, question] of questions.entries()) {
    const { length } = lists[index] ?? []
    known.set(question, signers.slice(at, at + length))
    at += length
  }
  return known
}

/** One whose digests cannot be made finds that out for itself; the others must not hear of it. */
function madeOut(signed: Question['signed']): readonly Batch.Signed[] {
  try {
    return signed()
  } catch {
    return []
  }
}

/** A `recover` that knows who signed these, and verifies what else it is asked. */
export function knowing(
  { recover }: Secp256k1Engine,
  signed: readonly Batch.Signed[],
  signers: Signers,
): Secp256k1Engine['recover'] {
  return (digest, signature) => {
    const at = signed.findIndex(
      (one) => equals(one.signature, signature) && equals(one.digest, digest),
    )
    return signers[at] ?? recover(digest, signature)
  }
}
