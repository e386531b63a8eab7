/** Embedded layers for tests: a clock that the test moves, and accounts with play money. */
import { randomBytes } from 'node:crypto'
import { zeroAddress } from '../../src/core/bytes.js'
import type { Store } from '../../src/engine/ports.js'
import { local, type Transport } from '../../src/ledger/embedded/api.js'
import { connect } from '../../src/ledger/embedded/client.js'
import { http } from '../../src/ledger/embedded/http.js'
import * as Layer from '../../src/ledger/embedded/layer.js'
import { serve } from '../../src/ledger/embedded/server.js'
import * as Memory from '../../src/store/memory.js'
import type { Harness } from '../conformance/rooms.js'
import { recover, wallet } from './wallet.js'

export type Clock = { (): number; advance(seconds: number): void }

export function clock(startMs = 1_700_000_000_000): Clock {
  let nowMs = startMs
  return Object.assign(() => nowMs, {
    advance(seconds: number) {
      nowMs += seconds * 1_000
    },
  })
}

/** A layer on `store` with test defaults. */
export const open = (
  store: Store = Memory.open(),
  options: Partial<Layer.Options> = {},
): Promise<Layer.Layer> => Layer.open({ store, recover, random: randomBytes, ...options })

/** An embedded layer for the conformance suite, in process or over HTTP. */
export async function harness(over: 'local' | 'http'): Promise<Harness> {
  const time = clock()
  const layer = await open(Memory.open(), { clock: time })
  const served = over === 'http' ? await serve(layer, { port: 0 }) : undefined
  const transport: Transport = served === undefined ? local(layer) : http(served.url)
  const { address, sign } = wallet()
  const bank = await connect(transport, { account: address, sign })
  return {
    asset: zeroAddress,
    connect: (mine) => connect(transport, { account: mine.address, sign: mine.sign }),
    fund: bank.faucet,
    fundBond: (account) => bank.faucet(account, bank.challengeBond),
    async advance(seconds) {
      time.advance(seconds)
    },
    async close() {
      await served?.close()
      await layer.close()
    },
  }
}
