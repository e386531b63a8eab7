/**
 * What every Store promises, run against each adapter. Durability over a crash is not in here: a process
 * cannot test its own death (see test/store/lmdb.test.ts).
 */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import type { Store, Write } from '../../src/engine/ports.js'
import '../support/fuzz.js'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const all = (store: Store, prefix = ''): [string, number[]][] =>
  [...store.entries(prefix)].map(([key, value]) => [key, [...value]])

/** `create` opens an empty store; `reopen`, where the adapter has a tomorrow, opens what it left. */
export function storeSuite(
  name: string,
  adapter: { create: () => Store | Promise<Store>; reopen?: () => Store | Promise<Store> },
): void {
  describe(`store conformance: ${name}`, () => {
    let opened: Store[] = []
    const use = async (opening: Store | Promise<Store>): Promise<Store> => {
      const store = await opening
      opened.push(store)
      return store
    }
    afterEach(async () => {
      for (const store of opened) await store.close()
      opened = []
    })

    it('gives back what was committed, and nothing for what was not', async () => {
      const store = await use(adapter.create())
      await store.commit([{ key: 'a', value: bytes(1, 2, 3) }])
      expect(store.get('a')).toEqual(bytes(1, 2, 3))
      expect(store.get('b')).toBeUndefined()
      await store.commit([])
      expect(all(store)).toEqual([['a', [1, 2, 3]]])
    })

    it('overwrites, deletes, and applies the writes of one commit in order', async () => {
      const store = await use(adapter.create())
      await store.commit([
        { key: 'a', value: bytes(1) },
        { key: 'b', value: bytes(1) },
        { key: 'a', value: bytes(2) },
        { key: 'b', value: undefined },
        { key: 'never', value: undefined },
      ])
      expect(all(store)).toEqual([['a', [2]]])
    })

    it('holds an empty value apart from an absent one, and large ones whole', async () => {
      const store = await use(adapter.create())
      const large = new Uint8Array(300_000).map((_, at) => at)
      await store.commit([
        { key: 'empty', value: bytes() },
        { key: 'large', value: large },
        { key: 'large/2', value: large },
      ])
      expect(store.get('empty')).toEqual(bytes())
      for (const value of [store.get('large'), ...[...store.entries('large')].map((e) => e[1])])
        expect(Buffer.compare(value ?? bytes(), large)).toBe(0)
    })

    it('lists a prefix in key order and nothing beside it', async () => {
      const store = await use(adapter.create())
      const keys = ['a', 'a/', 'a/10', 'a/2', 'a/~', 'a0', 'b', 'A/1', ' ']
      await store.commit(keys.map((key, at) => ({ key, value: bytes(at) })))
      expect(all(store, 'a/').map(([key]) => key)).toEqual(['a/', 'a/10', 'a/2', 'a/~'])
      expect(all(store).map(([key]) => key)).toEqual([...keys].sort())
      expect(all(store, 'none')).toEqual([])
    })

    it('takes keys of 512 characters and calls anything else a bug', async () => {
      const store = await use(adapter.create())
      await store.commit([{ key: 'k'.repeat(512), value: bytes(1) }])
      expect(store.get('k'.repeat(512))).toEqual(bytes(1))
      for (const key of ['', 'k'.repeat(513), 'é', 'a\nb', 'a\x00', '\x7f'])
        await expect(
          (async () =>
            store.commit([
              { key: 'ok', value: bytes(1) },
              { key, value: bytes(1) },
            ]))(),
        ).rejects.toMatchObject({ code: 'INVARIANT' })
      expect(store.get('ok')).toBeUndefined()
    })

    it('keeps what it was given, whatever happens to the buffers afterwards', async () => {
      const store = await use(adapter.create())
      const value = bytes(1, 2)
      const commit = store.commit([{ key: 'a', value }])
      value.fill(9)
      await commit
      store.get('a')?.fill(8)
      for (const [, found] of store.entries('')) found.fill(7)
      expect(store.get('a')).toEqual(bytes(1, 2))
    })

    it('iterates over the moment the iteration began, whatever is committed meanwhile', async () => {
      const store = await use(adapter.create())
      await store.commit(['a', 'b', 'c'].map((key) => ({ key, value: bytes(1) })))
      const seen: string[] = []
      for (const [key] of store.entries('')) {
        seen.push(key)
        await store.commit([
          { key: 'b', value: undefined },
          { key: 'd', value: bytes(1) },
        ])
      }
      expect(seen).toEqual(['a', 'b', 'c'])
      expect(all(store).map(([key]) => key)).toEqual(['a', 'c', 'd'])
    })

    it('commits many calls at once, each whole, in the order they were made', async () => {
      const store = await use(adapter.create())
      const calls = Array.from({ length: 500 }, (_, at) =>
        store.commit([
          { key: `k/${at}`, value: bytes(at) },
          { key: 'latest', value: bytes(at >> 8, at) },
        ]),
      )
      await Promise.all(calls)
      expect(all(store, 'k/')).toHaveLength(500)
      expect(store.get('latest')).toEqual(bytes(499 >> 8, 499))
    })

    it('shows a commit as soon as it resolved', async () => {
      const store = await use(adapter.create())
      for (let at = 0; at < 50; at++) {
        expect(store.get(`k${at}`)).toBeUndefined()
        await store.commit([{ key: `k${at}`, value: bytes(at) }])
        expect(store.get(`k${at}`)).toEqual(bytes(at))
      }
    })

    it('agrees with a plain map over any sequence of commits', async () => {
      const write: fc.Arbitrary<Write> = fc.record({
        key: fc.stringMatching(/^[ab/~ ]{1,4}$/),
        value: fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(write, { maxLength: 8 }), { maxLength: 8 }),
          async (commits) => {
            const store = await adapter.create()
            try {
              const model = new Map<string, Uint8Array>()
              for (const writes of commits) {
                await store.commit(writes)
                for (const { key, value } of writes)
                  if (value === undefined) model.delete(key)
                  else model.set(key, value)
              }
              const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
              expect(all(store)).toEqual(expected.map(([key, value]) => [key, [...value]]))
            } finally {
              await store.close()
            }
          },
        ),
      )
    })

    it('finishes what was asked for before it closes, and refuses after', async () => {
      const store = await adapter.create()
      const pending = store.commit([{ key: 'a', value: bytes(1) }])
      await store.close()
      await pending
      await expect((async () => store.commit([]))()).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(() => store.get('a')).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }))
      await store.close()
      if (adapter.reopen === undefined) return
      expect(all(await use(adapter.reopen()))).toEqual([['a', [1]]])
    })
  })
}
