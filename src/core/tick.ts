/**
 * Tick frames: revealed chain nodes on the wire, in one fixed layout. Anyone can read a frame; only the
 * lane's chain says whether it is worth anything.
 */
import { concat, uint } from './bytes.js'
import { SluiceError } from './errors.js'
import { limits } from './limits.js'

/** Fields of a frame as [offset, size]; then one `entry` for each set bit of the mask, lowest first. */
export const layout = { handle: [0, 4], epoch: [4, 4], mask: [8, 1] } as const
export const headSize = 9
/** index u16 ‖ node 32. */
export const entrySize = 34

/** The deepest revealed node of one digit's chain. */
export type Entry = { readonly digit: number; readonly index: number; readonly node: Uint8Array }

export type Frame = {
  /** The receiver's number for the lane on this connection. */
  readonly handle: number
  readonly epoch: number
  readonly entries: readonly Entry[]
}

export const encode = (frame: Frame): Uint8Array =>
  concat(
    uint(frame.handle, 4),
    uint(frame.epoch, 4),
    uint(
      frame.entries.reduce((mask, { digit }) => mask | (1 << digit), 0),
      1,
    ),
    ...frame.entries.flatMap(({ index, node }) => [uint(index, 2), node]),
  )

/**
 * All frames that `bytes` holds, end to end.
 * @throws TickError `BAD_TICK` for a cut frame, an empty mask or a digit beyond the fourth
 */
export function decodeAll(bytes: Uint8Array): Frame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frames: Frame[] = []
  for (let at = 0; at < bytes.length; ) {
    const next = at + sizeAt(view, at)
    const mask = view.getUint8(at + layout.mask[0])
    const entries: Entry[] = []
    let entryAt = at + headSize
    for (let digit = 0; digit < limits.digitsMax; digit++) {
      if (((mask >> digit) & 1) === 0) continue
      const node = bytes.slice(entryAt + 2, entryAt + entrySize)
      entries.push({ digit, index: view.getUint16(entryAt), node })
      entryAt += entrySize
    }
    const handle = view.getUint32(at + layout.handle[0])
    frames.push({ handle, epoch: view.getUint32(at + layout.epoch[0]), entries })
    at = next
  }
  return frames
}

/**
 * The lanes that frames are for, a handle for each frame, without a look at what they reveal.
 * @throws TickError `BAD_TICK` as `decodeAll` does
 */
export function handlesOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const handles: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const next = at + sizeAt(view, at)
    handles.push(view.getUint32(at + layout.handle[0]))
    at = next
  }
  return handles
}

/** Bytes of the frame at `at`, all of which are there. */
function sizeAt(view: DataView, at: number): number {
  const left = view.byteLength - at
  if (left < headSize) throw new TickError('it is cut short')
  const mask = view.getUint8(at + layout.mask[0])
  if (mask === 0 || mask >> limits.digitsMax !== 0) throw new TickError('its digit mask is wrong')
  let size = headSize
  for (let digit = 0; digit < limits.digitsMax; digit++)
    if (((mask >> digit) & 1) === 1) size += entrySize
  if (left < size) throw new TickError('it is cut short')
  return size
}

/** A tick that proves nothing: malformed, forged, foreign, or more than its lane can hold. */
export class TickError extends SluiceError {
  constructor(why: string) {
    super('BAD_TICK', `The tick is refused: ${why}.`)
    this.name = 'TickError'
  }
}
