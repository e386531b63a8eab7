/**
 * Lives of a journal on a disk that refuses and forgets. Each ends with a close, or with the power, in the middle of a
 * write of which any sectors are on the platters: the next one must find what was acknowledged, and no more than
 * one commit that was not.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import type { Store, Write } from '../../src/engine/ports.js'
import * as Journal from '../../src/store/journal.js'
import * as Memory from '../../src/store/memory.js'
import { StoreError } from '../../src/store/writes.js'
import { seed, seeded } from '../support/child.js'
import { onWrites } from '../support/file.js'

const base = mkdtempSync(join(tmpdir(), 'sluice-journal-fuzz-'))
const path = join(base, 'journal')
const handles = new Set<FileHandle>()
let honest = (): void => undefined
afterEach(async () => {
  honest()
  for (const handle of handles) await handle.close().catch(() => undefined)
  rmSync(base, { recursive: true })
})

const sector = 512
/** Large enough to be torn, small enough to leave much of a half as it was. */
const sizes = { small: 200, middle: 50_000, mostOfHalf: 700_000, beyondHalf: 1_100_000 }
const lives = Number(process.env.FC_NUM_RUNS ?? 50)

type Contents = ReadonlyMap<string, string>
const brief = (value: Uint8Array): string => `${value.length} of ${value[0]}`
const contentsOf = (store: Store): Contents =>
  new Map([...store.entries('')].map(([key, value]) => [key, brief(value)]))
const text = (contents: Contents): string => JSON.stringify([...contents].sort())
function changed(contents: Contents, writes: readonly Write[]): Contents {
  const next = new Map(contents)
  for (const { key, value } of writes)
    if (value === undefined) next.delete(key)
    else next.set(key, brief(value))
  return next
}

function copyOf(store: Store): Store {
  const copy = Memory.open()
  void copy.commit([...store.entries('')].map(([key, value]) => ({ key, value })))
  return copy
}

it('finds what was acknowledged, in whole commits, whatever the disk refuses and whenever the power goes', async () => {
  const random = seeded(seed('journal lives'))
  const below = (end: number): number => Math.floor(random() * end)
  const hit = (share: number): boolean => random() < share
  const times = { lost: 0, refused: 0, closed: 0, full: 0 }

  let behind: Store = Memory.open()
  let acknowledged: Contents = new Map()
  /** Commits since then that were not, one of which may be found all the same. */
  let unclear: (readonly Write[])[] = []
  let count = 0

  function draw(): Write[] {
    return Array.from({ length: 1 + below(3) }, () => {
      const { small, middle, mostOfHalf, beyondHalf } = sizes
      const isAfterRefusal = unclear.length > 0
      const some = 1 + below(hit(0.3) ? middle : small)
      const size = hit(isAfterRefusal ? 0.4 : 0.01) ? mostOfHalf : hit(0.01) ? beyondHalf : some
      const value = new Uint8Array(size).fill(++count)
      return { key: `k${below(120)}`, value: hit(0.1) ? undefined : value }
    })
  }

  /** The file with some of the sectors of a write: the first ones, the last ones or any. */
  function torn(bytes: Uint8Array, position: number): Buffer {
    const file = readFileSync(path)
    const sectorOf = (at: number): number => Math.floor(at / sector)
    const [first, end] = [sectorOf(position), sectorOf(position + bytes.length - 1) + 1]
    const cut = first + below(end - first + 1)
    const isThere = [(at: number) => at < cut, (at: number) => at >= cut, () => hit(0.5)][
      below(3)
    ] as (at: number) => boolean
    for (let at = first; at < end; at++) {
      if (!isThere(at)) continue
      const from = Math.max(position, at * sector)
      const to = Math.min(position + bytes.length, (at + 1) * sector)
      file.set(bytes.subarray(from - position, to - position), from)
    }
    return file
  }

  /** One life: resolves with what is on the disk when it is over. */
  function live(): Promise<{ file: Buffer; behind: Store }> {
    return new Promise((resolve, reject) => {
      const platters = behind
      const never = new Promise<never>(() => undefined)
      let isWriting = false
      /** Once the power is gone: what lies behind. Nothing answers any more. */
      let lost: Store | undefined
      const lose = (file: Buffer, copy: Store): Promise<never> => {
        lost = copy
        resolve({ file, behind: copy })
        return never
      }
      const store: Store = {
        ...platters,
        async commit(writes) {
          await new Promise(setImmediate)
          if (lost !== undefined) return never
          if (hit(0.3)) {
            times.full += 1
            throw new StoreError('DISK_FULL', 'The disk behind is full.')
          }
          if (!hit(0.03)) return platters.commit(writes)
          lost = copyOf(platters)
          if (hit(0.5)) void lost.commit(writes)
          // A write that is under way comes to its end first.
          return isWriting ? never : lose(readFileSync(path), lost)
        },
        close: async () => undefined,
      }
      honest = onWrites(async (handle, bytes, position, write) => {
        handles.add(handle)
        if (lost !== undefined) return never
        const isFirst = position % (1 << 20) === 0
        if (hit(isFirst ? 0.1 : 0.02)) return lose(torn(bytes, position), copyOf(platters))
        const isRefused = hit(0.05)
        // Refused with all of it there is what a sync can do that finds no room.
        if (isRefused && hit(0.5)) writeFileSync(path, torn(bytes, position))
        else {
          isWriting = true
          await write()
          isWriting = false
          if (lost !== undefined) return lose(readFileSync(path), lost)
        }
        if (isRefused)
          throw Object.assign(new Error('refused'), { code: hit(0.9) ? 'ENOSPC' : 'EIO' })
        return { bytesWritten: bytes.length }
      })
      use(store).then(() => resolve({ file: readFileSync(path), behind: platters }), reject)
    })
  }

  async function use(store: Store): Promise<void> {
    const journal = await Journal.open(store, path).catch((error) => {
      if (error.code !== 'DISK_FULL') throw error
    })
    if (journal === undefined) return
    const found = text(contentsOf(journal))
    const possible = [acknowledged, ...unclear.map((writes) => changed(acknowledged, writes))]
    expect(possible.map(text)).toContain(found)
    acknowledged = contentsOf(journal)
    unclear = []
    for (let left = below(100); left > 0; left--) {
      const writes = draw()
      unclear.push(writes)
      try {
        await journal.commit(writes)
        acknowledged = changed(acknowledged, writes)
        unclear = []
      } catch (error) {
        times.refused += 1
        if ((error as StoreError).code === 'STORE_FAILED') break
      }
      if (hit(0.1)) expect(text(contentsOf(journal))).toBe(text(acknowledged))
    }
    times.closed += 1
    await journal.close()
  }

  for (let life = 0; life < lives; life++) {
    const closed = times.closed
    const left = await live()
    honest()
    if (times.closed === closed) times.lost += 1
    behind = copyOf(left.behind)
    writeFileSync(path, left.file)
  }
  if (lives >= 50) expect(Math.min(...Object.values(times))).toBeGreaterThan(0)
}, 1_000_000)
