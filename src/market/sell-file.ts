/** Selling a file by the byte: one offer whose content is a file, read from wherever a buyer stopped. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { SluiceError } from '../core/errors.js'
import type { Price } from '../core/price.js'
import type { Receipt } from '../core/receipt.js'
import { payloadMax } from '../core/stream-message.js'
import type { Node } from '../engine/node.js'

export type SellFileOptions = {
  readonly price: Price
  readonly signal?: AbortSignal
  /** Bytes hashed so far: a large file takes its time before it is on offer. */
  readonly onHashed?: (bytes: number) => void
}

export type FileOffer = {
  readonly resource: string
  readonly bytes: bigint
  readonly sha256: Uint8Array
  /** The receipt of each stream that was drained and paid. */
  readonly receipts: AsyncGenerator<Receipt, void, undefined>
}

/** One read fills four data frames, so that waiting for the disk is rare. */
const readSize = 4 * payloadMax

/** A file that was read through once, ready to be offered. */
export type PreparedFile = {
  readonly resource: string
  readonly bytes: bigint
  readonly sha256: Uint8Array
  readonly open: (offset: bigint, stop: AbortSignal) => AsyncIterable<Uint8Array>
}

/** Reads the file at `path` through, for its hash. @throws FileError `FILE_UNREADABLE` */
export async function prepareFile(
  path: string,
  { signal, onHashed }: Pick<SellFileOptions, 'signal' | 'onHashed'> = {},
): Promise<PreparedFile> {
  const before = await fingerprint(path)
  const sha256 = await hashFile(path, onHashed, signal)
  const content = async function* (offset: bigint, stop: AbortSignal): AsyncGenerator<Uint8Array> {
    const now = await fingerprint(path)
    if (now.size !== before.size || now.changed !== before.changed)
      throw new FileError(
        'FILE_CHANGED',
        `${path} changed since it was put on offer; sell it anew.`,
      )
    if (offset === before.size) return
    const start = Number(offset)
    yield* createReadStream(path, { start, highWaterMark: readSize, signal: stop })
  }
  return { resource: basename(path), bytes: before.size, sha256, open: content }
}

/**
 * Offers a file under its base name. A path is read through first; a node that already answers peers had better
 * be given a prepared file, so that nobody who comes back meanwhile finds nothing on offer.
 * @throws FileError `FILE_UNREADABLE`, `PRICE_UNFIT`
 */
export async function sellFile(
  node: Node,
  file: string | PreparedFile,
  options: SellFileOptions,
): Promise<FileOffer> {
  const { price, signal } = options
  checkPrice(price)
  const prepared = typeof file === 'string' ? await prepareFile(file, options) : file
  const { resource, bytes, sha256, open } = prepared
  const withdraw = signal === undefined ? {} : { signal }
  const receipts = node.serve(resource, { price, size: bytes, sha256, open, ...withdraw })
  return { resource, bytes, sha256, receipts }
}

/** A file has bytes, and no timeline. @throws FileError `PRICE_UNFIT` */
export function checkPrice(price: Price): void {
  if (price.unit === 'byte') return
  throw new FileError(
    'PRICE_UNFIT',
    `A plain file is sold by the byte: it has no ${price.unit}s. Write a price such as 3/KiB; ` +
      `prices per ${price.unit} are for streams with a timeline, through node.serve().`,
  )
}

/** What a file is known by while it is on offer. @throws FileError `FILE_UNREADABLE` */
export async function fingerprint(path: string): Promise<{ size: bigint; changed: bigint }> {
  try {
    const file = await open(path, 'r')
    try {
      const info = await file.stat({ bigint: true })
      if (!info.isFile()) throw new FileError('FILE_UNREADABLE', `${path} is not a file.`)
      return { size: info.size, changed: info.mtimeNs }
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof FileError) throw cause
    const why =
      (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new FileError('FILE_UNREADABLE', `${path} ${why}; name a file you may read.`, { cause })
  }
}

/** SHA-256 of the file at `path`. @throws what reading throws */
export async function hashFile(
  path: string,
  onHashed?: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const hash = createHash('sha256')
  let bytes = 0
  const options = { highWaterMark: 4 * readSize, ...(signal === undefined ? {} : { signal }) }
  for await (const chunk of createReadStream(path, options)) {
    hash.update(chunk)
    bytes += chunk.length
    onHashed?.(bytes)
  }
  return new Uint8Array(hash.digest())
}

/** A file that cannot be sold or written as asked. */
export class FileError extends SluiceError {
  constructor(
    code:
      | 'FILE_UNREADABLE'
      | 'FILE_UNWRITABLE'
      | 'FILE_CHANGED'
      | 'FILE_DAMAGED'
      | 'FILE_EXISTS'
      | 'CHANNEL_CLOSED'
      | 'OTHER_PURCHASE'
      | 'DISK_FULL'
      | 'SELLER_STOPPED'
      | 'PRICE_UNFIT'
      | 'NOT_A_FILE',
    message: string,
    options: { cause?: unknown } = {},
  ) {
    super(code, message, options)
    this.name = 'FileError'
  }
}
