/**
 * Hard times on a chain that a node must come through by itself: endpoints that lag or refuse it, transactions that lie
 * about since before its start, and many calls at once.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { LedgerEvent } from '../../../src/engine/ports.js'
import { type EvmHarness, harness } from './harness.js'
import { type Tools, toolsOf } from './tools.js'

let evm: EvmHarness
let tools: Tools

beforeAll(async () => {
  evm = await harness()
  tools = toolsOf(evm)
})
afterAll(() => evm.close())
afterEach(() => tools.close())

it('hears of what an endpoint that lags left out, as soon as it has it', async () => {
  let isBehind = false
  let leftOut = 0
  const lagging = await tools.endpoint((method) => {
    if (!isBehind || method !== 'eth_getLogs') return undefined
    leftOut++
    return { status: 200, body: { result: [] } }
  })
  const mine = await tools.rich()
  const acting = await tools.connectAs(mine, [evm.url])
  await tools.open(acting, mine)
  const watching = await tools.connectAs(mine, [lagging])
  const ended = new AbortController()
  const told: LedgerEvent[] = []
  const following = (async () => {
    for await (const event of watching.events({ after: 0, signal: ended.signal })) told.push(event)
  })()
  await expect.poll(() => told.length, { timeout: 10_000 }).toBeGreaterThan(0)
  isBehind = true
  const before = told.length
  const { id } = await tools.open(acting, mine)
  const asked = leftOut
  await evm.client.mine({ blocks: 1 })
  await expect.poll(() => leftOut).toBeGreaterThan(asked)
  expect(told.length).toBe(before)
  isBehind = false
  await evm.client.mine({ blocks: 1 })
  await expect.poll(() => told.at(-1)?.channelId, { timeout: 5_000 }).toBe(id)
  ended.abort()
  await following
  const all = told.map(({ sequence }) => sequence)
  expect(new Set(all).size).toBe(all.length)
})

it('asks the next endpoint where one wants a key, or is at another path', async () => {
  const mine = await tools.rich()
  for (const status of [401, 403, 404, 400]) {
    const closed = await tools.endpoint(() => ({ status }))
    const ledger = await tools.connectAs(mine, [closed, evm.url])
    expect(await ledger.time()).toBeGreaterThan(0n)
  }
})
