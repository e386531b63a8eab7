/**
 * One chain behind any number of RPC endpoints: what one fails to answer, the next is asked. An endpoint of
 * another chain is never used, whatever it answers.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type CustomTransport,
  custom,
  HttpRequestError,
  http,
  RpcRequestError,
  TimeoutError,
} from 'viem'
import { LedgerError } from '../error.js'

export type Options = {
  readonly urls: readonly string[]
  /** The chain they have to be of; the first that answers tells where left out. */
  readonly chainId?: bigint | undefined
  readonly signal: AbortSignal
}

type Request = (request: { method: string; params?: unknown }) => Promise<unknown>

/** Rounds over all endpoints, and the first pause between two, which doubles: 100, 200, … ms. */
const roundsMax = 5
const pauseMs = 100
const timeoutMs = 10_000

/** Transport and the id of its chain. @throws LedgerError `LEDGER_UNREACHABLE`, `WRONG_CHAIN`, `NOT_A_LEDGER` */
export async function open(
  options: Options,
): Promise<{ transport: CustomTransport; chainId: bigint }> {
  const { urls, signal } = options
  const requests = urls.map(
    (url): Request =>
      http(url, { retryCount: 0, timeout: timeoutMs })({ retryCount: 0 }).request as Request,
  )
  const checked = new Set<number>()
  let chainId = options.chainId

  /** Asks the endpoint at `index` for its chain, once. */
  async function check(index: number): Promise<void> {
    if (checked.has(index)) return
    const answer = await requests[index]?.({ method: 'eth_chainId' })
    if (typeof answer !== 'string' || !/^0x[0-9a-f]{1,64}$/i.test(answer))
      throw notAChain(urls[index])
    const found = BigInt(answer)
    chainId ??= found
    if (found !== chainId)
      throw new LedgerError(
        'WRONG_CHAIN',
        `${withoutSecrets(urls[index] ?? '')} is chain ${found}, and chain ${chainId} is wanted. Give an RPC endpoint of that chain, or another --home for this one.`,
      )
    checked.add(index)
  }

  /** The endpoint that answered last: the first to be asked. */
  let preferred = 0
  async function request({ method, params }: { method: string; params?: unknown }) {
    let cause: unknown
    for (let round = 0; round < roundsMax; round++) {
      let isWorthAnother = false
      for (let turn = 0; turn < requests.length; turn++) {
        const index = (preferred + turn) % requests.length
        if (signal.aborted) throw unreachable(urls, signal.reason)
        try {
          await check(index)
          const answer = await requests[index]?.(
            params === undefined ? { method } : { method, params },
          )
          preferred = index
          return answer
        } catch (error) {
          if (passes(error, method)) isWorthAnother = true
          // One that refuses us, for want of a key or at another path, says nothing of the others.
          else if (!(error instanceof HttpRequestError)) throw error
          cause = error
        }
      }
      if (!isWorthAnother) throw cause
      if (round < roundsMax - 1)
        await sleep(pauseMs * 2 ** round, undefined, { signal }).catch(() => undefined)
    }
    throw unreachable(urls, cause)
  }

  try {
    await request({ method: 'eth_chainId' })
  } catch (error) {
    if (error instanceof LedgerError) throw error
    throw notAChain(urls[0], error)
  }
  return { transport: custom({ request }, { retryCount: 0 }), chainId: chainId as bigint }
}

/** Whether asking again can help. */
function passes(error: unknown, method: string): boolean {
  if (error instanceof TimeoutError) return true
  if (error instanceof HttpRequestError)
    return error.status === undefined || [408, 429].includes(error.status) || error.status >= 500
  // "Limit exceeded"; of logs it may be their number, for which there is another remedy.
  return (
    error instanceof RpcRequestError &&
    [-32005, 429].includes(error.code) &&
    method !== 'eth_getLogs'
  )
}

const unreachable = (urls: readonly string[], cause: unknown): LedgerError =>
  new LedgerError(
    'LEDGER_UNREACHABLE',
    `No RPC endpoint answers (${urls.map(withoutSecrets).join(', ')}). Is the URL right, and the node running?`,
    { cause },
  )

const notAChain = (url: string | undefined, cause?: unknown): LedgerError =>
  new LedgerError(
    'NOT_A_LEDGER',
    `${withoutSecrets(url ?? '')} answers, but is no Ethereum RPC endpoint. Give the URL of one after evm:.`,
    { cause },
  )

/** Providers put API keys into paths and queries. */
export function withoutSecrets(url: string): string {
  try {
    return new URL(url).origin
  } catch {
    return 'not a URL'
  }
}
