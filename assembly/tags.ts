/**
 * BIP-340-style tagged hashes: the state of SHA-256 after sha256(tag) | sha256(tag), one whole block, for
 * the tags `sluice/1/<name>` of a tree. Every hash with that tag starts from it.
 */

export const LEAF: usize = memory.data<u32>([
  0xb3695cbd, 0xbe9fb0c4, 0x289f4f33, 0xd5ed1f52, 0x6bfa947e, 0xa0ac4593, 0x37e37687, 0x09a7b708,
])

export const NODE: usize = memory.data<u32>([
  0x75a5e4e5, 0x302402fc, 0xedc0072a, 0x08a572f9, 0xd8853ff3, 0xdbbb5f83, 0x96b2b291, 0x1b5a2862,
])

export const VALUE: usize = memory.data<u32>([
  0x3166831a, 0xec1f95c7, 0xaeccaa4e, 0x64f1f6a7, 0xb438fe20, 0xd225c3ea, 0x817fa77d, 0xba6095a9,
])
