import { hkdfSync } from 'node:crypto'
import { expect, it } from 'vitest'
import * as Secret from '../../src/core/secret.js'

const root = new Uint8Array(32).map((_, at) => at)
const bytes = (text: string) => new TextEncoder().encode(text)

it('is HKDF-SHA256 over the label and contexts, each after its length', () => {
  const info = Buffer.concat([
    Buffer.from('00000005', 'hex'),
    Buffer.from('chain'),
    Buffer.from('00000002', 'hex'),
    Buffer.from('ab'),
    Buffer.from('00000000', 'hex'),
  ])
  const expected = hkdfSync('sha256', root, 'sluice/1', info, 32)
  const ours = Secret.derive(root, 'chain', bytes('ab'), new Uint8Array())
  expect(ours).toEqual(new Uint8Array(expected))
})

it('never lets two lists of contexts run together', () => {
  const secrets = [
    Secret.derive(root, 'chain'),
    Secret.derive(root, 'chain', new Uint8Array()),
    Secret.derive(root, 'chain', bytes('ab')),
    Secret.derive(root, 'chain', bytes('a'), bytes('b')),
    Secret.derive(root, 'chaina', bytes('b')),
    Secret.derive(root, 'session', bytes('ab')),
    Secret.derive(root.slice().reverse(), 'chain', bytes('ab')),
  ]
  expect(new Set(secrets.map(String)).size).toBe(secrets.length)
})

it('refuses a root too short to be a secret, without showing it', () => {
  const short = new Uint8Array(31).fill(0x42)
  expect(() => Secret.derive(short, 'chain')).toThrow(
    expect.objectContaining({ code: 'BAD_SECRET', message: expect.not.stringMatching(/42|66/) }),
  )
})
