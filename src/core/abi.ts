/**
 * The part of Solidity's contract ABI that channel ids need: words, dynamic arrays, and their heads and
 * tails (docs.soliditylang.org, "Contract ABI Specification"). It encodes; it never decodes.
 */
import { type Address, concat, fromHex, uint } from './bytes.js'

/** A value in ABI form: one static run of words, or one dynamic tail. */
export type Value = { readonly dynamic: boolean; readonly bytes: Uint8Array }

export const word = (value: bigint | number): Value => ({ dynamic: false, bytes: uint(value, 32) })

export const address = (value: Address): Value => ({
  dynamic: false,
  bytes: concat(new Uint8Array(12), fromHex(value, 20)),
})

export const bytes32 = (value: Uint8Array): Value => ({ dynamic: false, bytes: value })

/** A struct of static members. */
export const struct = (...members: readonly Value[]): Value => ({
  dynamic: false,
  bytes: concat(...members.map((member) => member.bytes)),
})

/** A dynamic array, `T[]`; its items may be dynamic themselves. */
export const array = (items: readonly Value[]): Value => ({
  dynamic: true,
  bytes: concat(uint(items.length, 32), encode(...items)),
})

/** `abi.encode(...values)`. */
export function encode(...values: readonly Value[]): Uint8Array {
  let tailAt = values.reduce((size, value) => size + (value.dynamic ? 32 : value.bytes.length), 0)
  const heads: Uint8Array[] = []
  const tails: Uint8Array[] = []
  for (const value of values) {
    if (value.dynamic) {
      heads.push(uint(tailAt, 32))
      tails.push(value.bytes)
      tailAt += value.bytes.length
    } else heads.push(value.bytes)
  }
  return concat(...heads, ...tails)
}
