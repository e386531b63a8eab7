/**
 * SHA-256 of four messages side by side: in the four lanes of 128-bit vectors where the build has
 * them, else one after another. Names and layout are those of sha256.ts.
 */
import { WORD } from './layout'
import * as Sha256 from './sha256'
import { K, KW } from './sha256'

/** Section 4.1.2. All rotations are shifts: none is by a whole number of bytes, which a shuffle could do. */
// @ts-ignore: decorator
@inline function add (x: v128, y: v128): v128 { return i32x4.add(x, y) }
// @ts-ignore: decorator
@inline function rotr(x: v128, n: i32): v128 { return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n)) }
// @ts-ignore: decorator
@inline function xor3(x: v128, y: v128, z: v128): v128 { return v128.xor(v128.xor(x, y), z) }
// @ts-ignore: decorator
@inline function Ch (x: v128, y: v128, z: v128): v128 { return v128.xor(z, v128.and(x, v128.xor(y, z))) }
// @ts-ignore: decorator
@inline function Maj(x: v128, y: v128, z: v128): v128 { return v128.xor(y, v128.and(v128.xor(x, y), v128.xor(y, z))) }
// @ts-ignore: decorator
@inline function Σ0(x: v128): v128 { return xor3(rotr(x,  2), rotr(x, 13), rotr(x, 22)) }
// @ts-ignore: decorator
@inline function Σ1(x: v128): v128 { return xor3(rotr(x,  6), rotr(x, 11), rotr(x, 25)) }
// @ts-ignore: decorator
@inline function σ0(x: v128): v128 { return xor3(rotr(x,  7), rotr(x, 18), i32x4.shr_u(x,  3)) }
// @ts-ignore: decorator
@inline function σ1(x: v128): v128 { return xor3(rotr(x, 17), rotr(x, 19), i32x4.shr_u(x, 10)) }

/** `compress` of sha256.ts for the four messages at `block`, each from the state `before`. */
export function compress(before: usize, block: usize, target: usize): void {
  if (ASC_FEATURE_SIMD) {
    compressVectors(before, block, target)
  } else {
    for (let lane: usize = 0; lane < WORD; lane += 4) Sha256.compress(before, block + lane, target + lane)
  }
}

/** `pad` of sha256.ts for four messages. */
export function pad(target: usize): void {
  if (ASC_FEATURE_SIMD) {
    padVectors(target)
  } else {
    for (let lane: usize = 0; lane < WORD; lane += 4) Sha256.pad(target + lane)
  }
}

function compressVectors(before: usize, block: usize, target: usize): void {
  let a = v128.load32_splat(before,  0)
  let b = v128.load32_splat(before,  4)
  let c = v128.load32_splat(before,  8)
  let d = v128.load32_splat(before, 12)
  let e = v128.load32_splat(before, 16)
  let f = v128.load32_splat(before, 20)
  let g = v128.load32_splat(before, 24)
  let h = v128.load32_splat(before, 28)
  let T1: v128
  let k = K
  let w = block

  for (const end = w + 16 * WORD; w < end; w += 8 * WORD, k += 8 * 4) {
    T1 = add(add(h, add(v128.load32_splat(k,  0), v128.load(w, 0 * WORD))), add(Σ1(e), Ch(e, f, g))); d = add(d, T1); h = add(T1, add(Σ0(a), Maj(a, b, c)))
    T1 = add(add(g, add(v128.load32_splat(k,  4), v128.load(w, 1 * WORD))), add(Σ1(d), Ch(d, e, f))); c = add(c, T1); g = add(T1, add(Σ0(h), Maj(h, a, b)))
    T1 = add(add(f, add(v128.load32_splat(k,  8), v128.load(w, 2 * WORD))), add(Σ1(c), Ch(c, d, e))); b = add(b, T1); f = add(T1, add(Σ0(g), Maj(g, h, a)))
    T1 = add(add(e, add(v128.load32_splat(k, 12), v128.load(w, 3 * WORD))), add(Σ1(b), Ch(b, c, d))); a = add(a, T1); e = add(T1, add(Σ0(f), Maj(f, g, h)))
    T1 = add(add(d, add(v128.load32_splat(k, 16), v128.load(w, 4 * WORD))), add(Σ1(a), Ch(a, b, c))); h = add(h, T1); d = add(T1, add(Σ0(e), Maj(e, f, g)))
    T1 = add(add(c, add(v128.load32_splat(k, 20), v128.load(w, 5 * WORD))), add(Σ1(h), Ch(h, a, b))); g = add(g, T1); c = add(T1, add(Σ0(d), Maj(d, e, f)))
    T1 = add(add(b, add(v128.load32_splat(k, 24), v128.load(w, 6 * WORD))), add(Σ1(g), Ch(g, h, a))); f = add(f, T1); b = add(T1, add(Σ0(c), Maj(c, d, e)))
    T1 = add(add(a, add(v128.load32_splat(k, 28), v128.load(w, 7 * WORD))), add(Σ1(f), Ch(f, g, h))); e = add(e, T1); a = add(T1, add(Σ0(b), Maj(b, c, d)))
  }
  for (const end = w + 48 * WORD; w < end; w += 8 * WORD, k += 8 * 4) {
    schedule(w + 0 * WORD)
    T1 = add(add(h, add(v128.load32_splat(k,  0), v128.load(w, 0 * WORD))), add(Σ1(e), Ch(e, f, g))); d = add(d, T1); h = add(T1, add(Σ0(a), Maj(a, b, c)))
    schedule(w + 1 * WORD)
    T1 = add(add(g, add(v128.load32_splat(k,  4), v128.load(w, 1 * WORD))), add(Σ1(d), Ch(d, e, f))); c = add(c, T1); g = add(T1, add(Σ0(h), Maj(h, a, b)))
    schedule(w + 2 * WORD)
    T1 = add(add(f, add(v128.load32_splat(k,  8), v128.load(w, 2 * WORD))), add(Σ1(c), Ch(c, d, e))); b = add(b, T1); f = add(T1, add(Σ0(g), Maj(g, h, a)))
    schedule(w + 3 * WORD)
    T1 = add(add(e, add(v128.load32_splat(k, 12), v128.load(w, 3 * WORD))), add(Σ1(b), Ch(b, c, d))); a = add(a, T1); e = add(T1, add(Σ0(f), Maj(f, g, h)))
    schedule(w + 4 * WORD)
    T1 = add(add(d, add(v128.load32_splat(k, 16), v128.load(w, 4 * WORD))), add(Σ1(a), Ch(a, b, c))); h = add(h, T1); d = add(T1, add(Σ0(e), Maj(e, f, g)))
    schedule(w + 5 * WORD)
    T1 = add(add(c, add(v128.load32_splat(k, 20), v128.load(w, 5 * WORD))), add(Σ1(h), Ch(h, a, b))); g = add(g, T1); c = add(T1, add(Σ0(d), Maj(d, e, f)))
    schedule(w + 6 * WORD)
    T1 = add(add(b, add(v128.load32_splat(k, 24), v128.load(w, 6 * WORD))), add(Σ1(g), Ch(g, h, a))); f = add(f, T1); b = add(T1, add(Σ0(c), Maj(c, d, e)))
    schedule(w + 7 * WORD)
    T1 = add(add(a, add(v128.load32_splat(k, 28), v128.load(w, 7 * WORD))), add(Σ1(f), Ch(f, g, h))); e = add(e, T1); a = add(T1, add(Σ0(b), Maj(b, c, d)))
  }

  v128.store(target, add(v128.load32_splat(before,  0), a), 0 * WORD)
  v128.store(target, add(v128.load32_splat(before,  4), b), 1 * WORD)
  v128.store(target, add(v128.load32_splat(before,  8), c), 2 * WORD)
  v128.store(target, add(v128.load32_splat(before, 12), d), 3 * WORD)
  v128.store(target, add(v128.load32_splat(before, 16), e), 4 * WORD)
  v128.store(target, add(v128.load32_splat(before, 20), f), 5 * WORD)
  v128.store(target, add(v128.load32_splat(before, 24), g), 6 * WORD)
  v128.store(target, add(v128.load32_splat(before, 28), h), 7 * WORD)
}

// @ts-ignore: decorator
@inline function schedule(w: usize): void {
  const w2 = v128.load(w - 2 * WORD), w7 = v128.load(w - 7 * WORD), w15 = v128.load(w - 15 * WORD), w16 = v128.load(w - 16 * WORD)
  v128.store(w, add(add(σ1(w2), w7), add(σ0(w15), w16)))
}

function padVectors(target: usize): void {
  let a = v128.load(target, 0 * WORD)
  let b = v128.load(target, 1 * WORD)
  let c = v128.load(target, 2 * WORD)
  let d = v128.load(target, 3 * WORD)
  let e = v128.load(target, 4 * WORD)
  let f = v128.load(target, 5 * WORD)
  let g = v128.load(target, 6 * WORD)
  let h = v128.load(target, 7 * WORD)
  let T1: v128

  for (let k = KW; k < KW + 64 * 4; k += 8 * 4) {
    T1 = add(add(h, v128.load32_splat(k,  0)), add(Σ1(e), Ch(e, f, g))); d = add(d, T1); h = add(T1, add(Σ0(a), Maj(a, b, c)))
    T1 = add(add(g, v128.load32_splat(k,  4)), add(Σ1(d), Ch(d, e, f))); c = add(c, T1); g = add(T1, add(Σ0(h), Maj(h, a, b)))
    T1 = add(add(f, v128.load32_splat(k,  8)), add(Σ1(c), Ch(c, d, e))); b = add(b, T1); f = add(T1, add(Σ0(g), Maj(g, h, a)))
    T1 = add(add(e, v128.load32_splat(k, 12)), add(Σ1(b), Ch(b, c, d))); a = add(a, T1); e = add(T1, add(Σ0(f), Maj(f, g, h)))
    T1 = add(add(d, v128.load32_splat(k, 16)), add(Σ1(a), Ch(a, b, c))); h = add(h, T1); d = add(T1, add(Σ0(e), Maj(e, f, g)))
    T1 = add(add(c, v128.load32_splat(k, 20)), add(Σ1(h), Ch(h, a, b))); g = add(g, T1); c = add(T1, add(Σ0(d), Maj(d, e, f)))
    T1 = add(add(b, v128.load32_splat(k, 24)), add(Σ1(g), Ch(g, h, a))); f = add(f, T1); b = add(T1, add(Σ0(c), Maj(c, d, e)))
    T1 = add(add(a, v128.load32_splat(k, 28)), add(Σ1(f), Ch(f, g, h))); e = add(e, T1); a = add(T1, add(Σ0(b), Maj(b, c, d)))
  }

  v128.store(target, add(v128.load(target, 0 * WORD), a), 0 * WORD)
  v128.store(target, add(v128.load(target, 1 * WORD), b), 1 * WORD)
  v128.store(target, add(v128.load(target, 2 * WORD), c), 2 * WORD)
  v128.store(target, add(v128.load(target, 3 * WORD), d), 3 * WORD)
  v128.store(target, add(v128.load(target, 4 * WORD), e), 4 * WORD)
  v128.store(target, add(v128.load(target, 5 * WORD), f), 5 * WORD)
  v128.store(target, add(v128.load(target, 6 * WORD), g), 6 * WORD)
  v128.store(target, add(v128.load(target, 7 * WORD), h), 7 * WORD)
}
