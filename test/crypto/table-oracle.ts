/** The lane table as the core would keep it: claims, one frame at a time, hashed by node:crypto. */
import { toHex } from '../../src/core/bytes.js'
import * as Claim from '../../src/core/claim.js'
import type { Lane } from '../../src/core/lane.js'
import * as Tick from '../../src/core/tick.js'
import type { LaneSettings, LaneTable, LaneVoucher } from '../../src/crypto/lane-table.js'
import * as Verdict from '../../src/crypto/verdict.js'
import * as Oracle from './oracle.js'

type Entry = LaneSettings & { limit: bigint; claim: Claim.Claim | undefined; steps: bigint }

const offences: readonly (readonly [RegExp, number])[] = [
  [/no voucher of its epoch/, Verdict.earlyEpoch],
  [/digit or index lies beyond/, Verdict.badIndex],
  [/more than 256 steps/, Verdict.tooManySteps],
  [/does not hold that much/, Verdict.overLimit],
  [/not of the chain/, Verdict.wrongNode],
]

export function create(): LaneTable {
  const lanes = new Map<number, Entry>()
  const free: number[] = []
  let count = 0

  function verdictOf(frame: Tick.Frame, connection: number): number {
    const entry = lanes.get(frame.handle)
    if (entry === undefined) return Verdict.unknownLane
    if (entry.connection !== connection) return Verdict.foreignConnection
    const lane = { folded: 0n, reserved: entry.limit } as Lane
    try {
      const claim = Claim.advance(lane, entry.tweak, entry.claim, frame, Oracle.walk)
      if (claim === entry.claim) return Verdict.stale
      const sum = (of: Claim.Claim | undefined) => of?.indices.reduce((a, b) => a + b, 0) ?? 0
      entry.steps += BigInt(sum(claim) - sum(entry.claim))
      entry.claim = claim
      return Verdict.ok
    } catch (error) {
      const { message } = error as Error
      const verdict = offences.find(([pattern]) => pattern.test(message))?.[1]
      if (verdict === undefined) throw error
      const digits = entry.claim?.signed.voucher.digits ?? 0
      const beyond = frame.entries.some(({ digit }) => digit >= digits)
      return verdict === Verdict.badIndex && beyond ? Verdict.badDigit : verdict
    }
  }

  return {
    open(settings) {
      const handle = free.pop() ?? count++
      lanes.set(handle, { ...settings, limit: 0n, claim: undefined, steps: 0n })
      return handle
    },
    renew(handle, { anchors, epoch, length, radix, limit }: LaneVoucher) {
      const entry = lanes.get(handle)
      if (entry === undefined) throw new Error('no such lane')
      entry.limit = limit
      const voucher = {
        channelId: toHex(new Uint8Array(32)),
        lane: 1n,
        base: 0n,
        unit: 1n,
        context: new Uint8Array(32),
        ...{ digits: anchors.length, anchors, epoch, length, radix },
      }
      const indices = anchors.map(() => 0)
      entry.claim = { signed: { voucher, signature: new Uint8Array() }, indices, nodes: anchors }
    },
    apply(sent, connection) {
      const bytes = new Uint8Array(sent)
      const verdicts: number[] = []
      for (let at = 0; at < bytes.length; ) {
        if (bytes.length - at < 9) return Uint8Array.from([...verdicts, Verdict.trailing])
        const mask = bytes[at + 8] ?? 0
        if (mask === 0 || mask > 15) return Uint8Array.from([...verdicts, Verdict.badDigit])
        const size = 9 + 34 * [1, 2, 4, 8].filter((bit) => mask & bit).length
        if (bytes.length - at < size) return Uint8Array.from([...verdicts, Verdict.truncated])
        const [frame] = Tick.decodeAll(bytes.slice(at, at + size))
        if (frame !== undefined) verdicts.push(verdictOf(frame, connection))
        at += size
      }
      return Uint8Array.from(verdicts)
    },
    read(handle) {
      const entry = lanes.get(handle)
      if (entry === undefined) throw new Error('no such lane')
      const { claim, steps } = entry
      const digits = [0, 1, 2, 3]
      return {
        steps,
        indices: digits.map((digit) => claim?.indices[digit] ?? 0),
        nodes: digits.map((digit) => claim?.nodes[digit] ?? new Uint8Array(32)),
      }
    },
    close(handle) {
      lanes.delete(handle)
      free.push(handle)
    },
  }
}
