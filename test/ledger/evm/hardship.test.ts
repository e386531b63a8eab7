/**
 * Hard times on a chain that a node must come through by itself: endpoints that lag or refuse it, transactions that lie
 * about since before its start, and many calls at once.
 */
import { erc20Abi } from 'viem'
import { expect, it } from 'vitest'
import { zeroAddress } from '../../../src/core/bytes.js'
import type { LedgerEvent } from '../../../src/engine/ports.js'
import { setUp } from './tools.js'

const { evm, endpoint, rich, connectAs, open } = await setUp()

it('hears of what an endpoint that lags left out, as soon as it has it', async () => {
  let isBehind = false
  let leftOut = 0
  const lagging = await endpoint((method) => {
    if (!isBehind || method !== 'eth_getLogs') return undefined
    leftOut++
    return { status: 200, body: { result: [] } }
  })
  const mine = await rich()
  const acting = await connectAs(mine, [evm.url])
  await open(acting, mine)
  const watching = await connectAs(mine, [lagging])
  const ended = new AbortController()
  const told: LedgerEvent[] = []
  const following = (async () => {
    for await (const event of watching.events({ after: 0, signal: ended.signal })) told.push(event)
  })()
  await expect.poll(() => told.length, { timeout: 10_000 }).toBeGreaterThan(0)
  isBehind = true
  const before = told.length
  const { id } = await open(acting, mine)
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
  const mine = await rich()
  for (const status of [401, 403, 404, 400]) {
    const closed = await endpoint(() => ({ status }))
    const ledger = await connectAs(mine, [closed, evm.url])
    expect(await ledger.time()).toBeGreaterThan(0n)
  }
})

it('pays deposits of one token for several channels at once, and leaves no allowance', async () => {
  const mine = await rich()
  await evm.fund(mine.address, 1_000n)
  const ledger = await connectAs(mine, [evm.url])
  const rooms = [await open(ledger, mine), await open(ledger, mine), await open(ledger, mine)]
  await Promise.all(rooms.map(({ parameters }) => ledger.deposit(parameters, 0)))
  for (const { id } of rooms) expect((await ledger.channel(id))?.status).toBe('live')
  const left = await evm.client.readContract({
    address: evm.token,
    abi: erc20Abi,
    functionName: 'allowance',
    args: [mine.address, evm.adjudicator],
  })
  expect(left).toBe(0n)
})

it('finds what it did before a restart where that is not settled yet', async () => {
  const mine = await rich()
  const options = { confirmations: 3 }
  const first = new AbortController()
  const before = await connectAs(mine, [evm.url], { ...options, signal: first.signal })
  const opening = open(before, mine, zeroAddress)
  await expect.poll(() => evm.client.getTransactionCount({ address: mine.address })).toBe(1)
  await evm.client.mine({ blocks: 3 })
  const { id, parameters } = await opening
  const lost = before.deposit(parameters, 0).catch(() => 'stopped')
  await expect.poll(() => evm.client.getTransactionCount({ address: mine.address })).toBe(2)
  first.abort()
  expect(await lost).toBe('stopped')
  let calls = 0
  const counting = await endpoint((method) => {
    if (method === 'eth_call') calls++
    return undefined
  })
  const after = await connectAs(mine, [counting], options)
  const known = calls
  const again = after.deposit(parameters, 0).then(() => 'done')
  again.catch(() => undefined)
  // It looks again and again.
  await expect.poll(() => calls).toBeGreaterThan(known + 6)
  await evm.client.mine({ blocks: 3 })
  expect(await again).toBe('done')
  expect(await evm.client.getTransactionCount({ address: mine.address })).toBe(2)
  expect((await after.channel(id))?.status).toBe('live')
})

it('gets past what lies about since before its start, too cheap for any block', async () => {
  const mine = await rich()
  const count = () => evm.client.getTransactionCount({ address: mine.address })
  // Anvil forgets what is too cheap; other nodes go on counting it.
  let mined = 0
  const remembering = await endpoint((method, _, params) =>
    method === 'eth_getTransactionCount' && params.includes('pending') && mined === 0
      ? { status: 200, body: { result: '0x2' } }
      : undefined,
  )
  const ledger = await connectAs(mine, [remembering], { stuckMs: 50 })
  const { id } = await open(ledger, mine)
  mined = await count()
  expect(mined).toBe(3)
  expect((await ledger.channel(id))?.status).toBe('funding')
  const other = await open(ledger, mine)
  expect((await ledger.channel(other.id))?.status).toBe('funding')
  expect(await count()).toBe(4)
})
