import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as Frame from '../../src/core/frame.js'

/** Cuts `bytes` at the given places (fractions of its length). */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b)
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
}

/** Every frame, then the code of the error that ended it, if one did. */
function read(limit: number, chunks: readonly Uint8Array[]) {
  const frames: Uint8Array[] = []
  const deframer = Frame.deframer(limit, (frame) => frames.push(frame.slice()))
  try {
    for (const chunk of chunks) deframer.push(chunk)
    deframer.end()
    return { frames, code: undefined }
  } catch (error) {
    if (!(error instanceof Frame.FrameError)) throw error
    return { frames, code: error.code }
  }
}

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 })

it('any split of any frames gives those frames', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 20 })
  fc.assert(
    fc.property(bodies, cuts, (frames, at) => {
      const stream = Buffer.concat(frames.map((frame) => Frame.encode(frame)))
      expect(read(400, split(stream, at))).toEqual({ frames, code: undefined })
    }),
  )
})

it('junk gives the same frames and the same FrameError however it is split', () => {
  // Small bytes are likely lengths; 0x80 and 0xff make long and non-canonical ones.
  const byte = fc.oneof(fc.nat(8), fc.constantFrom(0x80, 0xff), fc.nat(255))
  const junk = fc.array(byte, { maxLength: 200 }).map((values) => Uint8Array.from(values))
  fc.assert(
    fc.property(junk, cuts, fc.nat(300), (stream, at, limit) => {
      const whole = read(limit, [stream])
      expect(read(limit, split(stream, at))).toEqual(whole)
      expect(whole.frames.every((frame) => frame.length <= limit)).toBe(true)
      const consumed = Buffer.concat(whole.frames.map((frame) => Frame.encode(frame)))
      expect(consumed.equals(stream.subarray(0, consumed.length))).toBe(true)
    }),
  )
})

it('frames taken in parts are the same frames, whatever the parts', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 20 })
  fc.assert(
    fc.property(bodies, cuts, fc.integer({ min: 1, max: 10 }), (frames, at, headSize) => {
      const stream = Buffer.concat(frames.map((frame) => Frame.encode(frame)))
      const parts = { headSize, includes: (head: Uint8Array) => (head[0] ?? 0) % 2 === 0 }
      const whole: Uint8Array[] = []
      let sofar: Uint8Array[] = []
      let due = 0
      const sink: Frame.Sink = (part, left) => {
        if (sofar.length > 0) expect(part.length + left).toBe(due)
        sofar.push(part)
        due = left
        if (left > 0) return
        whole.push(new Uint8Array(Buffer.concat(sofar)))
        sofar = []
      }
      const deframer = Frame.deframer(400, sink, parts)
      for (const chunk of split(stream, at)) deframer.push(chunk)
      deframer.end()
      expect(whole).toEqual(frames)
    }),
  )
})
