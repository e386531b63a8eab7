/**
 * The layer's API as JSON values: methods by name, amounts and times as decimal strings, bytes as 0x hex.
 * Everything a caller sends is checked here, and no caller can make it hold more than one bounded answer.
 *
 *     info     {}                                → {name, version, chainId, adjudicator, minChallengePeriod,
 *                                                   challengeBond, faucetMax}
 *     time     {}                                → {time}
 *     account  {account, asset}                  → {nonce, balance}
 *     channel  {channelId}                       → {channel: {status, deposited, withdrawn, held, fundBy,
 *                                                   versionMin, challenge: {version, root, poster, posted,
 *                                                   statesUntil, redeemUntil, paid} | null} | null}
 *     lane     {channelId, lane}                 → {claim, swept}
 *     submit   {from, nonce, data, signature}    → {}
 *     events   {after, waitMs}                   → {events: [{sequence, type, channelId, version?, lane?, claim?}]}
 *
 * `events` waits up to `waitMs` for the first. Any request may carry `chainId`: another layer refuses it.
 */
import { type Address, fromHex, type Hex, toHex } from '../../core/bytes.js'
import { SluiceError } from '../../core/errors.js'
import { LedgerError } from '../error.js'
import type { Layer } from './layer.js'
import { signatureSize } from './layout.js'

/** JSON that came from, or goes to, somewhere else. */
export type Json = { readonly [name: string]: unknown }

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The object at `value`, or undefined where there is something else. */
export const object = (value: unknown): Json | undefined => (isObject(value) ? value : undefined)

/** The JSON object in `text`, or undefined where there is none. */
export function parse(text: string): Json | undefined {
  try {
    return object(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Calls a method by name. @throws SluiceError, with the code it had on the other side */
export type Transport = (method: string, params: Json, signal: AbortSignal) => Promise<Json>

export const apiName = 'sluice-ledger'
export const apiVersion = 1

/** Longest an answer to `events` is held back, in milliseconds. */
export const waitMaxMs = 20_000
/** Bytes of one transaction's data: the largest close is below 25 kB. */
const dataBytesMax = 32_768

type Method = (layer: Layer, params: Json, signal: AbortSignal) => Promise<Json>

const methods: Readonly<Record<string, Method>> = {
  async info({ rules }) {
    return {
      name: apiName,
      version: apiVersion,
      chainId: `${rules.domain.chainId}`,
      adjudicator: rules.domain.adjudicator,
      minChallengePeriod: `${rules.minChallengePeriod}`,
      challengeBond: `${rules.challengeBond}`,
      faucetMax: `${rules.faucetMax}`,
    }
  },
  async time(layer) {
    return { time: `${await layer.time()}` }
  },
  async account(layer, params) {
    const account = hex(params, 'account', 20)
    return {
      nonce: `${layer.nonce(account)}`,
      balance: `${layer.balance(account, hex(params, 'asset', 20))}`,
    }
  },
  async channel(layer, params) {
    const channel = await layer.channel(hex(params, 'channelId', 32))
    return { channel: channel === undefined ? null : plain(channel) }
  },
  async lane(layer, params) {
    return plain(layer.lane(hex(params, 'channelId', 32), uint64(params, 'lane')))
  },
  async submit(layer, params) {
    await layer.submit({
      from: hex(params, 'from', 20),
      nonce: uint64(params, 'nonce'),
      data: data(params),
      signature: fromHex(hex(params, 'signature', signatureSize)),
    })
    return {}
  },
  async events(layer, params, signal) {
    const after = count(params, 'after', Number.MAX_SAFE_INTEGER)
    const waitMs = count(params, 'waitMs', waitMaxMs)
    if (layer.events(after).length === 0 && waitMs > 0) await wait(layer, after, waitMs, signal)
    return { events: layer.events(after).map(plain) }
  },
}

/** The in-process transport; an HTTP server puts requests through the same one. */
export const local =
  (layer: Layer): Transport =>
  async (name, params, signal) => {
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined
    if (method === undefined) throw bad(`there is no method ${JSON.stringify(name.slice(0, 40))}`)
    const { chainId } = layer.rules.domain
    if (params.chainId !== undefined && params.chainId !== `${chainId}`)
      throw new LedgerError(
        'WRONG_CHAIN',
        `This is another ledger (chain ${chainId}) than the one your money is on. Start that one, or use a new home.`,
      )
    return method(layer, params, signal)
  }

async function wait(layer: Layer, after: number, ms: number, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const end = (): void => over.abort()
  const timer = setTimeout(end, ms)
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  await layer.happened(after, over.signal)
  clearTimeout(timer)
  signal.removeEventListener('abort', end)
}

function hex(params: Json, name: string, size: number): Hex & Address {
  const value = params[name]
  if (typeof value !== 'string' || value.length !== 2 + 2 * size)
    throw bad(`"${name}" is 0x and ${size} bytes of hex`)
  try {
    return toHex(fromHex(value, size))
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    throw bad(`"${name}" is no hex`)
  }
}

function data(params: Json): Uint8Array {
  const { data } = params
  const size = typeof data === 'string' ? data.length / 2 - 1 : -1
  if (!Number.isInteger(size) || size < 0 || size > dataBytesMax)
    throw bad(`"data" is 0x and at most ${dataBytesMax} bytes of hex`)
  return fromHex(hex(params, 'data', size))
}

function uint64(params: Json, name: string): bigint {
  const value = params[name]
  const number = typeof value === 'string' && /^(0|[1-9][0-9]{0,19})$/.test(value) && BigInt(value)
  if (typeof number !== 'bigint' || number >= 1n << 64n)
    throw bad(`"${name}" is a decimal string below 2^64`)
  return number
}

/** Our values as JSON: bigints in decimal, bytes in hex, what is undefined as null. */
function plain(value: object): Json {
  const cell = (item: unknown): unknown => {
    if (typeof item === 'bigint') return `${item}`
    if (item instanceof Uint8Array) return toHex(item)
    if (Array.isArray(item)) return item.map(cell)
    if (item === undefined) return null
    return isObject(item) ? plain(item) : item
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, cell(item)]))
}

function count(params: Json, name: string, max: number): number {
  const value = params[name]
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
    throw bad(`"${name}" is a whole number up to ${max}`)
  return value
}

/** A request that is none of ours. */
export const bad = (why: string): LedgerError =>
  new LedgerError('BAD_REQUEST', `The request is malformed: ${why}.`)
