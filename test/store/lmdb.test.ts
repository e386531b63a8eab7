import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import * as Lmdb from '../../src/store/lmdb.js'
import { storeSuite } from '../conformance/store.js'
import { reap, run, seed, seeded } from '../support/child.js'
import { callsOf, commitStep, lmdbFiles, noStrace, strace } from '../support/strace.js'

const base = mkdtempSync(join(tmpdir(), 'sluice-store-'))
afterEach(reap)
afterAll(() => rmSync(base, { recursive: true, force: true }))
let count = 0
const fresh = (): string => join(base, `${++count}.mdb`)

storeSuite('lmdb', {
  create: () => Lmdb.open(fresh()),
  reopen: () => Lmdb.open(join(base, `${count}.mdb`)),
})

const noMount = process.platform !== 'linux' || process.getuid?.() !== 0

describe('durability', () => {
  it.skipIf(noStrace)('syncs before it answers (needs strace)', async () => {
    const trace = join(base, 'trace')
    const child = run('test/store/children/committer.ts', [fresh(), '0', '1', '5'], {
      under: strace(trace, 'openat,pwrite64,pwritev,writev,write,fdatasync,fsync,msync'),
    })
    expect(await child.ended()).toMatchObject({ code: 0 })

    const calls = callsOf(readFileSync(trace, 'utf8'), /^write\(1,/)
    const files = lmdbFiles(calls)
    const ready = calls.findIndex((call) => call.includes('write(1, "ready'))
    const order = calls
      .slice(ready + 1)
      .map((call) => commitStep(call, files) ?? /write\(1, "(\d)\\n"/.exec(call)?.[1])
      .filter((step) => step !== undefined)
    expect(order.join(' ')).toBe('sync meta 0 sync meta 1 sync meta 2 sync meta 3 sync meta 4')
  })

  it('has everything it acknowledged, and whole commits only, after SIGKILL at any moment', async () => {
    const random = seeded(seed('store SIGKILL'))
    const file = fresh()
    const acknowledged: number[] = []
    let first = 0
    for (let round = 0; round < 6; round++) {
      const child = run('test/store/children/committer.ts', [file, `${first}`, '8'])
      const stopAfter = 1 + Math.floor(random() * 400)
      expect(await child.line()).toBe('ready')
      for (let n = 0; n < stopAfter; n++) acknowledged.push(Number(await child.line()))
      const killed = child.kill()
      for await (const line of child.lines) acknowledged.push(Number(line))
      await killed

      const store = Lmdb.open(file)
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

describe('a full disk', () => {
  const mounted = (): string => {
    const directory = join(base, `disk${++count}`)
    mkdirSync(directory)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
    return directory
  }
  const value = new Uint8Array(20_000)
  const fill = async (store: ReturnType<typeof Lmdb.open>): Promise<number> => {
    for (let n = 0; ; n++) {
      const failure = await store
        .commit([
          { key: `k/${n}`, value },
          { key: 'count', value: Uint8Array.of(n) },
        ])
        .then(
          () => undefined,
          (error: unknown) => error,
        )
      if (failure === undefined) continue
      expect(failure).toMatchObject({ name: 'StoreError', code: 'DISK_FULL' })
      expect(String(failure)).toContain('free some space')
      return n
    }
  }

  for (const spare of [undefined, 0])
    it.skipIf(noMount)(
      `is DISK_FULL, changes nothing, and is over when space is free, ${spare === 0 ? 'once LMDB hits it' : 'seen coming'} (needs Linux and root)`,
      async () => {
        const directory = mounted()
        try {
          const file = join(directory, 'store.mdb')
          const store = Lmdb.open(file, spare === undefined ? {} : { spare })
          const failedAt = await fill(store)
          expect(failedAt).toBeGreaterThan(10)
          expect(store.get(`k/${failedAt}`)).toBeUndefined()
          expect(store.get('count')).toEqual(Uint8Array.of(failedAt - 1))
          expect([...store.entries('k/')]).toHaveLength(failedAt)

          execFileSync('mount', ['-o', 'remount,size=4m', directory])
          await store.commit([{ key: 'count', value: Uint8Array.of(200) }])
          expect(store.get('count')).toEqual(Uint8Array.of(200))
          await store.close()
          const again = Lmdb.open(file)
          expect(again.get('count')).toEqual(Uint8Array.of(200))
          expect([...again.entries('k/')]).toHaveLength(failedAt)
          await again.close()
        } finally {
          execFileSync('umount', ['-l', directory])
        }
      },
    )
})

describe('other processes and bad files', () => {
  it('can be read while it is written, and follows it as it grows', async () => {
    const file = fresh()
    const store = Lmdb.open(file)
    await store.commit([{ key: 'n/000', value: new Uint8Array(10) }])
    const reader = run('test/store/children/reader.ts', [file])
    expect(await reader.line()).toBe('ready')
    for (let n = 1; n < 5; n++) {
      reader.tell('n/')
      expect(await reader.line()).toBe(`${n} n/00${n - 1}`)
      await store.commit([{ key: `n/00${n}`, value: new Uint8Array(2_000_000) }])
    }
    await reader.kill()
    await store.close()
  })

  it('refuses to write through a store opened for reading', async () => {
    const file = fresh()
    const missing = () => Lmdb.open(file, { readOnly: true })
    expect(missing).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }))
    await Lmdb.open(file).close()
    const store = Lmdb.open(file, { readOnly: true })
    await expect(store.commit([])).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await store.close()
  })

  it('opens a file once in a process, and again after it was closed', async () => {
    const file = fresh()
    const store = Lmdb.open(file)
    expect(() => Lmdb.open(file)).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }))
    await store.close()
    await Lmdb.open(file).close()
  })

  it('says STORE_FAILED for a file that is no store, and leaves it alone', async () => {
    const file = fresh()
    await Lmdb.open(file).close()
    const good = readFileSync(file)
    const halfGone = Uint8Array.from(good).fill(0, 4096)
    for (const bad of ['no', 'not a store '.repeat(1000), new Uint8Array(8192), halfGone]) {
      writeFileSync(file, bad)
      const before = readFileSync(file)
      expect(() => Lmdb.open(file)).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }))
      expect(readFileSync(file).equals(before)).toBe(true)
    }
    writeFileSync(file, good)
    await Lmdb.open(file).close()
    expect(() => Lmdb.open('/proc/store.mdb')).toThrow(
      expect.objectContaining({ code: 'STORE_FAILED' }),
    )
  })

  it('keeps its file from other users', async () => {
    const file = fresh()
    await Lmdb.open(file).close()
    expect(statSync(file).mode & 0o077).toBe(0)
  })
})
