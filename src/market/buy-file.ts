/**
 * Buying a file by the byte: bytes go to `OUT.part`, are called durable after each sync, and become `OUT`
 * only when whole, paid and verified. What was bought of it lies in `OUT.sluice.json` beside it, so that the
 * same call goes on after any crash.
 */
import { createHash, type Hash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { equals, type Hex, toHex } from '../core/bytes.js'
import { SluiceError } from '../core/errors.js'
import type { Receipt } from '../core/receipt.js'
import { checkBudget, type Node } from '../engine/node.js'
import type { Purchase } from '../engine/purchase.js'
import { checkPrice, FileError } from './sell-file.js'

export type BuyFileOptions = {
  /** Name of the resource; the seller's only one where empty. */
  readonly resource?: string
  readonly out: string
  /** The most it may cost: the deposit of the channel, if one has to be opened. */
  readonly budget: bigint
  /** Stops without draining: the same call resumes. */
  readonly signal?: AbortSignal
  readonly onStart?: (purchase: Purchase) => void
  /** Bytes on disk and paid for, or about to be. */
  readonly onProgress?: (bytes: bigint) => void
}

export type BoughtFile = {
  readonly channelId: Hex
  readonly purchase: Hex
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
  const { out, budget, resource = '', signal } = options
  const noteFile = `${out}.sluice.json`
  const found = await readNote(noteFile)
  const note: Note = found ?? { purchase: toHex(randomBytes(32)) }
  if (note.done !== undefined && note.channelId !== undefined) {
    const { bytes, owed, sha256 } = note.done
    const { purchase, channelId } = note
    return {
      channelId,
      purchase,
      bytes: BigInt(bytes),
      owed: BigInt(owed),
      sha256: Buffer.from(sha256, 'hex'),
      receipt: undefined,
    }
  }
  if (await exists(out))
    throw new FileError('FILE_EXISTS', `${out} exists; move it away or choose another --out.`)
  const abortable = signal === undefined ? {} : { signal }
  if (found === undefined) {
    const quote = await node.quote(address, resource, abortable)
    checkPrice(quote.price)
    checkBudget(quote, budget)
    await writeNote(noteFile, note)
  }
  if (note.channelId === undefined || node.channel(note.channelId)?.phase !== 'live') {
    const channel = await node.open(address, { deposit: budget, ...abortable })
    note.channelId = channel.id
    await writeNote(noteFile, note)
  }
  const purchase = await node.consume(address, resource, {
    budget,
    purchase: note.purchase,
    acknowledge: 'manual',
    ...abortable,
  })
  options.onStart?.(purchase)
  const sha256 = await download(purchase, `${out}.part`, options)
  const receipt = await purchase.receipt
  if (purchase.quote.sha256 !== undefined && !equals(purchase.quote.sha256, sha256))
    throw new FileError(
      'FILE_DAMAGED',
      `The seller delivered other bytes than it promised; they are in ${out}.part, and were paid.`,
    )
  await rename(`${out}.part`, out)
  note.done = {
    bytes: String(receipt.offset),
    owed: String(receipt.owed),
    sha256: Buffer.from(sha256).toString('hex'),
  }
  await writeNote(noteFile, note)
  const { channelId } = purchase
  const { offset: bytes, owed } = receipt
  return { channelId, purchase: note.purchase, bytes, owed, sha256, receipt }
}

/** The purchase is settled: nothing of it has to be remembered. */
export const forgetPurchase = (out: string): Promise<void> =>
  rm(`${out}.sluice.json`, { force: true })

/** Writes what arrives; returns the SHA-256 of the whole file. */
async function download(
  purchase: Purchase,
  path: string,
  { onProgress }: BuyFileOptions,
): Promise<Uint8Array> {
  const file = await openPart(path)
  try {
    const hash = createHash('sha256')
    await trim(file, path, purchase.position, hash)
    const sync = syncing(file, (offset) => {
      purchase.acknowledge(offset)
      onProgress?.(offset)
    })
    for await (const data of purchase) {
      const at = Number(purchase.position) - data.length
      await file.write(data, 0, data.length, at)
      hash.update(data)
      sync.request(purchase.position)
    }
    sync.request(purchase.position)
    await sync.done()
    return new Uint8Array(hash.digest())
  } catch (cause) {
    purchase.abort()
    throw diskError(cause, path)
  } finally {
    await file.close()
  }
}

async function openPart(path: string): Promise<FileHandle> {
  try {
    return await open(path, (await exists(path)) ? 'r+' : 'w+', 0o644)
  } catch (cause) {
    throw new FileError('FILE_UNWRITABLE', `${path} cannot be written; choose another --out.`, {
      cause,
    })
  }
}

/** Cuts off what was written and never called durable: it comes again, free; and hashes what stays. */
async function trim(file: FileHandle, path: string, offset: bigint, hash: Hash): Promise<void> {
  const { size } = await file.stat({ bigint: true })
  if (size < offset)
    throw new FileError(
      'FILE_DAMAGED',
      `${path} lost bytes that were paid for (it has ${size} of ${offset}). Delete it and its ` +
        '.sluice.json to buy the file anew.',
    )
  await file.truncate(Number(offset))
  if (offset > 0n)
    for await (const chunk of createReadStream(path, { end: Number(offset) - 1 }))
      hash.update(chunk)
}

/** One sync at a time; what is written meanwhile shares the next. */
function syncing(file: FileHandle, onDurable: (offset: bigint) => void) {
  let wanted = -1n
  let running: Promise<void> | undefined
  let failure: unknown
  const run = async (): Promise<void> => {
    for (let durable = -1n; durable < wanted; ) {
      durable = wanted
      await file.datasync()
      onDurable(durable)
    }
  }
  return {
    request(offset: bigint): void {
      if (failure !== undefined) throw failure
      wanted = offset
      running ??= run()
        .catch((error) => {
          failure = error
        })
        .finally(() => {
          running = undefined
        })
    },
    async done(): Promise<void> {
      await running
      if (failure !== undefined) throw failure
    },
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

async function readNote(path: string): Promise<Note | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return undefined
  }
  try {
    const note = JSON.parse(text)
    if (/^0x[0-9a-f]{64}$/.test(note?.purchase)) return note
  } catch {}
  throw new FileError('FILE_DAMAGED', `${path} is damaged; delete it to buy the file anew.`)
}

/** Replaced whole and synced, so that a crash leaves the old note or the new one. */
async function writeNote(path: string, note: Note): Promise<void> {
  const draft = `${path}.new`
  try {
    const file = await open(draft, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(note)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (cause) {
    throw diskError(cause, path)
  }
}

function diskError(cause: unknown, path: string): unknown {
  if (cause instanceof SluiceError) return cause
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new FileError(
      'DISK_FULL',
      `The disk of ${path} is full; make room and run this again.`,
      { cause },
    )
  if (code === undefined) return cause
  return new FileError('FILE_UNWRITABLE', `${path} cannot be written (${code}).`, { cause })
}
