import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import '../support/fuzz.js'
import { toHex } from '../../src/core/bytes.js'
import * as Chain from '../../src/core/chain.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as Arbitrary from './arbitrary.js'
import * as Oracle from './oracle.js'

const engines = [
  { name: 'noble', engine: { generate: Chain.generate, walk: Chain.walk } },
  ...(await Promise.all(
    Oracle.builds.map(async (build) => {
      const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
      return { name: build, engine: Kernel.from(kernel) }
    }),
  )),
]

describe.each(engines)('$name agrees with node:crypto', ({ engine }) => {
  it('on whole chains', () => {
    const chain = [Arbitrary.position, Arbitrary.index({ min: 1 }), Arbitrary.bytes(32)] as const
    fc.assert(
      fc.property(...chain, (position, length, seed) => {
        const ours = engine.generate(position, length, seed)
        expect(toHex(ours)).toBe(toHex(Oracle.generate(position, length, seed)))
      }),
    )
  })

  it('on walks', () => {
    fc.assert(
      fc.property(
        Arbitrary.position,
        Arbitrary.walk,
        Arbitrary.bytes(32),
        (position, { index, steps }, node) => {
          const ours = engine.walk(position, index, steps, node)
          expect(ours).toEqual(Oracle.walk(position, index, steps, node))
        },
      ),
    )
  })
})

describe.each(Oracle.builds)('%s writes its result and nothing else', async (build) => {
  const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
  const base = kernel.heapBase()
  const end = kernel.memory.buffer.byteLength

  /** Runs `call` on memory full of junk, and expects `result` at `target` and all else as it was. */
  function expectOnly(
    junk: number,
    inputs: readonly (readonly [at: number, bytes: Uint8Array])[],
    call: () => void,
    [target, result]: readonly [at: number, bytes: Uint8Array],
  ): void {
    const memory = new Uint8Array(kernel.memory.buffer)
    memory.fill(junk, base)
    for (const [at, bytes] of inputs) memory.set(bytes, at)
    const expected = memory.slice()
    expected.set(result, target)
    call()
    expect(Buffer.compare(memory, expected)).toBe(0)
  }

  /** Three places that do not overlap, at any alignment; the third may end where memory does. */
  const places = (size: number) =>
    fc.tuple(fc.nat(15), fc.nat(15), fc.nat(15), fc.boolean()).map(([a, b, c, last]) => {
      const [position, source] = [base + a, base + 64 + b]
      return { position, source, target: last ? end - size : base + 128 + c }
    })

  it('for whole chains at any alignment', () => {
    const length = Arbitrary.index({ min: 1 })
    const placed = length.chain((n) =>
      fc.record({ length: fc.constant(n), at: places((n + 1) * 32), inPlace: fc.boolean() }),
    )
    fc.assert(
      fc.property(
        fc.nat(255),
        Arbitrary.position,
        Arbitrary.bytes(32),
        placed,
        (junk, position, seed, { length, at, inPlace }) => {
          const source = inPlace ? at.target + length * 32 : at.source
          expectOnly(
            junk,
            [
              [at.position, Oracle.prefix(position)],
              [source, seed],
            ],
            () => kernel.generate(at.position, source, length, at.target),
            [at.target, Oracle.generate(position, length, seed)],
          )
        },
      ),
    )
  })

  it('for walks at any alignment, over the whole range of indices', () => {
    const walk = fc
      .oneof(Arbitrary.index(), fc.nat(0xffff), fc.constantFrom(0x7fff, 0x8000, 0xffff))
      .chain((index) =>
        fc.record({ index: fc.constant(index), steps: fc.nat(Math.min(index, 300)) }),
      )
    fc.assert(
      fc.property(
        fc.nat(255),
        Arbitrary.position,
        Arbitrary.bytes(32),
        walk,
        places(32),
        fc.boolean(),
        (junk, position, node, { index, steps }, at, inPlace) => {
          const target = inPlace ? at.source : at.target
          expectOnly(
            junk,
            [
              [at.position, Oracle.prefix(position)],
              [at.source, node],
            ],
            () => kernel.walk(at.position, index, at.source, steps, target),
            [target, Oracle.walk(position, index, steps, node)],
          )
        },
      ),
    )
  })
})
