import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { CodecError } from '../../src/core/codec.js'
import { limits } from '../../src/core/limits.js'
import * as Message from '../../src/core/message.js'
import { VoucherError } from '../../src/core/voucher.js'
import * as Wire from '../../src/engine/wire.js'
import * as Arbitrary from './support/arbitraries.js'
import * as Messages from './support/messages.js'

const packr = new Packr({ useRecords: false })

/** Whatever comes out, nothing but a refusal is thrown; and what is not refused is canonical. */
function expectRefusedOrMeant(wire: unknown): void {
  try {
    const value = Message.message.decode(wire)
    expect(Message.message.decode(Message.message.encode(value))).toEqual(value)
  } catch (error) {
    if (!(error instanceof CodecError)) expect(error).toBeInstanceOf(VoucherError)
  }
}

it('every message comes back as it went', () => {
  fc.assert(
    fc.property(Messages.message, (message) => {
      expect(Wire.decode(Message.message, Wire.encode(Message.message, message))).toEqual(message)
    }),
  )
})

it('every channel comes back from the store as it was', () => {
  fc.assert(
    fc.property(Messages.channel, (channel) => {
      expect(Wire.decode(Message.channel, Wire.encode(Message.channel, channel))).toEqual(channel)
    }),
  )
})

it('any MessagePack reads what we write: maps, arrays, strings and binaries', () => {
  fc.assert(
    fc.property(Messages.message, (message) => {
      const plain = packr.unpack(Wire.encode(Message.message, message))
      expect(Message.message.decode(plain)).toEqual(message)
    }),
  )
})

it('the longest state there is fits a control message', () => {
  const lane = {
    id: 2n ** 64n - 1n,
    payer: limits.seatsMax - 1,
    payee: 0,
    asset: limits.assetsMax - 1,
    folded: 0n,
    reserved: 0n,
    sessionKey: `0x${'00'.repeat(20)}`,
  } as const
  const table = Array(limits.seatsMax).fill(Array(limits.assetsMax).fill(0n))
  const tables = { balances: table, deposited: table, withdrawn: table, pots: table }
  const message: Message.Message = {
    type: 'propose',
    channelId: `0x${'00'.repeat(32)}`,
    version: 1n,
    attempt: 1,
    seal: new Uint8Array(32),
    signature: new Uint8Array(65),
    updates: Array(limits.lanesMax + 1).fill({ ...lane, type: 'lane-open' }),
    latest: {
      version: 0n,
      kind: 0,
      body: { outcome: { ...tables, nextLane: 0n }, lanes: Array(limits.lanesMax).fill(lane) },
      signatures: Array(limits.seatsMax).fill(new Uint8Array(65)),
    },
  }
  expect(Wire.encode(Message.message, message).length).toBeLessThan(limits.controlBytesMax)
})

describe('nothing but a refusal is thrown for', () => {
  it('junk', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          Wire.decode(Message.message, bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError)
        }
      }),
    )
  })

  it('any data that MessagePack can carry', () => {
    const data = fc.anything({
      withBigInt: true,
      withDate: true,
      withNullPrototype: true,
      withTypedArray: true,
      withMap: true,
      withSparseArray: true,
    })
    const named = fc.tuple(data, Messages.message).map(([value, { type }]) => ({
      ...(typeof value === 'object' ? value : { value }),
      type,
    }))
    fc.assert(fc.property(fc.oneof(data, named), expectRefusedOrMeant))
  })

  it('a valid message with one place changed', () => {
    const values = fc.oneof(
      fc.constantFrom(null, undefined, [], {}, '', -1, 0.5, 2 ** 53, 5n, true, new Date(0)),
      Arbitrary.bytes(32),
      fc.uint8Array({ maxLength: 40 }),
      fc.constant(Array(2_000).fill(0)),
      fc.constant('x'.repeat(5_000)),
    )
    fc.assert(
      fc.property(Messages.message, values, fc.nat(), (message, value, at) => {
        const wire = Message.message.encode(message)
        const places = placesOf(wire)
        const place = places[at % places.length]
        if (place !== undefined) place.in[place.key] = value
        expectRefusedOrMeant(wire)
      }),
    )
  })

  it('a valid message with bytes changed', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(Messages.message, changes, (message, changes) => {
        const bytes = Wire.encode(Message.message, message).slice()
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        try {
          Wire.decode(Message.message, bytes)
        } catch (error) {
          if (!(error instanceof CodecError)) expect(error).toBeInstanceOf(VoucherError)
        }
      }),
    )
  })

  it.each([
    ['arrays in arrays', 0x91],
    ['maps in maps', 0x81],
    ['long arrays in long arrays', 0xdc],
    ['extensions', 0xd4],
  ])('%s, without end', (_, byte) => {
    const bytes = new Uint8Array(limits.controlBytesMax).fill(byte)
    expect(() => Wire.decode(Message.message, bytes)).toThrow(CodecError)
  })
})

type Place = { readonly in: Record<string, unknown>; readonly key: string }

/** Every field and item of plain data. */
function placesOf(wire: unknown): Place[] {
  if (typeof wire !== 'object' || wire === null || wire instanceof Uint8Array) return []
  const parent = wire as Record<string, unknown>
  return Object.entries(parent).flatMap(([key, value]) => [{ in: parent, key }, ...placesOf(value)])
}
