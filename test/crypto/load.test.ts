import { expect, it, vi } from 'vitest'
import { loadEngine } from '../../src/crypto/load.js'
import { noble } from '../../src/crypto/noble.js'

const position = { tweak: new Uint8Array(16), epoch: 1, digit: 0 }
const bytes = new Uint8Array(32).fill(5)

it('takes the kernel and ox where they load', async () => {
  const engine = await loadEngine()
  expect(engine.name).toBe('hash chains and ticks: WebAssembly kernel; secp256k1: ox WebAssembly')
  expect(engine.chain.generate(position, 3, bytes)).toEqual(
    noble.chain.generate(position, 3, bytes),
  )
  expect(engine.secp256k1.sign(bytes, bytes)).toEqual(noble.secp256k1.sign(bytes, bytes))
})

it('keeps the kernel where only ox fails', async () => {
  vi.doMock('ox/wasm/Secp256k1', () => ({ engine: () => Promise.reject(new Error('no room')) }))
  const engine = await loadEngine()
  expect(engine.name).toBe(
    'hash chains and ticks: WebAssembly kernel; secp256k1: noble (ox WebAssembly: no room)',
  )
})
