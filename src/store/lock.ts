/**
 * An exclusive lock between processes that the kernel lets go of the moment its holder dies, SIGKILL included.
 * It must never depend on a process tidying up after itself, nor on how old a file is.
 *
 * Node has no flock, a stale Unix socket cannot be replaced without a race, and an abstract one exists on
 * Linux only; LMDB has what is needed on every platform. A lock is a place in the reader table of a small
 * environment of its own: a place counts while its process holds a kernel lock on it, and places are looked
 * at and taken inside a write transaction, which one process at a time can be in.
 */
import { existsSync } from 'node:fs'
import { open, type RootDatabase, type Transaction } from 'lmdb'
import { SluiceError } from '../core/errors.js'
import { checkHead } from './lmdb.js'

export type Lock = { release(): Promise<void> }

/** Locks of this process: LMDB does not tell two users of one file in one process apart. */
const held = new Set<string>()

/**
 * Takes the lock kept in the file `path` (its directory must exist), at once or not at all.
 * @throws LockError `LOCKED`, with the holder's process id; StoreError `STORE_FAILED` when it is damaged
 */
export async function acquire(path: string): Promise<Lock> {
  if (held.has(path)) throw new LockError(process.pid)
  if (existsSync(path)) checkHead(path)
  const database = open({ path, noSubdir: true, overlappingSync: false, encoding: 'binary' })
  const place = database.transactionSync(() => take(database))
  if (typeof place === 'number') {
    await database.close()
    throw new LockError(place)
  }
  held.add(path)
  return {
    async release() {
      if (!held.delete(path)) return
      place.done()
      await database.close()
    },
  }
}

/** Our place in the reader table, or the process that has one already. */
function take(database: RootDatabase): Transaction | number {
  database.readerCheck()
  const holder = [...`${database.readerList()}`.matchAll(/^\s*(\d+)\s/gm)]
    .map((line) => Number(line[1]))
    .find((pid) => pid !== process.pid)
  if (holder !== undefined) return holder
  const place = database.useReadTransaction()
  database.get('place', { transaction: place })
  return place
}

/** Somebody else has the lock. */
export class LockError extends SluiceError {
  readonly pid: number

  constructor(pid: number) {
    super('LOCKED', `Process ${pid} holds the lock.`)
    this.name = 'LockError'
    this.pid = pid
  }
}
