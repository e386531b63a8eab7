/** What may still be signed, once a state of ours was posted, or may have been. */
import { expect, it } from 'vitest'
import type { Hex } from '../../src/core/bytes.js'
import type { Channel } from '../../src/core/channel.js'
import { Bonds } from '../../src/engine/bonds.js'
import type { LedgerChallenge, LedgerChannel } from '../../src/engine/ports.js'
import * as Memory from '../../src/store/memory.js'

const id: Hex = `0x${'ab'.repeat(32)}`
const channel = { id, seat: 0 } as Channel

const live = (versionMin: bigint) => ({ status: 'live', versionMin }) as LedgerChannel
const challenged = (posted: bigint, version: bigint, poster = 0) =>
  ({
    status: 'challenged',
    versionMin: 0n,
    challenge: { poster, posted, version } as LedgerChallenge,
  }) as LedgerChannel

it('is one state more than was posted first, also after a start', async () => {
  const store = Memory.open()
  const bonds = new Bonds(store)
  expect(bonds.versionMax(id)).toBeUndefined()
  await bonds.stake(id, 4n)
  // What was asked for first may come to the layer yet.
  await bonds.stake(id, 5n)
  expect(bonds.versionMax(id)).toBe(5n)
  expect(new Bonds(store).versionMax(id)).toBe(5n)
})

it('is measured by what opened the challenge, not by what answered it, nor by what others posted', async () => {
  const bonds = new Bonds(Memory.open())
  await bonds.heed(channel, challenged(4n, 5n))
  expect(bonds.versionMax(id)).toBe(5n)
  await bonds.heed(channel, challenged(7n, 7n, 1))
  expect(bonds.versionMax(id)).toBe(5n)
})

it('is anything again once the layer takes that state no more, and not while it does', async () => {
  const store = Memory.open()
  const bonds = new Bonds(store)
  await bonds.stake(id, 4n)
  await bonds.heed(channel, live(4n))
  expect(bonds.versionMax(id)).toBe(5n)
  await bonds.heed(channel, live(5n))
  expect(bonds.versionMax(id)).toBeUndefined()
  expect(new Bonds(store).versionMax(id)).toBeUndefined()
})
