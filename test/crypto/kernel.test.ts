import { describe, expect, it } from 'vitest'
import { ChainError } from '../../src/core/chain.js'
import { InvariantError } from '../../src/core/errors.js'
import { limits } from '../../src/core/limits.js'
import * as Kernel from '../../src/crypto/kernel.js'
import { wasmBase64 } from '../../src/crypto/kernel.generated.js'
import * as Oracle from './oracle.js'

const position = { tweak: new Uint8Array(16).fill(1), epoch: 2, digit: 3 }
const seed = new Uint8Array(32).fill(0xab)

/** Any `size` or more bytes of `value` in the kernel's memory. */
const holds = ({ memory }: Kernel.Kernel, value: Uint8Array): boolean =>
  Buffer.from(memory.buffer).includes(value)

describe.each(Oracle.builds)('%s', (build) => {
  const wasm = Oracle.wasmOf(build)

  it('imports nothing and stays within its budget', () => {
    const module = new WebAssembly.Module(wasm)
    expect(WebAssembly.Module.imports(module)).toEqual([])
    expect(wasm.length).toBeLessThanOrEqual(16 * 1024)
  })

  it('keeps no seed and no node after a call', async () => {
    const kernel = await Kernel.instantiate(wasm)
    const { generate, walk } = Kernel.from(kernel)
    const nodes = generate(position, 9, seed)
    walk(position, 9, 4, seed)
    for (let at = 0; at < nodes.length; at += 32)
      expect(holds(kernel, nodes.subarray(at, at + 32))).toBe(false)
    // The words of a node lie in the scratch in the machine's byte order.
    for (let at = 0; at < nodes.length; at += 4)
      expect(holds(kernel, nodes.slice(at, at + 4).reverse())).toBe(false)
  })

  it('keeps no seed when it traps', async () => {
    const kernel = await Kernel.instantiate(wasm)
    const broken = { ...kernel, memory: kernel.memory, heapBase: kernel.heapBase }
    const { generate, walk } = Kernel.from({
      ...broken,
      generate: () => kernel.walk(0xffff_ffff, 0, 0, 0, 0),
      walk: () => kernel.walk(0xffff_ffff, 0, 0, 0, 0),
    })
    expect(() => generate(position, 9, seed)).toThrow(WebAssembly.RuntimeError)
    expect(() => walk(position, 9, 4, seed)).toThrow(WebAssembly.RuntimeError)
    expect(holds(kernel, seed)).toBe(false)
  })

  it('gives results that later calls and growth leave alone', async () => {
    const kernel = await Kernel.instantiate(wasm)
    const { generate, walk } = Kernel.from(kernel)
    const nodes = generate(position, limits.chainStepsMax, seed)
    const copy = nodes.slice()
    ;(kernel.memory as WebAssembly.Memory).grow(1)
    const anchor = walk(position, limits.chainStepsMax, limits.chainStepsMax, seed)
    expect(nodes).toEqual(copy)
    expect(anchor).toEqual(nodes.slice(0, 32))
  })

  it('refuses what no voucher can have, before it touches its memory', async () => {
    const { generate, walk } = Kernel.from(await Kernel.instantiate(wasm))
    const calls = [
      () => generate(position, 0, seed),
      () => generate(position, limits.chainStepsMax + 1, seed),
      () => generate(position, 1, new Uint8Array(31)),
      () => walk(position, 1, 2, seed),
      () => walk(position, limits.chainStepsMax + 1, 1, seed),
      () => walk(position, 1, 1, new Uint8Array(33)),
      () => walk({ ...position, digit: 4 }, 1, 1, seed),
    ]
    for (const call of calls) expect(call).toThrow(ChainError)
  })
})

it('the debug build asserts that pointers are the host’s', async () => {
  const kernel = await Kernel.instantiate(Oracle.wasmOf('kernel.debug.wasm'))
  const [base, end] = [kernel.heapBase(), kernel.memory.buffer.byteLength]
  kernel.walk(base, 1, base + 32, 1, end - 32)
  const calls = [
    () => kernel.walk(base - 1, 1, base + 32, 1, base + 64),
    () => kernel.walk(base, 1, base - 1, 1, base + 64),
    () => kernel.walk(base, 1, base + 32, 1, end - 31),
    () => kernel.walk(base, 1, base + 32, 2, base + 64),
    () => kernel.generate(base, base + 32, 1, end - 63),
    () => kernel.generate(base, base + 32, 0x1_0000, base + 64),
  ]
  for (const call of calls) expect(call).toThrow(WebAssembly.RuntimeError)
})

it('the embedded kernel is the release build', () => {
  expect(Buffer.from(wasmBase64, 'base64')).toEqual(Buffer.from(Oracle.wasmOf('kernel.wasm')))
})

it('a kernel with too little memory is refused', async () => {
  const kernel = await Kernel.instantiate()
  const small = { ...kernel, memory: { buffer: new ArrayBuffer(65_536) } }
  expect(() => Kernel.from({ ...small, heapBase: () => 65_000 })).toThrow(InvariantError)
})
