/**
 * The adjudicator's logs: read in ranges as large as the endpoint allows, and followed from any point on. Where
 * the chain reorganises, whatever was told of a channel is told again as something to look at afresh.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Address,
  BaseError,
  type Log,
  type PublicClient,
  parseEventLogs,
  toEventSelector,
} from 'viem'
import * as Amount from '../../core/amount.js'
import type { Hex } from '../../core/bytes.js'
import { SluiceError } from '../../core/errors.js'
import type { LedgerEvent } from '../../engine/ports.js'
import { adjudicator } from './contracts.generated.js'

export type Decoded = ReturnType<typeof decode>[number]

const decode = (logs: readonly Log[]) => parseEventLogs({ abi: adjudicator.abi, logs: [...logs] })

/** Blocks asked for at once where the endpoint lets us; halved until it does. */
const rangeMax = 50_000n
/** Blocks whose hashes are remembered: no reorganisation that any of our chains allows goes deeper. */
const rememberedMax = 256
/** Blocks that are read once more each time: one endpoint of many that is behind leaves out their logs, and does not say so. */
const readAgain = 32n

/** Logs of one transaction are numbered by the block: 2^20 a block leaves 2^33 blocks in a safe integer. */
const perBlock = 2 ** 20
const sequenceOf = (block: bigint, index: number): number => Number(block) * perBlock + index + 1

const types = {
  Opened: 'opened',
  Deposited: 'deposited',
  ToppedUp: 'deposited',
  Live: 'live',
  Refunded: 'refunded',
  Withdrawn: 'withdrawn',
  Challenged: 'challenged',
  Answered: 'answered',
  Punished: 'punished',
  Resumed: 'resumed',
  Frozen: 'frozen',
  Redeemed: 'redeemed',
  Swept: 'swept',
  Closed: 'closed',
  Ended: 'closed',
} as const satisfies Record<string, LedgerEvent['type']>

const isChannelEvent = (name: string): name is keyof typeof types => Object.hasOwn(types, name)

/** Topics of the events with these names. */
export const topics = (...names: readonly string[]): Hex[] =>
  adjudicator.abi.flatMap((item) =>
    item.type === 'event' && names.includes(item.name) ? [toEventSelector(item)] : [],
  )

export type Filter = { readonly names?: readonly string[]; readonly channelId?: Hex }

/** Logs of blocks `from` to `to`, both included, in order. @throws LedgerError, or viem's when no range is small enough */
export async function read(
  client: PublicClient,
  address: Address,
  from: bigint,
  to: bigint,
  { names, channelId }: Filter = {},
): Promise<Decoded[]> {
  const found: Decoded[] = []
  let size = rangeMax
  for (let at = from; at <= to; ) {
    const end = at + size - 1n < to ? at + size - 1n : to
    try {
      const logs = await client.request({
        method: 'eth_getLogs',
        params: [
          {
            address,
            fromBlock: `0x${at.toString(16)}`,
            toBlock: `0x${end.toString(16)}`,
            topics: [names === undefined ? null : topics(...names), channelId ?? null],
          },
        ],
      })
      found.push(...decode(logs.map(format)))
      at = end + 1n
    } catch (error) {
      const own = error instanceof Error && 'walk' in error ? findOwn(error) : error
      if (own instanceof SluiceError) throw own
      if (end === at) throw error
      size = (end - at + 1n) / 2n
    }
  }
  return found
}

/** The error of ours that viem wrapped, or the error as it is. */
function findOwn(error: unknown): unknown {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (at instanceof SluiceError) return at
  return error
}

const format = (log: unknown): Log => {
  const raw = log as { blockNumber: Hex; logIndex: Hex }
  return {
    ...(raw as unknown as Log),
    blockNumber: BigInt(raw.blockNumber),
    logIndex: Number(raw.logIndex),
  }
}

/** The event of a log, or undefined for one that is not of a channel. */
export function eventOf(log: Decoded): LedgerEvent | undefined {
  if (!isChannelEvent(log.eventName)) return undefined
  const args = log.args as { channelId: Hex; version?: bigint; lane?: bigint; claim?: bigint }
  const type = types[log.eventName]
  const versioned = type === 'challenged' || type === 'answered' || type === 'resumed'
  return {
    sequence: sequenceOf(log.blockNumber as bigint, log.logIndex as number),
    type,
    channelId: args.channelId,
    ...(versioned && args.version !== undefined ? { version: args.version } : {}),
    ...(args.lane === undefined ? {} : { lane: args.lane }),
    ...(args.claim === undefined ? {} : { claim: args.claim }),
  }
}

export type Follow = {
  readonly client: PublicClient
  readonly address: Address
  /** First block that can have logs of ours. */
  readonly genesis: bigint
  /** Newest block that counts as settled. */
  readonly head: () => Promise<bigint>
  readonly pollMs: number
  readonly after: number
  readonly signal: AbortSignal
}

const pauseMaxMs = 5_000

/** Events above `after`, and on as they happen. */
export async function* follow(options: Follow): AsyncGenerator<LedgerEvent> {
  const { client, address, genesis, head, pollMs, after, signal } = options
  const first = after > 0 ? BigInt(Math.floor((after - 1) / perBlock)) : genesis
  let next = first
  /** What was told before we began: nothing up to here is told again. */
  let before = after
  /** Hash of each settled block that we looked at last, and what was told since. */
  const hashes = new Map<bigint, Hex>()
  let told: LedgerEvent[] = []
  let pause = pollMs
  const wait = (ms: number) => sleep(ms, undefined, { signal }).catch(() => undefined)
  while (!signal.aborted) {
    try {
      const fork = await forkOf(client, hashes)
      if (fork !== undefined) {
        const lost = told.filter(({ sequence }) => sequence >= sequenceOf(fork, 0))
        told = told.filter(({ sequence }) => sequence < sequenceOf(fork, 0))
        for (const block of [...hashes.keys()]) if (block >= fork) hashes.delete(block)
        next = fork
        const last = sequenceOf(fork, 0) - 1
        before = Math.min(before, last)
        for (const channelId of new Set(lost.map((event) => event.channelId)))
          yield { sequence: Math.max(last, 1), type: 'reorganised', channelId }
      }
      const to = await head()
      if (to < next) {
        await wait(pollMs)
        continue
      }
      const hash = (await client.getBlock({ blockNumber: to })).hash as Hex
      const known = new Set(told.map(({ sequence }) => sequence))
      for (const log of await read(client, address, Amount.larger(first, next - readAgain), to)) {
        const event = eventOf(log)
        if (event === undefined || event.sequence <= before || known.has(event.sequence)) continue
        yield event
        told.push(event)
        if (signal.aborted) return
      }
      hashes.set(to, hash)
      for (const block of [...hashes.keys()].slice(0, -rememberedMax)) hashes.delete(block)
      next = to + 1n
      const oldest = [...hashes.keys()].reduce(Amount.min) - readAgain
      told = told.filter(({ sequence }) => sequence >= sequenceOf(Amount.larger(0n, oldest), 0))
      pause = pollMs
    } catch (error) {
      if (signal.aborted) return
      // An endpoint that is away, or behind the one that was asked before: it knows in a while.
      if (!(error instanceof SluiceError || error instanceof BaseError)) throw error
      await wait(pause)
      pause = Math.min(2 * pause, pauseMaxMs)
    }
  }
}

/** The first block that is not the one we saw, or undefined while the newest still is. */
async function forkOf(
  client: PublicClient,
  hashes: ReadonlyMap<bigint, Hex>,
): Promise<bigint | undefined> {
  let fork: bigint | undefined
  for (const [number, hash] of [...hashes].reverse()) {
    const block = await client.getBlock({ blockNumber: number }).catch((error: unknown) => {
      if (findOwn(error) instanceof SluiceError) throw error
      return undefined
    })
    if (block?.hash === hash) return fork === undefined ? undefined : number + 1n
    fork = number
  }
  // Nothing that we remember is left: from the oldest on.
  return fork
}
