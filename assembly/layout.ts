/**
 * The kernel's memory: sizes of what crosses the border, and static scratch below `heapBase()`.
 * All above it is the host's; the kernel never allocates, and keeps nothing between calls.
 */

/** A chain node: one SHA-256 digest. */
export const NODE_SIZE: usize = 32

/**
 * Where a chain is: lane tweak (16) | epoch, u32 big-endian (4) | digit (1). A node's whole tweak is
 * this and its index, u16 big-endian.
 */
export const POSITION_SIZE: usize = 21

/** The node at hand as eight words, in the machine's byte order. */
export const NODE: usize = memory.data(<i32>NODE_SIZE)

/** One message block as sixteen words, in the machine's byte order. */
export const BLOCK_SIZE: usize = 64
export const BLOCK: usize = memory.data(<i32>BLOCK_SIZE)

/** First byte of memory that the host may use. */
export function heapBase(): usize {
  return __heap_base
}

/** Whether `size` bytes at `pointer` are the host's own; asserted in debug builds. */
export function isHost(pointer: usize, size: usize): bool {
  const end = <u64>memory.size() << 16
  return pointer >= __heap_base && <u64>pointer + <u64>size <= end
}
