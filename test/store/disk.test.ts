import { describe, expect, it } from 'vitest'
import { storeSuite } from '../conformance/store.js'
import * as Disk from '../support/disk.js'

storeSuite('simulated disk', {
  create: () => Disk.create().open(),
})

const one = [{ key: 'a', value: Uint8Array.of(1) }]

describe('simulated disk', () => {
  it('shows nothing before the sync, and loses it with the power', async () => {
    const disk = Disk.create()
    const store = disk.open()
    disk.hold()
    let answered = false
    store.commit(one).then(() => {
      answered = true
    })
    await new Promise(setImmediate)
    expect(store.get('a')).toBeUndefined()
    disk.crash()
    await new Promise(setImmediate)
    expect(answered).toBe(false)
    expect(disk.open().get('a')).toBeUndefined()
  })

  it('groups what is asked for during a sync into the next one', async () => {
    const disk = Disk.create()
    const store = disk.open()
    disk.hold()
    const first = store.commit(one)
    await new Promise(setImmediate)
    const rest = Array.from({ length: 100 }, () => store.commit(one))
    disk.release()
    await Promise.all([first, ...rest])
    expect(disk.syncs).toBe(2)
  })

  it('fails a whole group when it is full, and only that group', async () => {
    const disk = Disk.create()
    const store = disk.open()
    disk.full = true
    const failures = await Promise.allSettled([store.commit(one), store.commit(one)])
    expect(failures.map((f) => f.status)).toEqual(['rejected', 'rejected'])
    expect(store.get('a')).toBeUndefined()
    disk.full = false
    await store.commit(one)
    expect(store.get('a')).toEqual(Uint8Array.of(1))
  })
})
