/**
 * A simulated disk. Like the real adapter it shows nothing that is not durable, shares one sync among the
 * commits that wait, and is all or nothing; unlike it, it can be slow, full, lose power, or be an old copy.
 */
import type { Store, Write } from '../engine/ports.js'
import { endOf, group, StoreError } from '../store/writes.js'
import type { Chance } from './chance.js'
import type { Life } from './life.js'
import type { Time } from './time.js'

export type DiskPorts = {
  readonly time: Time
  readonly chance: Chance
  /** Milliseconds of the next sync. */
  readonly latencyMs: () => number
  readonly onDurable: (writes: readonly Write[]) => void
  readonly onFault: (kind: 'disk-full' | 'unsynced-lost' | 'synced-unanswered') => void
}

/** How an old copy looks: what lay on the disk at some moment. */
export type Snapshot = ReadonlyMap<string, Uint8Array>

/** Old copies kept at most, and how often a sync leaves one. */
const snapshotsMax = 6
const snapshotShare = 0.1

export class Disk {
  readonly #ports: DiskPorts
  #platters = new Map<string, Uint8Array>()
  #underWay: readonly Write[] | undefined
  readonly #snapshots: Snapshot[] = []
  /** Every commit fails while it is. */
  full = false
  /** It was an old copy once, or will be at the next start. */
  wasRestored = false

  constructor(ports: DiskPorts) {
    this.#ports = ports
  }

  /** Old copies, oldest first. */
  get snapshots(): readonly Snapshot[] {
    return this.#snapshots
  }

  get contents(): Snapshot {
    return this.#platters
  }

  restore(snapshot: Snapshot): void {
    this.#platters = new Map(snapshot)
  }

  /** The power fails: what is being synced has reached the platters, or not, and nobody was told. */
  lose(): void {
    const writes = this.#underWay
    this.#underWay = undefined
    if (writes === undefined) return
    const isDurable = this.#ports.chance.hit(0.5)
    this.#ports.onFault(isDurable ? 'synced-unanswered' : 'unsynced-lost')
    if (isDurable) this.#apply(writes)
  }

  /** The store as one life sees it. */
  open(life: Life): Store {
    const { time, latencyMs } = this.#ports
    const write = (writes: readonly Write[]): Promise<void> =>
      new Promise((resolve, reject) => {
        if (!life.alive) return
        this.#underWay = writes
        time.after(latencyMs(), () => {
          if (!life.alive) return
          this.#underWay = undefined
          if (this.full) {
            this.#ports.onFault('disk-full')
            return reject(new StoreError('DISK_FULL', 'The simulated disk is full.'))
          }
          this.#apply(writes)
          resolve()
        })
      })
    const commits = group(write)
    return {
      get: (key) => this.#platters.get(key)?.slice(),
      entries: (prefix) => {
        const end = endOf(prefix)
        return [...this.#platters]
          .filter(([key]) => key >= prefix && key < end)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => [key, value.slice()] as const)
      },
      commit: (writes) => life.answer(() => commits.commit(writes)),
      close: () => commits.settled(),
    }
  }

  #apply(writes: readonly Write[]): void {
    for (const { key, value } of writes) {
      if (value === undefined) this.#platters.delete(key)
      else this.#platters.set(key, value)
    }
    this.#ports.onDurable(writes)
    const { chance } = this.#ports
    if (!chance.hit(snapshotShare)) return
    if (this.#snapshots.length === snapshotsMax)
      this.#snapshots.splice(chance.below(snapshotsMax), 1)
    this.#snapshots.push(new Map(this.#platters))
  }
}
