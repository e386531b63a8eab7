import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import * as Chain from '../../src/core/chain.js'
import { limits } from '../../src/core/limits.js'

const position: Chain.ChainPosition = { tweak: new Uint8Array(16).fill(7), epoch: 5, digit: 1 }
const seed = new Uint8Array(32).fill(9)
const nodeAt = (nodes: Uint8Array, index: number) => nodes.slice(32 * index, 32 * index + 32)

it('the lane tweak is the first half of a BIP-340 tagged hash of channel and lane', () => {
  const sha256 = (...parts: Uint8Array[]) =>
    createHash('sha256').update(Buffer.concat(parts)).digest()
  const tag = sha256(Buffer.from('sluice/1/lane'))
  const channelId = `0x${'c4'.repeat(32)}` as const
  const lane = Buffer.from('0000000000000102', 'hex')
  const expected = sha256(tag, tag, Buffer.alloc(32, 0xc4), lane).subarray(0, 16)
  expect(Chain.laneTweak(channelId, 0x102n)).toEqual(new Uint8Array(expected))
})

it('a node is the SHA-256 of the deeper one after lane tweak, epoch, digit and index', () => {
  const message = Buffer.concat([
    Buffer.alloc(16, 7),
    Buffer.from('00000005', 'hex'),
    Buffer.from('01', 'hex'),
    Buffer.from('0200', 'hex'),
    seed,
  ])
  expect(message.length).toBe(55)
  const expected = createHash('sha256').update(message).digest()
  expect(Chain.walk(position, 0x200, 1, seed)).toEqual(new Uint8Array(expected))
})

it('walks from any node to any shallower one of its chain', () => {
  const nodes = Chain.generate(position, 20, seed)
  expect(nodes.length).toBe(21 * 32)
  expect(nodeAt(nodes, 20)).toEqual(seed)
  for (let index = 0; index <= 20; index++)
    for (let steps = 0; steps <= index; steps++)
      expect(Chain.walk(position, index, steps, nodeAt(nodes, index))).toEqual(
        nodeAt(nodes, index - steps),
      )
})

it('gives a node that no later change of the input can reach', () => {
  const node = seed.slice()
  const same = Chain.walk(position, 3, 0, node)
  node.fill(0)
  expect(same).toEqual(seed)
})

it('binds a node to its lane, epoch, digit and index', () => {
  const [anchor] = [Chain.walk(position, 8, 8, seed)]
  const elsewhere = [
    Chain.walk({ ...position, tweak: new Uint8Array(16) }, 8, 8, seed),
    Chain.walk({ ...position, epoch: 6 }, 8, 8, seed),
    Chain.walk({ ...position, digit: 0 }, 8, 8, seed),
    Chain.walk(position, 9, 8, seed),
  ]
  for (const other of elsewhere) expect(other).not.toEqual(anchor)
})

describe('refuses', () => {
  const bad: readonly (readonly [name: string, call: () => unknown])[] = [
    ['a short tweak', () => Chain.encode({ ...position, tweak: new Uint8Array(15) })],
    ['a negative epoch', () => Chain.encode({ ...position, epoch: -1 })],
    ['an epoch of 33 bits', () => Chain.encode({ ...position, epoch: 2 ** 32 })],
    ['a fractional epoch', () => Chain.encode({ ...position, epoch: 1.5 })],
    ['a fifth digit', () => Chain.encode({ ...position, digit: limits.digitsMax })],
    ['no digit at all', () => Chain.encode({ ...position, digit: Number.NaN })],
    ['a chain of no steps', () => Chain.generate(position, 0, seed)],
    ['a chain that is too long', () => Chain.generate(position, limits.chainStepsMax + 1, seed)],
    ['a fractional length', () => Chain.generate(position, 1.5, seed)],
    ['a short seed', () => Chain.generate(position, 1, seed.subarray(1))],
    ['an index beyond any chain', () => Chain.walk(position, limits.chainStepsMax + 1, 1, seed)],
    ['a walk past the anchor', () => Chain.walk(position, 4, 5, seed)],
    ['a walk upwards', () => Chain.walk(position, 4, -1, seed)],
    ['a long node', () => Chain.walk(position, 4, 1, new Uint8Array(33))],
  ]
  it.each(bad)('%s', (_, call) => {
    expect(call).toThrow(expect.objectContaining({ name: 'ChainError', code: 'CHAIN_RANGE' }))
  })
})
