/**
 * The payer's end of a lane with nothing that keeps it honest: it signs any voucher and reveals any tick it is
 * told to.
 */
import { type Hex, zeroes } from '../../../src/core/bytes.js'
import * as Chain from '../../../src/core/chain.js'
import * as Opening from '../../../src/core/opening.js'
import * as Quote from '../../../src/core/quote.js'
import * as Receipt from '../../../src/core/receipt.js'
import * as Tick from '../../../src/core/tick.js'
import type { Domain } from '../../../src/core/typed-data.js'
import * as Voucher from '../../../src/core/voucher.js'
import type { Engine } from '../../../src/crypto/engine.js'
import * as PayFrame from '../../../src/engine/pay-frame.js'
import { filler } from '../../vectors/reference.js'

export type Asked = { readonly quote: Quote.Quote; readonly nonce: Uint8Array }

export class RawLane {
  readonly channelId: Hex
  readonly id: bigint
  readonly #engine: Engine
  readonly #domain: Domain
  readonly #session: Uint8Array
  #epoch = 0

  constructor(engine: Engine, domain: Domain, session: Uint8Array, channelId: Hex, id: bigint) {
    this.#engine = engine
    this.#domain = domain
    this.#session = session
    this.channelId = channelId
    this.id = id
  }

  static digest(domain: Domain, signed: Voucher.Signed): Uint8Array {
    return Voucher.digest(domain, signed.voucher)
  }

  static tweak(channelId: Hex, id: bigint): Uint8Array {
    return Chain.laneTweak(channelId, id)
  }

  /** A signed voucher of the next epoch; what is not given is plain and well-formed. */
  voucher(base: bigint, changes: Partial<Voucher.Voucher> = {}): Voucher.Signed {
    this.#epoch = changes.epoch ?? this.#epoch + 1
    const { channelId, id: lane } = this
    const plain = { unit: 0n, digits: 0, radix: 0, length: 0, anchors: [] }
    const epoch = this.#epoch
    const voucher = { channelId, lane, epoch, base, context: zeroes(), ...plain, ...changes }
    return this.sign(voucher)
  }

  /** A voucher with a chain of `length` ticks of `unit` each. */
  chained(base: bigint, unit: bigint, length: number): Voucher.Signed {
    const anchors = [this.node(this.#epoch + 1, length, 0)]
    return this.voucher(base, { unit, length, digits: 1, radix: 1, anchors })
  }

  sign(voucher: Voucher.Voucher): Voucher.Signed {
    const digest = Voucher.digest(this.#domain, voucher)
    return { voucher, signature: this.#engine.secp256k1.sign(digest, this.#session) }
  }

  node(epoch: number, length: number, index: number): Uint8Array {
    const position = { tweak: Chain.laneTweak(this.channelId, this.id), epoch, digit: 0 }
    const seed = filler(`chain ${epoch} of lane ${this.id} of ${this.channelId}`)
    return this.#engine.chain.generate(position, length, seed).slice(index * 32, index * 32 + 32)
  }

  /** A tick frame that shows the chain of `signed` down to `index`. */
  tick(handle: number, { voucher }: Voucher.Signed, index: number): Tick.Frame {
    const node = this.node(voucher.epoch, voucher.length, index)
    return { handle, epoch: voucher.epoch, entries: [{ digit: 0, index, node }] }
  }

  static frame(handle: number, signed: Voucher.Signed): Uint8Array {
    return PayFrame.encodeVoucher(handle, signed)
  }

  static ticks(...frames: readonly Tick.Frame[]): Uint8Array {
    return PayFrame.encodeTicks(...frames.map(Tick.encode))
  }

  /** The session key's signature that opens a stream. */
  opening(stream: Asked & { readonly payer: string; readonly payee: string }): Uint8Array {
    const { payer, payee, nonce, quote } = stream
    const opening = { channelId: this.channelId, lane: this.id, payer, payee, nonce }
    const digest = Opening.digest(this.#domain, { ...opening, quote: Quote.hash(quote) })
    return this.#engine.secp256k1.sign(digest, this.#session)
  }

  receipt(receipt: Receipt.Receipt): Uint8Array {
    return this.#engine.secp256k1.sign(Receipt.digest(this.#domain, receipt), this.#session)
  }
}
