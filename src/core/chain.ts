/**
 * Hash chains: the ticks of a lane. A node is bound to its channel, lane, epoch, digit and index, so it is
 * worth nothing anywhere else. This is the reference; the kernel does the same faster.
 *
 *     tweak(i)    = laneTweak 16 ‖ epoch u32 ‖ digit u8 ‖ index u16      23 bytes
 *     node[i - 1] = sha256(tweak(i) ‖ node[i])                          55 bytes: exactly one block
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, fromHex, type Hex, uint } from './bytes.js'
import { SluiceError } from './errors.js'
import * as Hash from './hash.js'
import { limits } from './limits.js'

/** Which chain: one digit of one epoch of one lane. */
export type ChainPosition = {
  /** 16 bytes, see `laneTweak`. */
  readonly tweak: Uint8Array
  readonly epoch: number
  readonly digit: number
}

/** All nodes of a chain, node i at 32·i; node 0 is the anchor, node `length` is `seed`. */
export type Generate = (position: ChainPosition, length: number, seed: Uint8Array) => Uint8Array

/** The node `steps` below node `index`. */
export type Walk = (
  position: ChainPosition,
  index: number,
  steps: number,
  node: Uint8Array,
) => Uint8Array

/** First 16 bytes of tagged('lane', channelId ‖ lane u64). */
export const laneTweak = (channelId: Hex, lane: bigint): Uint8Array =>
  Hash.tagged('lane', fromHex(channelId, 32), uint(lane, 8)).slice(0, 16)

const step = ({ tweak, epoch, digit }: ChainPosition, index: number, node: Uint8Array) =>
  sha256(concat(tweak, uint(epoch, 4), uint(digit, 1), uint(index, 2), node))

/** @throws ChainError `BAD_CHAIN` */
export const generate: Generate = (position, length, seed) => {
  check(position, length, length, seed)
  const nodes = new Uint8Array(32 * (length + 1))
  nodes.set(seed, 32 * length)
  for (let index = length; index > 0; index--)
    nodes.set(step(position, index, nodes.subarray(32 * index, 32 * index + 32)), 32 * (index - 1))
  return nodes
}

/** @throws ChainError `BAD_CHAIN` */
export const walk: Walk = (position, index, steps, node) => {
  check(position, index, steps, node)
  let reached = node
  for (let at = index; at > index - steps; at--) reached = step(position, at, reached)
  return reached.slice()
}

/** Arguments that fit every chain. @throws ChainError `BAD_CHAIN` */
export function check(
  { tweak, epoch, digit }: ChainPosition,
  index: number,
  steps: number,
  node: Uint8Array,
): void {
  if (tweak.length !== 16 || node.length !== 32)
    throw new ChainError('a tweak has 16 bytes, a node 32')
  if (!(epoch >= 0 && epoch <= 0xffff_ffff && digit >= 0 && digit < limits.digitsMax))
    throw new ChainError('epoch or digit is out of range')
  if (!(index >= 0 && index <= limits.chainStepsMax && steps >= 0 && steps <= index))
    throw new ChainError('index or steps are out of range')
}

/** A chain that cannot be. */
export class ChainError extends SluiceError {
  constructor(why: string) {
    super('BAD_CHAIN', `The hash chain is refused: ${why}.`)
    this.name = 'ChainError'
  }
}
