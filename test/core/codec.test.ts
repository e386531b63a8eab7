import { describe, expect, it } from 'vitest'
import * as Codec from '../../src/core/codec.js'
import * as Wire from '../../src/engine/wire.js'

const badMessage = expect.objectContaining({ code: 'BAD_MESSAGE' })
const bytes = (size: number): Uint8Array => new Uint8Array(size).fill(7)

const point = Codec.record<{ x: number; y: number | undefined }>({
  x: Codec.integer(9),
  y: Codec.optional(Codec.integer(9)),
})
const shape = Codec.union({
  dot: Codec.record<{ at: number }>({ at: Codec.integer(3) }),
  none: Codec.record({}),
})

describe('what has not its shape is refused', () => {
  it.each<[string, Codec.Codec<unknown>, unknown[]]>([
    ['bytes', Codec.bytes(2), [bytes(1), bytes(3), [7, 7], 'ab', null, 7]],
    ['an address', Codec.address, [bytes(19), bytes(32), `0x${'00'.repeat(20)}`]],
    ['an id', Codec.id, [bytes(20), `0x${'00'.repeat(32)}`]],
    ['an amount', Codec.amount, [bytes(31), bytes(33), 5, 5n, '5']],
    ['a uint64', Codec.uint64, [bytes(7), bytes(9), 5, 5n]],
    ['an integer', Codec.integer(9), [-1, 10, 1.5, Number.NaN, 5n, '5', null, 2 ** 60]],
    ['text', Codec.text(3), ['abcd', 5, null, bytes(2)]],
    ['a word', Codec.word('a', 'b'), ['c', '', 0, null]],
    ['a flag', Codec.flag, [0, 1, 'true', null]],
    ['an option', Codec.optional(Codec.integer(9)), [10, undefined, false]],
    ['a list', Codec.list(Codec.integer(9), 2), [[1, 2, 3], [10], {}, 'ab', bytes(2), null]],
    ['a record', point, [{ x: 1 }, { x: 1, y: 2, z: 3 }, { x: 1, z: 2 }, [1, 2], null, new Map()]],
    ['a record of its own', point, [Object.create({ x: 1, y: 2 }), new Date(0), new Error('x')]],
    ['a union', shape, [{ at: 1 }, { type: 'dot' }, { type: 'none', at: 1 }, { type: 5, at: 1 }]],
    ['a union of these', shape, [{ type: 'toString' }, { type: '__proto__' }, 'none', null, []]],
  ])('%s', (_, codec, all) => {
    for (const wire of all) expect(() => codec.decode(wire)).toThrow(badMessage)
  })
})

describe('what has it comes back as it went', () => {
  it.each<[string, Codec.Codec<unknown>, unknown[]]>([
    ['bytes', Codec.bytes(2), [bytes(2)]],
    ['an address', Codec.address, [`0x${'ab'.repeat(20)}`]],
    ['an id', Codec.id, [`0x${'01'.repeat(32)}`]],
    ['an amount', Codec.amount, [0n, 1n, 2n ** 256n - 1n]],
    ['a uint64', Codec.uint64, [0n, 2n ** 64n - 1n]],
    ['an integer', Codec.integer(2 ** 53 - 1), [0, 127, 128, 2 ** 32, 2 ** 53 - 1]],
    ['text', Codec.text(9), ['', 'äöü', 'ab\0c']],
    ['a word', Codec.word('a', 'b'), ['a', 'b']],
    ['a flag', Codec.flag, [true, false]],
    ['an option', Codec.optional(Codec.flag), [undefined, false]],
    ['a list', Codec.list(Codec.integer(9), 2), [[], [1, 2]]],
    [
      'a record',
      point,
      [
        { x: 1, y: undefined },
        { x: 0, y: 9 },
      ],
    ],
    ['a union', shape, [{ type: 'dot', at: 3 }, { type: 'none' }]],
  ])('%s', (_, codec, all) => {
    for (const value of all) expect(Wire.decode(codec, Wire.encode(codec, value))).toEqual(value)
  })
})

it('what is decoded is no view of the wire', () => {
  const wire = bytes(4)
  const value = Codec.bytes(4).decode(wire)
  wire.fill(0)
  expect(value).toEqual(bytes(4))
})
