import { describe, expect, it } from 'vitest'
import * as Batch from '../../src/crypto/batch.js'
import type { Secp256k1Engine } from '../../src/crypto/engine.js'
import { noble } from '../../src/crypto/noble.js'
import { signedBy } from './signed.js'

const { secp256k1 } = noble
const signed = signedBy(secp256k1, 12)
const signers = signed.map(({ digest, signature }) => secp256k1.recover(digest, signature))

/** noble, telling `onCall` the number of each signature that it is asked about, from 0. */
function watched(onCall: (call: number) => void): Secp256k1Engine {
  let calls = 0
  return {
    ...secp256k1,
    recover(digest, signature) {
      onCall(calls++)
      return secp256k1.recover(digest, signature)
    },
  }
}

describe('a batch', () => {
  it('is shared by all who judge it: nobody judges what another has taken', () => {
    const batch = Batch.from(signed)
    let asked = 0
    const other = watched(() => void asked++)
    // While one has taken its third, another begins, and leaves it that one alone.
    const one = watched((call) => {
      asked++
      if (call === 2) Batch.judge(other, batch)
    })
    Batch.judge(one, batch)
    expect(asked).toBe(signed.length)
    expect(Batch.answers(batch)).toEqual(signers)
  })

  it('has no answers while a verdict is taken and not given; rewound, that one alone is judged', () => {
    const batch = Batch.from(signed)
    const dying = watched((call) => {
      if (call === 5) throw new Error('killed')
    })
    expect(() => Batch.judge(dying, batch)).toThrow('killed')
    Batch.judge(secp256k1, batch)
    expect(() => Batch.answers(batch)).toThrow('every signature of a batch gets its verdict')
    let asked = 0
    Batch.rewind(batch)
    Batch.judge(
      watched(() => void asked++),
      batch,
    )
    expect(asked).toBe(1)
    expect(Batch.answers(batch)).toEqual(signers)
  })

  it('is left by whoever judges it, once nobody waits for it', () => {
    const batch = Batch.from(signed)
    let asked = 0
    Batch.judge(
      watched((call) => {
        asked++
        if (call === 3) Batch.stop(batch)
      }),
      batch,
    )
    expect(asked).toBe(4)
    expect(Batch.isStopped(batch)).toBe(true)
  })
})
