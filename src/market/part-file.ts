/**
 * A file that grows as bytes arrive: hashed in passing, written in gathers, synced at a pace. It never calls
 * a byte durable before the sync that covers it.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { SluiceError } from '../core/errors.js'
import { Notifier } from '../engine/notifier.js'
import { FileError } from './sell-file.js'

/** Bytes that may wait for the disk; more, and `write` waits. */
const waitingMax = 1_048_576

/**
 * A sync begins this long after the last one began, or later. Each one costs both sides a durable round of
 * acknowledgement, payment and grant: without a pause 64 KiB share one, with it 1 MB at 250 MB/s, a quarter of
 * the largest credit window.
 */
const syncPaceMs = 4

export class PartFile {
  readonly path: string
  readonly #file: FileHandle
  readonly #onDurable: (offset: bigint) => void
  readonly #hash: Hash = createHash('sha256')
  readonly #changed = new Notifier()
  readonly #hurry = new AbortController()
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #written = 0
  #durable = 0
  #writing = false
  #syncing = false
  #syncedAt = Number.NEGATIVE_INFINITY
  #failure: unknown

  private constructor(path: string, file: FileHandle, onDurable: (offset: bigint) => void) {
    this.path = path
    this.#file = file
    this.#onDurable = onDurable
  }

  /**
   * Opens or creates the file, to go on at `offset`: what lies beyond was never called durable and is cut off.
   * `onDurable` is told, after each sync, below which offset everything is on disk.
   * @throws FileError `FILE_UNWRITABLE`, `FILE_DAMAGED` where there is less than `offset`
   */
  static async open(
    path: string,
    offset: bigint,
    onDurable: (offset: bigint) => void,
  ): Promise<PartFile> {
    const part = new PartFile(path, await openFile(path), onDurable)
    try {
      await part.#resume(offset)
      return part
    } catch (cause) {
      await part.close()
      throw diskError(cause, path)
    }
  }

  /** Appends `data`, which is not copied; resolves once there is room for more. @throws FileError */
  async write(data: Uint8Array): Promise<void> {
    this.#hash.update(data)
    this.#waiting.push(data)
    this.#waitingBytes += data.length
    if (!this.#writing) void this.#writeOut()
    if (this.#waitingBytes > waitingMax)
      await this.#until(() => this.#waitingBytes <= waitingMax / 2)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves with the SHA-256 of the whole file, once all of it is durable. @throws FileError */
  async finish(): Promise<Uint8Array> {
    this.#hurry.abort()
    await this.#until(() => this.#waitingBytes === 0 && this.#durable === this.#written)
    return new Uint8Array(this.#hash.digest())
  }

  async close(): Promise<void> {
    this.#failure ??= new FileError('FILE_UNWRITABLE', `${this.path} was closed.`)
    this.#hurry.abort()
    await this.#changed.until(() => !this.#writing && !this.#syncing)
    await this.#file.close()
  }

  async #resume(offset: bigint): Promise<void> {
    const { size } = await this.#file.stat({ bigint: true })
    if (size < offset)
      throw new FileError(
        'FILE_DAMAGED',
        `${this.path} lost bytes that were paid for (it has ${size} of ${offset}). Delete it and its ` +
          '.sluice.json to buy the file anew.',
      )
    this.#written = this.#durable = Number(offset)
    await this.#file.truncate(this.#written)
    if (offset > 0n)
      for await (const chunk of createReadStream(this.path, { end: this.#written - 1 }))
        this.#hash.update(chunk)
  }

  async #until(condition: () => boolean): Promise<void> {
    await this.#changed.until(() => condition() || this.#failure !== undefined)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** One write at a time; what arrives meanwhile shares the next. */
  async #writeOut(): Promise<void> {
    this.#writing = true
    try {
      while (this.#waiting.length > 0 && this.#failure === undefined) {
        const [parts, bytes] = [this.#waiting, this.#waitingBytes]
        this.#waiting = []
        await writeAll(this.#file, parts, this.#written)
        this.#written += bytes
        this.#waitingBytes -= bytes
        this.#changed.notify()
        if (!this.#syncing) void this.#sync()
      }
    } catch (cause) {
      this.#failure ??= diskError(cause, this.path)
    } finally {
      this.#writing = false
      this.#changed.notify()
    }
  }

  /** One sync at a time; what is written meanwhile shares the next. */
  async #sync(): Promise<void> {
    this.#syncing = true
    try {
      while (this.#durable < this.#written && this.#failure === undefined) {
        await this.#pause()
        const written = this.#written
        await this.#file.datasync()
        this.#durable = written
        this.#onDurable(BigInt(written))
        this.#changed.notify()
      }
    } catch (cause) {
      this.#failure ??= diskError(cause, this.path)
    } finally {
      this.#syncing = false
      this.#changed.notify()
    }
  }

  /** Until the next sync is due; not at all once nothing more will be written. */
  async #pause(): Promise<void> {
    const { signal } = this.#hurry
    const left = this.#syncedAt + syncPaceMs - performance.now()
    if (left > 0 && !signal.aborted) await after(left, undefined, { signal }).catch(() => undefined)
    this.#syncedAt = performance.now()
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, existsSync(path) ? 'r+' : 'w+', 0o644)
  } catch (cause) {
    throw new FileError('FILE_UNWRITABLE', `${path} cannot be written; choose another --out.`, {
      cause,
    })
  }
}

/** A disk that is nearly full takes less than it is given, and says so in the result alone. */
async function writeAll(
  file: FileHandle,
  parts: readonly Uint8Array[],
  position: number,
): Promise<void> {
  for (let [left, at] = [parts, position]; left.length > 0; ) {
    const { bytesWritten } = await file.writev(left, at)
    at += bytesWritten
    left = rest(left, bytesWritten)
  }
}

/** What is left of `parts` after their first `bytes`. */
function rest(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes
  return parts.flatMap((part) => {
    const taken = Math.min(skip, part.length)
    skip -= taken
    return taken === part.length ? [] : [part.subarray(taken)]
  })
}

/** What a failure of the file system means to a person. */
export function diskError(cause: unknown, path: string): unknown {
  if (cause instanceof SluiceError) return cause
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new FileError(
      'DISK_FULL',
      `The disk of ${path} is full; make room and run this again.`,
      { cause },
    )
  if (code === undefined) return cause
  const why = code === 'ENOENT' ? `there is no directory ${dirname(path)}` : code
  return new FileError('FILE_UNWRITABLE', `${path} cannot be written: ${why}.`, { cause })
}
