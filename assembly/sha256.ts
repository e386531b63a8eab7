/**
 * SHA-256 of one message, in the names and the order of FIPS 180-4.
 * It works on words in the machine's byte order, end to end; padding and byte order are the caller's business.
 */
import * as Vector from './vector'

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
 * the same, and so is its schedule. This is that schedule, K added to it.
 */
export const PADDING: usize = memory.data<u32>([
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

/** Section 5.3.3: the state before the first block. */
export const H: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
])

/**
 * Section 4.1.2: the six functions. Ch and Maj are written with the fewest operations; the x ^ y of one
 * round's Maj is the y ^ z of the next one's. Σ0 and Σ1 are nested, which takes fewer registers.
 */
// @ts-ignore: decorator
@inline function Ch (x: u32, y: u32, z: u32): u32 { return z ^ (x & (y ^ z)) }
// @ts-ignore: decorator
@inline function Maj(x: u32, y: u32, z: u32): u32 { return y ^ ((x ^ y) & (y ^ z)) }
// @ts-ignore: decorator
@inline function Σ0(x: u32): u32 { return rotr(x ^ rotr(x ^ rotr(x,  9), 11), 2) }
// @ts-ignore: decorator
@inline function Σ1(x: u32): u32 { return rotr(x ^ rotr(x ^ rotr(x, 14),  5), 6) }
// @ts-ignore: decorator
@inline export function σ0(x: u32): u32 { return rotr(x,  7) ^ rotr(x, 18) ^ (x >>>  3) }
// @ts-ignore: decorator
@inline export function σ1(x: u32): u32 { return rotr(x, 17) ^ rotr(x, 19) ^ (x >>> 10) }

/**
 * Nobody reads what `pin` stores. V8 puts operations off until their result is used, which is late for
 * Σ0 and Maj, and meanwhile runs out of registers; a store keeps each round together (8 % for four messages
 * at once, 3 % for one).
 */
const PIN: usize = memory.data(16, 16)
// @ts-ignore: decorator
@inline function pin(word: u32, i: usize): void { store<u32>(PIN + i * 4, word) }

/** Eight words of a schedule made in vectors, K added. */
const KW: usize = memory.data(32, 16)

/**
 * Section 6.2.2: takes the sixteen words at `block` into the state `before`, and writes it at `target`.
 * If `early` is not 0, it is what `begin` made of the first five words, and they are not looked at.
 *
 * Eight rounds rename the registers instead of moving them.
 */
export function compress(before: usize, early: usize, block: usize, target: usize): void {
  let a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, T1: u32
  let k = K
  let w = block

  if (early == 0) {
    a = load<u32>(before,  0)
    b = load<u32>(before,  4)
    c = load<u32>(before,  8)
    d = load<u32>(before, 12)
    e = load<u32>(before, 16)
    f = load<u32>(before, 20)
    g = load<u32>(before, 24)
    h = load<u32>(before, 28)
  } else {
    d = load<u32>(early,  0)
    e = load<u32>(early,  4)
    f = load<u32>(early,  8)
    g = load<u32>(early, 12)
    h = load<u32>(early, 16)
    a = load<u32>(early, 20)
    b = load<u32>(early, 24)
    c = load<u32>(early, 28)
    T1 = c + load<u32>(k, 20) + load<u32>(w, 20) + Ch(h, a, b) + Σ1(h); g += T1; c = T1 + Maj(d, e, f) + Σ0(d); pin(c, 1)
    T1 = b + load<u32>(k, 24) + load<u32>(w, 24) + Ch(g, h, a) + Σ1(g); f += T1; b = T1 + Maj(c, d, e) + Σ0(c); pin(b, 2)
    T1 = a + load<u32>(k, 28) + load<u32>(w, 28) + Ch(f, g, h) + Σ1(f); e += T1; a = T1 + Maj(b, c, d) + Σ0(b); pin(a, 3)
    k += 8 * 4
    w += 8 * 4
  }
  for (const end = block + 16 * 4; w < end; k += 8 * 4, w += 8 * 4) {
    T1 = h + load<u32>(k,  0) + load<u32>(w,  0) + Ch(e, f, g) + Σ1(e); d += T1; h = T1 + Maj(a, b, c) + Σ0(a); pin(h, 0)
    T1 = g + load<u32>(k,  4) + load<u32>(w,  4) + Ch(d, e, f) + Σ1(d); c += T1; g = T1 + Maj(h, a, b) + Σ0(h); pin(g, 1)
    T1 = f + load<u32>(k,  8) + load<u32>(w,  8) + Ch(c, d, e) + Σ1(c); b += T1; f = T1 + Maj(g, h, a) + Σ0(g); pin(f, 2)
    T1 = e + load<u32>(k, 12) + load<u32>(w, 12) + Ch(b, c, d) + Σ1(b); a += T1; e = T1 + Maj(f, g, h) + Σ0(f); pin(e, 3)
    T1 = d + load<u32>(k, 16) + load<u32>(w, 16) + Ch(a, b, c) + Σ1(a); h += T1; d = T1 + Maj(e, f, g) + Σ0(e); pin(d, 0)
    T1 = c + load<u32>(k, 20) + load<u32>(w, 20) + Ch(h, a, b) + Σ1(h); g += T1; c = T1 + Maj(d, e, f) + Σ0(d); pin(c, 1)
    T1 = b + load<u32>(k, 24) + load<u32>(w, 24) + Ch(g, h, a) + Σ1(g); f += T1; b = T1 + Maj(c, d, e) + Σ0(c); pin(b, 2)
    T1 = a + load<u32>(k, 28) + load<u32>(w, 28) + Ch(f, g, h) + Σ1(f); e += T1; a = T1 + Maj(b, c, d) + Σ0(b); pin(a, 3)
  }

  if (ASC_FEATURE_SIMD) finishWide(before, block, target, a, b, c, d, e, f, g, h)
  else finish(before, block, target, a, b, c, d, e, f, g, h)
}

/** Rounds 16 to 63. The schedule grows behind the block. */
function finish(
  before: usize, block: usize, target: usize,
  a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32,
): void {
  let T1: u32
  let k = K + 16 * 4

  for (let w = block + 16 * 4; k < K + 64 * 4; k += 8 * 4, w += 8 * 4) {
    for (let i: usize = 0; i < 8 * 4; i += 4) schedule(w + i)
    T1 = h + load<u32>(k,  0) + load<u32>(w,  0) + Ch(e, f, g) + Σ1(e); d += T1; h = T1 + Maj(a, b, c) + Σ0(a); pin(h, 0)
    T1 = g + load<u32>(k,  4) + load<u32>(w,  4) + Ch(d, e, f) + Σ1(d); c += T1; g = T1 + Maj(h, a, b) + Σ0(h); pin(g, 1)
    T1 = f + load<u32>(k,  8) + load<u32>(w,  8) + Ch(c, d, e) + Σ1(c); b += T1; f = T1 + Maj(g, h, a) + Σ0(g); pin(f, 2)
    T1 = e + load<u32>(k, 12) + load<u32>(w, 12) + Ch(b, c, d) + Σ1(b); a += T1; e = T1 + Maj(f, g, h) + Σ0(f); pin(e, 3)
    T1 = d + load<u32>(k, 16) + load<u32>(w, 16) + Ch(a, b, c) + Σ1(a); h += T1; d = T1 + Maj(e, f, g) + Σ0(e); pin(d, 0)
    T1 = c + load<u32>(k, 20) + load<u32>(w, 20) + Ch(h, a, b) + Σ1(h); g += T1; c = T1 + Maj(d, e, f) + Σ0(d); pin(c, 1)
    T1 = b + load<u32>(k, 24) + load<u32>(w, 24) + Ch(g, h, a) + Σ1(g); f += T1; b = T1 + Maj(c, d, e) + Σ0(c); pin(b, 2)
    T1 = a + load<u32>(k, 28) + load<u32>(w, 28) + Ch(f, g, h) + Σ1(f); e += T1; a = T1 + Maj(b, c, d) + Σ0(b); pin(a, 3)
  }

  store<u32>(target, load<u32>(before,  0) + a,  0)
  store<u32>(target, load<u32>(before,  4) + b,  4)
  store<u32>(target, load<u32>(before,  8) + c,  8)
  store<u32>(target, load<u32>(before, 12) + d, 12)
  store<u32>(target, load<u32>(before, 16) + e, 16)
  store<u32>(target, load<u32>(before, 20) + f, 20)
  store<u32>(target, load<u32>(before, 24) + g, 24)
  store<u32>(target, load<u32>(before, 28) + h, 28)
}

// @ts-ignore: decorator
@inline function schedule(w: usize): void {
  store<u32>(w, load<u32>(w - 16 * 4) + load<u32>(w - 7 * 4) + σ0(load<u32>(w - 15 * 4)) + σ1(load<u32>(w - 2 * 4)))
}

/**
 * The same with the schedule in vectors, four words in each: other parts of a processor do the rounds, so it
 * costs little more than they alone (1.4 times as fast).
 */
function finishWide(
  before: usize, block: usize, target: usize,
  a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32,
): void {
  let w0 = v128.load(block, 0 * 4), w4 = v128.load(block, 4 * 4), w8 = v128.load(block, 8 * 4), w12 = v128.load(block, 12 * 4)
  let T1: u32

  for (let k = K + 16 * 4; k < K + 64 * 4; k += 8 * 4) {
    w0 = wider(w0, w4, w8, w12); v128.store(KW, i32x4.add(w0, v128.load(k, 0 * 4)), 0 * 4)
    w4 = wider(w4, w8, w12, w0); v128.store(KW, i32x4.add(w4, v128.load(k, 4 * 4)), 4 * 4)
    const v0 = w0, v4 = w4
    w0 = w8; w4 = w12; w8 = v0; w12 = v4
    T1 = h + load<u32>(KW,  0) + Ch(e, f, g) + Σ1(e); d += T1; h = T1 + Maj(a, b, c) + Σ0(a); pin(h, 0)
    T1 = g + load<u32>(KW,  4) + Ch(d, e, f) + Σ1(d); c += T1; g = T1 + Maj(h, a, b) + Σ0(h); pin(g, 1)
    T1 = f + load<u32>(KW,  8) + Ch(c, d, e) + Σ1(c); b += T1; f = T1 + Maj(g, h, a) + Σ0(g); pin(f, 2)
    T1 = e + load<u32>(KW, 12) + Ch(b, c, d) + Σ1(b); a += T1; e = T1 + Maj(f, g, h) + Σ0(f); pin(e, 3)
    T1 = d + load<u32>(KW, 16) + Ch(a, b, c) + Σ1(a); h += T1; d = T1 + Maj(e, f, g) + Σ0(e); pin(d, 0)
    T1 = c + load<u32>(KW, 20) + Ch(h, a, b) + Σ1(h); g += T1; c = T1 + Maj(d, e, f) + Σ0(d); pin(c, 1)
    T1 = b + load<u32>(KW, 24) + Ch(g, h, a) + Σ1(g); f += T1; b = T1 + Maj(c, d, e) + Σ0(c); pin(b, 2)
    T1 = a + load<u32>(KW, 28) + Ch(f, g, h) + Σ1(f); e += T1; a = T1 + Maj(b, c, d) + Σ0(b); pin(a, 3)
  }

  store<u32>(target, load<u32>(before,  0) + a,  0)
  store<u32>(target, load<u32>(before,  4) + b,  4)
  store<u32>(target, load<u32>(before,  8) + c,  8)
  store<u32>(target, load<u32>(before, 12) + d, 12)
  store<u32>(target, load<u32>(before, 16) + e, 16)
  store<u32>(target, load<u32>(before, 20) + f, 20)
  store<u32>(target, load<u32>(before, 24) + g, 24)
  store<u32>(target, load<u32>(before, 28) + h, 28)
}

/** Four words from the sixteen before. Two of them need the other two, so σ1 is taken twice, of half a vector each. */
// @ts-ignore: decorator
@inline function wider(w16: v128, w12: v128, w8: v128, w4: v128): v128 {
  const w15 = v128.shuffle<u32>(w16, w12, 1, 2, 3, 4)
  const w7  = v128.shuffle<u32>(w8,  w4,  1, 2, 3, 4)
  const none = i32x4.splat(0)
  let W = i32x4.add(i32x4.add(w16, w7), Vector.σ0(w15))
  W = i32x4.add(W, Vector.σ1(v128.shuffle<u32>(w4, none, 2, 3, 4, 5)))
  return i32x4.add(W, Vector.σ1(v128.shuffle<u32>(none, W, 0, 1, 4, 5)))
}

/** Takes the padding block of a message of 128 bytes into the state at `target`, in its place. */
export function pad(target: usize): void {
  let a = load<u32>(target,  0)
  let b = load<u32>(target,  4)
  let c = load<u32>(target,  8)
  let d = load<u32>(target, 12)
  let e = load<u32>(target, 16)
  let f = load<u32>(target, 20)
  let g = load<u32>(target, 24)
  let h = load<u32>(target, 28)
  let T1: u32

  for (let k = PADDING; k < PADDING + 64 * 4; k += 8 * 4) {
    T1 = h + load<u32>(k,  0) + Ch(e, f, g) + Σ1(e); d += T1; h = T1 + Maj(a, b, c) + Σ0(a); pin(h, 0)
    T1 = g + load<u32>(k,  4) + Ch(d, e, f) + Σ1(d); c += T1; g = T1 + Maj(h, a, b) + Σ0(h); pin(g, 1)
    T1 = f + load<u32>(k,  8) + Ch(c, d, e) + Σ1(c); b += T1; f = T1 + Maj(g, h, a) + Σ0(g); pin(f, 2)
    T1 = e + load<u32>(k, 12) + Ch(b, c, d) + Σ1(b); a += T1; e = T1 + Maj(f, g, h) + Σ0(f); pin(e, 3)
    T1 = d + load<u32>(k, 16) + Ch(a, b, c) + Σ1(a); h += T1; d = T1 + Maj(e, f, g) + Σ0(e); pin(d, 0)
    T1 = c + load<u32>(k, 20) + Ch(h, a, b) + Σ1(h); g += T1; c = T1 + Maj(d, e, f) + Σ0(d); pin(c, 1)
    T1 = b + load<u32>(k, 24) + Ch(g, h, a) + Σ1(g); f += T1; b = T1 + Maj(c, d, e) + Σ0(c); pin(b, 2)
    T1 = a + load<u32>(k, 28) + Ch(f, g, h) + Σ1(f); e += T1; a = T1 + Maj(b, c, d) + Σ0(b); pin(a, 3)
  }

  store<u32>(target, load<u32>(target,  0) + a,  0)
  store<u32>(target, load<u32>(target,  4) + b,  4)
  store<u32>(target, load<u32>(target,  8) + c,  8)
  store<u32>(target, load<u32>(target, 12) + d, 12)
  store<u32>(target, load<u32>(target, 16) + e, 16)
  store<u32>(target, load<u32>(target, 20) + f, 20)
  store<u32>(target, load<u32>(target, 24) + g, 24)
  store<u32>(target, load<u32>(target, 28) + h, 28)
}

/** Rounds 0 to 4 from the state H: the state at `target` is what any block begins with whose first words these are. */
export function begin(w0: u32, w1: u32, w2: u32, w3: u32, w4: u32, target: usize): void {
  let a = load<u32>(H,  0)
  let b = load<u32>(H,  4)
  let c = load<u32>(H,  8)
  let d = load<u32>(H, 12)
  let e = load<u32>(H, 16)
  let f = load<u32>(H, 20)
  let g = load<u32>(H, 24)
  let h = load<u32>(H, 28)
  let T1: u32

  T1 = h + load<u32>(K,  0) + w0 + Ch(e, f, g) + Σ1(e); d += T1; h = T1 + Maj(a, b, c) + Σ0(a); pin(h, 0)
  T1 = g + load<u32>(K,  4) + w1 + Ch(d, e, f) + Σ1(d); c += T1; g = T1 + Maj(h, a, b) + Σ0(h); pin(g, 1)
  T1 = f + load<u32>(K,  8) + w2 + Ch(c, d, e) + Σ1(c); b += T1; f = T1 + Maj(g, h, a) + Σ0(g); pin(f, 2)
  T1 = e + load<u32>(K, 12) + w3 + Ch(b, c, d) + Σ1(b); a += T1; e = T1 + Maj(f, g, h) + Σ0(f); pin(e, 3)
  T1 = d + load<u32>(K, 16) + w4 + Ch(a, b, c) + Σ1(a); h += T1; d = T1 + Maj(e, f, g) + Σ0(e); pin(d, 0)

  store<u32>(target, d,  0)
  store<u32>(target, e,  4)
  store<u32>(target, f,  8)
  store<u32>(target, g, 12)
  store<u32>(target, h, 16)
  store<u32>(target, a, 20)
  store<u32>(target, b, 24)
  store<u32>(target, c, 28)
}

/** Forgets what was hashed. */
export function wipe(): void {
  memory.fill(PIN, 0, 16)
  memory.fill(KW, 0, 32)
}
