/**
 * The embedded layer as one account sees it: the engine's `Ledger` port over a transport, in process or HTTP.
 * It signs what it sends and trusts the layer's operator for the rest; it never resubmits blindly.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import * as Amount from '../../core/amount.js'
import { type Address, type Hex, toHex, zeroAddress } from '../../core/bytes.js'
import { SluiceError } from '../../core/errors.js'
import * as Parameters from '../../core/parameters.js'
import * as State from '../../core/state.js'
import type { Ledger, LedgerChannel, LedgerEvent } from '../../engine/ports.js'
import { LedgerError } from '../error.js'
import * as Answer from './answer.js'
import { type Json, type Transport, waitMaxMs } from './api.js'
import * as Call from './call.js'

export type EmbeddedLedger = Ledger & {
  /** Most the faucet gives at once. */
  readonly faucetMax: bigint
  /** Mints `amount` of the play asset (the zero address) to `account`. @throws LedgerError `FAUCET_LIMIT` */
  faucet(account: Address, amount: bigint): Promise<void>
}

export type Options = {
  readonly account: Address
  /** 65-byte signature by the account's key on a 32-byte digest. */
  readonly sign: (digest: Uint8Array) => Uint8Array | Promise<Uint8Array>
  /** Ends everything under way. */
  readonly signal?: AbortSignal
}

/** Tries of one call when other programs use the same account at the same time. */
const triesMax = 16
/** First and longest pause before asking an unreachable ledger for events again, in milliseconds. */
const pauseMs = 100
const pauseMaxMs = 5_000

/**
 * The layer behind `transport`.
 * @throws LedgerError `LEDGER_UNREACHABLE`, `NOT_A_LEDGER`
 */
export async function connect(transport: Transport, options: Options): Promise<EmbeddedLedger> {
  const { account, sign, signal: ended = new AbortController().signal } = options
  const info = Answer.info(await transport('info', {}, ended))
  const { chainId } = info
  const domain = Call.domainOf(chainId)
  if (info.adjudicator !== domain.adjudicator) throw Answer.notALedger()

  const ask = (method: string, params: Json, signal = ended): Promise<Json> =>
    transport(method, { ...params, chainId: `${chainId}` }, signal)

  const accountOf = async (of: Address, asset: Address) =>
    Answer.account(await ask('account', { account: of, asset }))

  const channel = async (channelId: Hex): Promise<LedgerChannel | undefined> =>
    Answer.channel(await ask('channel', { channelId }))

  async function submit(call: Call.Call): Promise<void> {
    const data = Call.encode(call)
    for (let left = triesMax; ; left--) {
      const { nonce } = await accountOf(account, zeroAddress)
      const signature = await sign(Call.digest(domain, { from: account, nonce, data }))
      const transaction = { from: account, nonce: `${nonce}`, data: toHex(data) }
      try {
        await ask('submit', { ...transaction, signature: toHex(signature) })
        return
      } catch (error) {
        // Refused whole, so this very transaction did nothing; the number was taken between our two calls.
        if (!(error instanceof LedgerError) || error.code !== 'BAD_NONCE' || left <= 1) throw error
      }
    }
  }

  // Our own calls go one after the other: two at once would take the same nonce.
  let last: Promise<unknown> = Promise.resolve()
  function inTurn(task: () => Promise<void>): Promise<void> {
    const mine = last.then(task, task)
    last = mine.catch(() => {})
    return mine
  }

  /** Submits `call` unless what it asks for is so already, be it by a call of ours whose answer was lost. */
  const ensure = (
    id: Hex,
    isSo: (channel: LedgerChannel | undefined) => boolean,
    call: Call.Call,
  ): Promise<void> =>
    inTurn(async () => {
      if (isSo(await channel(id))) return
      try {
        await submit(call)
      } catch (error) {
        // Somebody was quicker: then the refusal does not matter.
        if (!(error instanceof LedgerError) || error.code === 'LEDGER_UNREACHABLE') throw error
        if (!isSo(await channel(id))) throw error
      }
    })

  async function* events({
    after,
    signal,
  }: {
    after: number
    signal: AbortSignal
  }): AsyncGenerator<LedgerEvent> {
    const both = AbortSignal.any([signal, ended])
    let pause = pauseMs
    let seen = after
    while (!both.aborted) {
      try {
        const answer = await ask('events', { after: seen, waitMs: waitMaxMs }, both)
        pause = pauseMs
        for (const event of Answer.events(answer, seen)) {
          yield event
          seen = event.sequence
          if (both.aborted) return
        }
      } catch (error) {
        if (both.aborted) return
        if (!(error instanceof SluiceError) || error.code !== 'LEDGER_UNREACHABLE') throw error
        await sleep(pause, undefined, { signal: both }).catch(() => {})
        pause = Math.min(2 * pause, pauseMaxMs)
      }
    }
  }

  return {
    domain,
    account,
    minChallengePeriod: info.minChallengePeriod,
    faucetMax: info.faucetMax,
    time: async () => Answer.time(await ask('time', {})),
    balance: async (of, asset) => (await accountOf(of, asset)).balance,
    channel,
    events,
    faucet: (to, amount) =>
      inTurn(() => submit({ type: 'faucet', to, amount: Amount.check(amount) })),
    open: (parameters, signatures) =>
      ensure(Parameters.id(domain, parameters), (found) => found !== undefined, {
        type: 'open',
        parameters,
        signatures,
      }),
    async deposit(parameters, seat) {
      const channelId = Parameters.id(domain, parameters)
      const due = parameters.deposits[seat] ?? []
      await ensure(channelId, (found) => found?.status !== 'dead' && covers(found, seat, due), {
        type: 'deposit',
        channelId,
        seat,
      })
    },
    async refund(parameters, seat) {
      const channelId = Parameters.id(domain, parameters)
      await ensure(channelId, (found) => found?.status === 'dead' && isBack(found, seat), {
        type: 'refund',
        channelId,
        seat,
      })
    },
    async close(parameters, { version, outcome }, signatures) {
      const channelId = Parameters.id(domain, parameters)
      const root = State.root(channelId, { outcome, lanes: [] })
      await ensure(channelId, (found) => found?.status === 'closed', {
        type: 'close',
        channelId,
        version,
        root,
        kind: 1,
        outcome,
        signatures,
      })
    },
  }
}

/** Whether the seat has brought all it has to. */
const covers = (
  channel: LedgerChannel | undefined,
  seat: number,
  due: readonly bigint[],
): boolean =>
  channel !== undefined &&
  due.every((amount, asset) => (channel.deposited[seat]?.[asset] ?? 0n) >= amount)

/** Whether the seat brought something, and has all of it back. */
const isBack = ({ deposited, withdrawn }: LedgerChannel, seat: number): boolean =>
  (deposited[seat] ?? []).some((amount) => amount > 0n) &&
  (deposited[seat] ?? []).every((amount, asset) => withdrawn[seat]?.[asset] === amount)
