/**
 * SHA-256 of whole messages of any size, one at a time: plain, and with the tag of a tree's values.
 */
import { BLOCK, isHost, NODE, NODE_SIZE, WORD } from './layout'
import * as Sha256 from './sha256'
import * as Tags from './tags'
import * as Words from './words'

const BLOCK_SIZE: usize = 64

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
  hash(Tags.VALUE, BLOCK_SIZE, source, size, target)
}

/** Section 5.1.1 and 6.2.2 of FIPS 180-4, from the state `before`, which holds `sizeBefore` bytes. */
function hash(before: usize, sizeBefore: usize, source: usize, size: usize, target: usize): void {
  assert(isHost(source, size))
  assert(isHost(target, NODE_SIZE))

  const tailSize = size & (BLOCK_SIZE - 1)
  const padded = tailSize + 9 <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE
  memory.copy(STATE, before, 32)
  for (const end = source + size - tailSize; source < end; source += BLOCK_SIZE) take(source)
  memory.copy(TAIL, source, tailSize)
  memory.fill(TAIL + tailSize, 0, padded - tailSize)
  store<u8>(TAIL + tailSize, 0x80)
  store<u64>(TAIL + padded - 8, bswap((<u64>sizeBefore + <u64>size) << 3))
  for (let at = TAIL; at < TAIL + padded; at += BLOCK_SIZE) take(at)
  for (let i: usize = 0; i < 32; i += 4) store<u32>(target + i, bswap(load<u32>(STATE + i)))
}

/** Takes the block at `source` into STATE. */
function take(source: usize): void {
  for (let i: usize = 0; i < 16; i += 4) Words.spread(source + i * 4, BLOCK + i * WORD)
  Sha256.compress(STATE, BLOCK, NODE)
  for (let i: usize = 0; i < 8; i++) store<u32>(STATE + i * 4, load<u32>(NODE + i * WORD))
}
