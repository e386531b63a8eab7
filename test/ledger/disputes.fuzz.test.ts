/** Random lives of channels on the embedded layer; the contract leads the same in test/contracts. */
import fc from 'fast-check'
import { describe, expect } from 'vitest'
import { type Address, type Hex, zeroAddress } from '../../src/core/bytes.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type * as Call from '../../src/ledger/embedded/call.js'
import * as Escrow from '../../src/ledger/embedded/escrow.js'
import { column, livesOf, parametersOf, type Side } from './lives.js'
import { window } from './reference.js'
import { account, rules, sign, toy } from './toy.js'

const accounts = [1, 2, 3].map(account)
const payouts = [11, 12, 13].map(account)
const parameters = parametersOf(accounts, payouts, zeroAddress, 100n)
const channelId = Parameters.id(rules.domain, parameters)
const money = 40n

async function begin(): Promise<Side> {
  const layer = toy()
  const submit = async (call: Call.Call, from: number): Promise<boolean> =>
    !(layer.submit(layer.transaction(call, accounts[from] as Hex)) instanceof Error)
  const balance = (of: Address): number => Number(layer.records.balance(of, zeroAddress))
  const look = (): Escrow.Escrow => layer.records.escrow(channelId) as Escrow.Escrow

  for (const to of accounts) await submit({ type: 'faucet', to, amount: money }, 0)
  const root = State.root(channelId, State.opening(parameters))
  const digest = State.digest(rules.domain, { channelId, version: 0n, root, kind: 0 })
  const signatures = accounts.map((each) => sign(digest, each))
  await submit({ type: 'open', parameters, signatures }, 0)
  for (const seat of accounts.keys()) await submit({ type: 'deposit', channelId, seat }, seat)

  const funds = (seat: number): number => balance(accounts[seat] as Address)
  let minted = 3 * Number(money)
  return {
    domain: rules.domain,
    parameters,
    accounts,
    bond: Number(rules.challengeBond),
    sessionKey: account(21),
    sign,
    get now() {
      return layer.now
    },
    set now(to) {
      layer.now = to
    },
    submit,
    funds,
    async fund(seat) {
      const amount = rules.challengeBond
      await submit({ type: 'faucet', to: accounts[seat] as Address, amount }, seat)
      minted += Number(amount)
    },
    async view() {
      const { status, versionMin, challenge, deposited, held } = Escrow.view(look(), layer.now)
      return {
        isClosed: status === 'closed',
        version: challenge?.version,
        versionMin,
        deposited: deposited.map(([amount]) => Number(amount)),
        held: Number(held[0]),
        paid: payouts.map(balance),
        kept: Number(layer.records.supply(zeroAddress).held),
      }
    },
    check(court, { paid, kept }) {
      const view = Escrow.view(look(), layer.now)
      const at = window(court, Number(layer.now))
      const status = {
        live: 'live',
        states: 'challenged',
        redemption: 'frozen',
        sweeping: 'frozen',
      }
      expect(view.status).toBe(at === 'over' ? 'closed' : status[at])
      expect(view.withdrawn).toEqual(column(court.had))
      const all = [...accounts.keys()].map(funds).concat(paid)
      expect(all.reduce((a, b) => a + b, kept)).toBe(minted)
      expect(layer.records.supply(zeroAddress).minted).toBe(BigInt(minted))
    },
  }
}

describe('disputes', () => {
  livesOf(begin, fc.readConfigureGlobal().numRuns ?? 100)
})
