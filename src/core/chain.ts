/**
 * Hash chains: each node is the hash of the next deeper one, bound to its channel, lane, epoch, digit and
 * index. The reference that every engine must match; a node must never be valid at a second place.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, type Hex, uint } from './bytes.js'
import { SluiceError } from './errors.js'
import * as Lane from './lane.js'
import { limits } from './limits.js'

/** Where a chain is. `tweak` is the lane's (16 bytes), `epoch` its voucher's, `digit` from 0. */
export type ChainPosition = {
  readonly tweak: Uint8Array
  readonly epoch: number
  readonly digit: number
}

/**
 * All `length + 1` nodes of the chain whose deepest is `seed`, 32 bytes each: node 0, the anchor, first.
 * @throws ChainError `CHAIN_RANGE`
 */
export type Generate = (position: ChainPosition, length: number, seed: Uint8Array) => Uint8Array

/**
 * node[index - steps], from `node`, which is node[index].
 * @throws ChainError `CHAIN_RANGE`
 */
export type Walk = (
  position: ChainPosition,
  index: number,
  steps: number,
  node: Uint8Array,
) => Uint8Array

export const nodeSize = 32

/** The lane's part of a node's tweak: 16 bytes that no other lane of any channel has. */
export const laneTweak = (channelId: Hex, lane: bigint): Uint8Array =>
  Lane.key(channelId, lane).slice(0, 16)

/**
 * lane tweak 16 ‖ epoch u32 ‖ digit u8: what all nodes of a chain share. A node's tweak is this and its
 * index u16.
 * @throws ChainError `CHAIN_RANGE`
 */
export function encode({ tweak, epoch, digit }: ChainPosition): Uint8Array {
  refuse(tweak.length !== 16, 'a lane tweak has 16 bytes')
  refuse(!within(epoch, 0, 0xffff_ffff), 'an epoch is a 32-bit number')
  refuse(!within(digit, 0, limits.digitsMax - 1), `a digit is 0 to ${limits.digitsMax - 1}`)
  return concat(tweak, uint(epoch, 4), uint(digit, 1))
}

/** The bounds of `Generate`, position aside: every engine checks them before it hashes. */
export function checkGenerate(length: number, seed: Uint8Array): void {
  refuse(!within(length, 1, limits.chainStepsMax), `it has 1 to ${limits.chainStepsMax} steps`)
  refuse(seed.length !== nodeSize, 'a seed has 32 bytes')
}

/** The bounds of `Walk`, position aside: every engine checks them before it hashes. */
export function checkWalk(index: number, steps: number, node: Uint8Array): void {
  refuse(!within(index, 0, limits.chainStepsMax), `an index is 0 to ${limits.chainStepsMax}`)
  refuse(!within(steps, 0, index), 'a walk ends at the anchor')
  refuse(node.length !== nodeSize, 'a node has 32 bytes')
}

export const generate: Generate = (position, length, seed) => {
  const step = stepper(position)
  checkGenerate(length, seed)
  const nodes = new Uint8Array((length + 1) * nodeSize)
  let node: Uint8Array = seed
  nodes.set(node, length * nodeSize)
  for (let index = length; index > 0; index--) {
    node = step(index, node)
    nodes.set(node, (index - 1) * nodeSize)
  }
  return nodes
}

export const walk: Walk = (position, index, steps, node) => {
  const step = stepper(position)
  checkWalk(index, steps, node)
  let reached: Uint8Array = node.slice()
  for (let at = index; at > index - steps; at--) reached = step(at, reached)
  return reached
}

/** node[index - 1] = sha256(tweak(index) ‖ node[index]): 23 + 32 bytes, exactly one block. */
function stepper(position: ChainPosition): (index: number, node: Uint8Array) => Uint8Array {
  const prefix = encode(position)
  const message = new Uint8Array(prefix.length + 2 + nodeSize)
  const view = new DataView(message.buffer)
  message.set(prefix)
  return (index, node) => {
    view.setUint16(prefix.length, index)
    message.set(node, prefix.length + 2)
    return sha256(message)
  }
}

const within = (value: number, low: number, high: number): boolean =>
  Number.isInteger(value) && value >= low && value <= high

function refuse(condition: boolean, why: string): void {
  if (condition) throw new ChainError(why)
}

/** A chain, or a place on one, that no voucher can have. */
export class ChainError extends SluiceError {
  constructor(why: string) {
    super('CHAIN_RANGE', `There is no such place on a hash chain: ${why}.`)
    this.name = 'ChainError'
  }
}
