import { beforeEach, describe, expect, it } from 'vitest'
import { pooledMin, type Signed } from '../../src/crypto/batch.js'
import { type Gather, gatherer, knowing } from '../../src/crypto/gather.js'
import { noble } from '../../src/crypto/noble.js'
import { type Verifier, VerifierError } from '../../src/crypto/pool.js'
import { signedBy } from './signed.js'

const { secp256k1 } = noble
const signed = signedBy(secp256k1, 40)
const signers = signed.map(({ digest, signature }) => secp256k1.recover(digest, signature))
const [first] = signed
if (first === undefined) throw new Error('There are forty.')
const forged: Signed = { ...first, signature: first.signature.with(64, 0) }

/** Sizes of the batches that were verified. */
let batches: number[]
let gather: Gather

const verifier: Verifier = {
  ready: () => true,
  drained: async () => undefined,
  async recoverAll(batch) {
    batches.push(batch.length)
    return batch.map((one) => signers[signed.indexOf(one)])
  },
  close: async () => undefined,
}

beforeEach(() => {
  batches = []
  gather = gatherer(verifier)
})

/** Asks about the signatures from `from` to `to`. */
const ask = (from: number, to: number) => gather(to - from, () => signed.slice(from, to))

describe('what is asked in one turn', () => {
  it('is verified together, and each hears of its own', async () => {
    const asked = [ask(0, 3), ask(3, 4), ask(4, 20), ask(20, 40)]
    expect(await Promise.all(asked)).toEqual([
      signers.slice(0, 3),
      signers.slice(3, 4),
      signers.slice(4, 20),
      signers.slice(20, 40),
    ])
    expect(batches).toEqual([40])
  })

  it('is left to whoever asks where it is too little, and not even made out', async () => {
    const asked = gather(pooledMin - 1, () => {
      throw new Error('made out')
    })
    expect(await asked).toEqual([])
    expect(batches).toEqual([])
  })

  it('is not mixed with the next', async () => {
    expect(await ask(0, 20)).toEqual(signers.slice(0, 20))
    expect(await ask(20, 40)).toEqual(signers.slice(20, 40))
    expect(await ask(5, 6)).toEqual([])
    expect(batches).toEqual([20, 20])
  })

  it('does not suffer from one that cannot be made out, or is fewer than was said', async () => {
    const broken = gather(5, () => {
      throw new Error('no digest')
    })
    const fewer = gather(5, () => [forged])
    const sound = ask(0, 20)
    expect(await Promise.all([broken, fewer, sound])).toEqual([
      [],
      [undefined],
      signers.slice(0, 20),
    ])
  })
})

it('a verifier that closes leaves it to whoever asks', async () => {
  gather = gatherer({
    ...verifier,
    recoverAll: async () => {
      throw new VerifierError('VERIFIER_CLOSED')
    },
  })
  expect(await ask(0, 20)).toEqual([])
})

it('who knows some signers verifies the rest, and refuses what was refused', () => {
  const recover = knowing(secp256k1, [...signed.slice(0, 2), forged], [signers[5], undefined])
  // Not its signer: so nobody has looked at the signature again.
  expect(recover(first.digest, first.signature)).toBe(signers[5])
  for (const [at, { digest, signature }] of signed.slice(1, 4).entries())
    expect(recover(digest, signature)).toBe(signers[at + 1])
  expect(() => recover(forged.digest, forged.signature)).toThrow('refused')
})
