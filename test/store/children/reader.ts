/** Reads the store of a running process: for each line it is told, the number of entries and the last key. */
import { createInterface } from 'node:readline'
import * as Lmdb from '../../../src/store/lmdb.js'

const store = Lmdb.open(process.argv[2] ?? '', { readOnly: true })
console.log('ready')
for await (const prefix of createInterface({ input: process.stdin })) {
  const keys = [...store.entries(prefix)].map(([key]) => key)
  console.log(`${keys.length} ${keys.at(-1)}`)
}
await store.close()
