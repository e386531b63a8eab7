/** Keystores of the Web3 Secret Storage definition's own example (PBKDF2), and of ox (scrypt). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Keystore } from 'ox'
import { afterAll, expect, it } from 'vitest'
import { toHex, uint } from '../../src/core/bytes.js'
import { readKeystore } from '../../src/store/keystore.js'

const scratch = mkdtempSync(join(tmpdir(), 'sluice-keystore-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const file = (content: unknown): string => {
  const path = join(scratch, 'key.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const secret = '0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'
const pbkdf2 = {
  version: 3,
  crypto: {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
    ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
    kdf: 'pbkdf2',
    kdfparams: {
      c: 262_144,
      dklen: 32,
      prf: 'hmac-sha256',
      salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
    },
    mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
  },
}
const bad = expect.objectContaining({ code: 'BAD_KEY' })

it("opens the definition's example, and never with another password", () => {
  expect(toHex(readKeystore(file(pbkdf2), 'testpassword'))).toBe(secret)
  expect(() => readKeystore(file(pbkdf2), 'testpasswort')).toThrow(bad)
})

it('opens what another library wrote', () => {
  const [key, derivation] = Keystore.scrypt({ password: 'a b c', n: 1_024 })
  const privateKey = toHex(uint(0x5ec2e7, 32))
  const store = Keystore.encrypt(privateKey, key, derivation)
  expect(toHex(readKeystore(file(store), 'a b c'))).toBe(privateKey)
})

it('refuses what is no keystore, with words', () => {
  const other = { ...pbkdf2, crypto: { ...pbkdf2.crypto, kdf: 'argon2' } }
  for (const content of ['', '{}', '[]', '{"version":3}', { ...pbkdf2, version: 1 }, other])
    expect(() => readKeystore(file(content), 'testpassword')).toThrow(bad)
  expect(() => readKeystore(join(scratch, 'none'), 'x')).toThrow(bad)
})
