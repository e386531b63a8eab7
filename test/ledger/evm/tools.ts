/** What tests of a troubled chain share: endpoints that do not answer as they should, and channels to open on it. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach } from 'vitest'
import { type Address, type Hex, zeroes } from '../../../src/core/bytes.js'
import * as Parameters from '../../../src/core/parameters.js'
import * as State from '../../../src/core/state.js'
import type { Ledger } from '../../../src/engine/ports.js'
import { connect } from '../../../src/ledger/evm/client.js'
import { type Wallet, wallet } from '../wallet.js'
import { type EvmHarness, harness } from './harness.js'

/** What an endpoint says of its own; nothing where it is to ask anvil. */
export type Answer = { status: number; body?: unknown } | undefined

/** Of a request: those of logs are one object, others have texts in several places. */
export type Params = readonly [({ fromBlock?: string; toBlock?: string } | string)?, unknown?]

type Tools = {
  /** An endpoint that answers as `answer` says, or passes the request on to anvil where it says nothing. */
  endpoint(answer: (method: string, count: number, params: Params) => Answer): Promise<string>
  /** Somebody who has coins for gas. */
  rich(): Promise<Wallet>
  connectAs(mine: Wallet, urls: readonly string[], more?: object): Promise<Ledger>
  /** A channel that waits for a deposit of 100 of an asset, the play token unless told. */
  open(
    ledger: Ledger,
    mine: Wallet,
    asset?: Address,
  ): Promise<{ id: Hex; parameters: Parameters.Parameters }>
}

type Request = { id: number; method: string; params?: Params }

/** A chain for the tests of one file, and what to trouble it with; all of it ends with them. */
export async function setUp(): Promise<Tools & { readonly evm: EvmHarness }> {
  const evm = await harness()
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections()
  })
  afterAll(() => evm.close())
  return {
    evm,
    async endpoint(answer) {
      let count = 0
      const server = createServer(async (request, response) => {
        let text = ''
        for await (const chunk of request) text += chunk
        const { id, method, params = [] } = JSON.parse(text) as Request
        const said = answer(method, ++count, params)
        if (said === undefined) {
          const passed = await fetch(evm.url, {
            method: 'POST',
            body: text,
            headers: { 'content-type': 'application/json' },
          })
          response.end(await passed.text())
          return
        }
        response.statusCode = said.status
        response.end(
          said.body === undefined ? '' : JSON.stringify({ jsonrpc: '2.0', id, ...said.body }),
        )
      })
      servers.push(server)
      await once(server.listen(0, '127.0.0.1'), 'listening')
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    },
    async rich() {
      const mine = wallet()
      await evm.setBalance(mine.address, 10n ** 18n)
      return mine
    },
    connectAs: (mine, urls, more = {}) =>
      connect(evm.adjudicator, {
        urls,
        account: mine.address,
        sign: mine.sign,
        pollMs: 5,
        ...more,
      }),
    async open(ledger, mine, asset = evm.token) {
      const other = wallet()
      const parameters: Parameters.Parameters = {
        seats: [mine, other].map(({ address }) => ({ signer: address, payout: address })),
        assets: [asset],
        deposits: [[100n], [0n]],
        fundBy: (await ledger.time()) + 1_000n,
        challengePeriod: ledger.minChallengePeriod,
        codeHash: zeroes(),
        salt: randomBytes(32),
      }
      const id = Parameters.id(ledger.domain, parameters)
      const root = State.root(id, State.opening(parameters))
      const digest = State.digest(ledger.domain, { channelId: id, version: 0n, root, kind: 0 })
      const signatures = await Promise.all([mine, other].map(({ sign }) => sign(digest)))
      await ledger.open(parameters, signatures)
      return { id, parameters }
    },
  }
}
