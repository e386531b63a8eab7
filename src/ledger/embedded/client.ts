/**
 * The embedded layer as one account sees it: the engine's `Ledger` port over a transport, in process or HTTP.
 * It signs what it sends and trusts the layer's operator for the rest; it never resubmits blindly.
 */
import { setTimeout as after } from 'node:timers/promises'
import { parseAddress } from '../../core/address.js'
import * as Amount from '../../core/amount.js'
import { type Address, type Hex, toHex, zeroAddress } from '../../core/bytes.js'
import * as Claim from '../../core/claim.js'
import { SluiceError } from '../../core/errors.js'
import * as Parameters from '../../core/parameters.js'
import type { Ledger, LedgerChannel, LedgerEvent, LedgerLane, Sleep } from '../../engine/ports.js'
import * as Done from '../done.js'
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
  /** Real time unless told. */
  readonly sleep?: Sleep
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
  const { account, sign, signal: ended = new AbortController().signal, sleep = realSleep } = options
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

  const lane = async (channelId: Hex, id: bigint): Promise<LedgerLane> =>
    Answer.lane(await ask('lane', { channelId, lane: `${id}` }))

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

  const ensure = (isSo: () => Promise<boolean>, call: Call.Call): Promise<void> =>
    inTurn(() => Done.unless(isSo, () => submit(call)))

  const ensureChannel = (
    parameters: Parameters.Parameters,
    isSo: (channel: LedgerChannel) => boolean,
    call: OnChannel,
  ): Promise<void> => {
    const channelId = Parameters.id(domain, parameters)
    const look = async (): Promise<boolean> => {
      const found = await channel(channelId)
      return found !== undefined && isSo(found)
    }
    return ensure(look, { ...call, channelId })
  }

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
        await sleep(pause, both)
        pause = Math.min(2 * pause, pauseMaxMs)
      }
    }
  }

  return {
    domain,
    account,
    minChallengePeriod: info.minChallengePeriod,
    challengeBond: info.challengeBond,
    // Its transactions are free.
    redeemFee: () => 0n,
    faucetMax: info.faucetMax,
    time: async () => Answer.time(await ask('time', {})),
    balance: async (of, asset) => (await accountOf(parseAddress(of), parseAddress(asset))).balance,
    channel,
    lane,
    events,
    faucet: (to, amount) =>
      inTurn(() => submit({ type: 'faucet', to: parseAddress(to), amount: Amount.check(amount) })),
    open(parameters, signatures) {
      const channelId = Parameters.id(domain, parameters)
      const isSo = async () => (await channel(channelId)) !== undefined
      return ensure(isSo, { type: 'open', parameters, signatures })
    },
    deposit: (parameters, seat) =>
      ensureChannel(parameters, Done.deposited(seat, parameters.deposits[seat] ?? []), {
        type: 'deposit',
        seat,
      }),
    refund: (parameters, seat) =>
      ensureChannel(parameters, Done.refunded(seat), { type: 'refund', seat }),
    topUp: (parameters, seat, asset, total) =>
      ensureChannel(parameters, Done.toppedUp(seat, asset, total), {
        type: 'topUp',
        seat,
        asset,
        total: Amount.check(total),
      }),
    withdraw: (parameters, posting, preimage) =>
      ensureChannel(parameters, Done.withdrawn(preimage.outcome.withdrawn), {
        type: 'withdraw',
        posting,
        preimage,
      }),
    close: (parameters, posting, preimage) =>
      ensureChannel(parameters, Done.closed, { type: 'close', posting, preimage }),
    challenge: (parameters, seat, posting, signature) =>
      ensureChannel(parameters, Done.challenged(posting.version), {
        type: 'challenge',
        seat,
        posting,
        signature,
      }),
    answer: (parameters, posting) =>
      ensureChannel(parameters, Done.answered(posting.version), { type: 'answer', posting }),
    resume: (parameters, posting) =>
      ensureChannel(parameters, Done.resumed(posting.version), { type: 'resume', posting }),
    freeze: (parameters, preimage) =>
      ensureChannel(parameters, Done.frozen, { type: 'freeze', preimage }),
    redeem(parameters, redemption) {
      const channelId = Parameters.id(domain, parameters)
      const { claim } = redemption
      const isSo = async () =>
        (await lane(channelId, redemption.lane.id)).claim >= Claim.amount(claim)
      return ensure(isSo, { type: 'redeem', channelId, redemption })
    },
    sweep(parameters, leaf) {
      const channelId = Parameters.id(domain, parameters)
      const isSo = async () =>
        (await lane(channelId, leaf.lane.id)).swept ||
        (await channel(channelId))?.status === 'closed'
      return ensure(isSo, { type: 'sweep', channelId, leaf })
    },
  }
}

/** A call without its channel. */
type OnChannel = Call.Call extends infer C
  ? C extends { readonly channelId: Hex }
    ? Omit<C, 'channelId'>
    : never
  : never

const realSleep: Sleep = (ms, signal) =>
  after(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
