/**
 * Codecs: one table a shape, both directions, between our values and plain MessagePack data (maps, arrays,
 * strings, binaries). Decoding throws only `CodecError` and refuses unknown fields, wrong sizes and excess.
 */
import * as Amount from './amount.js'
import { type Address, fromHex, type Hex, toBigInt, toHex, uint } from './bytes.js'
import { SluiceError } from './errors.js'

export type Codec<T> = {
  encode(value: T): unknown
  /** @throws CodecError `BAD_MESSAGE` */
  decode(wire: unknown): T
}

/** The type a codec carries. */
export type Of<C> = C extends Codec<infer T> ? T : never

/** A binary of exactly `size` bytes. */
export const bytes = (size: number): Codec<Uint8Array> => ({
  encode: (value) => value,
  decode: (wire) => binary(wire, size),
})

/** 20 bytes on the wire, an address here. */
export const address: Codec<Address> = {
  encode: (value) => fromHex(value, 20),
  decode: (wire) => toHex(binary(wire, 20)),
}

/** 32 bytes on the wire, hex here: channel ids and other names. */
export const id: Codec<Hex> = {
  encode: (value) => fromHex(value, 32),
  decode: (wire) => toHex(binary(wire, 32)),
}

/** Money: 32 bytes, big-endian. */
export const amount: Codec<bigint> = {
  encode: Amount.encode,
  decode: (wire) => toBigInt(binary(wire, Amount.size)),
}

/** 8 bytes, big-endian: versions, lane ids, offsets, seconds. */
export const uint64: Codec<bigint> = {
  encode: (value) => uint(value, 8),
  decode: (wire) => toBigInt(binary(wire, 8)),
}

/** A whole number from 0 to `max`. */
export const integer = (max: number): Codec<number> => ({
  encode: (value) => value,
  decode: (wire) =>
    typeof wire === 'number' && Number.isInteger(wire) && wire >= 0 && wire <= max
      ? wire
      : fail(`a whole number up to ${max}`),
})

/** Text of at most `max` UTF-16 units. */
export const text = (max: number): Codec<string> => ({
  encode: (value) => value,
  decode: (wire) =>
    typeof wire === 'string' && wire.length <= max
      ? wire
      : fail(`text of at most ${max} characters`),
})

/** One of the given words. */
export const word = <const T extends string>(...words: readonly T[]): Codec<T> => ({
  encode: (value) => value,
  decode: (wire) => words.find((each) => each === wire) ?? fail(`one of ${words.join(', ')}`),
})

export const flag: Codec<boolean> = {
  encode: (value) => value,
  decode: (wire) => (typeof wire === 'boolean' ? wire : fail('true or false')),
}

/** `undefined` here, null on the wire. */
export const optional = <T>(codec: Codec<T>): Codec<T | undefined> => ({
  encode: (value) => (value === undefined ? null : codec.encode(value)),
  decode: (wire) => (wire === null ? undefined : codec.decode(wire)),
})

/** At most `max` items. */
export const list = <T>(codec: Codec<T>, max: number): Codec<readonly T[]> => ({
  encode: (items) => items.map((item) => codec.encode(item)),
  decode: (wire) =>
    Array.isArray(wire) && wire.length <= max
      ? wire.map((item) => codec.decode(item))
      : fail(`a list of at most ${max}`),
})

type Fields<T> = { readonly [K in keyof T]: Codec<T[K]> }

/** A map with exactly these fields. */
export const record = <T extends object>(fields: Fields<T>): Codec<T> => {
  const names = Object.keys(fields) as (keyof T & string)[]
  return {
    encode: (value) => {
      const wire: Record<string, unknown> = {}
      for (const name of names) wire[name] = fields[name].encode(value[name])
      return wire
    },
    decode: (wire) => {
      if (!isMap(wire) || Object.keys(wire).length !== names.length)
        return fail(`a map of ${names.join(', ')}`)
      const value: Partial<T> = {}
      for (const name of names) {
        if (!Object.hasOwn(wire, name)) return fail(`a field ${name}`)
        value[name] = fields[name].decode(wire[name])
      }
      return value as T
    },
  }
}

type Variants = Readonly<Record<string, Codec<object>>>
type VariantOf<V extends Variants> = {
  [K in keyof V & string]: { readonly type: K } & Of<V[K]>
}[keyof V & string]

/** A map whose field `type` says which of `variants` its other fields are. */
export const union = <V extends Variants>(variants: V): Codec<VariantOf<V>> => ({
  encode: (value) => ({
    type: value.type,
    ...(codecOf(variants, value.type).encode(value) as object),
  }),
  decode: (wire) => {
    if (!isMap(wire) || typeof wire.type !== 'string') return fail('a map with a type')
    const { type, ...fields } = wire
    return { type, ...codecOf(variants, type).decode(fields) } as VariantOf<V>
  },
})

const codecOf = (variants: Variants, type: unknown): Codec<object> =>
  (typeof type === 'string' && Object.hasOwn(variants, type) ? variants[type] : undefined) ??
  fail(`a type among ${Object.keys(variants).join(', ')}`)

const isMap = (wire: unknown): wire is Record<string, unknown> =>
  typeof wire === 'object' && wire !== null && Object.getPrototypeOf(wire) === Object.prototype

/** A copy, never a view: wire buffers are reused. */
function binary(wire: unknown, size: number): Uint8Array {
  return wire instanceof Uint8Array && wire.length === size
    ? new Uint8Array(wire)
    : fail(`a binary of ${size} bytes`)
}

function fail(expected: string): never {
  throw new CodecError(`The message is malformed: expected ${expected}.`)
}

/** Data that is not of the shape it should have. */
export class CodecError extends SluiceError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('BAD_MESSAGE', message, options)
    this.name = 'CodecError'
  }
}
