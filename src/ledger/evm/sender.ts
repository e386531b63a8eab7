/**
 * Transactions of one account: numbered here so that several can be under way, replaced when the chain leaves them
 * lying, and believed only once enough blocks lie on them. What a reorganisation throws out is sent again.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Address,
  keccak256,
  type PublicClient,
  serializeTransaction,
  type TransactionReceipt,
  type TransactionSerializableEIP1559,
} from 'viem'
import * as Amount from '../../core/amount.js'
import { fromHex, type Hex, toHex } from '../../core/bytes.js'
import type { SluiceError } from '../../core/errors.js'
import { LedgerError } from '../error.js'
import { refusal, reverted } from './refusals.js'

export type Options = {
  readonly client: PublicClient
  readonly chainId: bigint
  readonly account: Address
  /** 65-byte signature by the account's key on a 32-byte digest. */
  readonly sign: (digest: Uint8Array) => Uint8Array | Promise<Uint8Array>
  /** Blocks a transaction must lie in, its own included. */
  readonly confirmations: number
  readonly pollMs: number
  /** Milliseconds without a block before a transaction is sent again with a higher fee. */
  readonly stuckMs: number
  readonly signal: AbortSignal
}

/** What is to be called; no `to` creates a contract. */
export type Call = { readonly to?: Address; readonly data: Hex; readonly value?: bigint }

export type Sender = { send(call: Call): Promise<TransactionReceipt> }

/** Nodes replace a transaction for a tenth more at least; an eighth is above all of their rounding. */
const raise = (fee: bigint): bigint => fee + fee / 8n + 1n
/** Payments change what a call costs between its estimate and its block. */
const withReserve = (gas: bigint): bigint => gas + gas / 5n
/** Fees may be raised this often: 1.125^20 is ten times the first. */
const raisesMax = 20

/** A number may be spent for this long before the receipt of what spent it can be had. */
const takenMs = 5_000

/** Nodes forget what waits, and reorganisations throw out what was in: all of it is handed out again so often. */
const looksPerBroadcast = 10

type Numbered = TransactionSerializableEIP1559 & { readonly nonce: number }
type Sent = { readonly raw: Hex; readonly hash: Hex }

export function createSender(options: Options): Sender {
  const { client, chainId, account, sign, confirmations, pollMs, stuckMs, signal } = options
  // Each transaction that waits for its blocks listens to it.
  setMaxListeners(0, signal)
  /** Number of our next transaction, as far as we know. */
  let next = 0
  /** Numbers of our transactions that are not settled. */
  const underWay = new Set<number>()
  /** Numbers are given out one by one; waiting for blocks is not part of that. */
  let last: Promise<unknown> = Promise.resolve()
  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const mine = last.then(task, task)
    last = mine.catch(() => undefined)
    return mine
  }

  async function signed(transaction: TransactionSerializableEIP1559): Promise<Sent> {
    const signature = await sign(fromHex(keccak256(serializeTransaction(transaction))))
    const raw = serializeTransaction(transaction, {
      r: toHex(signature.slice(0, 32)),
      s: toHex(signature.slice(32, 64)),
      yParity: (signature[64] ?? 27) - 27,
    })
    return { raw, hash: keccak256(raw) }
  }

  /** Hands it to the chain; that the chain has it already is as good. */
  async function broadcast({ raw }: Sent): Promise<void> {
    try {
      await client.sendRawTransaction({ serializedTransaction: raw })
    } catch (error) {
      const details = error instanceof Error && 'details' in error ? String(error.details) : ''
      if (/already (known|imported)|known transaction/i.test(details)) return
      throw error
    }
  }

  /** Estimates, numbers, signs and hands out one transaction. */
  async function begin({ to, data, value = 0n }: Call): Promise<Numbered & Sent> {
    const [gas, fees, pending] = await Promise.all([
      client.estimateGas({ account, data, value, ...(to === undefined ? {} : { to }) }),
      client.estimateFeesPerGas(),
      client.getTransactionCount({ address: account, blockTag: 'pending' }),
    ])
    // Numbers below the chain's are spent; above it ours are on their way, or nobody's: a reorganisation gives
    // numbers back.
    next = underWay.size === 0 ? pending : Math.max(next, pending)
    const transaction = {
      type: 'eip1559',
      chainId: Number(chainId),
      nonce: next,
      ...(to === undefined ? {} : { to }),
      data,
      value,
      gas: withReserve(gas),
      maxFeePerGas: fees.maxFeePerGas,
      maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
    } as const satisfies TransactionSerializableEIP1559
    const sent = await signed(transaction)
    try {
      await broadcast(sent)
    } catch (error) {
      // Another program uses the account, or the chain forgot what was on its way: count anew next time.
      next = 0
      throw error
    }
    next += 1
    underWay.add(transaction.nonce)
    return { ...transaction, ...sent }
  }

  /** The receipt of whichever of these, all of one number, the chain took; undefined while it took none. */
  async function receiptOf(hashes: readonly Hex[]): Promise<TransactionReceipt | undefined> {
    for (const hash of hashes) {
      const receipt = await client.getTransactionReceipt({ hash }).catch((error: unknown) => {
        if (error instanceof Error && error.name === 'TransactionReceiptNotFoundError')
          return undefined
        throw error
      })
      if (receipt !== undefined) return receipt
    }
    return undefined
  }

  /**
   * Takes the number of what lies in front of ours, from before our start and too cheap for any block, with a transfer
   * of nothing: whoever wanted that call asks for it again.
   */
  async function clear({ type, chainId, nonce, maxFeePerGas, maxPriorityFeePerGas }: Numbered) {
    const fees = { maxFeePerGas, maxPriorityFeePerGas }
    const gas = withReserve(await client.estimateGas({ account, to: account }))
    const nothing = await signed({ type, chainId, nonce, to: account, gas, ...fees })
    // Refused for its fee, it is tried again with a higher one.
    await broadcast(nothing).catch(() => undefined)
  }

  /** Waits until one transaction of this number lies deep enough. */
  async function settle(first: Numbered & Sent): Promise<TransactionReceipt> {
    const { raw: _, hash: __, ...fields } = first
    let transaction: Numbered = fields
    const sent: Sent[] = [first]
    let since = Date.now()
    let looks = 0
    let takenSince: number | undefined
    for (;;) {
      if (signal.aborted) throw given(signal.reason)
      const receipt = await receiptOf(sent.map(({ hash }) => hash))
      if (receipt !== undefined) {
        const head = await client.getBlockNumber({ cacheTime: 0 })
        if (head - receipt.blockNumber + 1n >= BigInt(confirmations)) return receipt
      } else {
        const used = await client.getTransactionCount({ address: account, blockTag: 'latest' })
        takenSince = used > fields.nonce ? (takenSince ?? Date.now()) : undefined
        if (takenSince !== undefined && Date.now() - takenSince >= takenMs)
          throw new LedgerError(
            'BAD_NONCE',
            `Another program uses the account ${account}: its transaction took the number of ours.`,
          )
        if (++looks % looksPerBroadcast === 0)
          for (const each of sent) await broadcast(each).catch(() => undefined)
        if (Date.now() - since >= stuckMs && sent.length <= raisesMax) {
          const fees = await client.estimateFeesPerGas()
          transaction = {
            ...transaction,
            maxFeePerGas: Amount.larger(raise(transaction.maxFeePerGas ?? 0n), fees.maxFeePerGas),
            maxPriorityFeePerGas: raise(transaction.maxPriorityFeePerGas ?? 0n),
          }
          const replacement = await signed(transaction)
          sent.unshift(replacement)
          // Refused, the older one still lies there; the next round tries a higher fee.
          await broadcast(replacement).catch(() => undefined)
          for (let nonce = used; nonce < transaction.nonce; nonce++)
            if (!underWay.has(nonce)) await clear({ ...transaction, nonce })
          since = Date.now()
        }
      }
      await sleep(pollMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /**
   * Why a call would be refused to whoever could pay for it, or else that we cannot: nobody should find the money
   * for what is in vain.
   */
  async function unlessRefused(call: Call, problem: SluiceError): Promise<SluiceError> {
    const stateOverride = [{ address: account, balance: 2n ** 128n }]
    try {
      await client.call({ account, ...call, stateOverride })
    } catch (error) {
      const other = refusal(error, account)
      // Not every endpoint can suppose such a thing.
      if (other.code !== 'REVERTED' && other.code !== 'LEDGER_UNREACHABLE') return other
    }
    return problem
  }

  return {
    async send(call) {
      let receipt: TransactionReceipt
      try {
        const begun = await inTurn(() => begin(call))
        receipt = await settle(begun).finally(() => underWay.delete(begun.nonce))
      } catch (error) {
        const problem = refusal(error, account)
        throw problem.code === 'INSUFFICIENT_BALANCE' ? await unlessRefused(call, problem) : problem
      }
      if (receipt.status === 'success') return receipt
      // It was fine when estimated: ask the chain as it is now why it is not.
      try {
        await client.call({ account, ...call })
      } catch (error) {
        throw refusal(error, account)
      }
      throw reverted('it ran out of gas, or somebody was quicker')
    },
  }
}

const given = (cause: unknown): LedgerError =>
  new LedgerError('LEDGER_UNREACHABLE', 'Stopped while waiting for the chain.', { cause })
