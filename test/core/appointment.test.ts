import { hashTypedData } from 'viem'
import { describe, expect, it } from 'vitest'
import * as Appointment from '../../src/core/appointment.js'
import { toHex } from '../../src/core/bytes.js'
import type { Proposal } from '../../src/core/proposal.js'
import * as State from '../../src/core/state.js'
import * as Update from '../../src/core/update.js'
import * as WatchMessage from '../../src/core/watch-message.js'
import * as Wire from '../../src/engine/wire.js'
import { filler, join, tagged, uint } from '../vectors/reference.js'
import * as Made from './support/appointments.js'

const { appointment, claim, complete, channelId, domain } = Made
const bad = expect.objectContaining({ code: 'BAD_APPOINTMENT' })
const old = expect.objectContaining({ code: 'APPOINTMENT_OLD' })

const pending = (version: bigint, paid: bigint): Proposal => ({
  proposer: 0,
  version,
  attempt: 1,
  seal: filler('seal'),
  updates: [{ type: 'fold', lane: 5n, claim: paid }],
  oks: [],
  signatures: [undefined, new Uint8Array(65)],
})

const check = (made: Appointment.Appointment, held?: Appointment.Appointment): void =>
  Appointment.check(Made.context, made, held)

describe('what a tower takes', () => {
  it('the newest state, the next one and what is proven on each lane', () => {
    check(appointment())
    check(appointment({ pending: pending(5n, 30n) }))
    check(appointment({ claims: [] }))
  })

  it('whatever is newer than what it holds, or the same again', () => {
    const held = appointment()
    check(held, held)
    check(appointment({ claims: [claim(21)] }), held)
    check(appointment({ claims: [claim(20, 2)] }), held)
    check(appointment({ newest: complete(5n) }), held)
    check(appointment({ pending: pending(5n, 40n) }), held)
    check(appointment({ newest: complete(6n, { id: 4n }), claims: [] }), held)
  })

  it('passes unchanged through its encoding', () => {
    const made = appointment({ pending: pending(5n, 30n) })
    const bytes = Wire.encode(WatchMessage.appointment, made)
    expect(Wire.decode(WatchMessage.appointment, bytes)).toEqual(made)
  })
})

describe('what a tower refuses', () => {
  const held = appointment({ pending: pending(5n, 40n) })
  it.each<[string, Appointment.Appointment]>([
    ['an older state', appointment({ newest: complete(3n) })],
    ['a lower claim', appointment({ claims: [claim(19)], pending: held.pending })],
    ['a claim that is gone', appointment({ claims: [], pending: held.pending })],
    ['a pending state that is gone', appointment()],
  ])('%s than it holds', (_, made) => {
    expect(() => check(made, held)).toThrow(old)
    check(made)
  })

  it('another content of a version that it holds', () => {
    const other = complete(4n, { reserved: 200n })
    expect(() => check(appointment({ newest: other, pending: held.pending }), held)).toThrow(bad)
    expect(() => check(appointment({ pending: pending(5n, 41n) }), held)).toThrow(bad)
  })

  it.each<[string, Appointment.Appointment]>([
    ['a seat that is none', appointment({ seat: 2 })],
    ['a claim on a lane that pays another seat', appointment({ seat: 0 })],
    ['two claims on one lane', appointment({ claims: [claim(1), claim(2)] })],
    ['a pending state of another version', appointment({ pending: pending(6n, 30n) })],
  ])('%s', (_, made) => {
    expect(() => check(made)).toThrow(bad)
  })

  it('a state that not every seat has signed', () => {
    for (const signatures of [[], twice(complete(4n)).signatures])
      expect(() => check(appointment({ newest: { ...complete(4n), signatures } }))).toThrow(
        expect.objectContaining({ code: 'BAD_SIGNATURE' }),
      )
  })

  it('beside what it holds: a changed voucher, kind or signature passes for none that was checked', () => {
    const made = appointment()
    const [held] = made.claims
    if (held === undefined) throw new Error('nothing is held')
    const voucher = { ...held.signed.voucher, base: 1_000_000n }
    const raised = { ...held, signed: { ...held.signed, voucher } }
    const { newest } = made
    for (const changed of [
      { claims: [raised] },
      { newest: { ...newest, kind: 1 as const } },
      { newest: twice(newest) },
    ])
      expect(() => check(appointment(changed), made)).toThrow(
        expect.objectContaining({ code: 'BAD_SIGNATURE' }),
      )
  })

  it('money out of nothing, a forged voucher, and a node that is not of the chain', () => {
    const { body } = complete(4n)
    const rich = { ...body, outcome: { ...body.outcome, balances: [[900n], [400n]] } }
    expect(() =>
      check(appointment({ newest: Made.sign({ version: 4n, kind: 0, body: rich }) })),
    ).toThrow(expect.objectContaining({ code: 'BAD_STATE' }))
    const real = claim(20)
    const forged = { ...real, signed: { ...real.signed, signature: filler('x') } }
    expect(() => check(appointment({ claims: [forged] }))).toThrow()
    expect(() => check(appointment({ claims: [{ ...real, indices: [21] }] }))).toThrow(
      expect.objectContaining({ code: 'BAD_TICK' }),
    )
    expect(() => check(appointment({ claims: [{ ...real, nodes: [] }] }))).toThrow(
      expect.objectContaining({ code: 'BAD_TICK' }),
    )
  })
})

describe('what was proven before', () => {
  it('proves nothing else, though it bears the same signature or the same node', () => {
    const held = appointment()
    const real = claim(20)
    const { voucher, signature } = real.signed
    const shown = (change: Partial<typeof real>) => () =>
      check(appointment({ claims: [{ ...real, ...change }] }), held)
    shown({})()
    expect(shown({ indices: [21] })).toThrow(expect.objectContaining({ code: 'BAD_TICK' }))
    for (const change of [{ base: 100n }, { unit: 4n }, { radix: 2 }, { length: 91 }])
      expect(shown({ signed: { voucher: { ...voucher, ...change }, signature } })).toThrow()
    expect(shown({ signed: { voucher, signature: filler('x') } })).toThrow()
  })
})

describe('what is signed', () => {
  const made = appointment({ pending: pending(5n, 30n) })
  const gist = Appointment.summary(domain, made)
  const root = State.root(channelId, made.newest.body)
  const next = State.root(
    channelId,
    Update.apply(made.newest.body, made.pending?.updates ?? []).body,
  )
  const content = tagged('appointment', root, next, join(uint(5, 8), uint(70, 32)))
  const message = { channelId, seat: 1, version: 4n, content: toHex(content) }
  const fields = [
    { name: 'channelId', type: 'bytes32' },
    { name: 'seat', type: 'uint8' },
    { name: 'version', type: 'uint64' },
    { name: 'content', type: 'bytes32' },
  ]
  const separator = {
    name: 'Sluice',
    version: '1',
    chainId: domain.chainId,
    verifyingContract: domain.adjudicator,
  }

  it('the order, as viem has it', () => {
    const primaryType = 'Appointment'
    const types = { [primaryType]: fields }
    expect(toHex(Appointment.digest(domain, gist))).toBe(
      hashTypedData({ domain: separator, primaryType, types, message }),
    )
  })

  it('the receipt, as viem has it', () => {
    const primaryType = 'WatchReceipt'
    const types = { [primaryType]: [...fields, { name: 'time', type: 'uint64' }] }
    expect(toHex(Appointment.receiptDigest(domain, gist, 99n))).toBe(
      hashTypedData({ domain: separator, primaryType, types, message: { ...message, time: 99n } }),
    )
  })
})

/** Seat 0's signature in both places. */
function twice(state: ReturnType<typeof complete>): ReturnType<typeof complete> {
  const [first = new Uint8Array()] = state.signatures
  return { ...state, signatures: [first, first] }
}
