/**
 * A simulated disk: a Store whose syncs the test holds back, lets through, or loses with the power.
 * Like the real adapter it shows nothing that is not durable.
 */
import type { Store, Write } from '../../src/engine/ports.js'
import * as Memory from '../../src/store/memory.js'
import { group, StoreError } from '../../src/store/writes.js'

export type Disk = {
  /** A store on this disk. After a crash, open another: the old one never answers again. */
  open(): Store
  /** From now on syncs wait until `release`. */
  hold(): void
  release(): void
  /** Loses every commit that was not synced, for ever: their promises stay open. */
  crash(): void
  /** While true, every commit fails with `DISK_FULL`. */
  full: boolean
  /** A backup: another disk with what is durable on this one now. */
  copy(): Promise<Disk>
  /** Syncs so far: how many groups the commits shared. */
  readonly syncs: number
}

export function create(platters = Memory.open()): Disk {
  let era = 0
  let held: Promise<void> | undefined
  let letGo: () => void = () => {}
  let syncs = 0

  const disk: Disk = {
    full: false,
    get syncs() {
      return syncs
    },
    open() {
      const mine = era
      async function write(writes: readonly Write[]): Promise<void> {
        await held
        if (mine !== era) await new Promise<never>(() => {})
        if (disk.full) throw new StoreError('DISK_FULL', 'The simulated disk is full.')
        await platters.commit(writes)
        syncs++
      }
      const commits = group(write)
      let closed = false
      const check = (): void => {
        if (closed) throw new StoreError('STORE_FAILED', 'The store is closed.')
      }
      return {
        get(key) {
          check()
          return platters.get(key)
        },
        entries(prefix) {
          check()
          return platters.entries(prefix)
        },
        async commit(writes) {
          check()
          await commits.commit(writes)
        },
        async close() {
          closed = true
          await commits.settled()
        },
      }
    },
    hold() {
      held ??= new Promise((resolve) => {
        letGo = resolve
      })
    },
    release() {
      held = undefined
      letGo()
    },
    async copy() {
      const backup = Memory.open()
      await backup.commit([...platters.entries('')].map(([key, value]) => ({ key, value })))
      return create(backup)
    },
    crash() {
      era++
      disk.release()
    },
  }
  return disk
}
