/**
 * The kernel's whole border: pointers, counts and the memory, nothing else.
 * The scalar and the SIMD build are made of the same sources, so they cannot differ in it.
 */

export { generate, pebbles, walk, walk4 } from './chain'
export { apply } from './lanes'
export { heapBase } from './layout'
export { leaves, nodes } from './merkle'
export { sha256, value } from './message'
export { chunkSize, closeLane, openLane, readLane, renewLane } from './table'

/** Whether four messages are hashed in vectors, or one after another. */
export const HAS_SIMD: bool = ASC_FEATURE_SIMD
