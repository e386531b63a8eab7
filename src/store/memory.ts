/**
 * A store that lives and dies with the process, for nodes that need no tomorrow and for tests.
 * It must never be given to a node that has money it cannot afford to lose.
 */
import type { Store } from '../engine/ports.js'
import { endOf, own, StoreError } from './writes.js'

/** An empty store. `entries` sees the store as it was when it was called. */
export function open(): Store {
  const values = new Map<string, Uint8Array>()
  let closed = false
  const check = (): void => {
    if (closed) throw new StoreError('STORE_FAILED', 'The store is closed.')
  }
  return {
    get(key) {
      check()
      return values.get(key)?.slice()
    },
    entries(prefix) {
      check()
      const end = endOf(prefix)
      return [...values]
        .filter(([key]) => key >= prefix && key < end)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => [key, value.slice()] as const)
    },
    async commit(writes) {
      check()
      for (const { key, value } of own(writes)) {
        if (value === undefined) values.delete(key)
        else values.set(key, value)
      }
    },
    async close() {
      closed = true
    },
  }
}
