/**
 * What becomes of a claim, frame by frame. The outcome of each frame is said here by hand, from the page's
 * words; nothing of src decides it.
 */
import { filler, join, laneTweak, uint, walkBack } from './reference.js'

const channelId = filler('a channel')
const lane = 5n

type Terms = {
  readonly epoch: number
  readonly base: bigint
  readonly unit: bigint
  readonly digits: number
  readonly radix: number
  readonly length: number
}

/** `applied` and the indices then held; `stale` and `refused` change nothing. */
type Step = {
  readonly about: string
  /** Digit → index shown; the node is the chain's own. */
  readonly shows: Readonly<Record<number, number>>
  readonly epoch?: number
  /** A node of another digit is shown for the first one. */
  readonly forged?: true
  readonly outcome: 'applied' | 'stale' | 'refused'
}

const handle = 7

function story(terms: Terms, spare: bigint, steps: readonly Step[]) {
  const tweak = laneTweak(channelId, lane)
  const { epoch, digits, length, base, unit, radix } = terms
  const node = (digit: number, index: number): Uint8Array =>
    walkBack({ tweak, epoch, digit }, length, Math.max(0, length - index), filler(`end ${digit}`))
  const amount = (indices: readonly number[]): bigint =>
    indices.reduce((sum, index, j) => sum + unit * BigInt(index) * BigInt(radix ** j), base)
  let indices: number[] = Array(digits).fill(0)
  const frames = steps.map((step) => {
    const shown = Object.entries(step.shows).map(([digit, index]) => ({
      digit: Number(digit),
      index,
    }))
    const mask = shown.reduce((bits, { digit }) => bits | (1 << digit), 0)
    const body = shown.map(({ digit, index }, at) =>
      join(uint(index, 2), node(step.forged && at === 0 ? digit + 1 : digit, index)),
    )
    const frame = join(uint(handle, 4), uint(step.epoch ?? epoch, 4), uint(mask, 1), ...body)
    if (step.outcome === 'applied')
      indices = indices.map((held, digit) => Math.max(held, step.shows[digit] ?? 0))
    const { about, outcome } = step
    return { about, frame, outcome, indices, claim: amount(indices) }
  })
  const anchors = Array.from({ length: digits }, (_, digit) => node(digit, 0))
  const capacity = amount(indices) + spare
  return { channelId, lane, handle, voucher: { ...terms, anchors }, capacity, frames }
}

/** Claims of one digit and of four. */
export const claims = () => [
  story({ epoch: 3, base: 1_000n, unit: 96n, digits: 1, radix: 1, length: 1_024 }, 96n, [
    { about: 'one step', shows: { 0: 1 }, outcome: 'applied' },
    { about: 'as many steps as a frame may take', shows: { 0: 257 }, outcome: 'applied' },
    { about: 'one step more than that', shows: { 0: 514 }, outcome: 'refused' },
    { about: 'the index held', shows: { 0: 257 }, outcome: 'stale' },
    { about: 'an index below', shows: { 0: 100 }, outcome: 'stale' },
    { about: 'a digit that the voucher has not', shows: { 1: 1 }, outcome: 'refused' },
    { about: 'an epoch before', shows: { 0: 300 }, epoch: 2, outcome: 'stale' },
    { about: 'an epoch to come', shows: { 0: 300 }, epoch: 4, outcome: 'refused' },
  ]),
  story({ epoch: 9, base: 12n, unit: 5n, digits: 4, radix: 4, length: 256 }, 5n * 63n - 1n, [
    { about: 'all digits', shows: { 0: 1, 1: 2, 2: 3, 3: 4 }, outcome: 'applied' },
    { about: 'two digits, many steps', shows: { 0: 100, 2: 50 }, outcome: 'applied' },
    { about: 'a stale digit beside a fresh one', shows: { 0: 50, 1: 10 }, outcome: 'applied' },
    { about: 'the same again', shows: { 0: 50, 1: 10 }, outcome: 'stale' },
    { about: "another digit's node", shows: { 0: 101 }, forged: true, outcome: 'refused' },
    { about: 'one good digit, one not', shows: { 0: 101, 3: 5 }, forged: true, outcome: 'refused' },
    { about: '257 steps in all', shows: { 0: 200, 1: 120, 2: 97 }, outcome: 'refused' },
    { about: '256 steps in all', shows: { 0: 200, 1: 120, 2: 96 }, outcome: 'applied' },
    { about: 'an index beyond the length', shows: { 0: 257 }, outcome: 'refused' },
    { about: 'a little more than the lane holds', shows: { 3: 5 }, outcome: 'refused' },
    { about: 'what it does hold', shows: { 0: 201 }, outcome: 'applied' },
  ]),
]
