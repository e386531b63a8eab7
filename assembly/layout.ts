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

/** A node at hand, and a message block with its schedule of 64 words, in the machine's byte order. */
export const NODE: usize = memory.data(32, 16)
export const BLOCK_SIZE: usize = 64 * 4
export const BLOCK: usize = memory.data(64 * 4, 16)

/** Of four messages, word i of all side by side: from one word to the next. */
export const WORD: usize = 16

/** Four nodes, and four blocks with their schedules. */
export const NODES: usize = memory.data(8 * 16, 16)
export const BLOCKS_SIZE: usize = 64 * WORD
export const BLOCKS: usize = memory.data(64 * 16, 16)

/** First byte of memory that the host may use. */
export function heapBase(): usize {
  return __heap_base
}

/** Whether `size` bytes at `pointer` are the host's own; asserted in debug builds. */
export function isHost(pointer: usize, size: usize): bool {
  const end = <u64>memory.size() << 16
  return pointer >= __heap_base && <u64>pointer + <u64>size <= end
}
