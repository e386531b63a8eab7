/**
 * A journal before a store: a commit is one synced write to a file that is written over and over, and what gathers
 * there goes into the store behind it in one commit. It must never answer before its write is on the disk, nor
 * let the store behind it fall back behind what was answered.
 *
 * Why: LMDB syncs twice a commit, its pages and then its meta page, and each sync waits for all that the disk has to
 * write, such as the file that is being paid for. Here it is one, over blocks that exist, so that the file
 * system's own journal has no part in it.
 *
 * The file is two halves. One takes commits; the other's are on their way into the store, and only when they are
 * there is it written over. Every record says which generation of its half it belongs to and hashes the one before
 * it, so that what lies behind the last one, or a torn one, is not mistaken for what follows. The store says up to
 * which generation it has everything. After a crash what is above that is put into it, the older generation first;
 * what is not above would be old values over new ones: of a half that was being written over a beginning may be
 * left, and a file that came out of a backup may be older than the store beside it.
 */
import { createHash } from 'node:crypto'
import { constants, readFileSync, statSync } from 'node:fs'
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { toBigInt, uint } from '../core/bytes.js'
import type { Store, Write } from '../engine/ports.js'
import { syncPath } from './sync-path.js'
import { failed, full, group, StoreError } from './writes.js'

/** A thousand commits of a lane; what a start after a crash has to read is twice that. */
const halfSize = 1_048_576
/** generation u64 ‖ bytes of the payload u32 ‖ first 16 bytes of SHA-256 over the check before it, both and the payload. */
const head = { generation: 0, size: 8, check: 12, end: 28 } as const
/** What the first record of a generation has before it. */
const noCheck: Uint8Array = new Uint8Array(head.end - head.check)
const checkOf = (bytes: Uint8Array): Uint8Array => bytes.slice(head.check, head.end)
/** A write is its own sync, where the system has such writes; those of macOS stop at the cache of the disk. */
const isSynced = constants.O_DSYNC !== undefined && process.platform !== 'darwin'
/** In place of the size of a value: the key is deleted. */
const deleted = 0xffff_ffff

/** In the store: the generation up to which it has everything. */
const movedKey = 'journal/moved'

type Changes = Map<string, Uint8Array | undefined>

type Half = { readonly generation: bigint; readonly changes: Changes }

/**
 * `store` behind the journal in the file `path`, which nobody else may write to. What a crash has left in the
 * journal is in the store before anybody reads it. @throws StoreError
 */
export async function open(store: Store, path: string): Promise<Store> {
  const { moved, halves } = left(store, path)
  const generation = halves.at(-1)?.generation ?? moved
  if (generation > moved) await store.commit(writesOf({ generation, changes: merged(halves) }))
  const file = await create(path)
  const journal = new Journal(store, file, path, generation + 1n)
  return {
    get: (key) => journal.get(key),
    entries: (prefix) => journal.entries(prefix),
    commit: (writes) => journal.commit(writes),
    close: () => journal.close(),
  }
}

/**
 * `store` with what lies in the journal at `path`, for reading only: another process may be writing to both.
 * @throws StoreError
 */
export function view(store: Store, path: string): Store {
  const changes = merged(left(store, path).halves)
  return {
    ...store,
    get: (key) => (changes.has(key) ? changes.get(key)?.slice() : store.get(key)),
    entries: (prefix) => overlaid(store, prefix, () => [changes]),
  }
}

class Journal {
  readonly #store: Store
  readonly #file: FileHandle
  readonly #path: string
  readonly #commits = group((writes) => this.#write(writes))
  #generation: bigint
  /** Where in its half the next record begins, and the check of the one before it. */
  #at = 0
  #last = noCheck
  /** Whether a record was refused there, which may lie there whole all the same. */
  #isUnclear = false
  /** What the half that takes commits holds, and what of the other is not in the store yet. */
  #current: Changes = new Map()
  #older: Half | undefined
  #moving: Promise<void> = Promise.resolve()
  #broken: StoreError | undefined
  #closing: Promise<void> | undefined

  constructor(store: Store, file: FileHandle, path: string, generation: bigint) {
    this.#store = store
    this.#file = file
    this.#path = path
    this.#generation = generation
  }

  get(key: string): Uint8Array | undefined {
    this.#checkOpen()
    for (const changes of this.#newestFirst())
      if (changes.has(key)) return changes.get(key)?.slice()
    return this.#store.get(key)
  }

  entries(prefix: string): Iterable<readonly [string, Uint8Array]> {
    this.#checkOpen()
    return overlaid(this.#store, prefix, () => this.#newestFirst())
  }

  async commit(writes: readonly Write[]): Promise<void> {
    this.#checkOpen()
    await this.#commits.commit(writes)
  }

  close(): Promise<void> {
    this.#closing ??= this.#commits
      .settled()
      .then(() => this.#empty())
      // What could not be moved lies in the journal, and is found there.
      .catch(() => undefined)
      .then(() => this.#file.close())
      .finally(() => this.#store.close())
    return this.#closing
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new StoreError('STORE_FAILED', 'The store is closed.')
  }

  #newestFirst(): readonly Changes[] {
    return this.#older === undefined ? [this.#current] : [this.#current, this.#older.changes]
  }

  /** One group, whole or not at all; the next begins after it. */
  async #write(writes: readonly Write[]): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken
    if (writes.length === 0) return
    const payload = encode(writes)
    const size = head.end + payload.length
    if (size > halfSize) {
      // What lies in the journal is older, and must not come back over it.
      await this.#empty()
      return this.#store.commit(writes)
    }
    if (this.#at + size > halfSize) await this.#turn()
    await this.#append(payload)
    for (const { key, value } of writes) this.#current.set(key, value)
  }

  async #append(payload: Uint8Array): Promise<void> {
    const bytes = record(this.#generation, payload, this.#last)
    await this.#put(bytes, Number(this.#generation % 2n) * halfSize + this.#at)
    this.#at += bytes.length
    this.#last = checkOf(bytes)
    this.#isUnclear = false
  }

  /** Goes on in the other half, once all that was there is in the store. */
  async #turn(): Promise<void> {
    await this.#moved()
    // Nothing will be written over it soon: a record that says nothing, and what was refused never counts.
    if (this.#isUnclear) await this.#append(Buffer.alloc(0))
    this.#older = { generation: this.#generation, changes: this.#current }
    this.#current = new Map()
    this.#generation += 1n
    this.#at = 0
    this.#last = noCheck
    // Who needs it waits for it, and finds out then.
    this.#move().catch(() => undefined)
  }

  /** Waits until the older half is in the store; tries again where that failed. @throws StoreError */
  async #moved(): Promise<void> {
    await this.#moving.catch(() => undefined)
    if (this.#older !== undefined) await this.#move()
  }

  #move(): Promise<void> {
    const older = this.#older
    if (older === undefined) return Promise.resolve()
    this.#moving = this.#store.commit(writesOf(older)).then(() => {
      this.#older = undefined
    })
    return this.#moving
  }

  /** Brings everything into the store; what lies in the journal then is not newer. @throws StoreError */
  async #empty(): Promise<void> {
    await this.#moved()
    // A generation without a record would be missed after a crash.
    if (this.#at === 0 && !this.#isUnclear) return
    await this.#turn()
    await this.#moved()
  }

  /** Resolves when the bytes would survive a loss of power. */
  async #put(bytes: Uint8Array, position: number): Promise<void> {
    try {
      const { bytesWritten } = await this.#file.write(bytes, 0, bytes.length, position)
      if (bytesWritten < bytes.length)
        throw Object.assign(new Error('it took less than it was given'), { code: 'ENOSPC' })
      if (!isSynced) await this.#file.datasync()
    } catch (cause) {
      this.#isUnclear = isFull(cause)
      if (this.#isUnclear) throw failure(this.#path, cause)
      // What a file holds after a failed sync is not worth relying on.
      this.#broken = failure(this.#path, cause)
      throw this.#broken
    }
  }
}

/** The file, made of blocks that are there: a write over them changes nothing that the file system keeps of it. */
async function create(path: string): Promise<FileHandle> {
  try {
    if (sizeOf(path) !== 2 * halfSize) {
      const file = await openFile(path, 'w', 0o600)
      try {
        await file.write(Buffer.alloc(2 * halfSize))
        await file.sync()
      } finally {
        await file.close()
      }
      syncPath(dirname(path))
    }
    return await openFile(path, constants.O_RDWR | (constants.O_DSYNC ?? 0))
  } catch (cause) {
    throw failure(path, cause)
  }
}

/** What the journal has and the store has not, the older generation first, and up to which the store has everything. */
function left(store: Store, path: string): { moved: bigint; halves: readonly Half[] } {
  // Before the store is looked at: another process may be moving what is read here.
  const found = read(path)
  const moved = movedOf(store, found)
  const halves = found.filter(({ generation }) => generation > moved)
  if (halves.some(({ generation }, at) => generation !== moved + 1n + BigInt(at)))
    throw failed(
      path,
      'it goes on from a newer store than the one beside it. Restore both from the same backup; where there is none of this file, move it away',
    )
  return { moved, halves }
}

function movedOf(store: Store, found: readonly Half[]): bigint {
  const moved = store.get(movedKey)
  if (moved !== undefined) return toBigInt(moved)
  // A store that is new has nothing; in one of an earlier version it was not noted.
  const [entry] = store.entries('')
  return entry === undefined ? 0n : (found[0]?.generation ?? 1n) - 1n
}

/** What lies in the halves of a journal, the older generation first. @throws StoreError */
function read(path: string): readonly Half[] {
  try {
    if (sizeOf(path) === undefined) return []
    const bytes = readFileSync(path)
    return [0, halfSize]
      .map((at) => readHalf(bytes.subarray(at, at + halfSize)))
      .filter((half) => half !== undefined)
      .sort((a, b) => (a.generation < b.generation ? -1 : 1))
  } catch (cause) {
    throw failure(path, cause)
  }
}

/** Of the file; undefined only where there is certainly none. @throws what keeps from looking */
const sizeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size

function readHalf(bytes: Buffer): Half | undefined {
  if (bytes.length < head.end) return undefined
  const generation = bytes.readBigUInt64BE(head.generation)
  const changes: Changes = new Map()
  let [at, last] = [0, noCheck]
  while (at + head.end <= bytes.length) {
    const size = bytes.readUInt32BE(at + head.size)
    const payload = bytes.subarray(at + head.end, at + head.end + size)
    const isOurs =
      bytes.readBigUInt64BE(at + head.generation) === generation &&
      payload.length === size &&
      record(generation, payload, last).equals(bytes.subarray(at, at + head.end + size))
    if (!isOurs) break
    last = checkOf(bytes.subarray(at))
    for (const { key, value } of decode(payload)) changes.set(key, value)
    at += head.end + size
  }
  return at === 0 ? undefined : { generation, changes }
}

function record(generation: bigint, payload: Uint8Array, last: Uint8Array): Buffer {
  const bytes = Buffer.alloc(head.end + payload.length)
  bytes.writeBigUInt64BE(generation, head.generation)
  bytes.writeUInt32BE(payload.length, head.size)
  bytes.set(payload, head.end)
  const hash = createHash('sha256')
    .update(last)
    .update(bytes.subarray(0, head.check))
    .update(payload)
  bytes.set(hash.digest().subarray(0, head.end - head.check), head.check)
  return bytes
}

/** Of each write: key size u16 ‖ key ‖ value size u32 ‖ value. */
function encode(writes: readonly Write[]): Buffer {
  return Buffer.concat(
    writes.flatMap(({ key, value }) => {
      const sizes = Buffer.alloc(6)
      sizes.writeUInt16BE(key.length)
      sizes.writeUInt32BE(value?.length ?? deleted, 2)
      const name = Buffer.from(key, 'latin1')
      return [sizes.subarray(0, 2), name, sizes.subarray(2), value ?? Buffer.alloc(0)]
    }),
  )
}

function* decode(payload: Buffer): Generator<Write> {
  for (let at = 0; at < payload.length; ) {
    const keyEnd = at + 2 + payload.readUInt16BE(at)
    const key = payload.toString('latin1', at + 2, keyEnd)
    const size = payload.readUInt32BE(keyEnd)
    const start = keyEnd + 4
    at = start + (size === deleted ? 0 : size)
    yield {
      key,
      value: size === deleted ? undefined : Uint8Array.from(payload.subarray(start, at)),
    }
  }
}

const merged = (halves: readonly Half[]): Changes =>
  new Map(halves.flatMap(({ changes }) => [...changes]))

/** What brings the store up to a generation. */
const writesOf = ({ generation, changes }: Half): Write[] => [
  ...[...changes].map(([key, value]) => ({ key, value })),
  { key: movedKey, value: uint(generation, 8) },
]

/** The store's entries with `changes` over them, the first of which counts, as both are when the iteration begins. */
function* overlaid(
  store: Store,
  prefix: string,
  changes: () => readonly Changes[],
): Generator<readonly [string, Uint8Array]> {
  const newestLast = [...changes()].reverse().flatMap((each) => [...each])
  const over = [...new Map(newestLast)]
    .filter(([key]) => key.startsWith(prefix))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  let at = 0
  function* upTo(end: string | undefined): Generator<readonly [string, Uint8Array]> {
    for (; at < over.length; at++) {
      const [key, value] = over[at] ?? ['', undefined]
      if (end !== undefined && key >= end) return
      if (value !== undefined) yield [key, value.slice()]
    }
  }
  for (const [key, value] of store.entries(prefix)) {
    if (key === movedKey) continue
    yield* upTo(key)
    if (over[at]?.[0] === key) yield* upTo(`${key}\0`)
    else yield [key, value]
  }
  yield* upTo(undefined)
}

/** No room on the disk, or none for us: it can be mended, and tried again. */
const isFull = (cause: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')

const failure = (path: string, cause: unknown): StoreError => {
  if (isFull(cause)) return full(path, cause)
  return failed(path, cause instanceof Error ? cause.message : String(cause), cause)
}
