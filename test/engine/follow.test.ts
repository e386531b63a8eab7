/** Following the layer: what ends it, and what does not. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/core/bytes.js'
import { toProblem } from '../../src/core/errors.js'
import { follow } from '../../src/engine/follow.js'
import { Notifier } from '../../src/engine/notifier.js'
import type { Ledger, LedgerEvent } from '../../src/engine/ports.js'
import { LedgerError } from '../../src/ledger/error.js'
import * as Memory from '../../src/store/memory.js'
import { createWorld, type World } from '../support/world.js'
import * as Quarrel from './support/quarrel.js'

const { advance, happened, pay, post, quarrel } = Quarrel

describe('one channel that cannot be looked at', () => {
  const [sick, sound] = ['0x01', '0x02'] as const

  it('keeps no other waiting, and is tried until it can', async () => {
    let isSick = true
    const run = following([sick, sound], (id) => id === sick && isSick)
    run.happens(sick)
    run.happens(sound)
    await expect.poll(() => run.seen.filter((id) => id === sound)).toHaveLength(2)
    expect(run.seen).not.toContain(sick)
    isSick = false
    await expect.poll(() => run.seen).toContain(sick)
    await run.end()
  })
})

describe('a layer that fails while its events are read', () => {
  it('is followed on from there', async () => {
    const run = following(['0x01'], () => false)
    run.happens('0x01')
    await expect.poll(() => run.seen).toHaveLength(2)
    run.fails(new LedgerError('NOT_A_LEDGER', 'Somebody else answers there for a moment.'))
    await expect.poll(() => run.problems).toEqual(['NOT_A_LEDGER'])
    run.happens('0x01')
    await expect.poll(() => run.seen).toHaveLength(3)
    await run.end()
  })
})

describe('with the disk full, and another dispute that it cannot note', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorld()
  })
  afterEach(async () => {
    await world.close()
  })

  it('a node answers a stale posting', async () => {
    const seller = await world.person('seller')
    const [first, second] = [await quarrel(world, seller, 'a'), await quarrel(world, seller, 'b')]
    await advance(second, 2)
    seller.disk.full = true
    await post(first, 1)
    await expect.poll(() => seller.problems.map(({ code }) => code)).toContain('DISK_FULL')
    await post(second, 0)
    await happened(second, 'punished')
  })

  it('a tower answers a stale posting', async () => {
    const tower = await world.watchtower('tower')
    const seller = await world.person('seller', { tower: tower.address })
    const [first, second] = [await quarrel(world, seller, 'a'), await quarrel(world, seller, 'b')]
    await advance(second, 2)
    await pay(second, seller, 120n)
    await seller.node.watched()
    await seller.crash()
    tower.disk.full = true
    await post(first, 1)
    await expect.poll(() => tower.problems.map(({ code }) => code)).toContain('DISK_FULL')
    await post(second, 0)
    await happened(second, 'punished')
  })
})

/** Follows a layer of which nothing is known but its events, until `end`. */
function following(channels: readonly Hex[], isSick: (id: Hex) => boolean) {
  const queue: (LedgerEvent | Error)[] = []
  const changed = new Notifier()
  const ended = new AbortController()
  const seen: Hex[] = []
  const problems: string[] = []
  let sequence = 0
  const put = (next: LedgerEvent | Error): void => {
    queue.push(next)
    changed.notify()
  }
  const events: Ledger['events'] = async function* ({ after, signal }) {
    for (;;) {
      await changed.until(() => queue.length > 0, signal)
      const next = queue.shift()
      if (next instanceof Error) throw next
      if (next !== undefined && next.sequence > after) yield next
    }
  }
  const running = follow(
    {
      ledger: { events } as Ledger,
      store: Memory.open(),
      // Nothing here takes any time.
      sleep: () => turn(),
      all: () => channels,
      concerns: (id) => channels.includes(id),
      look: async (id) => {
        if (isSick(id)) throw new Error('it is sick')
        seen.push(id)
      },
      onProblem: (error) => problems.push(toProblem(error).code),
    },
    ended.signal,
  )
  return {
    seen,
    problems,
    happens: (channelId: Hex) => put({ sequence: ++sequence, type: 'live', channelId }),
    fails: put,
    end: async () => {
      ended.abort()
      await running
    },
  }
}
