/** Signatures in every form but the one that counts, of wallets and of ours, on typed data as viem has it. */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Address, type Hex, verifyTypedData } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, uint } from '../../src/core/bytes.js'
import * as Dispute from '../../src/core/dispute.js'
import * as Parameters from '../../src/core/parameters.js'
import * as State from '../../src/core/state.js'
import * as Voucher from '../../src/core/voucher.js'
import { loadEngine } from '../../src/crypto/load.js'
import * as Abis from '../../src/ledger/evm/abi.js'
import { bond } from './support/chain.js'
import { claimOf } from './support/channel.js'
import { deposit, refused, scene } from './support/scene.js'

const on = scene()
const { account, fresh, live } = on

describe('a signature', () => {
  const order = secp256k1.Point.CURVE().n

  const types = {
    State: [
      { name: 'channelId', type: 'bytes32' },
      { name: 'version', type: 'uint64' },
      { name: 'root', type: 'bytes32' },
      { name: 'kind', type: 'uint8' },
    ],
    Voucher: [
      { name: 'channelId', type: 'bytes32' },
      { name: 'lane', type: 'uint64' },
      { name: 'epoch', type: 'uint32' },
      { name: 'base', type: 'uint256' },
      { name: 'unit', type: 'uint128' },
      { name: 'digits', type: 'uint8' },
      { name: 'radix', type: 'uint16' },
      { name: 'length', type: 'uint16' },
      { name: 'anchors', type: 'bytes32' },
      { name: 'context', type: 'bytes32' },
    ],
    Challenge: [
      { name: 'channelId', type: 'bytes32' },
      { name: 'version', type: 'uint64' },
      { name: 'account', type: 'address' },
    ],
  } as const

  const typedDomain = () =>
    ({
      name: 'Sluice',
      version: '1',
      chainId: on.chain.domain.chainId,
      verifyingContract: on.chain.address,
    }) as const

  /** Other encodings of one signature, and what is nearly one. */
  function twins(good: Uint8Array): Uint8Array[] {
    const [r, s, v] = [good.slice(0, 32), good.slice(32, 64), good[64] as number]
    const high = uint(order - BigInt(toHex(s)), 32)
    const as = (...parts: [Uint8Array, Uint8Array, number]): Uint8Array =>
      concat(parts[0], parts[1], Uint8Array.of(parts[2]))
    return [
      as(r, high, 55 - v),
      as(r, high, v),
      as(r, s, v - 27),
      as(r, s, 55 - v),
      as(r, s, v + 2),
      as(new Uint8Array(32), s, v),
      as(r, new Uint8Array(32), v),
    ]
  }

  it('has one form: no high s, no v of 0 or 1, no twin', async () => {
    const channel = await fresh()
    const good = fromHex(await channel.opening())
    const change = (at: number, bytes: Uint8Array): Hex => {
      const copy = good.slice()
      copy.set(bytes, at)
      return toHex(copy)
    }
    const forms = [
      ...twins(good.slice(0, 65)).map((twin) => change(0, twin)),
      toHex(good.slice(0, 129)),
      toHex(concat(good, Uint8Array.of(0))),
      toHex(concat(good.slice(65), good.slice(0, 65))),
      toHex(concat(good.slice(0, 65), good.slice(0, 65))),
      '0x' as Hex,
    ]
    for (const form of forms)
      await expect(on.chain.send('open', [channel.args, form])).rejects.toThrow(
        refused('BadSignature'),
      )
    await on.chain.send('open', [channel.args, toHex(good)])
  })

  it('of a voucher and of a challenge has one form, too', async () => {
    const channel = await live()
    const lane = channel.lane(0n, 50n)
    const body = channel.body([[deposit - 50n], [deposit]], [lane])
    const { state, signatures } = await channel.show(5n, 0, body)
    const word = await channel.word(0, 5n, on.chain.operator)
    for (const twin of [...twins(fromHex(word)).map(toHex), await channel.word(1, 5n, account(0))])
      await expect(
        on.chain.send('challenge', [channel.args, 0n, state, signatures, twin], { value: bond }),
      ).rejects.toThrow(refused('BadSignature'))
    await on.chain.send('challenge', [channel.args, 0n, state, signatures, word], { value: bond })
    await on.chain.advance(61)
    const claim = await claimOf(channel, { lane: 0n, base: 5n, indices: [3] })
    const { signed } = claim
    for (const signature of twins(signed.signature)) {
      const bad = Abis.claim({ ...claim, signed: { ...signed, signature } })
      await expect(
        on.chain.send('redeem', [channel.args, channel.leaf(body, 0n), bad]),
      ).rejects.toThrow(refused('BadVoucher'))
    }
    await on.chain.send('redeem', [channel.args, channel.leaf(body, 0n), Abis.claim(claim)])
  })

  it('of ours is what viem verifies', async () => {
    const { secp256k1 } = await loadEngine()
    const key = uint(0xabc9, 32)
    const address = secp256k1.publicAddress(key)
    const { domain: ours } = on.chain
    const channelId = toHex(uint(77, 32))
    const root = uint(5, 32)
    const state = { channelId, version: 3n, root: toHex(root), kind: 2 }
    const onState = State.digest(ours, { channelId, version: 3n, root, kind: 2 })
    const voucher: Voucher.Voucher = {
      channelId,
      lane: 9n,
      epoch: 4,
      base: 31n,
      unit: 2n,
      digits: 1,
      radix: 1,
      length: 8,
      anchors: [uint(6, 32)],
      context: uint(1, 32),
    }
    const shown = {
      ...voucher,
      context: toHex(voucher.context),
      anchors: toHex(Voucher.anchorsHash(voucher)),
    }
    const challenge = { channelId, version: 3n, account: address }
    for (const [primaryType, message, digest] of [
      ['State', state, onState],
      ['Voucher', shown, Voucher.digest(ours, voucher)],
      ['Challenge', challenge, Dispute.digest(ours, challenge)],
    ] as const) {
      const signature = toHex(secp256k1.sign(digest, key))
      const typed = { domain: typedDomain(), types, primaryType, message } as never
      expect(await verifyTypedData({ ...(typed as object), address, signature } as never)).toBe(
        true,
      )
    }
  })

  it('of a wallet on typed data opens a channel and pays a claim', async () => {
    const keys = [1, 2, 3].map((n) => privateKeyToAccount(toHex(uint(0xabc0 + n, 32))))
    const [a, b, session] = keys as [(typeof keys)[0], (typeof keys)[0], (typeof keys)[0]]
    const shaped = await fresh()
    const parameters: Parameters.Parameters = {
      ...shaped.parameters,
      seats: [a, b].map(({ address }, seat) => ({
        signer: address.toLowerCase() as Address,
        payout: account(1 + seat),
      })),
    }
    const id = Parameters.id(on.chain.domain, parameters)
    const domain = typedDomain()
    const signState = async (version: bigint, root: Uint8Array): Promise<Hex> => {
      const message = { channelId: id, version, root: toHex(root), kind: 0 }
      const all = [a, b].map((key) =>
        key.signTypedData({ domain, types, primaryType: 'State', message }),
      )
      return toHex(concat(...(await Promise.all(all)).map((each) => fromHex(each))))
    }
    const args = Abis.parameters(parameters)
    await on.chain.send('open', [
      args,
      await signState(0n, State.root(id, State.opening(parameters))),
    ])
    for (const seat of [0, 1])
      await on.chain.send('deposit', [args, BigInt(seat)], {
        from: account(1 + seat),
        value: deposit,
      })
    const lane = shaped.lane(0n, 50n, { sessionKey: session.address.toLowerCase() as Address })
    const body = shaped.body([[deposit - 50n], [deposit]], [lane])
    const root = State.root(id, body)
    const word = await b.signTypedData({
      domain,
      types,
      primaryType: 'Challenge',
      message: { channelId: id, version: 3n, account: on.chain.operator },
    })
    const state = Abis.state({ version: 3n, kind: 0, root })
    await on.chain.send('challenge', [args, 1n, state, await signState(3n, root), word], {
      value: bond,
    })
    await on.chain.advance(61)
    const voucher: Voucher.Voucher = {
      channelId: id,
      lane: 0n,
      epoch: 1,
      base: 31n,
      unit: 0n,
      digits: 0,
      radix: 0,
      length: 0,
      anchors: [],
      context: uint(1, 32),
    }
    const signature = await session.signTypedData({
      domain,
      types,
      primaryType: 'Voucher',
      message: {
        ...voucher,
        context: toHex(voucher.context),
        anchors: toHex(Voucher.anchorsHash(voucher)),
      },
    })
    const claim = { signed: { voucher, signature: fromHex(signature) }, indices: [], nodes: [] }
    const [leaf] = Dispute.leaves(id, body)
    await on.chain.send('redeem', [args, Abis.leaf(leaf as Dispute.Leaf), Abis.claim(claim)])
    expect(await on.chain.read('laneOf', [id, 0n])).toEqual([31n, false])
  })

  it('is worth nothing for another contract or chain', async () => {
    const channel = await fresh()
    for (const domain of [
      { ...on.chain.domain, chainId: 1n },
      { ...on.chain.domain, adjudicator: account(9).toLowerCase() as Address },
    ]) {
      const root = State.root(channel.id, State.opening(channel.parameters))
      const digest = State.digest(domain, { channelId: channel.id, version: 0n, root, kind: 0 })
      const all = await Promise.all(channel.signers.map(({ sign }) => sign(digest)))
      await expect(on.chain.send('open', [channel.args, Abis.signatures(all)])).rejects.toThrow(
        refused('BadSignature'),
      )
    }
  })
})
