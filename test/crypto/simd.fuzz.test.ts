/** Four messages at once, pebbles, trees and whole messages: every build against node:crypto. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import '../support/fuzz.js'
import { ChainError } from '../../src/core/chain.js'
import { InvariantError } from '../../src/core/errors.js'
import * as Tree from '../../src/core/tree.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as Arbitrary from './arbitrary.js'
import * as Oracle from './oracle.js'

const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
  createHash('sha256').update(Buffer.concat(parts)).digest()

const tagged = (name: string, content: Uint8Array): Buffer => {
  const tag = sha256(Buffer.from(`sluice/1/${name}`))
  return sha256(tag, tag, content)
}

/** Sizes where padding takes another block, and any. */
const size = fc.oneof(fc.constantFrom(0, 1, 55, 56, 63, 64, 65, 119, 120, 128), fc.nat(700))
const message = size.chain((n) => fc.uint8Array({ minLength: n, maxLength: n }))
const contents = fc
  .nat(11)
  .chain((n) => fc.uint8Array({ minLength: n * 64, maxLength: n * 64, size: 'max' }))

const piecesOf = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: bytes.length / size }, (_, i) => bytes.slice(i * size, (i + 1) * size))

describe.each(Oracle.builds)('%s', async (build) => {
  const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
  const base = kernel.heapBase()
  const end = kernel.memory.buffer.byteLength
  const chain = Kernel.from(kernel)

  /** Runs `call` on memory full of junk but for `inputs`; expects `result` and all else as it was. */
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
    expect(Buffer.compare(memory.subarray(base), expected.subarray(base))).toBe(0)
  }

  it('walks four chains, each from its own place', () => {
    const four = <T>(one: fc.Arbitrary<T>) => fc.tuple(one, one, one, one)
    const index = fc.integer({ min: 20, max: 1_024 })
    const place = fc.tuple(Arbitrary.position, index)
    fc.assert(
      fc.property(
        four(place),
        four(Arbitrary.bytes(32)),
        fc.nat(20),
        fc.nat(255),
        fc.nat(7),
        fc.boolean(),
        (places, nodes, steps, junk, odd, last) => {
          const from = places.map(([position, index]) => ({ ...position, index }))
          const reached = Buffer.concat(
            places.map(([position, index], i) =>
              Oracle.walk(position, index, steps, nodes[i] ?? new Uint8Array()),
            ),
          )
          const input = new Uint8Array(Buffer.concat(nodes))
          const [a, b, c, d] = from as [Kernel.ChainPlace, ...Kernel.ChainPlace[]]
          if (b === undefined || c === undefined || d === undefined) throw new Error('four')
          expect(Buffer.from(chain.walk4([a, b, c, d], steps, input))).toEqual(reached)

          const positions = Buffer.concat(places.map(([position]) => Oracle.prefix(position)))
          const indices = new Uint8Array(new Uint32Array(places.map(([, index]) => index)).buffer)
          const at = base + odd
          const target = last ? end - 128 : at + 400
          expectOnly(
            junk,
            [
              [at, positions],
              [at + 100, indices],
              [at + 200, input],
            ],
            () => kernel.walk4(at, at + 100, at + 200, steps, target),
            [target, reached],
          )
        },
      ),
    )
  })

  it('keeps the pebbles of a chain', () => {
    fc.assert(
      fc.property(
        Arbitrary.position,
        fc
          .integer({ min: 1, max: 200 })
          .chain((length) => fc.tuple(fc.constant(length), fc.integer({ min: 1, max: length }))),
        Arbitrary.bytes(32),
        (position, [length, spacing], seed) => {
          const nodes = piecesOf(Oracle.generate(position, length, seed), 32)
          const kept = nodes.filter((_, index) => index % spacing === 0)
          const pebbles = chain.pebbles(position, length, spacing, seed)
          expect(Buffer.from(pebbles)).toEqual(Buffer.concat(kept))
        },
      ),
    )
    const position = { tweak: new Uint8Array(16), epoch: 1, digit: 0 }
    for (const spacing of [0, 11, 1.5])
      expect(() => chain.pebbles(position, 10, spacing, new Uint8Array(32))).toThrow(ChainError)
  })

  it('hashes leaves and nodes of a tree, any number, anywhere, in place', () => {
    const hasher = Kernel.treeHasher(kernel)
    fc.assert(
      fc.property(
        contents,
        fc.nat(255),
        fc.nat(7),
        fc.boolean(),
        fc.boolean(),
        (contents, junk, odd, inPlace, last) => {
          const pieces = piecesOf(contents, 64)
          const leafHashes = Buffer.concat(pieces.map((each) => tagged('leaf', each)))
          const nodeHashes = Buffer.concat(pieces.map((each) => tagged('node', each)))
          const hashes = Buffer.alloc(leafHashes.length)
          hasher.leaves(contents, hashes)
          expect(hashes).toEqual(leafHashes)
          hasher.nodes(contents, hashes)
          expect(hashes).toEqual(nodeHashes)

          const source = base + odd
          const target = inPlace ? source : last ? end - nodeHashes.length : source + 1_000
          const input = [[source, contents]] as const
          expectOnly(junk, input, () => kernel.nodes(source, pieces.length, target), [
            target,
            nodeHashes,
          ])
          expectOnly(junk, input, () => kernel.leaves(source, pieces.length, target), [
            target,
            leafHashes,
          ])
        },
      ),
    )
  })

  it('hashes more of a tree than its memory holds', () => {
    const { nodes } = Kernel.treeHasher(kernel)
    const contents = new Uint8Array(64 * 5_001).map((_, i) => i * 7 + (i >> 8))
    const [many, expected] = [new Uint8Array(32 * 5_001), new Uint8Array(32 * 5_001)]
    nodes(contents, many)
    Tree.hasher.nodes(contents, expected)
    expect(Buffer.compare(many, expected)).toBe(0)
    expect(() => nodes(contents, many.subarray(32))).toThrow(InvariantError)
    expect(kernel.memory.buffer.byteLength).toBe(end)
  })

  it('hashes whole messages, plain and as values of a tree', () => {
    fc.assert(
      fc.property(message, fc.nat(255), fc.nat(7), fc.boolean(), (message, junk, odd, last) => {
        const source = base + odd
        const target = last ? end - 32 : source + 1_000
        const input = [[source, message]] as const
        expectOnly(junk, input, () => kernel.sha256(source, message.length, target), [
          target,
          sha256(message),
        ])
        expectOnly(junk, input, () => kernel.value(source, message.length, target), [
          target,
          tagged('value', message),
        ])
      }),
    )
  })
})
