/**
 * SHA-256 of whole messages of any size, one at a time: plain, and with the tag of a tree's values.
 */
import { BLOCK, isHost, NODE_SIZE } from './layout'
import * as Sha256 from './sha256'
import * as Tags from './tags'
import * as Words from './words'

const MESSAGE_BLOCK: usize = 64

/** The state so far, eight words end to end. */
const STATE: usize = memory.data(32, 16)

/** The last bytes of a message, with its padding: one block or two. */
const TAIL: usize = memory.data(128, 16)

/** Hashes `size` bytes at `source` into 32 bytes at `target`. */
export function sha256(source: usize, size: usize, target: usize): void {
  hash(Sha256.H, 0, source, size, target)
}

/** The same with the tag `sluice/1/value`. */
export function value(source: usize, size: usize, target: usize): void {
  hash(Tags.VALUE, MESSAGE_BLOCK, source, size, target)
}

/** Section 5.1.1 and 6.2.2 of FIPS 180-4, from the state `before`, which holds `sizeBefore` bytes. */
function hash(before: usize, sizeBefore: usize, source: usize, size: usize, target: usize): void {
  assert(isHost(source, size))
  assert(isHost(target, NODE_SIZE))

  const tailSize = size & (MESSAGE_BLOCK - 1)
  const padded = tailSize + 9 <= MESSAGE_BLOCK ? MESSAGE_BLOCK : 2 * MESSAGE_BLOCK
  memory.copy(STATE, before, 32)
  for (const end = source + size - tailSize; source < end; source += MESSAGE_BLOCK) take(source)
  memory.copy(TAIL, source, tailSize)
  memory.fill(TAIL + tailSize, 0, padded - tailSize)
  store<u8>(TAIL + tailSize, 0x80)
  store<u64>(TAIL + padded - 8, bswap((<u64>sizeBefore + <u64>size) << 3))
  for (let at = TAIL; at < TAIL + padded; at += MESSAGE_BLOCK) take(at)
  Words.swap(STATE, target)
  Words.swap(STATE + 16, target + 16)
}

/** Takes the block at `source` into STATE. */
function take(source: usize): void {
  for (let i: usize = 0; i < MESSAGE_BLOCK; i += 16) Words.swap(source + i, BLOCK + i)
  Sha256.compress(STATE, 0, BLOCK, STATE)
}
