/** Syncing what has a name: it must never return before a loss of power would leave it as it is. */
import { closeSync, fdatasyncSync, fsyncSync, openSync } from 'node:fs'

/** Waits until a file's pages, or a directory's entries, are on the disk. */
export function syncPath(path: string): void {
  if (process.platform === 'win32') return
  const descriptor = openSync(path, 'r')
  try {
    if (process.platform === 'linux') fdatasyncSync(descriptor)
    else fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
