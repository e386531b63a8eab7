/**
 * Tagged hashes of a tree, many at a time: a leaf from key | value, an inner node from left | right.
 * With the tag's state ready, each is two blocks: its content, and padding whose schedule is constant.
 */
import { BLOCK, BLOCKS, CONTENT_SIZE, isHost, NODE, NODE_SIZE, NODES } from './layout'
import * as Sha256 from './sha256'
import * as Sha256x4 from './sha256x4'
import * as Tags from './tags'
import * as Words from './words'

/** Hashes `count` contents of 64 bytes at `source` into as many leaves at `target`. */
export function leaves(source: usize, count: u32, target: usize): void {
  hashAll(Tags.LEAF, source, count, target)
}

/** The same for inner nodes. A level may replace the one below it: `target` may be `source`. */
export function nodes(source: usize, count: u32, target: usize): void {
  hashAll(Tags.NODE, source, count, target)
}

function hashAll(tag: usize, source: usize, count: u32, target: usize): void {
  assert(isHost(source, <usize>count * CONTENT_SIZE))
  assert(isHost(target, <usize>count * NODE_SIZE))

  if (ASC_FEATURE_SIMD) {
    for (; count >= 4; count -= 4, source += 4 * CONTENT_SIZE, target += 4 * NODE_SIZE) hash4(tag, source, target)
  }
  for (; count > 0; count--, source += CONTENT_SIZE, target += NODE_SIZE) hash(tag, source, target)
}

function hash(tag: usize, source: usize, target: usize): void {
  for (let i: usize = 0; i < CONTENT_SIZE; i += 16) Words.swap(source + i, BLOCK + i)
  Sha256.compress(tag, 0, BLOCK, NODE)
  Sha256.pad(NODE)
  Words.swap(NODE, target)
  Words.swap(NODE + 16, target + 16)
}

/** All four contents are read before the first hash is written. */
function hash4(tag: usize, source: usize, target: usize): void {
  const second = source + CONTENT_SIZE, third = second + CONTENT_SIZE, fourth = third + CONTENT_SIZE
  Sha256x4.spread(source, second, third, fourth, CONTENT_SIZE, BLOCKS)
  Sha256x4.compress(tag, 0, BLOCKS, 16, NODES)
  Sha256x4.pad(NODES)
  Sha256x4.gather(NODES, target)
}
