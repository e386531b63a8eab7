/** Tick frames applied to the lane table, against the hashes alone, and against a voucher for each tick. */
import { randomBytes } from 'node:crypto'
import { toHex } from '../../src/core/bytes.js'
import * as Tick from '../../src/core/tick.js'
import * as Voucher from '../../src/core/voucher.js'
import type { Secp256k1Engine } from '../../src/crypto/engine.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as LaneTable from '../../src/crypto/lane-table.js'
import * as Verdict from '../../src/crypto/verdict.js'
import type { Contest, Side } from '../contest.js'
import { fourChains } from './hashing.js'

/** One frame for each lane in a batch, one step in each frame. */
const lanes = 4_096
/** Batches until the vouchers are renewed, which is not timed. */
const length = 64
const connection = 1
const domain = {
  chainId: 31_337n,
  adjudicator: '0x00000000000000000000000000000000000000aa',
} as const

export async function contests(secp256k1: Secp256k1Engine): Promise<Contest[]> {
  const ours = await applied()
  return [
    {
      id: 'apply',
      otherName: 'four-lane chain steps alone',
      unit: 'frames/s',
      ours,
      other: fourChains(await Kernel.instantiate()),
    },
    {
      id: 'apply-vs-voucher',
      otherName: 'a voucher a tick, verified inline',
      unit: 'ticks/s',
      ours,
      other: vouchersBy(secp256k1),
    },
  ]
}

/** Lane i's tick frames lie at place i of each batch; every batch raises all lanes by one. */
async function applied(): Promise<Side> {
  const { generate } = Kernel.from(await Kernel.instantiate())
  const table = LaneTable.from(await Kernel.instantiate())
  const frames: Uint8Array[][] = Array.from({ length }, () => [])
  const vouchers = new Map<number, LaneTable.LaneVoucher>()
  for (let lane = 0; lane < lanes; lane++) {
    const tweak = new Uint8Array(randomBytes(16))
    const handle = table.open({ connection, tweak })
    const position = { tweak, epoch: 1, digit: 0 }
    const nodes = generate(position, length, new Uint8Array(randomBytes(32)))
    const node = (index: number): Uint8Array => nodes.slice(index * 32, (index + 1) * 32)
    const anchors = [node(0)]
    vouchers.set(handle, { epoch: 1, length, radix: 1, anchors, limit: BigInt(length) })
    for (const [at, batch] of frames.entries()) {
      const entries = [{ digit: 0, index: at + 1, node: node(at + 1) }]
      batch.push(Tick.encode({ handle, epoch: 1, entries }))
    }
  }
  const batches = frames.map((batch) => new Uint8Array(Buffer.concat(batch)))
  const allOk = new Uint8Array(lanes).fill(Verdict.ok)
  let next = length
  return {
    count: lanes,
    before: () => {
      if (next < length) return
      for (const [handle, voucher] of vouchers) table.renew(handle, voucher)
      next = 0
    },
    run: () => {
      const verdicts = table.apply(batches[next++] ?? new Uint8Array(), connection)
      if (Buffer.compare(verdicts, allOk) !== 0) throw new Error('A tick was refused.')
    },
  }
}

/** What a tick would cost as a voucher: its EIP-712 digest, and who signed it. */
function vouchersBy(secp256k1: Secp256k1Engine): Side {
  const key = new Uint8Array(randomBytes(32))
  const signer = secp256k1.publicAddress(key)
  const vouchers = Array.from({ length: 16 }, (_, at) => {
    const voucher: Voucher.Voucher = {
      channelId: toHex(randomBytes(32)),
      lane: 1n,
      epoch: at + 1,
      base: BigInt(at),
      unit: 0n,
      digits: 0,
      radix: 0,
      length: 0,
      anchors: [],
      context: new Uint8Array(32),
    }
    return { voucher, signature: secp256k1.sign(Voucher.digest(domain, voucher), key) }
  })
  return {
    count: vouchers.length,
    run: () => {
      for (const { voucher, signature } of vouchers)
        if (secp256k1.recover(Voucher.digest(domain, voucher), signature) !== signer)
          throw new Error('A voucher was refused.')
    },
  }
}
