import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import type { Store } from '../../src/engine/ports.js'
import * as Journal from '../../src/store/journal.js'
import * as Lmdb from '../../src/store/lmdb.js'
import * as Memory from '../../src/store/memory.js'
import { storeSuite } from '../conformance/store.js'
import { reap, run, seed, seeded } from '../support/child.js'
import { onSyncs, onWrites } from '../support/file.js'
import { callsOf, descriptor, journalOf, noStrace, strace } from '../support/strace.js'

const base = mkdtempSync(join(tmpdir(), 'sluice-journal-'))
const opened: Store[] = []
/** What lets go of held stores and of refusing files, should a test not come to it. */
const letGo: (() => void)[] = []
afterEach(async () => {
  for (const each of letGo.splice(0)) each()
  await reap()
  for (const store of opened.splice(0)) await store.close()
})
afterAll(() => rmSync(base, { recursive: true, force: true }))
let count = 0
const fresh = (): string => join(base, `${++count}`)
const open = (path: string): Promise<Store> =>
  Journal.open(Lmdb.open(`${path}.mdb`), `${path}.journal`)

storeSuite('journal', {
  create: () => open(fresh()),
  reopen: () => open(join(base, `${count}`)),
})

/** Opens a journal that may be left as after a crash: it is closed only when the test is over. */
async function crashable(store: Store, path: string): Promise<Store> {
  const journal = await Journal.open(store, path)
  opened.push(journal)
  return journal
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const all = (store: Store): Record<string, string> =>
  Object.fromEntries([...store.entries('')].map(([key, value]) => [key, `${Buffer.from(value)}`]))
/** What the journal has put into the store behind it, beside its own note of how far it came. */
const moved = (store: Store): Record<string, string> => {
  const { 'journal/moved': _, ...rest } = all(store)
  return rest
}

/** A store that a test can look behind, hold back, and have fail. */
function behind() {
  const memory = Memory.open()
  const control = {
    commits: 0,
    failure: undefined as Error | undefined,
    gate: Promise.resolve(),
    release: () => {},
    hold() {
      control.gate = new Promise<void>((resolve) => {
        control.release = resolve
        letGo.push(resolve)
      })
    },
  }
  const store: Store = {
    ...memory,
    async commit(writes) {
      control.commits += 1
      await control.gate
      if (control.failure !== undefined) throw control.failure
      await memory.commit(writes)
    },
    close: async () => undefined,
  }
  return { store, memory, control }
}

describe('what a crash leaves', () => {
  it('is found again, in order, over what the store behind has', async () => {
    const path = fresh()
    const { store, memory } = behind()
    await memory.commit([
      { key: 'a', value: text('old') },
      { key: 'gone', value: text('old') },
    ])
    const journal = await crashable(store, path)
    await journal.commit([{ key: 'a', value: text('1') }])
    await journal.commit([
      { key: 'a', value: text('2') },
      { key: 'gone', value: undefined },
      { key: 'empty', value: text('') },
    ])
    expect(all(memory)).toEqual({ a: 'old', gone: 'old' })
    expect(all(Journal.view(store, path))).toEqual({ a: '2', empty: '' })
    expect(all(memory)).toEqual({ a: 'old', gone: 'old' })
    const again = await crashable(store, path)
    expect(all(again)).toEqual({ a: '2', empty: '' })
    expect(moved(memory)).toEqual({ a: '2', empty: '' })
  })

  it('at any byte of the last write, is everything before it, and that write whole or not at all', async () => {
    const path = fresh()
    const { store } = behind()
    const journal = await crashable(store, path)
    await journal.commit([{ key: 'a', value: text('one') }])
    const before = readFileSync(path)
    await journal.commit([
      { key: 'a', value: text('two') },
      { key: 'b', value: text('two') },
    ])
    const after = readFileSync(path)
    const changed = [...after.keys()].filter((at) => after[at] !== before[at])
    const last = changed.at(-1) ?? 0
    for (let at = changed[0] ?? 0; at <= last + 1; at++) {
      const torn = Buffer.concat([after.subarray(0, at), before.subarray(at)])
      writeFileSync(path, torn)
      const found = all(Journal.view(Memory.open(), path))
      expect(found).toEqual(at > last ? { a: 'two', b: 'two' } : { a: 'one' })
    }
  })

  it('does not bring back what was moved, emptied or written over', async () => {
    const path = fresh()
    const large = (fill: number) => new Uint8Array(300_000).fill(fill)
    const { store, memory } = behind()
    const journal = await crashable(store, path)
    // Both halves, several times; then one that no half holds.
    for (let n = 0; n < 13; n++) {
      await journal.commit([
        { key: `k${n % 3}`, value: large(n) },
        { key: 'n', value: text(`${n}`) },
      ])
      const found = await crashable(behindOf(memory), copy(path))
      expect([found.get('n'), found.get(`k${n % 3}`)?.[0]]).toEqual([text(`${n}`), n])
    }
    await journal.commit([{ key: 'k0', value: new Uint8Array(2_000_000) }])
    await journal.commit([{ key: 'k1', value: text('small') }])
    const found = await crashable(behindOf(memory), copy(path))
    expect([found.get('k0')?.length, found.get('k1'), found.get('n')]).toEqual([
      2_000_000,
      text('small'),
      text('12'),
    ])
    await journal.close()
    await memory.commit([{ key: 'n', value: text('without the journal') }])
    expect((await crashable(store, path)).get('n')).toEqual(text('without the journal'))
  })

  it.each([-1, 0, 1])('is whole where a write ends %i bytes beyond a half', async (beyond) => {
    const path = fresh()
    const { store, memory } = behind()
    const journal = await crashable(store, path)
    // Of each record: its head, and of its one write the size of the key, the key and the size of the value.
    const first = { key: 'a', value: new Uint8Array(600_000).fill(1) }
    const rest = statSync(path).size / 2 + beyond - first.value.length
    const second = { key: 'b', value: new Uint8Array(rest - 2 * (28 + 2 + 1 + 4)).fill(2) }
    for (const write of [first, second]) await journal.commit([write])
    await crashable(store, path)
    for (const { key, value } of [first, second])
      expect(Buffer.compare(memory.get(key) ?? new Uint8Array(), value)).toBe(0)
  })

  it('behind a record that was lost is not taken for what follows a new one', async () => {
    const path = fresh()
    const { store } = behind()
    const journal = await crashable(store, path)
    for (const n of ['1', '2']) await journal.commit([{ key: `k${n}`, value: text(n) }])
    // The first record is gone: its generation is used again, by one of the same size.
    const bytes = readFileSync(path)
    bytes.fill(0, bytes.indexOf('k1'), bytes.indexOf('k1') + 2)
    writeFileSync(path, bytes)
    const again = await crashable(store, path)
    expect(all(again)).toEqual({})
    await again.commit([{ key: 'k3', value: text('3') }])
    expect(all(Journal.view(store, path))).toEqual({ k3: '3' })
  })

  it('in a journal that is cut short or damaged counts as far as it is whole', async () => {
    const path = fresh()
    const { store } = behind()
    const journal = await crashable(store, path)
    for (const n of [1, 2, 3]) await journal.commit([{ key: `k${n}`, value: text(`${n}`) }])
    const size = readFileSync(path).indexOf('k2')
    truncateSync(path, size)
    const again = await crashable(store, path)
    expect(all(again)).toEqual({ k1: '1' })
    await again.commit([{ key: 'k2', value: text('again') }])
    expect(all(Journal.view(store, path))).toEqual({ k1: '1', k2: 'again' })
  })

  it('is never a part of what was moved, where a write over it has left its beginning', async () => {
    const path = fresh()
    const { store, memory, control } = behind()
    const journal = await crashable(store, path)
    const fill = (n: number) =>
      journal.commit([{ key: 'filler', value: new Uint8Array(700_000).fill(n) }])
    await journal.commit([{ key: 'k', value: text('early') }])
    await fill(1)
    await journal.commit([{ key: 'k', value: text('late') }])
    await fill(2)
    const before = readFileSync(path)
    control.hold()
    await fill(3)
    const after = readFileSync(path)
    // The disk had written all of it but the first sector when the power went.
    const at = after.findIndex((byte, index) => byte !== before[index]) & ~511
    before.copy(after, at, at, at + 512)
    writeFileSync(path, after)
    expect((await crashable(behindOf(memory), copy(path))).get('k')).toEqual(text('late'))
    control.release()
  })

  it('has everything it acknowledged, and whole commits only, after SIGKILL at any moment', async () => {
    const random = seeded(seed('journal SIGKILL'))
    const path = fresh()
    const acknowledged: number[] = []
    let first = 0
    for (let round = 0; round < 5; round++) {
      const child = run('test/store/children/committer.ts', [
        path,
        `${first}`,
        '8',
        'Infinity',
        'journal',
      ])
      const stopAfter = 1 + Math.floor(random() * 3_000)
      expect(await child.line()).toBe('ready')
      for (let n = 0; n < stopAfter; n++) acknowledged.push(Number(await child.line()))
      const killed = child.kill()
      for await (const line of child.lines) acknowledged.push(Number(line))
      await killed
      const store = await open(path)
      const left = [...store.entries('left/')].map(([key, value]) => `${key.slice(5)} ${value}`)
      const right = [...store.entries('right/')].map(([key, value]) => `${key.slice(6)} ${value}`)
      expect(left).toEqual(right)
      const found = new Set(left.map((entry) => Number(entry.split(' ')[0])))
      expect(acknowledged.filter((n) => !found.has(n))).toEqual([])
      await store.close()
      first = Math.max(...found) + 1
    }
  })
})

describe('a write that is refused', () => {
  const refuse = (code: string): (() => void) => {
    const honest = onWrites(async (_, __, ___, write) => {
      await write()
      throw Object.assign(new Error('refused'), { code })
    })
    letGo.push(honest)
    return honest
  }

  it('is DISK_FULL where there is no room for us, and goes on when there is', async () => {
    const journal = await crashable(behind().store, fresh())
    for (const code of ['ENOSPC', 'EDQUOT']) {
      const honest = refuse(code)
      await expect(journal.commit([{ key: 'a', value: text('refused') }])).rejects.toMatchObject({
        code: 'DISK_FULL',
      })
      honest()
      expect(journal.get('a')).toBeUndefined()
      await journal.commit([{ key: 'b', value: text(code) }])
    }
    expect(all(journal)).toEqual({ b: 'EDQUOT' })
  })

  it('never comes back once a later one is acknowledged, though all of it lies there', async () => {
    for (const size of [100, 700_000, 1_100_000]) {
      const path = fresh()
      const { store, memory, control } = behind()
      const journal = await crashable(store, path)
      await journal.commit([{ key: 'first', value: new Uint8Array(600_000) }])
      const honest = refuse('ENOSPC')
      await expect(journal.commit([{ key: 'refused', value: text('') }])).rejects.toThrow()
      honest()
      // The power goes before the store behind has anything but what was waited for.
      if (size < 1_000_000) control.hold()
      await journal.commit([{ key: 'later', value: new Uint8Array(size) }])
      const found = await crashable(behindOf(memory), copy(path))
      expect([...found.entries('')].map(([key]) => key)).toEqual(['first', 'later'])
      control.release()
    }
  })
})

describe('a journal and a store that were copied', () => {
  const large = (n: number) => [
    { key: `k${n % 3}`, value: new Uint8Array(600_000) },
    { key: 'n', value: text(`${n}`) },
  ]

  it('of which the store is the newer one, are as the store is', async () => {
    const path = fresh()
    const { store, memory } = behind()
    const journal = await crashable(store, path)
    for (let n = 1; n <= 2; n++) await journal.commit(large(n))
    const old = copy(path)
    for (let n = 3; n <= 6; n++) await journal.commit(large(n))
    const stored = text(moved(memory).n ?? '')
    expect(stored).toEqual(text('5'))
    expect(Journal.view(store, old).get('n')).toEqual(stored)
    expect((await crashable(store, old)).get('n')).toEqual(stored)
  })

  it('of which the journal is too new for the store, are no mixture of both', async () => {
    const path = fresh()
    const { store, memory } = behind()
    const journal = await crashable(store, path)
    for (let n = 1; n <= 2; n++) await journal.commit(large(n))
    const old = behindOf(memory)
    for (let n = 3; n <= 4; n++) await journal.commit(large(n))
    const refused = expect.objectContaining({
      code: 'STORE_FAILED',
      message: expect.stringContaining('from the same backup'),
    })
    for (const behind of [old, Memory.open()]) {
      const before = all(behind)
      expect(() => Journal.view(behind, path)).toThrow(refused)
      await expect(Journal.open(behind, copy(path))).rejects.toEqual(refused)
      expect(all(behind)).toEqual(before)
    }
    expect((await crashable(old, fresh())).get('n')).toEqual(text('1'))
  })

  it('go on from one another after large commits, of which some were refused', async () => {
    const path = fresh()
    const { store, control, memory } = behind()
    const journal = await crashable(store, path)
    const beyondHalf = [{ key: 'large', value: new Uint8Array(1_100_000) }]
    await journal.commit([{ key: 'a', value: text('1') }])
    for (let n = 0; n < 3; n++) {
      control.failure = n === 0 ? undefined : new Error('full')
      await journal.commit(beyondHalf).catch(() => undefined)
    }
    await journal.commit([{ key: 'a', value: text('2') }])
    expect((await crashable(behindOf(memory), copy(path))).get('a')).toEqual(text('2'))
  })

  it('are taken from a version that did not note how far the store is', async () => {
    const path = fresh()
    const { store, memory } = behind()
    const journal = await crashable(store, path)
    for (let n = 1; n <= 4; n++) await journal.commit(large(n))
    const old = behindOf(memory)
    await old.commit([{ key: 'journal/moved', value: undefined }])
    expect((await crashable(old, path)).get('n')).toEqual(text('4'))
  })
})

/** The same store as it is now, for somebody else to write to. */
function behindOf(memory: Store): Store {
  const other = Memory.open()
  void other.commit([...memory.entries('')].map(([key, value]) => ({ key, value })))
  return other
}

function copy(path: string): string {
  const to = fresh()
  copyFileSync(path, to)
  return to
}

describe('the store behind', () => {
  it('is written once a half is full, and holds up nobody until the other is full too', async () => {
    const { store, control } = behind()
    control.hold()
    const journal = await crashable(store, fresh())
    const value = new Uint8Array(400_000)
    for (const key of ['a', 'b', 'c', 'd']) await journal.commit([{ key, value }])
    expect(control.commits).toBe(1)
    let done = false
    const fifth = journal.commit([{ key: 'e', value }]).then(() => {
      done = true
    })
    expect([...journal.entries('')].map(([key]) => key)).toEqual(['a', 'b', 'c', 'd'])
    expect(done).toBe(false)
    control.release()
    await fifth
    expect([...journal.entries('')].map(([key]) => key)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('that fails loses nothing: commits fail once there is no room, and go on when it is mended', async () => {
    const path = fresh()
    const { store, control, memory } = behind()
    const journal = await crashable(store, path)
    control.failure = Object.assign(new Error('full'), { code: 'DISK_FULL' })
    const value = new Uint8Array(400_000)
    const outcomes: boolean[] = []
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
      outcomes.push(
        await journal.commit([{ key, value }]).then(
          () => true,
          () => false,
        ),
      )
    expect(outcomes).toEqual([true, true, true, true, false, false])
    const kept = ['a', 'b', 'c', 'd']
    expect([...journal.entries('')].map(([key]) => key)).toEqual(kept)
    expect([...Journal.view(Memory.open(), path).entries('')].map(([key]) => key)).toEqual(kept)
    control.failure = undefined
    await journal.commit([{ key: 'g', value }])
    await journal.close()
    expect(Object.keys(moved(memory))).toEqual([...kept, 'g'])
  })
})

describe('the file', () => {
  it('that cannot be read is STORE_FAILED', async () => {
    const path = fresh()
    mkdirSync(path)
    await expect(Journal.open(Memory.open(), path)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })

  it('is closed to other users, and does not grow', async () => {
    const path = fresh()
    const { store } = behind()
    const journal = await crashable(store, path)
    const { size, mode } = statSync(path)
    expect(mode & 0o077).toBe(0)
    for (let n = 0; n < 40; n++)
      await journal.commit([{ key: 'k', value: new Uint8Array(100_000) }])
    expect(statSync(path).size).toBe(size)
  })

  it('is synced after each write where writes are not their own syncs', async () => {
    const { platform } = process
    Object.defineProperty(process, 'platform', { value: 'darwin' })
    vi.resetModules()
    const { open } = await import('../../src/store/journal.js')
    Object.defineProperty(process, 'platform', { value: platform })
    const journal = await open(behind().store, fresh())
    opened.push(journal)
    const order: string[] = []
    letGo.push(onSyncs(() => order.push('synced')))
    await journal.commit([{ key: 'a', value: text('1') }]).then(() => order.push('answered'))
    expect(order).toEqual(['synced', 'answered'])
  })

  it.skipIf(noStrace)('that a disk does not show is not made anew (needs strace)', async () => {
    const path = fresh()
    const journal = await crashable(Lmdb.open(`${path}.mdb`), `${path}.journal`)
    await journal.commit([{ key: 'a', value: text('1') }])
    const before = readFileSync(`${path}.journal`)
    const looks = '?access,?faccessat,?faccessat2,?stat,?newfstatat,?statx'
    const broken = ['-P', `${path}.journal`, '-e', `inject=${looks}:error=EIO`]
    const child = run('test/store/children/committer.ts', [path, '0', '1', '5', 'journal'], {
      under: [...strace(join(base, 'trace'), looks), ...broken],
    })
    expect((await child.ended()).stderr).toContain('StoreError')
    expect(readFileSync(`${path}.journal`).equals(before)).toBe(true)
  })

  it.skipIf(noStrace)('has its directory synced by every start (needs strace)', async () => {
    for (const how of ['journal', 'lmdb']) {
      const path = fresh()
      const trace = join(base, 'trace')
      const args = [path, '0', '1', '1', how]
      expect(await run('test/store/children/committer.ts', args).ended()).toMatchObject({ code: 0 })
      const again = run('test/store/children/committer.ts', args, {
        under: strace(trace, 'openat,fdatasync,write'),
      })
      expect(await again.ended()).toMatchObject({ code: 0 })
      const calls = callsOf(readFileSync(trace, 'utf8'), /^write\(1,/)
      const ready = calls.findIndex((call) => call.includes('write(1, "ready'))
      const last = calls
        .slice(0, ready)
        .findLastIndex((call) => call.startsWith(`openat(AT_FDCWD, "${base}", O_RDONLY`))
      const directory = descriptor(calls.slice(0, last + 1), /^openat.*= (\d+)$/)
      expect(
        calls.slice(last, ready).some((call) => call.startsWith(`fdatasync(${directory})`)),
      ).toBe(true)
    }
  })

  it.skipIf(noStrace)('is written through before it answers (needs strace)', async () => {
    const trace = join(base, 'trace')
    const child = run('test/store/children/committer.ts', [fresh(), '0', '1', '5', 'journal'], {
      under: strace(trace, 'openat,pwrite64,write'),
    })
    expect(await child.ended()).toMatchObject({ code: 0 })
    const calls = callsOf(readFileSync(trace, 'utf8'), /^write\(1,/)
    const written = new RegExp(`pwrite64\\(${journalOf(calls)},.*= [1-9]`)
    const order = calls
      .map((call) => (written.test(call) ? 'synced' : /write\(1, "(\d)\\n"/.exec(call)?.[1]))
      .filter((step) => step !== undefined)
    expect(order.join(' ')).toContain('synced 0 synced 1 synced 2 synced 3 synced 4')
  })
})
