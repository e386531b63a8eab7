/**
 * A liar: a production node whose every frame passes here on its way out. It withholds signatures, claims too
 * much, folds too little, says two things at once, replays, falls silent, and sends garbage, signed with its own
 * keys where a lie needs that.
 */
import { concat } from '../core/bytes.js'
import * as Frame from '../core/frame.js'
import * as Message from '../core/message.js'
import type { Domain } from '../core/typed-data.js'
import type { Update } from '../core/update.js'
import * as Voucher from '../core/voucher.js'
import type { Engine } from '../crypto/engine.js'
import { controlProtocol, payProtocol } from '../engine/link.js'
import * as PayFrame from '../engine/pay-frame.js'
import * as Wire from '../engine/wire.js'
import type { Chance } from './chance.js'
import type { StreamName } from './stream.js'
import { Wiretap } from './wiretap.js'

export const lies = [
  'withhold',
  'over-claim',
  'under-fold',
  'equivocate',
  'replay',
  'silence',
  'garbage',
  'stale-sync',
  'low-voucher',
  'unbacked-voucher',
  'wrong-tick',
  'no-acknowledgement',
  'stale-post',
  'late-answer',
  'old-voucher',
] as const

/** Lies that are told to the layer, not to peers. */
export const layerLies = ['stale-post', 'late-answer', 'old-voucher'] as const

export type Lie = (typeof lies)[number]

export type LiarPorts = {
  readonly chance: Chance
  readonly crypto: Engine
  readonly domain: Domain
  readonly keys: { readonly signing: Uint8Array; readonly session: Uint8Array }
  /** The lies it tells, and the share of its frames that are one. */
  readonly repertoire: readonly [Lie, ...Lie[]]
  readonly share: number
  readonly onLie: (lie: Lie) => void
}

/** Lies looked at until one fits the frame. */
const triesMax = 6
/** Frames kept for a replay. */
const memoryMax = 64

export class Liar {
  readonly #ports: LiarPorts
  readonly #said = new Map<string, Uint8Array[]>()
  readonly #shown = new Map<string, Message.Message & { type: 'sync' }>()
  readonly #tap = new Wiretap()
  #silentFrames = 0

  constructor(ports: LiarPorts) {
    this.#ports = ports
  }

  /** The frames that `bytes` of its node complete. */
  frames(stream: StreamName, bytes: Uint8Array): readonly Uint8Array[] {
    return this.#tap.frames('', stream, bytes)
  }

  /** What it sends instead of these frames, on a stream of this protocol. */
  instead({ protocol }: StreamName, bodies: readonly Uint8Array[]): Uint8Array {
    return concat(
      ...bodies.flatMap((body) => this.#one(protocol, body)).map((b) => Frame.encode(b)),
    )
  }

  #one(protocol: string, body: Uint8Array): readonly Uint8Array[] {
    const { chance, repertoire, share, onLie } = this.#ports
    this.#remember(protocol, body)
    if (this.#silentFrames > 0) {
      this.#silentFrames -= 1
      return []
    }
    // What is proposed is seldom, and worth a lie.
    const isProposal = protocol === controlProtocol && typeOf(body) === 'propose'
    if (!chance.hit(isProposal ? 0.6 : share)) return [body]
    for (let tries = 0; tries < triesMax; tries++) {
      const lie = chance.pick(repertoire)
      // These end a connection as a rule: told often, nothing else could be told.
      if ((lie === 'garbage' || lie === 'silence') && !chance.hit(0.25)) continue
      const told = this.#tell(lie, protocol, body)
      if (told === undefined) continue
      onLie(lie)
      return told
    }
    return [body]
  }

  #remember(protocol: string, body: Uint8Array): void {
    const said = this.#said.get(protocol) ?? []
    this.#said.set(protocol, said)
    said.push(body)
    if (said.length > memoryMax) said.shift()
  }

  /** Undefined where this lie cannot be told with this frame. */
  #tell(lie: Lie, protocol: string, body: Uint8Array): readonly Uint8Array[] | undefined {
    const { chance } = this.#ports
    if (lie === 'silence') {
      this.#silentFrames = chance.between(1, 20)
      return []
    }
    if (lie === 'garbage') {
      const spoilt = body.slice()
      spoilt[chance.below(body.length)] = chance.below(256)
      return [chance.pick([spoilt, body.subarray(0, chance.below(body.length)), chance.bytes(40)])]
    }
    if (lie === 'replay') {
      const said = this.#said.get(protocol) ?? []
      return [body, said[chance.below(said.length)] ?? body]
    }
    try {
      if (protocol === controlProtocol) return this.#control(lie, body)
      if (protocol === payProtocol) return this.#pay(lie, body)
    } catch {
      return undefined
    }
    // The first byte of an acknowledgement is 2.
    return lie === 'no-acknowledgement' && body[0] === 2 ? [] : undefined
  }

  #control(lie: Lie, body: Uint8Array): readonly Uint8Array[] | undefined {
    const message = Wire.decode(Message.message, body)
    const also = (other: Message.Message): Uint8Array => Wire.encode(Message.message, other)
    if (message.type === 'agree' || message.type === 'complete')
      return lie === 'withhold' ? [] : undefined
    if (message.type === 'sync') {
      const key = message.channelId
      const old = this.#shown.get(key)
      if (old === undefined || this.#ports.chance.hit(0.2)) this.#shown.set(key, message)
      return lie === 'stale-sync' && old !== undefined ? [also(old)] : undefined
    }
    if (message.type !== 'propose') return undefined
    const bent = (by: bigint): Message.Message => ({
      ...message,
      updates: message.updates.map(
        (update): Update =>
          'claim' in update ? { ...update, claim: shift(update.claim, by) } : update,
      ),
    })
    if (lie === 'over-claim') return [also(bent(BigInt(this.#ports.chance.between(1, 5_000))))]
    if (lie === 'under-fold') return [also(bent(-BigInt(this.#ports.chance.between(1, 5_000))))]
    if (lie === 'equivocate') {
      const lower = bent(-1n) as Message.Message & { type: 'propose' }
      return [body, also({ ...lower, attempt: message.attempt + 1 })]
    }
    return undefined
  }

  #pay(lie: Lie, body: Uint8Array): readonly Uint8Array[] | undefined {
    const frame = PayFrame.decode(body)
    if (frame.type === 'ticks') {
      if (lie !== 'wrong-tick') return undefined
      const spoilt = body.slice()
      const at = spoilt.length - 1 - this.#ports.chance.below(32)
      spoilt[at] = (spoilt[at] ?? 0) ^ 1
      return [spoilt]
    }
    const { voucher } = frame.signed
    const signed = (other: Voucher.Voucher): Uint8Array => {
      const { crypto, domain, keys } = this.#ports
      const signature = crypto.secp256k1.sign(Voucher.digest(domain, other), keys.session)
      return PayFrame.encodeVoucher(frame.handle, { voucher: other, signature })
    }
    const [epoch, { base }] = [voucher.epoch + 1, voucher]
    if (lie === 'low-voucher') return [body, signed({ ...voucher, epoch, base: base / 2n })]
    if (lie === 'unbacked-voucher')
      return [signed({ ...voucher, base: base + 10n ** 15n }), signed({ ...voucher, epoch })]
    return undefined
  }
}

const shift = (claim: bigint, by: bigint): bigint => (claim + by < 0n ? 0n : claim + by)

const typeOf = (body: Uint8Array): string => {
  try {
    return Wire.decode(Message.message, body).type
  } catch {
    return ''
  }
}
