/**
 * Words of SHA-256 in 128-bit vectors: four of one message, or one of each of four. Only builds with SIMD
 * may use it.
 */

/** Rotations are shifts: none that SHA-256 has is by whole bytes, which a shuffle could do. */
// @ts-ignore: decorator
@inline export function rotr(x: v128, n: i32): v128 { return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n)) }
// @ts-ignore: decorator
@inline export function xor3(x: v128, y: v128, z: v128): v128 { return v128.xor(v128.xor(x, y), z) }
// @ts-ignore: decorator
@inline export function σ0(x: v128): v128 { return xor3(rotr(x,  7), rotr(x, 18), i32x4.shr_u(x,  3)) }
// @ts-ignore: decorator
@inline export function σ1(x: v128): v128 { return xor3(rotr(x, 17), rotr(x, 19), i32x4.shr_u(x, 10)) }
