import { describe, expect, it, vi } from 'vitest'
import { ChainError } from '../../src/core/chain.js'
import { InvariantError } from '../../src/core/errors.js'
import { limits } from '../../src/core/limits.js'
import { wasmBase64 } from '../../src/crypto/kernel.generated.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as Oracle from './oracle.js'

declare const WebAssembly: { validate(wasm: Uint8Array): boolean }

const position = { tweak: new Uint8Array(16).fill(1), epoch: 2, digit: 3 }
const seed = new Uint8Array(32).fill(0xab)
const trapped = expect.objectContaining({ name: 'RuntimeError' })

/** Whether `value` lies anywhere in the kernel's memory. */
const holds = ({ memory }: Kernel.Kernel, value: Uint8Array): boolean =>
  Buffer.from(memory.buffer).includes(Buffer.from(value))

describe.each(Oracle.builds)('%s', (build) => {
  const wasm = Oracle.wasmOf(build)

  it('imports nothing', () => {
    expect(Oracle.importsOf(wasm)).toEqual([])
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
    const trap = () => kernel.walk(2 ** 31, 0, 0, 0, 0)
    const { generate, walk } = Kernel.from({ ...kernel, generate: trap, walk: trap })
    expect(() => generate(position, 9, seed)).toThrow(trapped)
    expect(() => walk(position, 9, 4, seed)).toThrow(trapped)
    expect(holds(kernel, seed)).toBe(false)
  })

  it('gives results that later calls and growth leave alone', async () => {
    const kernel = await Kernel.instantiate(wasm)
    const { generate, walk } = Kernel.from(kernel)
    const nodes = generate(position, limits.chainStepsMax, seed)
    const copy = nodes.slice()
    kernel.memory.grow(1)
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

it.each(Oracle.debugs)('%s asserts that pointers are the host’s', async (build) => {
  const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
  const [base, end] = [kernel.heapBase(), kernel.memory.buffer.byteLength]
  kernel.walk(base, 1, base + 32, 1, end - 32)
  const calls = [
    () => kernel.walk(base - 1, 1, base + 32, 1, base + 64),
    () => kernel.walk(base, 1, base - 1, 1, base + 64),
    () => kernel.walk(base, 1, base + 32, 1, end - 31),
    () => kernel.walk(base, 1, base + 32, 2, base + 64),
    () => kernel.walk4(base, base, base - 1, 0, base),
    () => kernel.generate(base, base + 32, 1, end - 63),
    () => kernel.generate(base, base + 32, 0x1_0000, base + 64),
    () => kernel.nodes(base, 1, end - 31),
    () => kernel.leaves(end - 63, 1, base),
    () => kernel.sha256(end - 9, 10, base),
    () => kernel.apply(end, 4_096, 1, base, 9, base),
    () => kernel.openLane(base, 0, 1, base),
  ]
  for (const call of calls) expect(call).toThrow('unreachable')
})

describe('the embedded kernels', () => {
  it('are the release builds, within their budget', () => {
    const embedded = [wasmBase64.scalar, wasmBase64.simd]
    Oracle.releases.forEach((build, i) => {
      const wasm = Oracle.wasmOf(build)
      expect(Buffer.from(embedded[i] ?? '', 'base64')).toEqual(Buffer.from(wasm))
      expect(wasm.length).toBeLessThanOrEqual(16 * 1024)
    })
  })

  const hasSimd = async (build?: Kernel.Build): Promise<boolean> =>
    (await Kernel.instantiate(build)).HAS_SIMD.value === 1

  it('are chosen by what runs here, by name, and by SLUICE_KERNEL', async () => {
    vi.stubEnv('SLUICE_KERNEL', undefined)
    expect(await hasSimd()).toBe(true)
    expect(await hasSimd('scalar')).toBe(false)
    vi.stubEnv('SLUICE_KERNEL', 'scalar')
    expect(await hasSimd()).toBe(false)
    expect(await hasSimd('simd')).toBe(true)
    vi.stubEnv('SLUICE_KERNEL', 'simd')
    expect(await hasSimd()).toBe(true)
    vi.unstubAllEnvs()
  })

  it('are scalar where WebAssembly has no vectors', async () => {
    vi.stubEnv('SLUICE_KERNEL', undefined)
    vi.spyOn(WebAssembly, 'validate').mockReturnValue(false)
    expect(await hasSimd()).toBe(false)
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
  })
})

it('a kernel with too little memory is refused', async () => {
  const kernel = await Kernel.instantiate()
  const small = { ...kernel.memory, buffer: new ArrayBuffer(32_768) }
  expect(() => Kernel.from({ ...kernel, memory: small })).toThrow(InvariantError)
})
