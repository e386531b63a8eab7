/**
 * SHA-256 of four messages side by side, in the four lanes of 128-bit vectors; only for builds that have
 * them. Names are those of sha256.ts; word i of all four messages makes one vector.
 */
import { WORD } from './layout'
import { K, PADDING } from './sha256'
import { σ0, σ1 } from './vector'
import { swapped } from './words'

// @ts-ignore: decorator
@inline function add(x: v128, y: v128): v128 { return i32x4.add(x, y) }
// @ts-ignore: decorator
@inline function xor(x: v128, y: v128): v128 { return v128.xor(x, y) }

/** Section 4.1.2. Σ0 and Σ1 take one shift after another, which takes fewer registers than pairs of them. */
// @ts-ignore: decorator
@inline function Ch (x: v128, y: v128, z: v128): v128 { return xor(z, v128.and(x, xor(y, z))) }
// @ts-ignore: decorator
@inline function Maj(x: v128, y: v128, z: v128): v128 { return xor(y, v128.and(xor(x, y), xor(y, z))) }
// @ts-ignore: decorator
@inline function Σ0(x: v128): v128 { return shifts(x,  2, 13, 22) }
// @ts-ignore: decorator
@inline function Σ1(x: v128): v128 { return shifts(x,  6, 11, 25) }
// @ts-ignore: decorator
@inline function shifts(x: v128, i: i32, j: i32, k: i32): v128 {
  return xor(xor(xor(xor(xor(
    i32x4.shr_u(x, i), i32x4.shl(x, 32 - i)),
    i32x4.shr_u(x, j)), i32x4.shl(x, 32 - j)),
    i32x4.shr_u(x, k)), i32x4.shl(x, 32 - k))
}

/** As in sha256.ts. */
const PIN: usize = memory.data(64, 16)
// @ts-ignore: decorator
@inline function pin(words: v128, i: usize): void { v128.store(PIN + i * WORD, words) }

/**
 * `compress` of sha256.ts for the four messages at `block`, all from the state `before`. Of their schedules
 * `ready` words are there: 16, or 20 where the caller knew a shorter way to those.
 *
 * Four rounds rename the registers, and then all go on by four: half the code of eight, and as fast.
 */
export function compress(before: usize, early: usize, block: usize, ready: usize, target: usize): void {
  let a: v128, b: v128, c: v128, d: v128, e: v128, f: v128, g: v128, h: v128, T1: v128
  let k = K
  let w = block

  if (early == 0) {
    a = v128.load32_splat(before,  0)
    b = v128.load32_splat(before,  4)
    c = v128.load32_splat(before,  8)
    d = v128.load32_splat(before, 12)
    e = v128.load32_splat(before, 16)
    f = v128.load32_splat(before, 20)
    g = v128.load32_splat(before, 24)
    h = v128.load32_splat(before, 28)
  } else {
    h = v128.load(early, 0 * WORD)
    a = v128.load(early, 1 * WORD)
    b = v128.load(early, 2 * WORD)
    c = v128.load(early, 3 * WORD)
    d = v128.load(early, 4 * WORD)
    e = v128.load(early, 5 * WORD)
    f = v128.load(early, 6 * WORD)
    g = v128.load(early, 7 * WORD)
    T1 = add(add(add(g, add(v128.load32_splat(k, 20), v128.load(w, 5 * WORD))), Ch(d, e, f)), Σ1(d)); c = add(c, T1); g = add(add(T1, Maj(h, a, b)), Σ0(h)); pin(g, 1)
    T1 = add(add(add(f, add(v128.load32_splat(k, 24), v128.load(w, 6 * WORD))), Ch(c, d, e)), Σ1(c)); b = add(b, T1); f = add(add(T1, Maj(g, h, a)), Σ0(g)); pin(f, 2)
    T1 = add(add(add(e, add(v128.load32_splat(k, 28), v128.load(w, 7 * WORD))), Ch(b, c, d)), Σ1(b)); a = add(a, T1); e = add(add(T1, Maj(f, g, h)), Σ0(f)); pin(e, 3)
    T1 = a; a = e; e = T1; T1 = b; b = f; f = T1; T1 = c; c = g; g = T1; T1 = d; d = h; h = T1
    k += 8 * 4
    w += 8 * WORD
  }
  for (const end = block + ready * WORD; w < end; k += 4 * 4, w += 4 * WORD) {
    T1 = add(add(add(h, add(v128.load32_splat(k,  0), v128.load(w, 0 * WORD))), Ch(e, f, g)), Σ1(e)); d = add(d, T1); h = add(add(T1, Maj(a, b, c)), Σ0(a)); pin(h, 0)
    T1 = add(add(add(g, add(v128.load32_splat(k,  4), v128.load(w, 1 * WORD))), Ch(d, e, f)), Σ1(d)); c = add(c, T1); g = add(add(T1, Maj(h, a, b)), Σ0(h)); pin(g, 1)
    T1 = add(add(add(f, add(v128.load32_splat(k,  8), v128.load(w, 2 * WORD))), Ch(c, d, e)), Σ1(c)); b = add(b, T1); f = add(add(T1, Maj(g, h, a)), Σ0(g)); pin(f, 2)
    T1 = add(add(add(e, add(v128.load32_splat(k, 12), v128.load(w, 3 * WORD))), Ch(b, c, d)), Σ1(b)); a = add(a, T1); e = add(add(T1, Maj(f, g, h)), Σ0(f)); pin(e, 3)
    T1 = a; a = e; e = T1; T1 = b; b = f; f = T1; T1 = c; c = g; g = T1; T1 = d; d = h; h = T1
  }
  for (const end = block + 64 * WORD; w < end; k += 4 * 4, w += 4 * WORD) {
    schedule(w + 0 * WORD)
    T1 = add(add(add(h, add(v128.load32_splat(k,  0), v128.load(w, 0 * WORD))), Ch(e, f, g)), Σ1(e)); d = add(d, T1); h = add(add(T1, Maj(a, b, c)), Σ0(a)); pin(h, 0)
    schedule(w + 1 * WORD)
    T1 = add(add(add(g, add(v128.load32_splat(k,  4), v128.load(w, 1 * WORD))), Ch(d, e, f)), Σ1(d)); c = add(c, T1); g = add(add(T1, Maj(h, a, b)), Σ0(h)); pin(g, 1)
    schedule(w + 2 * WORD)
    T1 = add(add(add(f, add(v128.load32_splat(k,  8), v128.load(w, 2 * WORD))), Ch(c, d, e)), Σ1(c)); b = add(b, T1); f = add(add(T1, Maj(g, h, a)), Σ0(g)); pin(f, 2)
    schedule(w + 3 * WORD)
    T1 = add(add(add(e, add(v128.load32_splat(k, 12), v128.load(w, 3 * WORD))), Ch(b, c, d)), Σ1(b)); a = add(a, T1); e = add(add(T1, Maj(f, g, h)), Σ0(f)); pin(e, 3)
    T1 = a; a = e; e = T1; T1 = b; b = f; f = T1; T1 = c; c = g; g = T1; T1 = d; d = h; h = T1
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
  v128.store(w, add(add(add(w16, w7), σ0(w15)), σ1(w2)))
}

/** `pad` of sha256.ts for four messages. */
export function pad(target: usize): void {
  let a = v128.load(target, 0 * WORD)
  let b = v128.load(target, 1 * WORD)
  let c = v128.load(target, 2 * WORD)
  let d = v128.load(target, 3 * WORD)
  let e = v128.load(target, 4 * WORD)
  let f = v128.load(target, 5 * WORD)
  let g = v128.load(target, 6 * WORD)
  let h = v128.load(target, 7 * WORD)
  let T1: v128

  for (let k = PADDING; k < PADDING + 64 * 4; k += 4 * 4) {
    T1 = add(add(add(h, v128.load32_splat(k,  0)), Ch(e, f, g)), Σ1(e)); d = add(d, T1); h = add(add(T1, Maj(a, b, c)), Σ0(a)); pin(h, 0)
    T1 = add(add(add(g, v128.load32_splat(k,  4)), Ch(d, e, f)), Σ1(d)); c = add(c, T1); g = add(add(T1, Maj(h, a, b)), Σ0(h)); pin(g, 1)
    T1 = add(add(add(f, v128.load32_splat(k,  8)), Ch(c, d, e)), Σ1(c)); b = add(b, T1); f = add(add(T1, Maj(g, h, a)), Σ0(g)); pin(f, 2)
    T1 = add(add(add(e, v128.load32_splat(k, 12)), Ch(b, c, d)), Σ1(b)); a = add(a, T1); e = add(add(T1, Maj(f, g, h)), Σ0(f)); pin(e, 3)
    T1 = a; a = e; e = T1; T1 = b; b = f; f = T1; T1 = c; c = g; g = T1; T1 = d; d = h; h = T1
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

/** `size` bytes of four messages, a multiple of 16, to vectors at `target`, one for each word. */
export function spread(m0: usize, m1: usize, m2: usize, m3: usize, size: usize, target: usize): void {
  for (const end = m0 + size; m0 < end; m0 += 16, m1 += 16, m2 += 16, m3 += 16, target += 4 * WORD) {
    const x0 = swapped(v128.load(m0)), x1 = swapped(v128.load(m1)), x2 = swapped(v128.load(m2)), x3 = swapped(v128.load(m3))
    const a = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5), b = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7)
    const c = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5), d = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7)
    v128.store(target, v128.shuffle<u64>(a, c, 0, 2), 0 * WORD)
    v128.store(target, v128.shuffle<u64>(a, c, 1, 3), 1 * WORD)
    v128.store(target, v128.shuffle<u64>(b, d, 0, 2), 2 * WORD)
    v128.store(target, v128.shuffle<u64>(b, d, 1, 3), 3 * WORD)
  }
}

/** Vectors at `source` back to bytes: four digests, end to end. */
export function gather(source: usize, target: usize): void {
  for (const end = target + 32; target < end; target += 16, source += 4 * WORD) {
    const x0 = v128.load(source, 0 * WORD), x1 = v128.load(source, 1 * WORD), x2 = v128.load(source, 2 * WORD), x3 = v128.load(source, 3 * WORD)
    const a = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5), b = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7)
    const c = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5), d = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7)
    v128.store(target, swapped(v128.shuffle<u64>(a, c, 0, 2)), 0 * 32)
    v128.store(target, swapped(v128.shuffle<u64>(a, c, 1, 3)), 1 * 32)
    v128.store(target, swapped(v128.shuffle<u64>(b, d, 0, 2)), 2 * 32)
    v128.store(target, swapped(v128.shuffle<u64>(b, d, 1, 3)), 3 * 32)
  }
}

/** As in sha256.ts. */
export function wipe(): void {
  memory.fill(PIN, 0, 64)
}
