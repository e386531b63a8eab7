/** A file system that does what a test wants with writes to a place in a file, and tells of syncs. */
import { type FileHandle, open } from 'node:fs/promises'
import { devNull } from 'node:os'

export type OnWrite = (
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
  /** Does what was asked for. */
  write: () => Promise<{ bytesWritten: number }>,
) => Promise<{ bytesWritten: number }>

const probe = await open(devNull)
const prototype: FileHandle = Object.getPrototypeOf(probe)
await probe.close()

/** Puts `onWrite` before all writes that name a position, until what it returns is called. */
export function onWrites(onWrite: OnWrite): () => void {
  const { write } = prototype
  const asked = function (this: FileHandle, ...given: Parameters<FileHandle['write']>) {
    const [bytes, , , position] = given as unknown as [
      Uint8Array,
      number,
      number,
      number | undefined,
    ]
    const really = () => write.apply(this, given)
    return position === undefined ? really() : onWrite(this, bytes, position, really)
  }
  Object.assign(prototype, { write: asked })
  return () => {
    Object.assign(prototype, { write })
  }
}

/** Calls `onSync` after each sync of a file's data, until what it returns is called. */
export function onSyncs(onSync: () => void): () => void {
  const { datasync } = prototype
  const synced = async function (this: FileHandle) {
    await datasync.call(this)
    onSync()
  }
  Object.assign(prototype, { datasync: synced })
  return () => {
    Object.assign(prototype, { datasync })
  }
}
