/** Serves the layer in the store it is given, and prints its address. Argument: file. */
import { randomBytes } from 'node:crypto'
import * as Layer from '../../../src/ledger/embedded/layer.js'
import { serve } from '../../../src/ledger/embedded/server.js'
import * as Lmdb from '../../../src/store/lmdb.js'
import { recover } from '../wallet.js'

const store = Lmdb.open(process.argv[2] ?? '')
const layer = await Layer.open({ store, recover, random: randomBytes })
console.log((await serve(layer, { port: 0 })).url)
