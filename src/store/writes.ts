/**
 * What every store does with writes before it takes them: check the keys, copy the values, and gather calls
 * into groups that share one sync. It never lets a later change of the caller's buffer reach the disk.
 */
import { assert, SluiceError } from '../core/errors.js'
import type { Write } from '../engine/ports.js'

const keyForm = /^[\x20-\x7e]{1,512}$/

/** Greater than every key that begins with `prefix`: keys end below 0x7f. */
export const endOf = (prefix: string): string => `${prefix}\x7f`

/** The writes with their own copy of each value. A key out of form is a bug of ours. */
export function own(writes: readonly Write[]): readonly Write[] {
  return writes.map(({ key, value }) => {
    assert(keyForm.test(key), 'a store key is 1 to 512 printable ASCII characters')
    return { key, value: value === undefined ? undefined : new Uint8Array(value) }
  })
}

type Call = {
  readonly writes: readonly Write[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A `commit` and the way to wait for all that were asked for. */
export type Group = {
  commit(writes: readonly Write[]): Promise<void>
  /** Resolves when nothing is under way. Never rejects. */
  settled(): Promise<void>
}

/**
 * Group commit over `write`, which must be all or nothing and resolve when durable. One group is under way
 * at a time; calls made meanwhile wait and share the next. A group that fails fails each of its calls.
 */
export function group(write: (writes: readonly Write[]) => Promise<void>): Group {
  let waiting: Call[] = []
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    // Lets the rest of this turn join the first group, which would otherwise be one call.
    await undefined
    while (waiting.length > 0) {
      const calls = waiting
      waiting = []
      try {
        await write(calls.flatMap((call) => call.writes))
        for (const call of calls) call.resolve()
      } catch (error) {
        for (const call of calls) call.reject(error)
      }
    }
    running = undefined
  }

  return {
    commit(writes) {
      const owned = own(writes)
      return new Promise((resolve, reject) => {
        waiting.push({ writes: owned, resolve, reject })
        running ??= run()
      })
    },
    async settled() {
      await running
    },
  }
}

/** The disk refused: `DISK_FULL` can be mended and tried again, `STORE_FAILED` wants a person. */
export class StoreError extends SluiceError {
  constructor(
    code: 'DISK_FULL' | 'STORE_FAILED',
    message: string,
    options: { cause?: unknown } = {},
  ) {
    super(code, message, options)
    this.name = 'StoreError'
  }
}

export const full = (file: string, cause?: unknown): StoreError =>
  new StoreError(
    'DISK_FULL',
    `The disk that holds ${file} is full. Nothing was written and no money moved; free some space and try again.`,
    { cause },
  )

export const failed = (file: string, why: string, cause?: unknown): StoreError =>
  new StoreError('STORE_FAILED', `The store ${file} cannot be used: ${why}.`, { cause })
