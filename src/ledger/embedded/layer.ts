/**
 * The embedded layer in one process: carries out transactions one after the other, durably before it answers,
 * and keeps time and the log of events. It must never tell anybody anything that a crash could take back.
 */
import { setTimeout as after } from 'node:timers/promises'
import * as Amount from '../../core/amount.js'
import { type Address, type Hex, toBigInt, uint } from '../../core/bytes.js'
import { assert } from '../../core/errors.js'
import type {
  Clock,
  LedgerChannel,
  LedgerEvent,
  LedgerLane,
  Random,
  Sleep,
  Store,
  Write,
} from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import * as Call from './call.js'
import type { Recover, Rules } from './effect.js'
import * as Escrow from './escrow.js'
import * as Machine from './machine.js'
import * as Records from './records.js'

export type Layer = {
  readonly rules: Rules
  /** The layer's clock, Unix seconds: it never goes back, and stands still while nobody serves the layer. */
  time(): Promise<bigint>
  /** Number of the account's next transaction. */
  nonce(account: Address): bigint
  balance(account: Address, asset: Address): bigint
  channel(channelId: Hex): Promise<LedgerChannel | undefined>
  lane(channelId: Hex, lane: bigint): LedgerLane
  /** Carries out a transaction; resolves when it is durable. @throws LedgerError, StoreError */
  submit(transaction: Call.Transaction): Promise<void>
  /** Events above `after`, at most `eventsMax`. @throws LedgerError `LEDGER_BEHIND` */
  events(after: number): readonly LedgerEvent[]
  /** Resolves when there is an event above `after`, or when aborted. */
  happened(after: number, signal: AbortSignal): Promise<void>
  /** Finishes what was asked for. The store stays open: it is its owner's. */
  close(): Promise<void>
}

export type Options = {
  readonly store: Store
  readonly recover: Recover
  readonly random: Random
  /** Milliseconds since the Unix epoch; only differences count once the layer exists. */
  readonly clock?: Clock
  /** Between two heartbeats; real time, which keeps no process alive, unless told. */
  readonly sleep?: Sleep
  /** For a layer that is created now; one that exists keeps its own. */
  readonly minChallengePeriod?: bigint
  readonly challengeBond?: bigint
  readonly faucetMax?: bigint
}

/** Events of one answer. */
const eventsMax = 256
/** Transactions of one commit. */
const batchMax = 256
/** Of the records; 1 had no disputes. */
const metaVersion = 4
/** So often is time made durable when nobody asks for it. */
const heartbeatMs = 10_000

/** Does not jump with the machine's clock, and stops with it when it sleeps. */
const steadyClock: Clock = () => performance.timeOrigin + performance.now()

const idleSleep: Sleep = (ms, signal) =>
  after(ms, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) }).catch(
    () => undefined,
  )

type Job = {
  readonly transaction: Call.Transaction
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Opens the layer in `store`, creating it where there is none.
 * @throws LedgerError `LEDGER_DAMAGED`, StoreError
 */
export async function open(options: Options): Promise<Layer> {
  const { store, recover, random, clock = steadyClock, sleep = idleSleep } = options
  if (store.get(Records.metaKey) === undefined) await create(store, random, clock, options)
  const rules = { ...readMeta(store), recover }
  const records = Records.over(store.get)
  audit(store)

  const startedAtMs = clock()
  const startedAt = Records.readUint(store.get, Records.timeKey, 8)
  /** Latest time that is durable: nobody was told a later one. */
  let spoken = startedAt
  let sequence = Number(Records.readUint(store.get, Records.sequenceKey, 8))
  const jobs: Job[] = []
  let running: Promise<void> | undefined
  let closed = false
  const waiting = new Set<() => void>()

  const current = (): bigint =>
    Amount.larger(
      spoken,
      startedAt + BigInt(Math.max(0, Math.floor((clock() - startedAtMs) / 1000))),
    )

  async function time(): Promise<bigint> {
    const now = current()
    if (now > spoken) {
      await store.commit([timeWrite(now)])
      spoken = Amount.larger(spoken, now)
    }
    return now
  }

  async function run(): Promise<void> {
    await undefined
    while (jobs.length > 0) await runBatch(jobs.splice(0, batchMax))
    running = undefined
  }

  /** One commit for all; each sees what those before it did. Nobody is answered before it is durable. */
  async function runBatch(batch: readonly Job[]): Promise<void> {
    const pending = new Map<string, Uint8Array>()
    const now = current()
    const draft = Records.over((key) => pending.get(key) ?? store.get(key))
    let last = sequence
    const put = ({ key, value }: Write): void => {
      assert(value !== undefined, 'the layer deletes nothing')
      pending.set(key, value)
    }
    const answers = batch.map(({ transaction, resolve, reject }) => {
      try {
        const { changes, events } = Machine.apply(rules, draft, transaction, now)
        for (const change of changes) put(Records.write(change))
        for (const event of events) put(Records.writeEvent({ ...event, sequence: ++last }))
        return resolve
      } catch (error) {
        return () => reject(error)
      }
    })
    if (now > spoken) put(timeWrite(now))
    if (last > sequence) put({ key: Records.sequenceKey, value: uint(last, 8) })
    try {
      if (pending.size > 0) await store.commit([...pending].map(([key, value]) => ({ key, value })))
    } catch (error) {
      for (const { reject } of batch) reject(error)
      return
    }
    spoken = Amount.larger(spoken, now)
    sequence = last
    for (const answer of answers) answer()
    for (const wake of [...waiting]) wake()
  }

  const ended = new AbortController()
  async function beat(): Promise<void> {
    for (;;) {
      await sleep(heartbeatMs, ended.signal)
      if (ended.signal.aborted) return
      // A failing disk shows in the next answer that needs it.
      await time().catch(() => {})
    }
  }
  void beat()

  return {
    rules,
    time,
    nonce: records.nonce,
    balance: records.balance,
    async channel(channelId) {
      const now = await time()
      const escrow = records.escrow(channelId)
      return escrow && Escrow.view(escrow, now)
    },
    lane: records.lane,
    submit(transaction) {
      return new Promise((resolve, reject) => {
        if (closed) return reject(new LedgerError('LEDGER_CLOSED', 'The ledger is shutting down.'))
        jobs.push({ transaction, resolve, reject })
        running ??= run()
      })
    },
    events(after) {
      if (after > sequence)
        throw new LedgerError(
          'LEDGER_BEHIND',
          `The ledger's newest event is ${sequence}, not ${after}: it has lost events it had announced.`,
        )
      const count = Math.min(sequence - after, eventsMax)
      return Array.from({ length: count }, (_, at) => Records.readEvent(store.get, after + 1 + at))
    },
    happened(after, signal) {
      return new Promise((resolve) => {
        const check = (): void => {
          if (sequence <= after && !signal.aborted) return
          waiting.delete(check)
          signal.removeEventListener('abort', check)
          resolve()
        }
        waiting.add(check)
        signal.addEventListener('abort', check)
        check()
      })
    },
    async close() {
      if (closed) return
      closed = true
      ended.abort()
      await running
      await time()
    },
  }
}

const timeWrite = (now: bigint): Write => ({ key: Records.timeKey, value: uint(now, 8) })

/** A new layer: its chain id is drawn, so that no other layer ever has the same. */
async function create(
  store: Store,
  random: Random,
  clock: Clock,
  { minChallengePeriod = 60n, challengeBond = 1_000n, faucetMax = 10n ** 15n }: Options,
): Promise<void> {
  // From 2^40 up: out of the way of public chains; below 2^53: exact in JSON and wallets.
  const chainId = 2n ** 40n + toBigInt(random(6))
  const meta = { version: metaVersion, chainId, minChallengePeriod, challengeBond, faucetMax }
  const text = JSON.stringify(meta, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  await store.commit([
    { key: Records.metaKey, value: new TextEncoder().encode(text) },
    timeWrite(BigInt(Math.floor(clock() / 1000))),
  ])
}

function readMeta(store: Store): Omit<Rules, 'recover'> {
  try {
    const text = new TextDecoder().decode(store.get(Records.metaKey))
    const meta: Record<string, unknown> = JSON.parse(text)
    if (meta.version !== metaVersion)
      throw new LedgerError(
        'LEDGER_VERSION',
        'This ledger was made by another version of Sluice. Run it with that one, or start a new ledger.',
      )
    const number = (name: string): bigint => Amount.parse(String(meta[name]))
    return {
      domain: Call.domainOf(number('chainId')),
      minChallengePeriod: number('minChallengePeriod'),
      challengeBond: number('challengeBond'),
      faucetMax: number('faucetMax'),
    }
  } catch (error) {
    if (error instanceof LedgerError) throw error
    throw Records.damaged(Records.metaKey, error)
  }
}

/**
 * All money of the store against its books, asset by asset.
 * @throws LedgerError `LEDGER_DAMAGED`
 */
function audit(store: Store): void {
  const sums = new Map<Hex, { accounts: bigint; held: bigint }>()
  const sum = (asset: Hex): { accounts: bigint; held: bigint } => {
    const found = sums.get(asset) ?? { accounts: 0n, held: 0n }
    sums.set(asset, found)
    return found
  }
  for (const [key] of store.entries(Records.supplyPrefix)) sum(Records.lastPart(key))
  for (const [key, value] of store.entries(Records.balancePrefix))
    sum(Records.lastPart(key)).accounts += toBigInt(value)
  for (const [, value] of store.entries(Records.channelPrefix)) {
    for (const [asset, amount] of Escrow.money(Records.readEscrow(value))) sum(asset).held += amount
  }
  for (const [asset, { accounts, held }] of sums) {
    const supply = Records.over(store.get).supply(asset)
    if (supply.held !== held || supply.minted !== accounts + held)
      throw Records.damaged(`${Records.supplyPrefix}${asset}`)
  }
}
