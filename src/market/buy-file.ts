/**
 * Buying a file by the byte: bytes go to `OUT.part`, are called durable after each sync, and become `OUT`
 * only when whole, paid and verified. What was bought of it lies in `OUT.sluice.json` beside it, so that the
 * same call goes on after any crash.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { equals, type Hex, toHex } from '../core/bytes.js'
import { SluiceError } from '../core/errors.js'
import type { Quote } from '../core/quote.js'
import type { Receipt } from '../core/receipt.js'
import { checkAsset, checkBudget, type Node } from '../engine/node.js'
import type { Purchase } from '../engine/purchase.js'
import { diskError, PartFile } from './part-file.js'
import { checkPrice, FileError, hashFile } from './sell-file.js'

export type BuyFileOptions = {
  /** Name of the resource; the seller's only one where empty. */
  readonly resource?: string
  readonly out: string
  /** The most it may cost: the deposit of the channel, if one has to be opened. */
  readonly budget: bigint
  /** Stops without draining: the same call resumes. */
  readonly signal?: AbortSignal
  readonly onStart?: (purchase: Purchase) => void
  /** Bytes on disk and acknowledged, paid or about to be: after a crash the purchase goes on there. */
  readonly onProgress?: (bytes: bigint) => void
}

export type BoughtFile = {
  /** The channel that paid; undefined where the file was there already, and nothing was bought. */
  readonly channelId: Hex | undefined
  readonly bytes: bigint
  readonly owed: bigint
  readonly sha256: Uint8Array
  readonly receipt: Receipt | undefined
}

/** What lies beside an unfinished file. */
type Note = {
  purchase: Hex
  channelId?: Hex
  done?: { bytes: string; owed: string; sha256: string }
}

const partOf = (out: string): string => `${out}.part`
const noteOf = (out: string): string => `${out}.sluice.json`

/** Whether a purchase into `out` was begun and not forgotten yet: money may be in it. */
export const hasBegun = (out: string): boolean => existsSync(noteOf(out))

/** The purchase is settled: nothing of it has to be remembered. */
export const forgetPurchase = (out: string): Promise<void> => rm(noteOf(out), { force: true })

/**
 * Buys from the seller at `address` into `out`. Called again after a crash, it goes on with the same
 * channel at the byte where it stopped; called again when all is there, it returns at once.
 * @throws FileError, NodeError, PurchaseError, NetworkError
 */
export async function buyFile(
  node: Node,
  address: string,
  options: BuyFileOptions,
): Promise<BoughtFile> {
  const { out, budget, resource = '', signal, onProgress } = options
  const abortable = signal === undefined ? {} : { signal }
  if (out === '') throw new FileError('FILE_UNWRITABLE', 'Say where the file is to go.')
  const noted = await readNote(out)
  // Whoever took the file away wants it once more.
  const isGone = noted?.done !== undefined && !existsSync(out) && !existsSync(partOf(out))
  const found = isGone ? undefined : noted
  const note: Note = found ?? { purchase: toHex(randomBytes(32)) }
  if (note.done !== undefined) return finish(out, note, note.done)
  let offer: Quote | undefined
  if (found === undefined) {
    offer = await askFor(node, address, resource, abortable)
    const present = await findFile(out, offer, signal)
    if (present !== undefined) return present
    checkAsset(offer, node.asset)
    checkBudget(offer, budget)
    await writeNote(out, note)
  }
  await checkChannel(node, out, note)
  if (note.channelId === undefined || node.channel(note.channelId)?.phase !== 'live') {
    offer ??= await askFor(node, address, resource, abortable)
    // One that was kept will do, if it holds what the file costs and nothing else is to go on with it.
    const enough = checkBudget(offer, budget)
    const channel = await node.open(address, { deposit: budget, enough, ...abortable })
    note.channelId = channel.id
    await writeNote(out, note)
  }
  const terms = {
    budget,
    purchase: note.purchase,
    channel: note.channelId,
    acknowledge: 'manual' as const,
    ...(onProgress === undefined ? {} : { onAcknowledged: onProgress }),
    ...abortable,
  }
  const purchase = await node.consume(address, resource, terms).catch((error) => {
    throw otherTerms(out, error) ?? error
  })
  options.onStart?.(purchase)
  const sha256 = await download(purchase, partOf(out))
  const receipt = await purchase.receipt
  checkWhole(out, purchase.quote, receipt, sha256)
  const done = {
    bytes: String(receipt.offset),
    owed: String(receipt.owed),
    sha256: Buffer.from(sha256).toString('hex'),
  }
  await writeNote(out, { ...note, done })
  return { ...(await finish(out, note, done)), receipt }
}

/** @throws FileError `SELLER_STOPPED`, `FILE_DAMAGED` */
function checkWhole(out: string, quote: Quote, receipt: Receipt, sha256: Uint8Array): void {
  if (receipt.offset !== quote.size)
    throw new FileError(
      'SELLER_STOPPED',
      `The seller stopped at byte ${receipt.offset} of ${quote.size} (${receipt.reason}). What came is ` +
        'paid and kept; run this again once the seller is back.',
    )
  if (quote.sha256 !== undefined && !equals(quote.sha256, sha256))
    throw new FileError(
      'FILE_DAMAGED',
      `The seller delivered other bytes than it promised; they are in ${partOf(out)}, and were paid. ${anew(out)}`,
    )
}

const anew = (out: string): string =>
  `To buy the file anew, from its start, delete ${partOf(out)} and ${noteOf(out)}.`

/** A file that was begun with another seller, resource or price cannot be gone on with, which is no fault of the budget. */
function otherTerms(out: string, error: unknown): FileError | undefined {
  const code = error instanceof SluiceError ? error.code : ''
  if (!existsSync(partOf(out)) || !['NO_CHANNEL', 'QUOTE_CHANGED'].includes(code)) return undefined
  const why =
    code === 'NO_CHANNEL'
      ? 'The channel that pays for it is with another seller, or is being closed.'
      : 'This seller now offers another file, or another price, under that name.'
  return new FileError('OTHER_PURCHASE', `${out} was begun before. ${why} ${anew(out)}`)
}

/** What the file costs. @throws FileError `PRICE_UNFIT`, `NOT_A_FILE` */
async function askFor(
  node: Node,
  address: string,
  resource: string,
  options: { readonly signal?: AbortSignal },
): Promise<Quote> {
  const quote = await node.quote(address, resource, options)
  checkPrice(quote.price)
  if (quote.size === undefined)
    throw new FileError(
      'NOT_A_FILE',
      `"${quote.resource}" is a stream of no known size, not a file; node.consume() takes such. Nothing was paid.`,
    )
  return quote
}

/** All is bought: the file gets its name, unless it has it. */
async function finish(
  out: string,
  { channelId }: Note,
  { bytes, owed, sha256 }: NonNullable<Note['done']>,
): Promise<BoughtFile> {
  if (existsSync(partOf(out))) {
    checkFree(out, `and run this again: the file is paid and lies in ${partOf(out)}`)
    await replace(partOf(out), out)
  }
  return {
    channelId,
    bytes: BigInt(bytes),
    owed: BigInt(owed),
    sha256: Buffer.from(sha256, 'hex'),
    receipt: undefined,
  }
}

/**
 * The file that is to be bought, where it lies at `out` already. Any other one is in the way.
 * @throws FileError `FILE_EXISTS`
 */
async function findFile(
  out: string,
  { size, sha256 }: Quote,
  signal: AbortSignal | undefined,
): Promise<BoughtFile | undefined> {
  if (existsSync(out) && sha256 !== undefined && size !== undefined) {
    const info = await stat(out, { bigint: true })
    const isSame =
      info.isFile() && info.size === size && equals(sha256, await hashFile(out, undefined, signal))
    if (isSame) return { channelId: undefined, bytes: size, owed: 0n, sha256, receipt: undefined }
  }
  for (const path of [out, partOf(out)]) checkFree(path, 'or choose another --out')
  return undefined
}

/** @throws FileError `FILE_EXISTS` */
function checkFree(path: string, what: string): void {
  if (existsSync(path)) throw new FileError('FILE_EXISTS', `${path} exists; move it away ${what}.`)
}

/**
 * What a channel paid for that is not live any more, or not of this home, stays paid; another one would pay for
 * it again from the first byte.
 * @throws FileError `CHANNEL_CLOSED`
 */
async function checkChannel(node: Node, out: string, { channelId }: Note): Promise<void> {
  if (channelId === undefined || !existsSync(partOf(out))) return
  const phase = node.channel(channelId)?.phase
  const { size } = await stat(partOf(out))
  if (phase === 'live' || size === 0) return
  const what =
    phase === undefined
      ? 'not of this home. Give the --home that it was begun with'
      : phase === 'challenged' || phase === 'frozen'
        ? 'being closed by force, so they cannot be counted any more'
        : 'closed, so they cannot be counted any more'
  throw new FileError(
    'CHANNEL_CLOSED',
    `The channel that paid for the first ${size} bytes of ${out} is ${what}. ${anew(out)}`,
  )
}

/** Writes what arrives; returns the SHA-256 of the whole file. */
async function download(purchase: Purchase, path: string): Promise<Uint8Array> {
  let file: PartFile | undefined
  try {
    file = await PartFile.open(path, purchase.position, (offset) => purchase.acknowledge(offset))
    for await (const data of purchase) await file.write(data)
    return await file.finish()
  } catch (cause) {
    purchase.abort()
    throw cause
  } finally {
    await file?.close()
  }
}

async function readNote(out: string): Promise<Note | undefined> {
  const path = noteOf(out)
  if (!existsSync(path)) return undefined
  try {
    const note = JSON.parse(await readFile(path, 'utf8'))
    if (/^0x[0-9a-f]{64}$/.test(note?.purchase)) return note
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw diskError(cause, path)
  }
  throw new FileError('FILE_DAMAGED', `${path} is damaged. ${anew(out)}`)
}

/** Replaced whole and synced, so that a crash leaves the old note or the new one. */
async function writeNote(out: string, note: Note): Promise<void> {
  const path = noteOf(out)
  try {
    const file = await open(`${path}.new`, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(note)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await replace(`${path}.new`, path)
  } catch (cause) {
    throw diskError(cause, path)
  }
}

/** Renames `from` to `to`, durably. */
async function replace(from: string, to: string): Promise<void> {
  await rename(from, to)
  const folder = await open(dirname(to), 'r')
  await folder.sync().finally(() => folder.close())
}
