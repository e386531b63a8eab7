/**
 * The HTTP transport to a served layer. A call either has the layer's own answer or says that there is none
 * (`LEDGER_UNREACHABLE`), in which case it may or may not have been carried out.
 */
import { RemoteError } from '../../core/errors.js'
import { isLedgerCode, LedgerError } from '../error.js'
import { notALedger } from './answer.js'
import { type Json, object, parse, type Transport } from './api.js'

/** Longest we wait for an answer beyond the time we ask the layer to hold it back, in milliseconds. */
const answerMs = 10_000

/** Calls the layer served at `url`. @throws LedgerError `NOT_A_LEDGER` when it is no http URL */
export function http(url: string): Transport {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new LedgerError('NOT_A_LEDGER', `"${url}" is no address such as http://127.0.0.1:8545.`)
  return async (method, params, signal) => {
    signal.throwIfAborted()
    const heldBackMs = typeof params.waitMs === 'number' ? params.waitMs : 0
    const { status, text } = await post(url, { method, params }, answerMs + heldBackMs, signal)
    const answer = parse(text)
    const result = object(answer?.result)
    if (result !== undefined) return result
    const { code, message } = object(answer?.error) ?? {}
    if (status === 200 || typeof code !== 'string' || typeof message !== 'string')
      throw notALedger()
    throw isLedgerCode(code) ? new LedgerError(code, message) : new RemoteError(code, message)
  }
}

async function post(
  url: string,
  body: Json,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const late = new AbortController()
  const stop = (): void => late.abort()
  const timer = setTimeout(stop, timeoutMs)
  signal.addEventListener('abort', stop)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: late.signal,
    })
    return { status: response.status, text: await response.text() }
  } catch (cause) {
    signal.throwIfAborted()
    throw new LedgerError(
      'LEDGER_UNREACHABLE',
      `The ledger at ${url} does not answer; start it with "sluice ledger".`,
      { cause },
    )
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}
