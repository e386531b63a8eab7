/**
 * A channel as the chain has it at one block: read from the contract's storage, and from the logs of that channel
 * what the contract does not keep. Nothing is remembered but what can never change.
 */
import type { Address, PublicClient } from 'viem'
import { fromHex, type Hex } from '../../core/bytes.js'
import { id as idOf, type Parameters } from '../../core/parameters.js'
import type { Table } from '../../core/state.js'
import type { Domain } from '../../core/typed-data.js'
import type { LedgerChannel, LedgerLane } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import { adjudicator } from './contracts.generated.js'
import * as Logs from './logs.js'

const flags = { closed: 2, paid: 16 } as const

export type View = {
  /** Tells the view a channel's parameters, which saves looking for them. */
  learn(parameters: Parameters): void
  /** As it is at a height, the newest that counts as settled unless told. */
  channel(channelId: Hex, height?: Height): Promise<LedgerChannel | undefined>
  lane(channelId: Hex, lane: bigint, height?: Height): Promise<LedgerLane>
}

/** Number of a block to look at. */
export type Height = () => Promise<bigint>

export type Options = {
  readonly client: PublicClient
  readonly domain: Domain
  /** Newest block that counts as settled. */
  readonly head: Height
}

/** Channels whose parameters are remembered. */
const knownMax = 4_096

export function createView({ client, domain, head }: Options): View {
  const address = domain.adjudicator as Address
  const contract = { address, abi: adjudicator.abi } as const
  const known = new Map<Hex, Parameters>()

  function learn(parameters: Parameters): void {
    if (known.size >= knownMax) known.clear()
    known.set(idOf(domain, parameters), parameters)
  }

  const look = async (channelId: Hex, blockNumber: bigint, seats: number, assets: number) => {
    const args = [channelId, BigInt(seats), BigInt(assets)] as const
    return client.readContract({ ...contract, functionName: 'look', args, blockNumber })
  }

  /** The parameters that the opening told; some chains number blocks otherwise inside and out. */
  async function find(channelId: Hex, openedAt: bigint, newest: bigint): Promise<Parameters> {
    const filter = { names: ['Opened'], channelId }
    const near =
      openedAt <= newest ? await Logs.read(client, address, openedAt, openedAt, filter) : []
    const logs = near.length > 0 ? near : await Logs.read(client, address, 0n, newest, filter)
    const [opened] = logs
    if (opened?.eventName !== 'Opened')
      throw new LedgerError(
        'LEDGER_BEHIND',
        `The RPC endpoint does not have the log that opened channel ${channelId}: use one that keeps all logs.`,
      )
    const { parameters: p } = opened.args
    const lower = (text: Address): Address => text.toLowerCase() as Address
    const parameters = {
      ...p,
      seats: p.seats.map(({ signer, payout }) => ({
        signer: lower(signer),
        payout: lower(payout),
      })),
      assets: p.assets.map(lower),
      codeHash: fromHex(p.codeHash, 32),
      salt: fromHex(p.salt, 32),
    }
    learn(parameters)
    return parameters
  }

  /** What the end of a channel paid, per cell, where it has ended; lanes aside. */
  async function paidAtEnd(
    channelId: Hex,
    openedAt: bigint,
    newest: bigint,
  ): Promise<readonly bigint[]> {
    const names = ['Closed', 'Frozen']
    const from = openedAt <= newest ? openedAt : 0n
    const logs = await Logs.read(client, address, from, newest, { names, channelId })
    const end = logs.at(-1)
    return end?.eventName === 'Closed' || end?.eventName === 'Frozen' ? end.args.paid : []
  }

  async function channel(channelId: Hex, height = head): Promise<LedgerChannel | undefined> {
    const blockNumber = await height()
    const before = known.get(channelId)
    const [block, first] = await Promise.all([
      client.getBlock({ blockNumber }),
      look(channelId, blockNumber, before?.seats.length ?? 0, before?.assets.length ?? 0),
    ])
    if (first[0].flags === 0) return undefined
    const openedAt = BigInt(first[0].openedAt)
    const parameters = before ?? (await find(channelId, openedAt, blockNumber))
    const { deposits, fundBy, challengePeriod: period } = parameters
    const assets = parameters.assets.length
    const [at, challenge, held, extra, taken] =
      before === undefined
        ? await look(channelId, blockNumber, parameters.seats.length, assets)
        : first
    const ended = (at.flags & (flags.closed | flags.paid)) !== 0
    const paid = ended ? await paidAtEnd(channelId, openedAt, blockNumber) : []

    const table = (cell: (seat: number, asset: number, index: number) => bigint): Table =>
      deposits.map((row, seat) => row.map((_, asset) => cell(seat, asset, seat * assets + asset)))
    const has = (mask: number, seat: number): boolean => ((mask >> seat) & 1) === 1
    const opening = (mask: number, seat: number, asset: number): bigint =>
      has(mask, seat) ? (deposits[seat]?.[asset] ?? 0n) : 0n

    const now = block.timestamp
    const statesUntil = BigInt(at.challengedAt) + period
    const isLive = deposits.every((_, seat) => has(at.funded, seat))
    const isClosed = (at.flags & flags.closed) !== 0
    const isChallenged = at.challengedAt !== 0 && !isClosed
    const status = (): LedgerChannel['status'] => {
      if (isClosed) return 'closed'
      if (!isLive) return now > fundBy ? 'dead' : 'funding'
      if (!isChallenged) return 'live'
      return now <= statesUntil ? 'challenged' : 'frozen'
    }
    return {
      status: status(),
      deposited: table((seat, asset, i) => opening(at.funded, seat, asset) + (extra[i] ?? 0n)),
      withdrawn: table(
        (seat, asset, i) => opening(at.refunded, seat, asset) + (taken[i] ?? 0n) + (paid[i] ?? 0n),
      ),
      held,
      fundBy,
      versionMin: at.versionMin,
      challenge: isChallenged
        ? {
            version: at.version,
            root: fromHex(challenge.root, 32),
            poster: at.poster,
            posted: challenge.posted,
            statesUntil,
            redeemUntil: statesUntil + period,
            paid: (at.flags & flags.paid) !== 0,
          }
        : undefined,
    }
  }

  return {
    learn,
    channel,
    async lane(channelId, lane, height = head) {
      const args = [channelId, lane] as const
      const blockNumber = await height()
      const [claim, swept] = await client.readContract({
        ...contract,
        functionName: 'laneOf',
        args,
        blockNumber,
      })
      return { claim, swept }
    },
  }
}
