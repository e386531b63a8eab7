/**
 * Nodes and a watchtower of the engine on a chain, with real signatures: a thief's stale posting is answered while its
 * victim is away, lanes are redeemed before their deadline, and what gas would eat is left alone.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as after } from 'node:timers/promises'
import { getAddress } from 'viem'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Address, type Hex, zeroAddress } from '../../../src/core/bytes.js'
import type { Complete } from '../../../src/core/complete.js'
import * as Dispute from '../../../src/core/dispute.js'
import * as Price from '../../../src/core/price.js'
import type { Engine } from '../../../src/crypto/engine.js'
import { loadEngine } from '../../../src/crypto/load.js'
import { Node } from '../../../src/engine/node.js'
import type { Ledger, LedgerEvent, Sleep } from '../../../src/engine/ports.js'
import { Tower } from '../../../src/engine/tower.js'
import { memoryHub } from '../../../src/net/memory.js'
import * as Memory from '../../../src/store/memory.js'
import { keysOf } from '../../support/world.js'
import { wallet } from '../wallet.js'
import { bond, type EvmHarness, harness } from './harness.js'

const period = 60n
/** Seconds of a window, and one more. */
const window = 61

let evm: EvmHarness
let engine: Engine
const hub = memoryHub()
const stops: (() => Promise<void>)[] = []
let places = 0

beforeAll(async () => {
  evm = await harness()
  engine = await loadEngine()
})
afterAll(async () => {
  for (const stop of stops.reverse()) await stop()
  await evm.close()
})

/** Nobody sleeps for long: the chain's clock is turned by hand. */
const sleep: Sleep = (ms, signal) =>
  after(Math.min(ms, 50), undefined, signal === undefined ? {} : { signal }).catch(() => undefined)

async function ground(name: string) {
  const keys = keysOf(name)
  const mine = wallet()
  const ledger = await evm.connect(mine)
  const listen = [`/memory/${++places}`]
  const network = await hub.createNetwork({ privateKey: keys.peer, listen })
  const common = { network, store: Memory.open(), ledger, crypto: engine, sleep }
  return { keys, ledger, common }
}

async function watchtower(name: string): Promise<Tower> {
  const { keys, common } = await ground(name)
  const tower = new Tower({ ...common, signing: keys.signing })
  await tower.start()
  stops.push(() => tower.stop())
  return tower
}

async function person(name: string, asset: Address, tower?: string) {
  const { keys, ledger, common } = await ground(name)
  const node = new Node({
    ...common,
    keys,
    random: (size) => new Uint8Array(randomBytes(size)),
    exposureMax: undefined,
    challengePeriod: period,
    asset,
    tower,
  })
  await node.start()
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= node.stop())
  stops.push(stop)
  return { keys, ledger, node, stop, address: node.addresses[0] ?? '' }
}

type Person = Awaited<ReturnType<typeof person>>

/** Buys `bytes` bytes, which cost one unit of `price` each. */
async function buy(buyer: Person, seller: Person, bytes: number, price: bigint): Promise<void> {
  const [resource, ended] = [`${bytes} bytes`, new AbortController()]
  seller.node.serve(resource, {
    price: Price.parse(`${price}/B`),
    open: async function* (from) {
      yield new Uint8Array(bytes - Number(from))
    },
    signal: ended.signal,
  })
  for await (const _ of await buyer.node.consume(seller.address, resource));
  ended.abort()
}

/** What happened to a channel, up to the first event of this type. */
async function until(ledger: Ledger, id: Hex, type: LedgerEvent['type']): Promise<string[]> {
  const story: string[] = []
  const done = new AbortController()
  for await (const event of ledger.events({ after: 0, signal: done.signal })) {
    if (event.channelId !== id) continue
    story.push(event.type)
    if (event.type === type) break
  }
  done.abort()
  return story
}

/** Posts a state of the buyer's. */
async function post({ node, ledger, keys }: Person, id: Hex, state: Complete): Promise<void> {
  const channel = node.channel(id)
  if (channel === undefined) throw new Error('the channel is gone')
  const challenge = { channelId: id, version: state.version, account: ledger.account }
  const signature = engine.secp256k1.sign(Dispute.digest(ledger.domain, challenge), keys.signing)
  const { parameters, seat } = channel
  await ledger.challenge(parameters, seat, Dispute.posting(id, state), signature)
}

const complete = ({ node }: Person, id: Hex): Complete =>
  node.channel(id)?.complete as unknown as Complete

it('a tower answers a thief and redeems, while its client is away', async () => {
  const tower = await watchtower('tower')
  const seller = await person('seller', evm.token, tower.addresses[0])
  const buyer = await person('buyer', evm.token)
  await evm.fund(buyer.ledger.account, 1_000n)
  await evm.fundBond(buyer.ledger.account)
  const { id } = await buyer.node.open(seller.address, { deposit: 1_000n })
  const old = complete(buyer, id)
  await buy(buyer, seller, 100, 1n)
  await seller.node.fold(id)
  await buy(buyer, seller, 200, 1n)
  await seller.node.fold(id)
  await buy(buyer, seller, 50, 1n)
  expect(complete(buyer, id).version - old.version).toBeGreaterThanOrEqual(2n)
  await seller.node.watched()
  await seller.stop()
  await buyer.stop()

  const before = await seller.ledger.balance(seller.ledger.account, zeroAddress)
  await post(buyer, id, old)
  expect(await until(buyer.ledger, id, 'punished')).toContain('answered')
  expect(await seller.ledger.balance(seller.ledger.account, zeroAddress)).toBe(before + bond)
  await evm.advance(window)
  await until(buyer.ledger, id, 'redeemed')
  expect(await seller.ledger.balance(seller.ledger.account, evm.token)).toBe(50n)

  // Paying out and sweeping have no deadline: a node that comes back sees to them.
  await evm.advance(window)
  const settled = Dispute.preimage(id, complete(buyer, id).body)
  const parameters = buyer.node.channel(id)?.parameters
  if (parameters === undefined) throw new Error('the channel is gone')
  await buyer.ledger.freeze(parameters, settled)
  for (const leaf of Dispute.leaves(id, complete(buyer, id).body))
    await buyer.ledger.sweep(parameters, leaf)
  expect(await seller.ledger.balance(seller.ledger.account, evm.token)).toBe(350n)
  expect(await buyer.ledger.balance(buyer.ledger.account, evm.token)).toBe(650n)
})

it('a token is one asset in whatever case it is given, and none with a wrong checksum', async () => {
  const upper = `0x${evm.token.slice(2).toUpperCase()}` as const
  const mixed = getAddress(evm.token)
  const seller = await person('mixed seller', mixed)
  const buyer = await person('upper buyer', upper)
  expect([seller.node.asset, buyer.node.asset]).toEqual([evm.token, evm.token])
  await evm.fund(buyer.ledger.account, 1_000n)
  const { id, parameters } = await buyer.node.open(seller.address, { deposit: 500n, asset: mixed })
  expect(parameters.assets).toEqual([evm.token])
  await buyer.node.topUp(id, { amount: 10n, asset: upper })
  await buy(buyer, seller, 100, 1n)
  const again = await buyer.node.open(seller.address, { deposit: 100n, asset: upper })
  expect(again.id).toBe(id)

  const wrong = '0xD8dA6BF26964aF9D7eEd9e03E53415D37aA96045' as const
  const refused = expect.objectContaining({ code: 'BAD_ADDRESS' })
  await expect(person('mistyped', wrong)).rejects.toThrow(refused)
  const opening = buyer.node.open(seller.address, { deposit: 100n, asset: wrong })
  await expect(opening).rejects.toThrow(refused)
  const offer = { price: Price.parse('1/B'), asset: wrong, open: async function* () {} }
  expect(() => seller.node.serve('mistyped', offer)).toThrow(refused)
})

it('a deposit of coins that gas would eat is refused before it moves, and a claim left where it is', async () => {
  const seller = await person('native seller', zeroAddress)
  const buyer = await person('native buyer', zeroAddress)
  const fee = buyer.ledger.redeemFee(zeroAddress)
  expect(fee).toBeGreaterThan(0n)
  const before = await buyer.ledger.balance(buyer.ledger.account, zeroAddress)
  await expect(buyer.node.open(seller.address, { deposit: 2n * fee })).rejects.toThrow(
    expect.objectContaining({ code: 'LANE_TOO_SMALL' }),
  )
  expect(await buyer.ledger.balance(buyer.ledger.account, zeroAddress)).toBe(before)

  await evm.fundBond(buyer.ledger.account)
  const { id } = await buyer.node.open(seller.address, { deposit: 10n * fee })
  await buy(buyer, seller, 100, 1n)
  await buyer.node.challenge(id)
  await evm.advance(window)
  await until(seller.ledger, id, 'frozen')
  await evm.advance(window)
  expect(await until(seller.ledger, id, 'closed')).not.toContain('redeemed')
})

it('a claim of coins that is worth its gas is redeemed', async () => {
  const seller = await person('dear seller', zeroAddress)
  const buyer = await person('dear buyer', zeroAddress)
  const fee = buyer.ledger.redeemFee(zeroAddress)
  await evm.fundBond(buyer.ledger.account)
  const { id } = await buyer.node.open(seller.address, { deposit: 10n * fee })
  await buy(buyer, seller, 4, fee)
  await buyer.node.challenge(id)
  await evm.advance(window)
  await until(seller.ledger, id, 'redeemed')
})
