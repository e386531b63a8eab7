/** Alone in its file: ox keeps what it compiled once, and here nothing may have compiled before. */
import { expect, it, vi } from 'vitest'
import { loadEngine } from '../../src/crypto/load.js'
import { noble } from '../../src/crypto/noble.js'

const position = { tweak: new Uint8Array(16), epoch: 1, digit: 0 }
const bytes = new Uint8Array(32).fill(5)

it('falls back to noble without WebAssembly, and says so', async () => {
  vi.stubGlobal('WebAssembly', undefined)
  const engine = await loadEngine()
  expect(engine.name).toMatch(/^hash chains and ticks: noble \(.+\); secp256k1: noble \(.+\)$/)
  expect(engine.chain.walk(position, 3, 3, bytes)).toEqual(noble.chain.walk(position, 3, 3, bytes))
  expect(engine.secp256k1.recover(bytes, engine.secp256k1.sign(bytes, bytes))).toBe(
    noble.secp256k1.publicAddress(bytes),
  )
})
