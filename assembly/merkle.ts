/**
 * Tagged hashes of a tree, many at a time: a leaf from key | value, an inner node from left | right.
 * With the tag's state ready, each is two blocks: its content, and padding whose schedule is constant.
 */
import { BLOCK, CONTENT_SIZE, isHost, NODE, NODE_SIZE, WORD } from './layout'
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

  for (; count >= 4; count -= 4) {
    hashSome(tag, source, 4, target)
    source += 4 * CONTENT_SIZE
    target += 4 * NODE_SIZE
  }
  if (count > 0) hashSome(tag, source, count, target)
}

/** One to four at once. All contents are read before the first hash is written. */
function hashSome(tag: usize, source: usize, count: usize, target: usize): void {
  for (let lane: usize = 0; lane < count; lane++) {
    const block = BLOCK + lane * 4
    for (let i: usize = 0; i < 16; i += 4) Words.spread(source + i * 4, block + i * WORD)
    source += CONTENT_SIZE
  }
  if (count == 1) {
    Sha256.compress(tag, BLOCK, NODE)
    Sha256.pad(NODE)
  } else {
    Sha256x4.compress(tag, BLOCK, NODE)
    Sha256x4.pad(NODE)
  }
  for (let lane: usize = 0; lane < count; lane++) {
    const words = NODE + lane * 4
    Words.gather(words, target)
    Words.gather(words + 4 * WORD, target + 16)
    target += NODE_SIZE
  }
}
