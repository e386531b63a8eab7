/**
 * The kernel's whole border: pointers, counts and the memory, nothing else.
 */

export { generate, walk } from './chain'
export { heapBase } from './layout'
