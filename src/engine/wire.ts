/**
 * MessagePack at the borders: what leaves for a peer or the store, and what comes back. Decoding throws only
 * `CodecError`, whatever the bytes are.
 */
import { Packr } from 'msgpackr'
import * as Codec from '../core/codec.js'
import { SluiceError } from '../core/errors.js'

// Portable MessagePack: no records, no extensions of msgpackr's own.
const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true })

export const encode = <T>(codec: Codec.Codec<T>, value: T): Uint8Array => {
  const packed = packr.pack(codec.encode(value))
  return new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength)
}

/** @throws CodecError `BAD_MESSAGE` */
export function decode<T>(codec: Codec.Codec<T>, bytes: Uint8Array): T {
  try {
    return codec.decode(packr.unpack(bytes))
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause
    throw new Codec.CodecError('The message is malformed: it is not MessagePack.', { cause })
  }
}
