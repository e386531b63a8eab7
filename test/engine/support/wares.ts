/** What is sold in tests: bytes and pieces that anybody can check, from any offset on. */
import type { ServeOptions } from '../../../src/engine/offers.js'
import type { Purchase } from '../../../src/engine/purchase.js'
import type { Piece } from '../../../src/engine/sale.js'

/** The first `size` bytes of a stream that repeats after 65,521: a byte in the wrong place shows. */
export function content(size: number, offset = 0): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at++)
    bytes[at] = (Math.imul((offset + at) % 65_521, 40_503) >>> 7) & 255
  return bytes
}

/** `size` bytes in chunks of `chunk`. */
export const bytesOf = (size: number, chunk = 16_384): Pick<ServeOptions, 'open' | 'size'> => ({
  size: BigInt(size),
  async *open(offset) {
    for (let at = Number(offset); at < size; at += chunk)
      yield content(Math.min(chunk, size - at), at)
  },
})

/** Bytes without an end. */
export const endlessBytes = (chunk = 16_384): Pick<ServeOptions, 'open'> => ({
  async *open(offset) {
    for (let at = Number(offset); ; at += chunk) yield content(chunk, at)
  },
})

/** Pieces of `span` steps up to `size`, the last one shorter; each says where it begins. */
export const piecesOf = (
  size: bigint,
  span: bigint,
): Required<Pick<ServeOptions, 'open' | 'size'>> => ({
  size,
  async *open(offset): AsyncGenerator<Piece> {
    for (let at = offset; at < size; ) {
      const position = at + span < size ? at + span : size
      yield { data: new TextEncoder().encode(`${at}-${position};`), position }
      at = position
    }
  },
})

/** All that a purchase yields. */
export async function take(purchase: Purchase): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const data of purchase) parts.push(new Uint8Array(data))
  return Buffer.concat(parts)
}
