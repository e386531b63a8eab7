/** What is sold in a simulated world: bytes, seconds and items that the buyer can check from any offset on. */
import type { Price } from '../core/price.js'
import type { ServeOptions } from '../engine/offers.js'
import type { Sleep } from '../engine/ports.js'
import type { Piece } from '../engine/sale.js'

export type Ware = {
  readonly name: string
  readonly price: Price
  readonly quantum: bigint
  /** Offset steps in all; a stream without one is live and never ends. */
  readonly size: bigint | undefined
}

/** The byte at an offset: one in the wrong place shows. */
export const byteAt = (offset: number): number => (Math.imul(offset % 65_521, 40_503) >>> 7) & 255

/** Bytes of one piece of a byte stream at most; more than some quanta. */
const pieceBytes = 3_000

/** How a seller offers a ware; a live one keeps pace with the clock. */
export function offerOf(ware: Ware, sleep: Sleep): ServeOptions {
  const { price, quantum, size } = ware
  const open =
    price.unit === 'byte'
      ? (offset: bigint) => bytes(Number(offset), Number(size ?? 2n ** 40n))
      : (offset: bigint, signal: AbortSignal) =>
          pieces(
            offset,
            size,
            quantum,
            price.unit === 'second' && size === undefined,
            sleep,
            signal,
          )
  return { price, quantum, open, ...(size === undefined ? {} : { size }) }
}

async function* bytes(offset: number, size: number): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < size; ) {
    const length = Math.min(pieceBytes, size - at)
    const start = at
    yield Uint8Array.from({ length }, (_, index) => byteAt(start + index))
    at += length
  }
}

async function* pieces(
  offset: bigint,
  size: bigint | undefined,
  step: bigint,
  isLive: boolean,
  sleep: Sleep,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  for (let at = offset; size === undefined || at < size; ) {
    if (isLive) await sleep(Number(step), signal)
    if (signal.aborted) return
    at = size === undefined || at + step < size ? at + step : size
    yield { data: new TextEncoder().encode(`to ${at};`), position: at }
  }
}

/** Whether bytes from an offset on are those of the ware. */
export const isRight = (ware: Ware, offset: bigint, data: Uint8Array): boolean =>
  ware.price.unit !== 'byte' || data.every((byte, at) => byte === byteAt(Number(offset) + at))
