/**
 * The kernel's whole border: pointers, counts and the memory, nothing else.
 */
export { heapBase } from './layout'
export { generate, walk } from './chain'
