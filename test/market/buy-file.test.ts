import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as Price from '../../src/core/price.js'
import { buyFile } from '../../src/market/buy-file.js'
import { bytesOf } from '../engine/support/wares.js'
import { createWorld } from '../support/world.js'

it('a file is paid by the channel that was opened for it, not by another one that is kept', async () => {
  const world = await createWorld()
  const directory = mkdtempSync(join(tmpdir(), 'sluice-buy-'))
  try {
    const buyer = await world.person('buyer', { funds: 100_000n })
    const seller = await world.person('seller')
    seller.node.serve('file', { price: Price.parse('1/B'), ...bytesOf(1_000) })
    const kept = await buyer.node.open(seller.address, { deposit: 5_000n })
    const out = join(directory, 'file')
    const { channelId, owed } = await buyFile(buyer.node, seller.address, { out, budget: 6_000n })
    expect(readFileSync(out).length).toBe(1_000)
    expect(owed).toBe(1_000n)
    expect(channelId).not.toBe(kept.id)
    expect(buyer.node.lane(kept.id, 0n)?.claim).toBe(0n)
  } finally {
    rmSync(directory, { recursive: true })
    await world.close()
  }
})
