import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as Tick from '../../src/core/tick.js'
import { filler, join, uint } from '../vectors/reference.js'
import * as Arbitrary from './support/arbitraries.js'

const badTick = expect.objectContaining({ code: 'BAD_TICK' })
const frames = fc.array(Arbitrary.frame, { maxLength: 6 })

it('a frame lies as its layout says', () => {
  const [a, b] = [filler('a'), filler('b')]
  const entries = [
    { digit: 1, index: 258, node: a },
    { digit: 3, index: 1, node: b },
  ]
  const expected = join(
    uint(9, 4),
    uint(7, 4),
    Uint8Array.of(0b1010),
    uint(258, 2),
    a,
    uint(1, 2),
    b,
  )
  expect(Tick.encode({ handle: 9, epoch: 7, entries })).toEqual(expected)
  expect(expected).toHaveLength(Tick.headSize + 2 * Tick.entrySize)
})

it('frames end to end come back as they went', () => {
  fc.assert(
    fc.property(frames, (frames) => {
      expect(Tick.decodeAll(join(...frames.map(Tick.encode)))).toEqual(frames)
    }),
  )
})

it('are read from the middle of a buffer, and are no view of it', () => {
  const frame = { handle: 1, epoch: 2, entries: [{ digit: 0, index: 3, node: filler('node') }] }
  const buffer = join(uint(0, 5), Tick.encode(frame), uint(0, 5))
  const read = Tick.decodeAll(buffer.subarray(5, -5))
  buffer.fill(0xff)
  expect(read).toEqual([frame])
})

it.each([
  ['a head cut short', uint(0, 8)],
  ['no digit', join(uint(1, 8), Uint8Array.of(0))],
  ['a fifth digit', join(uint(1, 8), Uint8Array.of(0b10000), new Uint8Array(34))],
  ['a node cut short', join(uint(1, 8), Uint8Array.of(1), new Uint8Array(33))],
  ['bytes left over', join(uint(1, 8), Uint8Array.of(1), new Uint8Array(35))],
])('%s is refused', (_, bytes) => {
  expect(() => Tick.decodeAll(bytes)).toThrow(badTick)
})

it('junk is refused, and what is not is canonical', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(frames, fc.nat(), fc.nat(255)).map(([frames, at, byte]) => {
      const bytes = join(...frames.map(Tick.encode))
      return bytes.length === 0 ? bytes : bytes.with(at % bytes.length, byte)
    }),
    fc
      .tuple(frames, fc.nat(80))
      .map(([frames, cut]) => join(...frames.map(Tick.encode)).slice(cut)),
  )
  fc.assert(
    fc.property(bytes, (bytes) => {
      try {
        expect(join(...Tick.decodeAll(bytes).map(Tick.encode))).toEqual(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(Tick.TickError)
      }
    }),
  )
})
