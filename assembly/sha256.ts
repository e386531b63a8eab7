/**
 * SHA-256 of one message, in the names and the order of FIPS 180-4.
 * It works on words in the machine's byte order; padding and byte order are the caller's business.
 *
 * Words of blocks and digests lie 16 bytes apart, so that four messages can lie side by side
 * (sha256x4.ts); those of a state to start from lie together.
 */
import { WORD } from './layout'

/** Section 4.2.2: the constants of the 64 rounds. */
export const K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
  0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
  0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
  0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
  0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
  0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
  0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
])

/**
 * Section 5.1.1: the block that pads a message of 128 bytes (a tag's block and 64 of content) is always
 * the same, and so is its schedule. This is that schedule with K added already.
 */
export const KW: usize = memory.data<u32>([
  0xc28a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
  0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
  0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf574,
  0x649b69c1, 0xf23e4787, 0x0fe1edc6, 0x240ca2dc,
  0x4fe9346f, 0x4b1e84aa, 0x61b9431e, 0x36f9b39a,
  0xfa465156, 0xb85a8e77, 0xb01d681d, 0x5e59c7ea,
  0x2faa3291, 0x07e2a6fb, 0x1f515a8e, 0x6f915f0a,
  0x5fb4221d, 0x612cc90a, 0x35c3e883, 0xa925d9d4,
  0x8b82d1b9, 0x92848088, 0x9a5b7704, 0x034ba272,
  0x9f594686, 0x6f480592, 0xe49bee62, 0xc1cf12eb,
  0x3ef55e11, 0x1f0f59a3, 0x327a0634, 0xbfa4d9bc,
  0x770df572, 0x9b9fbf40, 0xc21be9e9, 0xf5001d69,
  0x840ec6da, 0x8a337f83, 0xb737625a, 0xe9b9ecd0,
  0xfe5d6d40, 0xa52dab8d, 0xee944592, 0x5f2d004a,
  0x3bc8cb2e, 0x36d964a4, 0x5eb10caf, 0x6289d971,
])

/**
 * Section 4.1.2: the six functions. Ch and Maj are written with the fewest operations; the x ^ y of one
 * round's Maj is the y ^ z of the next one's.
 */
function Ch (x: u32, y: u32, z: u32): u32 { return z ^ (x & (y ^ z)) }
function Maj(x: u32, y: u32, z: u32): u32 { return y ^ ((x ^ y) & (y ^ z)) }
function Σ0(x: u32): u32 { return rotr(x,  2) ^ rotr(x, 13) ^ rotr(x, 22) }
function Σ1(x: u32): u32 { return rotr(x,  6) ^ rotr(x, 11) ^ rotr(x, 25) }
function σ0(x: u32): u32 { return rotr(x,  7) ^ rotr(x, 18) ^ (x >>>  3) }
function σ1(x: u32): u32 { return rotr(x, 17) ^ rotr(x, 19) ^ (x >>> 10) }

/** Section 5.3.3: the state before the first block. */
export const H: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
])

/**
 * Section 6.2.2: takes the sixteen words at `block` into the state `before`, and writes it at `target`.
 * The schedule grows behind the block, to 64 words.
 *
 * Eight rounds rename the registers instead of moving them. The schedule lies in memory, each word
 * made just before its round: as fast as sixteen more locals (there are not that many registers) at
 * half the code.
 */
export function compress(before: usize, block: usize, target: usize): void {
  let a = load<u32>(before,  0)
  let b = load<u32>(before,  4)
  let c = load<u32>(before,  8)
  let d = load<u32>(before, 12)
  let e = load<u32>(before, 16)
  let f = load<u32>(before, 20)
  let g = load<u32>(before, 24)
  let h = load<u32>(before, 28)
  let T1: u32
  let k = K
  let w = block

  for (const end = w + 16 * WORD; w < end; w += 8 * WORD, k += 8 * 4) {
    T1 = h + Σ1(e) + Ch(e, f, g) + load<u32>(k,  0) + load<u32>(w, 0 * WORD); d += T1; h = T1 + Σ0(a) + Maj(a, b, c)
    T1 = g + Σ1(d) + Ch(d, e, f) + load<u32>(k,  4) + load<u32>(w, 1 * WORD); c += T1; g = T1 + Σ0(h) + Maj(h, a, b)
    T1 = f + Σ1(c) + Ch(c, d, e) + load<u32>(k,  8) + load<u32>(w, 2 * WORD); b += T1; f = T1 + Σ0(g) + Maj(g, h, a)
    T1 = e + Σ1(b) + Ch(b, c, d) + load<u32>(k, 12) + load<u32>(w, 3 * WORD); a += T1; e = T1 + Σ0(f) + Maj(f, g, h)
    T1 = d + Σ1(a) + Ch(a, b, c) + load<u32>(k, 16) + load<u32>(w, 4 * WORD); h += T1; d = T1 + Σ0(e) + Maj(e, f, g)
    T1 = c + Σ1(h) + Ch(h, a, b) + load<u32>(k, 20) + load<u32>(w, 5 * WORD); g += T1; c = T1 + Σ0(d) + Maj(d, e, f)
    T1 = b + Σ1(g) + Ch(g, h, a) + load<u32>(k, 24) + load<u32>(w, 6 * WORD); f += T1; b = T1 + Σ0(c) + Maj(c, d, e)
    T1 = a + Σ1(f) + Ch(f, g, h) + load<u32>(k, 28) + load<u32>(w, 7 * WORD); e += T1; a = T1 + Σ0(b) + Maj(b, c, d)
  }
  for (const end = w + 48 * WORD; w < end; w += 8 * WORD, k += 8 * 4) {
    schedule(w + 0 * WORD)
    T1 = h + Σ1(e) + Ch(e, f, g) + load<u32>(k,  0) + load<u32>(w, 0 * WORD); d += T1; h = T1 + Σ0(a) + Maj(a, b, c)
    schedule(w + 1 * WORD)
    T1 = g + Σ1(d) + Ch(d, e, f) + load<u32>(k,  4) + load<u32>(w, 1 * WORD); c += T1; g = T1 + Σ0(h) + Maj(h, a, b)
    schedule(w + 2 * WORD)
    T1 = f + Σ1(c) + Ch(c, d, e) + load<u32>(k,  8) + load<u32>(w, 2 * WORD); b += T1; f = T1 + Σ0(g) + Maj(g, h, a)
    schedule(w + 3 * WORD)
    T1 = e + Σ1(b) + Ch(b, c, d) + load<u32>(k, 12) + load<u32>(w, 3 * WORD); a += T1; e = T1 + Σ0(f) + Maj(f, g, h)
    schedule(w + 4 * WORD)
    T1 = d + Σ1(a) + Ch(a, b, c) + load<u32>(k, 16) + load<u32>(w, 4 * WORD); h += T1; d = T1 + Σ0(e) + Maj(e, f, g)
    schedule(w + 5 * WORD)
    T1 = c + Σ1(h) + Ch(h, a, b) + load<u32>(k, 20) + load<u32>(w, 5 * WORD); g += T1; c = T1 + Σ0(d) + Maj(d, e, f)
    schedule(w + 6 * WORD)
    T1 = b + Σ1(g) + Ch(g, h, a) + load<u32>(k, 24) + load<u32>(w, 6 * WORD); f += T1; b = T1 + Σ0(c) + Maj(c, d, e)
    schedule(w + 7 * WORD)
    T1 = a + Σ1(f) + Ch(f, g, h) + load<u32>(k, 28) + load<u32>(w, 7 * WORD); e += T1; a = T1 + Σ0(b) + Maj(b, c, d)
  }

  store<u32>(target, load<u32>(before,  0) + a, 0 * WORD)
  store<u32>(target, load<u32>(before,  4) + b, 1 * WORD)
  store<u32>(target, load<u32>(before,  8) + c, 2 * WORD)
  store<u32>(target, load<u32>(before, 12) + d, 3 * WORD)
  store<u32>(target, load<u32>(before, 16) + e, 4 * WORD)
  store<u32>(target, load<u32>(before, 20) + f, 5 * WORD)
  store<u32>(target, load<u32>(before, 24) + g, 6 * WORD)
  store<u32>(target, load<u32>(before, 28) + h, 7 * WORD)
}

/** Makes the word at `w` of a schedule from those before it. */
// @ts-ignore: decorator
@inline function schedule(w: usize): void {
  const w2 = load<u32>(w - 2 * WORD), w7 = load<u32>(w - 7 * WORD), w15 = load<u32>(w - 15 * WORD), w16 = load<u32>(w - 16 * WORD)
  store<u32>(w, σ1(w2) + w7 + σ0(w15) + w16)
}

/** Takes the padding block of a message of 128 bytes into the state at `target`, in its place. */
export function pad(target: usize): void {
  let a = load<u32>(target, 0 * WORD)
  let b = load<u32>(target, 1 * WORD)
  let c = load<u32>(target, 2 * WORD)
  let d = load<u32>(target, 3 * WORD)
  let e = load<u32>(target, 4 * WORD)
  let f = load<u32>(target, 5 * WORD)
  let g = load<u32>(target, 6 * WORD)
  let h = load<u32>(target, 7 * WORD)
  let T1: u32

  for (let k = KW; k < KW + 64 * 4; k += 8 * 4) {
    T1 = h + Σ1(e) + Ch(e, f, g) + load<u32>(k,  0); d += T1; h = T1 + Σ0(a) + Maj(a, b, c)
    T1 = g + Σ1(d) + Ch(d, e, f) + load<u32>(k,  4); c += T1; g = T1 + Σ0(h) + Maj(h, a, b)
    T1 = f + Σ1(c) + Ch(c, d, e) + load<u32>(k,  8); b += T1; f = T1 + Σ0(g) + Maj(g, h, a)
    T1 = e + Σ1(b) + Ch(b, c, d) + load<u32>(k, 12); a += T1; e = T1 + Σ0(f) + Maj(f, g, h)
    T1 = d + Σ1(a) + Ch(a, b, c) + load<u32>(k, 16); h += T1; d = T1 + Σ0(e) + Maj(e, f, g)
    T1 = c + Σ1(h) + Ch(h, a, b) + load<u32>(k, 20); g += T1; c = T1 + Σ0(d) + Maj(d, e, f)
    T1 = b + Σ1(g) + Ch(g, h, a) + load<u32>(k, 24); f += T1; b = T1 + Σ0(c) + Maj(c, d, e)
    T1 = a + Σ1(f) + Ch(f, g, h) + load<u32>(k, 28); e += T1; a = T1 + Σ0(b) + Maj(b, c, d)
  }

  store<u32>(target, load<u32>(target, 0 * WORD) + a, 0 * WORD)
  store<u32>(target, load<u32>(target, 1 * WORD) + b, 1 * WORD)
  store<u32>(target, load<u32>(target, 2 * WORD) + c, 2 * WORD)
  store<u32>(target, load<u32>(target, 3 * WORD) + d, 3 * WORD)
  store<u32>(target, load<u32>(target, 4 * WORD) + e, 4 * WORD)
  store<u32>(target, load<u32>(target, 5 * WORD) + f, 5 * WORD)
  store<u32>(target, load<u32>(target, 6 * WORD) + g, 6 * WORD)
  store<u32>(target, load<u32>(target, 7 * WORD) + h, 7 * WORD)
}
