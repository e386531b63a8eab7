/** Random transactions by anyone, valid or not, at any time: money is conserved, and nobody is paid twice. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Hex, uint, zeroAddress, zeroes } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import type * as Call from '../../src/ledger/embedded/call.js'
import * as Escrow from '../../src/ledger/embedded/escrow.js'
import type * as Machine from '../../src/ledger/embedded/machine.js'
import '../support/fuzz.js'
import { account, rules, sign, toy } from './toy.js'

const accounts = [1, 2, 3].map(account)
const payouts = [4, 5].map(account)
const token = account(99)

/** Mostly what is meant to work, now and then what is not. */
const mostly = <T>(usual: T, odd: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constant(odd) })
const channel = fc.nat(3)

type Command =
  | { type: 'faucet'; to: number; amount: bigint }
  | { type: 'open'; channel: number; signers: number[] }
  | { type: 'deposit' | 'refund'; channel: number; seat: number }
  | {
      type: 'close'
      channel: number
      signers: number[]
      percent: bigint
      extra: bigint
      blind: boolean
      kind: State.Kind
    }
  | { type: 'replay'; back: number }
  | { type: 'wait'; seconds: bigint }

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant('faucet' as const), to: fc.nat(2), amount: fc.bigInt(0n, 45n) }),
  fc.record({ type: fc.constant('open' as const), channel, signers: mostly([0, 1], [0, 2]) }),
  fc.record({ type: fc.constant('deposit' as const), channel, seat: mostly(0, 2) }),
  fc.record({ type: fc.constant('deposit' as const), channel, seat: fc.constant(1) }),
  fc.record({ type: fc.constant('refund' as const), channel, seat: fc.nat(1) }),
  fc.record({
    type: fc.constant('close' as const),
    channel,
    signers: mostly([0, 1], [1, 1]),
    percent: fc.bigInt(0n, 100n),
    extra: mostly(0n, 1n),
    blind: mostly(false, true),
    kind: mostly<State.Kind>(1, 0),
  }),
  fc.record({ type: fc.constant('replay' as const), back: fc.nat(20) }),
  fc.record({ type: fc.constant('wait' as const), seconds: fc.bigInt(0n, 40n) }),
)

/** Four channels between the first two accounts: two of them with money on both sides, one with a token. */
const channels: readonly Parameters.Parameters[] = [0, 1, 2, 3].map((number) => ({
  seats: [0, 1].map((seat) => ({
    signer: accounts[seat] as Hex,
    payout: payouts[seat] as Hex,
  })),
  assets: number === 3 ? [zeroAddress, token] : [zeroAddress],
  deposits: [
    [[10n], [7n]],
    [[20n], [0n]],
    [[0n], [0n]],
    [
      [5n, 0n],
      [0n, 0n],
    ],
  ][number] as bigint[][],
  fundBy: 100n + 100n * BigInt(number),
  challengePeriod: 60n,
  codeHash: zeroes(),
  salt: uint(number, 32),
}))

function callOf(step: Command): Call.Call | undefined {
  if (step.type === 'faucet') return { ...step, to: accounts[step.to] as Hex }
  if (step.type === 'replay' || step.type === 'wait') return undefined
  const parameters = channels[step.channel] as Parameters.Parameters
  const channelId = Parameters.id(rules.domain, parameters)
  const signed = (version: bigint, root: Uint8Array, kind: State.Kind, signers: number[]) => {
    const digest = State.digest(rules.domain, { channelId, version, root, kind })
    return signers.map((signer) => sign(digest, accounts[signer] as Hex))
  }
  if (step.type === 'open') {
    const root = State.root(channelId, State.opening(parameters))
    return { type: 'open', parameters, signatures: signed(0n, root, 0, step.signers) }
  }
  if (step.type !== 'close') return { ...step, channelId }
  const opening = State.opening(parameters).outcome
  const total = parameters.deposits.reduce((sum, [amount = 0n]) => sum + amount, 0n)
  const first = (total * step.percent) / 100n
  const nothing = parameters.assets.slice(1).map(() => 0n)
  const outcome: State.Outcome = {
    ...opening,
    balances: [
      [first, ...nothing],
      [total - first + step.extra, ...nothing],
    ],
    // A state that claims deposits in other seats' names than the layer knows.
    deposited: step.blind ? [...parameters.deposits].reverse() : parameters.deposits,
  }
  const preimage = Dispute.preimage(channelId, { outcome, lanes: [] })
  const root = Dispute.root(Dispute.branches(preimage))
  const signatures = signed(9n, root, 1, step.signers)
  const posting = { version: 9n, kind: step.kind, root, signatures }
  return { type: 'close', channelId, posting, preimage }
}

/** A layer in a map, where every transaction is tried and every promise is checked after it. */
function world() {
  const layer = toy()
  const { records } = layer
  const sent: Call.Transaction[] = []

  function submit(transaction: Call.Transaction): Machine.Result | undefined {
    const result = layer.submit(transaction)
    return result instanceof Error ? undefined : result
  }

  return {
    step(step: Command, from: Hex): void {
      const call = callOf(step)
      if (step.type === 'wait') layer.now += step.seconds
      const old = step.type === 'replay' ? sent.at(-1 - step.back) : undefined
      if (old !== undefined) expect(submit(old)).toBeUndefined()
      if (call === undefined) return
      expect(submit(layer.transaction(call, from, payouts[0]))).toBeUndefined()
      const transaction = layer.transaction(call, from)
      if (submit(transaction) !== undefined) sent.push(transaction)
    },
    check(): string[] {
      let held = 0n
      const statuses = channels.map((parameters) => {
        const escrow = records.escrow(Parameters.id(rules.domain, parameters))
        if (escrow === undefined) return 'unknown'
        for (const at of parameters.assets.keys()) {
          const here = Escrow.held(escrow)[at] ?? 0n
          expect(here).toBeGreaterThanOrEqual(0n)
          if (at === 0) held += here
          if (escrow.closed) expect(here).toBe(0n)
        }
        return Escrow.status(escrow, layer.now)
      })
      let inAccounts = 0n
      for (const account of [...accounts, ...payouts]) {
        const balance = records.balance(account, zeroAddress)
        expect(balance).toBeGreaterThanOrEqual(0n)
        expect(records.balance(account, token)).toBe(0n)
        inAccounts += balance
      }
      const supply = records.supply(zeroAddress)
      expect(supply).toEqual({ minted: inAccounts + held, held })
      return statuses
    },
  }
}

/** One life of each kind, so that every run has seen them: channel 0 is closed, channel 1 dies. */
const lives: [Command, number][] = [
  [{ type: 'faucet', to: 0, amount: 40n }, 2],
  [{ type: 'faucet', to: 1, amount: 40n }, 2],
  [{ type: 'open', channel: 0, signers: [0, 1] }, 2],
  [{ type: 'deposit', channel: 0, seat: 0 }, 0],
  [{ type: 'deposit', channel: 0, seat: 1 }, 1],
  [
    { type: 'close', channel: 0, signers: [0, 1], percent: 50n, extra: 0n, blind: false, kind: 1 },
    0,
  ],
  [{ type: 'open', channel: 1, signers: [0, 1] }, 0],
  [{ type: 'wait', seconds: 300n }, 0],
]

describe('the embedded layer, whatever anyone sends', () => {
  const reached = new Set<string>()

  it('conserves money per asset, pays each deposit out once, and takes no transaction twice', () => {
    const steps = fc.array(fc.tuple(command, fc.nat(2)), { maxLength: 100, size: 'max' })
    fc.assert(
      fc.property(steps, (commands) => {
        const { step, check } = world()
        let before = check()
        for (const [each, by] of commands) {
          step(each, accounts[by] as Hex)
          const after = check()
          for (const [at, status] of after.entries()) {
            reached.add(status)
            const allowed: Record<string, string[]> = {
              unknown: ['unknown', 'funding', 'live'],
              funding: ['funding', 'live', 'dead'],
              live: ['live', 'closed'],
              dead: ['dead'],
              closed: ['closed'],
            }
            expect(allowed[before[at] ?? '']).toContain(status)
          }
          before = after
        }
      }),
      { examples: [[lives]] },
    )
    expect([...reached].sort()).toEqual(['closed', 'dead', 'funding', 'live', 'unknown'])
  }, 600_000)
})
