import { beforeAll, describe, expect, it } from 'vitest'
import * as Price from '../../src/core/price.js'
import type { Engine } from '../../src/crypto/engine.js'
import { offerOf } from '../../src/sim/wares.js'
import { World } from '../../src/sim/world.js'
import { loadEngine } from '../../src/sluice.js'
import { everybodyUp, funds, market, meanwhile, node } from './market.js'

let crypto: Engine
beforeAll(async () => {
  crypto = await loadEngine()
})

describe('24 virtual hours of per-second streams', () => {
  it('settle to the unit', async () => {
    const { world, channel } = await market(crypto, 'a day')
    const seconds = 86_400n
    const price = Price.parse('5/s')
    const sam = world.person('sam').own
    if (sam === undefined) throw new Error('sam is down')
    sam.node.serve('radio', {
      price,
      // Half a quantum is a tick: one a second.
      quantum: 2_000n,
      async *open(offset, signal) {
        for (let at = offset; !signal.aborted; ) {
          await sam.sleep(1_000, signal)
          at += 1_000n
          yield { data: Uint8Array.of(Number((at / 1_000n) % 251n)), position: at }
        }
      },
    })
    const began = world.time.nowMs
    const budget = seconds * 5n
    const listen = async (): Promise<bigint> => {
      const { address } = world.person('sam')
      const purchase = await node(world, 'ben').consume(address, 'radio', { budget })
      for await (const [second] of purchase)
        if (second !== Number((purchase.position / 1_000n) % 251n)) throw new Error('wrong second')
      return (await purchase.receipt).owed
    }
    expect(await meanwhile(world, listen(), 100_000_000)).toBe(budget)
    expect(world.time.nowMs - began).toBeGreaterThanOrEqual(86_400_000)
    await meanwhile(world, node(world, 'ben').close(channel.id))
    const balance = (name: string) => world.layer.balance(world.person(name).account, zero)
    expect(balance('sam')).toBe(budget)
    expect(balance('ben')).toBe(funds - budget)
    world.witness.end()
    expect(world.witness.violations).toEqual([])
    await world.end()
  }, 600_000)
})

describe('a buyer that is killed at every byte, its file not synced', () => {
  it('has the file whole in the end, and has paid for each byte once', async () => {
    const size = 24
    const world = await World.create({ seed: 'every byte', crypto })
    const price = Price.parse('1/B')
    await world.add({
      name: 'sam',
      live: (_, { node, sleep }) => {
        const open = async function* (offset: bigint, signal: AbortSignal) {
          for (let at = Number(offset); at < size && !signal.aborted; at++) {
            await sleep(20, signal)
            yield Uint8Array.of(at)
          }
        }
        node.serve('file', { price, quantum: 4n, size: BigInt(size), open })
      },
    })
    await world.add({ name: 'ben', funds })
    await everybodyUp(world)
    const { address } = world.person('sam')
    const { id } = await meanwhile(world, node(world, 'ben').open(address, { deposit: 1_000n }))
    // What is written and not synced is gone with the power; what was acknowledged is on the disk.
    let [synced, written]: [number[], number[]] = [[], []]
    const buy = async (until: number): Promise<void> => {
      const purchase = `0x${'11'.repeat(32)}` as const
      const ben = node(world, 'ben')
      const bought = await ben.consume(address, 'file', { purchase, acknowledge: 'manual' })
      written = synced.slice(0, Number(bought.position))
      expect(written).toHaveLength(Number(bought.position))
      for await (const bytes of bought) {
        written.push(...bytes)
        if (written.length >= until && until < size) {
          world.person('ben').crash()
          return
        }
        // Now and then only, so that some bytes are always at stake.
        if (written.length % 3 !== 0 && written.length < size) continue
        synced = written.slice()
        bought.acknowledge(bought.position)
      }
      expect((await bought.receipt).owed).toBe(BigInt(size))
    }
    for (let until = 1; until <= size; until++) {
      await world.run(() => world.person('ben').own !== undefined, 60_000)
      await meanwhile(world, buy(until))
    }
    expect(synced).toEqual([...Array(size).keys()])
    await meanwhile(world, node(world, 'ben').close(id))
    expect(world.layer.balance(world.person('sam').account, zero)).toBe(BigInt(size))
    world.witness.end()
    expect(world.witness.violations).toEqual([])
    await world.end()
  })
})

describe('a channel that is closed while a new connection is made', () => {
  it('does not keep its seats from the next one', async () => {
    const { world, channel } = await market(crypto, 'closed while connecting')
    // Ben hears of it from the layer, long before Sam's next word arrives.
    world.weather.network.latencyMs = [500, 500]
    world.weather.ledger.latencyMs = [1, 1]
    world.witness.onProposal = () => {
      world.witness.onProposal = () => undefined
      world.hub.cut('sam', 'ben')
    }
    const closing = node(world, 'sam').close(channel.id)
    await expect(meanwhile(world, closing)).rejects.toThrow('is closed')
    await world.run(() => node(world, 'ben').channel(channel.id)?.phase === 'closed', 60_000)
    const { address } = world.person('sam')
    const opening = node(world, 'ben').open(address, { deposit: 1_000n })
    expect((await meanwhile(world, opening, 60_000)).phase).toBe('live')
    expect(world.witness.violations).toEqual([])
    await world.end()
  })
})

describe('an old disk', () => {
  /** Sells a file of 1,000 bytes at 1 a byte. */
  const sell = (world: World): void => {
    const ware = { name: 'file', price: Price.parse('1/B'), quantum: 200n, size: 1_000n }
    node(world, 'sam').serve('file', offerOf(ware, world.time.sleep))
  }
  const buy = async (world: World): Promise<void> => {
    const purchase = await node(world, 'ben').consume(world.person('sam').address, 'file')
    for await (const _ of purchase);
    await purchase.receipt
  }
  const restart = async (world: World, disk: ReadonlyMap<string, Uint8Array>): Promise<void> => {
    world.person('ben').crash(new Map(disk))
    await world.run(() => world.person('ben').own !== undefined, 60_000)
  }

  it('from before a channel was closed does not keep two peers apart', async () => {
    const { world, channel } = await market(crypto, 'closed meanwhile')
    const before = new Map(world.person('ben').disk.contents)
    await meanwhile(world, node(world, 'ben').close(channel.id))
    await restart(world, before)
    const { address } = world.person('sam')
    const next = await meanwhile(world, node(world, 'ben').open(address, { deposit: 1_000n }))
    expect(next.phase).toBe('live')
    expect(node(world, 'ben').channel(channel.id)?.phase).toBe('closed')
    expect(world.witness.violations).toEqual([])
    await world.end()
  })

  it('from before a lane was opened learns of the lane, and of what was promised on it', async () => {
    const world = await World.create({ seed: 'lane unknown', crypto })
    await world.add({ name: 'sam' })
    await world.add({ name: 'ben', funds })
    await everybodyUp(world)
    sell(world)
    let before: ReadonlyMap<string, Uint8Array> | undefined
    const { address } = world.person('sam')
    const opening = node(world, 'ben').open(address, { deposit: 10_000n })
    await world.run(() => {
      const [known] = world.witness.subject('ben').channels.values()
      if (known?.phase === 'live' && known.complete?.body.lanes.length === 0)
        before ??= new Map(world.person('ben').disk.contents)
      return before !== undefined
    }, 60_000)
    const { id } = await meanwhile(world, opening)
    await meanwhile(world, buy(world))
    await restart(world, before ?? new Map())
    await meanwhile(world, node(world, 'ben').close(id))
    expect(world.layer.balance(world.person('sam').account, zero)).toBe(1_000n)
    world.witness.end()
    expect(world.witness.violations).toEqual([])
    await world.end()
  })
})

const zero = `0x${'00'.repeat(20)}` as const
