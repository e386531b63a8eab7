/**
 * Channels as the contract sees them: parameters, states and claims, signed by viem's accounts, in the shapes
 * the ABI takes. Chains come from the reference in test/vectors, not from what we ship.
 */
import { randomBytes } from 'node:crypto'
import { type Address, toHex, uint, zeroAddress, zeroes } from '../../../src/core/bytes.js'
import * as Chain from '../../../src/core/chain.js'
import * as Dispute from '../../../src/core/dispute.js'
import type * as Lane from '../../../src/core/lane.js'
import * as Parameters from '../../../src/core/parameters.js'
import * as State from '../../../src/core/state.js'
import type { Domain } from '../../../src/core/typed-data.js'
import * as Voucher from '../../../src/core/voucher.js'
import * as Abi from '../../../src/ledger/evm/abi.js'
import { type Wallet, wallet } from '../../ledger/wallet.js'

export type Channel = ReturnType<typeof channelOf>

/** What a channel is made of, where it is not a plain one of two seats and one native deposit each. */
export type Shape = {
  readonly payouts: readonly Address[]
  readonly deposits: readonly (readonly bigint[])[]
  readonly assets?: readonly Address[]
  readonly fundBy: bigint
  readonly period?: bigint
  /** Same numbers, same channel; left out: one that never was. */
  readonly number?: number
}

export function channelOf(domain: Domain, shape: Shape) {
  const { payouts, deposits, assets = [zeroAddress], fundBy, period = 60n, number } = shape
  const base = number === undefined ? undefined : 1_000 + 32 * number
  const signers = payouts.map((_, seat) => wallet(base === undefined ? undefined : base + seat))
  const parameters: Parameters.Parameters = {
    seats: signers.map(({ address }, seat) => ({
      signer: address,
      payout: (payouts[seat] ?? zeroAddress).toLowerCase() as Address,
    })),
    assets,
    deposits,
    fundBy,
    challengePeriod: period,
    codeHash: zeroes(),
    salt: number === undefined ? new Uint8Array(randomBytes(32)) : uint(number + 1, 32),
  }
  const id = Parameters.id(domain, parameters)
  const args = Abi.parameters(parameters)
  const session = wallet(base === undefined ? undefined : base + 31)

  const sign = async (version: bigint, kind: State.Kind, root: Uint8Array): Promise<Uint8Array[]> =>
    Promise.all(
      signers.map(({ sign }) => sign(State.digest(domain, { channelId: id, version, root, kind }))),
    )

  /** A state's version, kind and root; its signatures; and its preimage: as arguments, in that order. */
  async function show(version: bigint, kind: State.Kind, body: State.Body) {
    const root = State.root(id, body)
    return {
      state: Abi.state({ version, kind, root }),
      signatures: Abi.signatures(await sign(version, kind, root)),
      preimage: Abi.preimage(Dispute.preimage(id, body)),
    }
  }

  return {
    domain,
    parameters,
    id,
    args,
    signers,
    session,
    sign,
    show,
    opening: async () =>
      Abi.signatures(await sign(0n, 0, State.root(id, State.opening(parameters)))),
    word: async (seat: number, version: bigint, account: Address) => {
      const challenge = { channelId: id, version, account: account.toLowerCase() as Address }
      return toHex(await (signers[seat] as Wallet).sign(Dispute.digest(domain, challenge)))
    },
    /** The opening body with these balances and lanes, and whatever else is said. */
    body: (
      balances: State.Table,
      lanes: readonly Lane.Lane[] = [],
      change: Partial<State.Outcome> = {},
    ): State.Body => ({
      outcome: {
        ...State.opening(parameters).outcome,
        balances,
        nextLane: 1_000n,
        ...change,
      },
      lanes,
    }),
    lane: (id: bigint, reserved: bigint, change: Partial<Lane.Lane> = {}): Lane.Lane => ({
      id,
      payer: 0,
      payee: 1,
      asset: 0,
      folded: 0n,
      reserved,
      sessionKey: session.address,
      ...change,
    }),
    leaf: (body: State.Body, lane: bigint) => {
      const at = body.lanes.findIndex(({ id }) => id === lane)
      return Abi.leaf(Dispute.leaves(id, body)[at] as Dispute.Leaf)
    },
  }
}

export type Promised = {
  readonly lane: bigint
  readonly base?: bigint
  readonly unit?: bigint
  readonly radix?: number
  readonly length?: number
  readonly epoch?: number
  /** One per digit: the deepest index revealed. */
  readonly indices: readonly number[]
}

/** A claim on a lane, signed by the channel's session key. */
export async function claimOf(
  channel: Channel,
  { lane, base = 0n, unit = 1n, radix = 1, length = 1_024, epoch = 1, indices }: Promised,
  generate: Chain.Generate = Chain.generate,
) {
  const tweak = Chain.laneTweak(channel.id, lane)
  const digits = indices.length
  const chains = indices.map((_, digit) =>
    generate({ tweak, epoch, digit }, length, uint(7 + digit, 32)),
  )
  const node = (digit: number, index: number): Uint8Array =>
    (chains[digit] ?? zeroes()).slice(32 * index, 32 * index + 32)
  const voucher: Voucher.Voucher = {
    channelId: channel.id,
    lane,
    epoch,
    base,
    unit: digits === 0 ? 0n : unit,
    digits,
    radix: digits === 0 ? 0 : radix,
    length: digits === 0 ? 0 : length,
    anchors: indices.map((_, digit) => node(digit, 0)),
    context: uint(99, 32),
  }
  const signature = await channel.session.sign(Voucher.digest(channel.domain, voucher))
  return {
    signed: { voucher, signature },
    indices,
    nodes: indices.map((index, digit) => node(digit, index)),
  }
}
