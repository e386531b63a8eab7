/**
 * The kernel's memory: sizes of what crosses the border, and static scratch below `heapBase()`.
 * All above it is the host's; the kernel never allocates, and keeps nothing between calls.
 */

/** A chain node, a tree hash: one SHA-256 digest. */
export const NODE_SIZE: usize = 32

/** What a leaf or an inner node of a tree hashes: two of them. */
export const CONTENT_SIZE: usize = 64

/**
 * Where a chain is: lane tweak (16) | epoch, u32 big-endian (4) | digit (1). A node's whole tweak is
 * this and its index, u16 big-endian.
 */
export const POSITION_SIZE: usize = 21

/** From one word of a message to its next: word i of four messages lie side by side. */
export const WORD: usize = 16

/** Four nodes at hand, in words of the machine's byte order. */
export const NODE_WORDS: usize = 8 * WORD
export const NODE: usize = memory.data(<i32>NODE_WORDS, 16)

/** Four message blocks, likewise, each with its schedule of 64 words. */
export const BLOCK_WORDS: usize = 64 * WORD
export const BLOCK: usize = memory.data(<i32>BLOCK_WORDS, 16)

/** Where those nodes are: digit << 16 | index. */
export const PLACE: usize = memory.data(<i32>WORD, 16)

/** First byte of memory that the host may use. */
export function heapBase(): usize {
  return __heap_base
}

/** Whether `size` bytes at `pointer` are the host's own; asserted in debug builds. */
export function isHost(pointer: usize, size: usize): bool {
  const end = <u64>memory.size() << 16
  return pointer >= __heap_base && <u64>pointer + <u64>size <= end
}
