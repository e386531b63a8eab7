/** Commits numbers, a few at a time, and prints each once it is durable. Arguments: file, first, lanes, last, `journal`. */
import * as Journal from '../../../src/store/journal.js'
import * as Lmdb from '../../../src/store/lmdb.js'

const [file = '', first = '0', lanes = '1', last = 'Infinity', how] = process.argv.slice(2)
const store =
  how === 'journal'
    ? await Journal.open(Lmdb.open(`${file}.mdb`), `${file}.journal`)
    : Lmdb.open(file)
const value = (n: number): Uint8Array => new TextEncoder().encode(`${n}`.repeat(1 + (n % 50)))
let next = Number(first)

process.stdout.write('ready\n')
await Promise.all(
  Array.from({ length: Number(lanes) }, async () => {
    while (next < Number(last)) {
      const n = next++
      await store.commit([
        { key: `left/${n}`, value: value(n) },
        { key: `right/${n}`, value: value(n) },
        { key: `last`, value: value(n) },
      ])
      process.stdout.write(`${n}\n`)
    }
  }),
)
await store.close()
