import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex, uint, zeroAddress, zeroes } from '../../src/core/bytes.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type { Store } from '../../src/engine/ports.js'
import * as Call from '../../src/ledger/embedded/call.js'
import type { Layer } from '../../src/ledger/embedded/layer.js'
import * as Memory from '../../src/store/memory.js'
import * as Disk from '../support/disk.js'
import { clock, open } from './harness.js'
import { type Wallet, wallet } from './wallet.js'

const refusal = (code: string) => expect.objectContaining({ code })
const turn = () => new Promise(setImmediate)

async function signed(
  layer: Layer,
  by: Wallet,
  call: Call.Call,
  change: { domain?: typeof layer.rules.domain; nonce?: bigint; from?: typeof by.address } = {},
): Promise<Call.Transaction> {
  const { domain = layer.rules.domain, nonce = layer.nonce(by.address), from = by.address } = change
  const unsigned = { from, nonce, data: Call.encode(call) }
  return { ...unsigned, signature: await by.sign(Call.digest(domain, unsigned)) }
}

const faucet = (to: Wallet, amount: bigint): Call.Call => ({
  type: 'faucet',
  to: to.address,
  amount,
})

describe('transactions', () => {
  it('are carried out once: what was sent before is refused for ever', async () => {
    const layer = await open()
    const a = wallet()
    const first = await signed(layer, a, faucet(a, 5n))
    await layer.submit(first)
    await expect(layer.submit(first)).rejects.toThrow(refusal('BAD_NONCE'))
    await layer.submit(await signed(layer, a, faucet(a, 2n)))
    await expect(layer.submit(first)).rejects.toThrow(refusal('BAD_NONCE'))
    expect(layer.balance(a.address, zeroAddress)).toBe(7n)
    expect(layer.nonce(a.address)).toBe(2n)
  })

  it('come in the order of their numbers, without gaps', async () => {
    const layer = await open()
    const a = wallet()
    const ahead = await signed(layer, a, faucet(a, 5n), { nonce: 1n })
    await expect(layer.submit(ahead)).rejects.toThrow(refusal('BAD_NONCE'))
    await layer.submit(await signed(layer, a, faucet(a, 1n)))
    await layer.submit(ahead)
    expect(layer.balance(a.address, zeroAddress)).toBe(6n)
  })

  it('are worth nothing unless their account signed them for this very layer', async () => {
    const [layer, other] = [await open(), await open()]
    const [a, b] = [wallet(), wallet()]
    const { domain } = layer.rules
    const foreign = [
      await signed(layer, a, faucet(a, 5n), { domain: other.rules.domain }),
      await signed(layer, a, faucet(a, 5n), {
        domain: { ...domain, chainId: domain.chainId + 1n },
      }),
      await signed(layer, a, faucet(a, 5n), { domain: { ...domain, adjudicator: b.address } }),
      await signed(layer, b, faucet(a, 5n), { from: a.address }),
      { ...(await signed(layer, a, faucet(a, 5n))), data: Call.encode(faucet(a, 6n)) },
      { ...(await signed(layer, a, faucet(a, 5n))), signature: zeroes(65) },
    ]
    for (const transaction of foreign)
      await expect(layer.submit(transaction)).rejects.toThrow(refusal('BAD_SIGNATURE'))
    expect(layer.nonce(a.address)).toBe(0n)
    expect(domain).not.toEqual(other.rules.domain)
    expect(domain.chainId).toBeGreaterThanOrEqual(2n ** 40n)
  })

  it('that are refused leave no trace, not even their number', async () => {
    const store = Memory.open()
    const layer = await open(store, { faucetMax: 10n, clock: clock() })
    const a = wallet()
    const before = [...store.entries('')]
    await expect(layer.submit(await signed(layer, a, faucet(a, 11n)))).rejects.toThrow(
      refusal('FAUCET_LIMIT'),
    )
    const bytes = { from: a.address, nonce: 0n, data: randomBytes(40) }
    const signature = await a.sign(Call.digest(layer.rules.domain, bytes))
    await expect(layer.submit({ ...bytes, signature })).rejects.toThrow(refusal('BAD_CALL'))
    expect([...store.entries('')]).toEqual(before)
    await layer.submit(await signed(layer, a, faucet(a, 10n)))
  })

  it('write the records they change, not the world', async () => {
    const store = Memory.open()
    const written: string[] = []
    const spied: Store = {
      ...store,
      commit(writes) {
        written.push(...writes.map(({ key }) => key))
        return store.commit(writes)
      },
    }
    const layer = await open(spied, { clock: clock() })
    const [a, b] = [wallet(), wallet()]
    for (const each of [a, b]) await layer.submit(await signed(layer, each, faucet(each, 5n)))
    written.length = 0
    await layer.submit(await signed(layer, a, faucet(b, 1n)))
    expect(written.sort()).toEqual([
      `ledger/balance/${b.address}/${zeroAddress}`,
      `ledger/nonce/${a.address}`,
      `ledger/supply/${zeroAddress}`,
    ])
  })
})

describe('durability', () => {
  it('answers when the disk has it, and not a moment before', async () => {
    const disk = Disk.create()
    const layer = await open(disk.open(), { clock: clock() })
    const a = wallet()
    const transaction = await signed(layer, a, faucet(a, 5n))
    disk.hold()
    let answered = false
    const answer = layer.submit(transaction).then(() => {
      answered = true
    })
    await turn()
    expect(answered).toBe(false)
    expect(layer.balance(a.address, zeroAddress)).toBe(0n)
    disk.release()
    await answer
    expect(layer.balance(a.address, zeroAddress)).toBe(5n)
  })

  it('does not even refuse on the strength of what could still be lost', async () => {
    const disk = Disk.create()
    const layer = await open(disk.open(), { clock: clock() })
    const a = wallet()
    const [one, two] = await Promise.all([
      signed(layer, a, faucet(a, 5n)),
      signed(layer, a, faucet(a, 7n)),
    ])
    disk.hold()
    const answers: string[] = []
    layer.submit(one).then(() => answers.push('one'))
    layer.submit(two).catch((error) => answers.push(error.code))
    await turn()
    expect(answers).toEqual([])
    disk.crash()
    const again = await open(disk.open(), { clock: clock() })
    await again.submit(two)
    expect(again.balance(a.address, zeroAddress)).toBe(7n)
    expect(answers).toEqual([])
  })

  it('puts what comes at once into few syncs', async () => {
    const disk = Disk.create()
    const layer = await open(disk.open(), { clock: clock() })
    const wallets = Array.from({ length: 50 }, () => wallet())
    const transactions = await Promise.all(
      wallets.map((each) => signed(layer, each, faucet(each, 1n))),
    )
    const before = disk.syncs
    await Promise.all(transactions.map((transaction) => layer.submit(transaction)))
    expect(disk.syncs - before).toBe(1)
  })

  it('fails what a full disk cannot take, changes nothing, and goes on when there is room', async () => {
    const disk = Disk.create()
    const layer = await open(disk.open(), { clock: clock() })
    const a = wallet()
    const transaction = await signed(layer, a, faucet(a, 5n))
    disk.full = true
    await expect(layer.submit(transaction)).rejects.toThrow(refusal('DISK_FULL'))
    expect(layer.nonce(a.address)).toBe(0n)
    disk.full = false
    await layer.submit(transaction)
    expect(layer.balance(a.address, zeroAddress)).toBe(5n)
  })

  it('is the same layer after a restart: chain, money, numbers, events', async () => {
    const store = Memory.open()
    const first = await open(store, { clock: clock(), minChallengePeriod: 7n, faucetMax: 9n })
    const a = wallet()
    await first.submit(await signed(first, a, faucet(a, 5n)))
    const transaction = await signed(first, a, faucet(a, 1n), { nonce: 0n })
    await first.close()
    await expect(first.submit(transaction)).rejects.toThrow(refusal('LEDGER_CLOSED'))
    const second = await open(store, { clock: clock(), minChallengePeriod: 99n, faucetMax: 99n })
    expect(second.rules).toEqual(first.rules)
    expect(second.balance(a.address, zeroAddress)).toBe(5n)
    await expect(second.submit(transaction)).rejects.toThrow(refusal('BAD_NONCE'))
  })

  it('refuses to start on records that are damaged or do not add up', async () => {
    const a = wallet()
    const damage: [string, Uint8Array | undefined][] = [
      ['ledger/meta', new TextEncoder().encode('{"version":1')],
      ['ledger/meta', new TextEncoder().encode('{"version":4}')],
      ['ledger/time', zeroes(3)],
      [`ledger/balance/${a.address}/${zeroAddress}`, zeroes(32)],
      [`ledger/balance/${a.address}/${zeroAddress}`, undefined],
      [`ledger/supply/${zeroAddress}`, undefined],
      [`ledger/channel/${toHex(zeroes(32))}`, zeroes(10)],
    ]
    for (const [key, value] of damage) {
      const store = Memory.open()
      const layer = await open(store)
      await layer.submit(await signed(layer, a, faucet(a, 5n)))
      await layer.close()
      await store.commit([{ key, value }])
      await expect(open(store)).rejects.toThrow(refusal('LEDGER_DAMAGED'))
    }
  })

  it('of another version of Sluice is refused by that name, not as damage', async () => {
    const store = Memory.open()
    await (await open(store)).close()
    const meta = JSON.parse(new TextDecoder().decode(store.get('ledger/meta')))
    const value = new TextEncoder().encode(JSON.stringify({ ...meta, version: 1 }))
    await store.commit([{ key: 'ledger/meta', value }])
    await expect(open(store)).rejects.toThrow(refusal('LEDGER_VERSION'))
  })
})

describe('time', () => {
  it('advances only while the layer is served', async () => {
    const store = Memory.open()
    const morning = clock()
    const first = await open(store, { clock: morning })
    const start = await first.time()
    expect(start).toBe(BigInt(morning() / 1000))
    morning.advance(50)
    expect(await first.time()).toBe(start + 50n)
    await first.close()
    const evening = clock()
    evening.advance(100_000)
    const second = await open(store, { clock: evening })
    expect(await second.time()).toBe(start + 50n)
    evening.advance(1)
    expect(await second.time()).toBe(start + 51n)
  })

  it('never goes back: not by a crash, not by a clock that is set back', async () => {
    const disk = Disk.create()
    const time = clock()
    const layer = await open(disk.open(), { clock: time })
    time.advance(500)
    const told = await layer.time()
    time.advance(-400)
    expect(await layer.time()).toBe(told)
    disk.crash()
    expect(await (await open(disk.open(), { clock: clock() })).time()).toBe(told)
  })

  it('is told when it is durable: a deadline that has passed has passed for good', async () => {
    const disk = Disk.create()
    const time = clock()
    const layer = await open(disk.open(), { clock: time })
    time.advance(10)
    disk.hold()
    let told = false
    layer.time().then(() => {
      told = true
    })
    await turn()
    expect(told).toBe(false)
    disk.release()
    await turn()
    expect(told).toBe(true)
  })
})

describe('events', () => {
  it('are numbered from 1, bounded in one answer, and an error when they are yet to come', async () => {
    const layer = await open()
    const [a, b] = [wallet(), wallet()]
    const seats = [a, b].map(({ address }) => ({ signer: address, payout: address }))
    const fundBy = (await layer.time()) + 100n
    for (let number = 0; number < 130; number++) {
      const parameters: Parameters.Parameters = {
        seats,
        assets: [zeroAddress],
        deposits: [[0n], [0n]],
        fundBy,
        challengePeriod: 60n,
        codeHash: zeroes(),
        salt: uint(number, 32),
      }
      const channelId = Parameters.id(layer.rules.domain, parameters)
      const root = State.root(channelId, State.opening(parameters))
      const digest = State.digest(layer.rules.domain, { channelId, version: 0n, root, kind: 0 })
      const signatures = [await a.sign(digest), await b.sign(digest)]
      await layer.submit(await signed(layer, a, { type: 'open', parameters, signatures }))
    }
    const first = layer.events(0)
    expect(first).toHaveLength(256)
    const rest = layer.events(256)
    expect([...first, ...rest].map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 260 }, (_, at) => at + 1),
    )
    expect(first.slice(0, 3).map(({ type }) => type)).toEqual(['opened', 'live', 'opened'])
    expect(layer.events(260)).toEqual([])
    expect(() => layer.events(261)).toThrow(refusal('LEDGER_BEHIND'))
  })
})
