/**
 * The durable store: one LMDB file. It must never report a write as done before it would survive a loss of
 * power, nor show one to anybody that may yet be lost.
 *
 * Why `overlappingSync` is off. With it (lmdb's default) a transaction becomes visible, also to other
 * processes, before it is synced; one whose sync fails stays visible; and after a SIGKILL the last visible
 * transaction, synced or not, is taken up again for as long as the machine's boot id is the same: a node
 * could read it, speak on it, and lose it with the power (`safeRestore` closes that last hole only). What it
 * buys is a transaction that starts during the sync of the one before, and we never have two under way:
 * group commit is ours (writes.ts). Off, LMDB keeps its classic order, pages, fdatasync, then the meta page
 * through an O_DSYNC descriptor: its promise means durable and a failed commit was never visible. One window
 * stays: killed inside that last write, the meta page is in the page cache and perhaps not on the disk.
 * `open` therefore syncs the file before anybody reads it.
 * Measured on this disk: 0.30–0.43 ms a commit, the same with and without.
 */
import { closeSync, existsSync, openSync, readSync, realpathSync, statfsSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { open as openDatabase, type RootDatabase } from 'lmdb'
import type { Store, Write } from '../engine/ports.js'
import { syncPath } from './sync-path.js'
import { endOf, failed, full, group, StoreError } from './writes.js'

/**
 * Disk left free beyond what a group needs, in bytes: room to close channels and clean up with. Below it we
 * refuse before LMDB tries (it would, too, but prints a stack trace of its own first).
 */
const spareDefault = 262_144

/** Paths open in this process: LMDB's file locks are lost when a process opens a file twice. */
const inUse = new Set<string>()

/**
 * Opens or creates the store in the file `path`. With `readOnly`, reads a store that another process may be
 * using. `spare` is the disk space to leave free; 0 does not look.
 * @throws StoreError `DISK_FULL`, `STORE_FAILED`
 */
export function open(
  path: string,
  options: { readonly readOnly?: boolean; readonly spare?: number } = {},
): Store {
  const { readOnly = false, spare = spareDefault } = options
  const file = realPath(path)
  if (inUse.has(file)) throw failed(file, 'it is already open in this process')
  if (readOnly && !existsSync(file)) throw failed(file, 'there is no store yet')
  const database = openFile(file, readOnly)
  inUse.add(file)

  let broken: StoreError | undefined
  let closing: Promise<void> | undefined

  async function write(writes: readonly Write[]): Promise<void> {
    if (broken !== undefined) throw broken
    const bytes = writes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
    if (spare > 0 && freeBytes(file) < spare + needed(bytes)) throw full(file)
    try {
      await database.batch(() => {
        for (const { key, value } of writes)
          if (value === undefined) database.remove(key)
          else database.put(key, value)
      })
    } catch (error) {
      const cause = await rootCause(error)
      if (isFull(cause, file, bytes)) throw full(file, cause)
      // What an environment does after a failed sync or meta page is not worth relying on.
      broken = failed(file, messageOf(cause), cause)
      throw broken
    }
  }

  const commits = group(write)

  function read<T>(get: () => T): T {
    if (closing !== undefined) throw failed(file, 'it is closed')
    try {
      return get()
    } catch (error) {
      throw failed(file, messageOf(error), error)
    }
  }

  return {
    get: (key) =>
      read(() => {
        const value = database.get(key)
        return value && plain(value)
      }),
    entries: (prefix) =>
      read(() => {
        const range = prefix === '' ? {} : { start: prefix, end: endOf(prefix) }
        return database.getRange(range).map(({ key, value }) => [key, plain(value)] as const)
      }),
    async commit(writes) {
      if (closing !== undefined) throw failed(file, 'it is closed')
      if (readOnly) throw failed(file, 'it was opened for reading only')
      await commits.commit(writes)
    },
    close() {
      closing ??= commits
        .settled()
        .then(() => database.close())
        .finally(() => inUse.delete(file))
      return closing
    },
  }
}

type Database = RootDatabase<Uint8Array, string>

/** One name for one file, whatever links lead to its directory. */
function realPath(path: string): string {
  const file = resolve(path)
  const directory = dirname(file)
  return existsSync(directory) ? join(realpathSync(directory), basename(file)) : file
}

function openFile(file: string, readOnly: boolean): Database {
  try {
    const fresh = !existsSync(file)
    if (!fresh) checkHead(file)
    if (!fresh && !readOnly) syncPath(file)
    const database: Database = openDatabase({
      path: file,
      noSubdir: true,
      encoding: 'binary',
      overlappingSync: false,
      // A batch of ours is a transaction of its own; lmdb's turn-wide one would reject a promise nobody holds.
      eventTurnBatching: false,
      readOnly,
      // Known to lmdb's open, missing in its types.
      ...{ permissionsMode: 0o600 },
    })
    // Also of a file that is there: who made it may have been killed before.
    if (!readOnly) syncPath(dirname(file))
    return database
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw isFull(error, file, 0) ? full(file, error) : failed(file, messageOf(error), error)
  }
}

/**
 * LMDB ends the whole process over a file whose two meta pages are not its own, so we look first: magic
 * number after the page header of 24 bytes, page size 24 bytes on (struct MDB_meta in its mdb.c).
 * @throws StoreError `STORE_FAILED`
 */
export function checkHead(file: string): void {
  const head = Buffer.alloc(131_072)
  const descriptor = openSync(file, 'r')
  try {
    const size = readSync(descriptor, head, 0, head.length, 0)
    if (size === 0) return
  } finally {
    closeSync(descriptor)
  }
  const littleEndian = head.readUInt32LE(24) === magic
  const pageSize = littleEndian ? head.readUInt32LE(48) : head.readUInt32BE(48)
  for (const at of [24, pageSize + 24]) {
    const found = head.subarray(at, at + 4)
    if (found.length < 4 || (littleEndian ? found.readUInt32LE() : found.readUInt32BE()) !== magic)
      throw failed(file, 'it is damaged or no store; restore it from a backup')
  }
}

const magic = 0xbeefc0de

/** lmdb hands out Buffers, whose `slice` shares memory where a Uint8Array's copies. */
const plain = (value: Uint8Array): Uint8Array =>
  new Uint8Array(value.buffer, value.byteOffset, value.byteLength)

/** lmdb rejects with "Commit failed" and a promise of the reason. */
async function rootCause(error: unknown): Promise<unknown> {
  const reason = error instanceof Error && 'commitError' in error ? error.commitError : undefined
  if (!(reason instanceof Promise)) return error
  return reason.then(
    () => error,
    (cause: unknown) => cause,
  )
}

/** Copy-on-write needs the new pages while the old ones still stand. */
const needed = (bytes: number): number => 2 * bytes

/** Bytes free for us where `file` lies; without end where the file system does not say. */
function freeBytes(file: string): number {
  try {
    const { bavail, blocks, bsize } = statfsSync(dirname(file))
    return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** LMDB reports a short write, which is what a full disk gives, as EIO: then the free space decides. */
function isFull(error: unknown, file: string, bytes: number): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const { ENOSPC, EDQUOT, EIO } = constants.errno
  const mapFull = -30_792
  if (code === ENOSPC || code === EDQUOT || code === mapFull || code === 'ENOSPC') return true
  return code === EIO && freeBytes(file) < spareDefault + needed(bytes)
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : `${error}`)
