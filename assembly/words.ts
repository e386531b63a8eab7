/**
 * Between bytes as the host has them, big-endian, and words as SHA-256 wants them, in the machine's byte
 * order.
 */

/** Four words from the 16 bytes at `source`, or 16 bytes from four words: it is the same. */
// @ts-ignore: decorator
@inline export function swap(source: usize, target: usize): void {
  if (ASC_FEATURE_SIMD) {
    v128.store(target, swapped(v128.load(source)))
  } else {
    const first = bswap(load<u32>(source, 0)), second = bswap(load<u32>(source, 4))
    const third = bswap(load<u32>(source, 8)), fourth = bswap(load<u32>(source, 12))
    store<u32>(target, first,   0)
    store<u32>(target, second,  4)
    store<u32>(target, third,   8)
    store<u32>(target, fourth, 12)
  }
}

/** Each of four words with its bytes in the other order. */
// @ts-ignore: decorator
@inline export function swapped(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)
}
