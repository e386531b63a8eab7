import { encode as varint } from 'uint8-varint'
import { describe, expect, it } from 'vitest'
import * as Frame from '../../src/core/frame.js'
import { frames } from '../../src/engine/frames.js'

const bytes = (...values: number[]) => Uint8Array.from(values)
const filled = (size: number, value = 7) => new Uint8Array(size).fill(value)

/** All frames of `chunks`, in order. */
function deframe(limit: number, ...chunks: Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = []
  const deframer = Frame.deframer(limit, (frame) => out.push(frame))
  for (const chunk of chunks) deframer.push(chunk)
  deframer.end()
  return out
}

describe('encode', () => {
  it.each([0, 1, 127, 128, 16_383, 16_384, 2 ** 21 - 1, 2 ** 21])(
    'puts the unsigned varint of uint8-varint in front of %i bytes',
    (size) => {
      const body = filled(size)
      const frame = Frame.encode(body)
      expect(Buffer.from(frame).equals(Buffer.concat([varint(size), body]))).toBe(true)
      expect(frame.length).toBe(Frame.prefixSize(size) + size)
    },
  )

  it('joins parts into one body', () => {
    expect(Frame.encode(bytes(1), bytes(), bytes(2, 3))).toEqual(bytes(3, 1, 2, 3))
    expect(Frame.encode()).toEqual(bytes(0))
  })

  it('refuses a body that no reader could accept', () => {
    expect(() => Frame.prefixSize(Frame.sizeMax + 1)).toThrow(
      expect.objectContaining({ code: 'FRAME_TOO_LARGE' }),
    )
  })
})

describe('seal', () => {
  it.each([0, 1, 127, 128, 65_536])('frames %i bytes in place, without a copy', (size) => {
    const buffer = filled(Frame.headroom + size)
    const frame = Frame.seal(buffer, Frame.headroom)
    expect(frame).toEqual(Frame.encode(filled(size)))
    expect(frame.buffer).toBe(buffer.buffer)
  })
})

describe('deframer', () => {
  it('hands out views of a chunk that holds whole frames', () => {
    const chunk = Buffer.concat([Frame.encode(bytes(1, 2)), Frame.encode(bytes(3))])
    const [first, second] = deframe(10, chunk)
    expect(first).toEqual(bytes(1, 2))
    expect(second).toEqual(bytes(3))
    expect(first?.buffer).toBe(chunk.buffer)
    expect(second?.constructor).toBe(Uint8Array)
  })

  it('assembles a frame that comes byte by byte', () => {
    const body = filled(300)
    const chunks = [...Frame.encode(body)].map((byte) => bytes(byte))
    expect(deframe(300, ...chunks)).toEqual([body])
  })

  it('accepts a frame of exactly the limit and refuses one byte more before it arrives', () => {
    expect(deframe(128, Frame.encode(filled(128)))).toHaveLength(1)
    expect(() => deframe(128, varint(129))).toThrow(
      expect.objectContaining({ code: 'FRAME_TOO_LARGE' }),
    )
  })

  it.each([
    ['needless zeroes', bytes(0x80, 0x00)],
    ['needless zeroes after bits', bytes(0xff, 0x80, 0x00)],
    ['five bytes', bytes(0x80, 0x80, 0x80, 0x80, 0x01)],
  ])('refuses a length with %s', (_, prefix) => {
    expect(() => deframe(Frame.sizeMax, prefix)).toThrow(
      expect.objectContaining({ name: 'FrameError', code: 'BAD_FRAME' }),
    )
  })

  it.each([
    ['its prefix', bytes(0x80)],
    ['its body', bytes(2, 1)],
  ])('notices an end in the middle of %s', (_, chunk) => {
    expect(() => deframe(10, chunk)).toThrow(expect.objectContaining({ code: 'FRAME_TRUNCATED' }))
  })

  it('stays refused: nothing after a bad frame is ever read', () => {
    const out: Uint8Array[] = []
    const deframer = Frame.deframer(4, (frame) => out.push(frame))
    const refused = expect.objectContaining({ code: 'FRAME_TOO_LARGE' })
    expect(() => deframer.push(bytes(1, 42, 5))).toThrow(refused)
    expect(out).toEqual([bytes(42)])
    expect(() => deframer.push(Frame.encode(bytes(1)))).toThrow(refused)
    expect(() => deframer.end()).toThrow(refused)
    expect(out).toHaveLength(1)
  })
})

describe('frames', () => {
  async function* from(...chunks: Uint8Array[]) {
    yield* chunks
  }

  it('yields a batch for each chunk that completes frames', async () => {
    const batches: Uint8Array[][] = []
    const chunks = [bytes(1, 1, 1, 2, 2), bytes(8), bytes(9, 0)]
    for await (const batch of frames(from(...chunks), 10)) batches.push(batch)
    expect(batches).toEqual([
      [bytes(1), bytes(2)],
      [bytes(8, 9), bytes()],
    ])
  })

  it('yields the frames before a bad one, then throws', async () => {
    const batches = frames(from(bytes(1, 1, 99)), 10)
    expect(await batches.next()).toEqual({ done: false, value: [bytes(1)] })
    await expect(batches.next()).rejects.toMatchObject({ code: 'FRAME_TOO_LARGE' })
  })

  it('throws when the stream ends inside a frame', async () => {
    await expect(frames(from(bytes(2, 1)), 10).next()).rejects.toMatchObject({
      code: 'FRAME_TRUNCATED',
    })
  })

  it('closes the stream when its reader leaves', async () => {
    let closed = false
    async function* endless() {
      try {
        for (;;) yield bytes(1, 1)
      } finally {
        closed = true
      }
    }
    for await (const _ of frames(endless(), 10)) break
    expect(closed).toBe(true)
  })
})

describe('a deframer that takes some frames in parts', () => {
  const parts = { headSize: 2, includes: (head: Uint8Array) => head[0] === 1 }

  /** What the sink is told: bytes, and how many are still to come. */
  function taken(...chunks: Uint8Array[]): [number[], number][] {
    const out: [number[], number][] = []
    const deframer = Frame.deframer(10, (part, left) => out.push([[...part], left]), parts)
    for (const chunk of chunks) deframer.push(chunk)
    deframer.end()
    return out
  }

  it('hands them on as they come, and others whole', () => {
    expect(taken(bytes(4, 1, 2), bytes(3), bytes(4, 3, 2), bytes(6, 7))).toEqual([
      [[1, 2], 2],
      [[3], 1],
      [[4], 0],
      [[2, 6, 7], 0],
    ])
  })

  it('takes one whole whose head came alone, or that lies in one chunk', () => {
    expect(taken(bytes(3, 1), bytes(2, 3))).toEqual([[[1, 2, 3], 0]])
    expect(taken(bytes(3, 1, 2, 3))).toEqual([[[1, 2, 3], 0]])
  })

  it('notices an end between two parts', () => {
    expect(() => taken(bytes(4, 1, 2))).toThrow(
      expect.objectContaining({ code: 'FRAME_TRUNCATED' }),
    )
  })
})
