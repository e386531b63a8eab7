/**
 * Chance that a seed decides: the same seed draws the same numbers for ever, on every machine. It is not
 * unpredictable, and must never be given to a node with real money.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'

export type Chance = {
  /** In [0, 1). */
  next(): number
  /** A whole number from 0 to `bound` − 1. */
  below(bound: number): number
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number
  /** True once in 1 / `share` times. */
  hit(share: number): boolean
  pick<T>(items: readonly [T, ...T[]]): T
  bytes(size: number): Uint8Array
}

/** sfc32 (PractRand's small fast counter), started from the SHA-256 of a text. */
export function from(text: string): Chance {
  const seed = new DataView(sha256(utf8ToBytes(text)).buffer)
  let [a, b, c, count] = [seed.getInt32(0), seed.getInt32(4), seed.getInt32(8), 1]
  const word = (): number => {
    const sum = (((a + b) | 0) + count) | 0
    count = (count + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return sum >>> 0
  }
  for (let round = 0; round < 12; round++) word()
  const self: Chance = {
    next: () => word() / 2 ** 32,
    below: (bound) => Math.floor(self.next() * bound),
    between: (least, most) => least + self.below(most - least + 1),
    hit: (share) => self.next() < share,
    pick: (items) => items[self.below(items.length)] ?? items[0],
    bytes: (size) => Uint8Array.from({ length: size }, () => word() & 255),
  }
  return self
}
