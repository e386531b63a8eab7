/**
 * What peers say to each other, read off the simulated wire: messages, vouchers, ticks and paid streams, each with
 * the lane or purchase it is about. It changes nothing, and reads what no peer could decode as junk.
 */
import type { Hex } from '../core/bytes.js'
import * as Frame from '../core/frame.js'
import { limits } from '../core/limits.js'
import * as Message from '../core/message.js'
import type { Quote } from '../core/quote.js'
import type { StreamMessage } from '../core/stream-message.js'
import * as Tick from '../core/tick.js'
import type * as Voucher from '../core/voucher.js'
import { type WatchMessage, watchMessage } from '../core/watch-message.js'
import { controlProtocol, payProtocol } from '../engine/link.js'
import * as PayFrame from '../engine/pay-frame.js'
import * as StreamFrame from '../engine/stream-frame.js'
import { watchProtocol } from '../engine/watch-talk.js'
import * as Wire from '../engine/wire.js'
import type { StreamName } from './stream.js'

/** A lane as both ends name it. */
export type LaneName = { readonly channelId: Hex; readonly lane: bigint }

/** What a paid stream is about, as far as it was said. */
export type Topic = {
  quote: Quote | undefined
  open: (StreamMessage & { type: 'open' }) | undefined
}

export type Said =
  | { readonly type: 'message'; readonly message: Message.Message }
  | { readonly type: 'voucher'; readonly of: LaneName; readonly signed: Voucher.Signed }
  | { readonly type: 'ticks'; readonly of: LaneName; readonly frame: Tick.Frame }
  | { readonly type: 'stream'; readonly topic: Topic; readonly message: StreamMessage }
  | {
      readonly type: 'data' | 'acknowledgement'
      readonly topic: Topic
      readonly position: bigint
    }
  | { readonly type: 'watch'; readonly message: WatchMessage }
  | { readonly type: 'junk' }

export class Wiretap {
  readonly #deframers = new Map<string, { push: Frame.Deframer; frames: Uint8Array[] }>()
  readonly #topics = new Map<number, Topic>()
  /** By connection and payee: the lane of each handle; none where a liar has given one to two lanes. */
  readonly #handles = new Map<string, (LaneName | undefined)[]>()

  /** What `bytes` say that `from` sends to `to` on a stream. */
  read(from: string, to: string, stream: StreamName, bytes: Uint8Array): Said[] {
    return this.frames(from, stream, bytes).flatMap((body) => this.#decode(from, to, stream, body))
  }

  /** The frames that `bytes` complete. */
  frames(from: string, stream: StreamName, bytes: Uint8Array): Uint8Array[] {
    const key = `${stream.id} ${from}`
    let known = this.#deframers.get(key)
    if (known === undefined) {
      const frames: Uint8Array[] = []
      known = {
        push: Frame.deframer(limits.watchBytesMax, (frame) => frames.push(frame.slice())),
        frames,
      }
      this.#deframers.set(key, known)
    }
    try {
      known.push.push(bytes)
    } catch {
      // A stream that a liar broke says nothing more.
    }
    return known.frames.splice(0)
  }

  #decode(from: string, to: string, stream: StreamName, body: Uint8Array): Said[] {
    try {
      if (stream.protocol === controlProtocol) return [this.#control(from, stream, body)]
      if (stream.protocol === payProtocol) return this.#pay(to, stream, body)
      if (stream.protocol === watchProtocol)
        return [{ type: 'watch', message: Wire.decode(watchMessage, body) }]
      return [this.#sale(stream, body)]
    } catch {
      // Whatever a broken decoder throws, the watcher must not fall over it.
      return [{ type: 'junk' }]
    }
  }

  #control(from: string, stream: StreamName, body: Uint8Array): Said {
    const message = Wire.decode(Message.message, body)
    if (message.type === 'bound') {
      const key = `${stream.connection} ${from}`
      const handles = this.#handles.get(key) ?? []
      this.#handles.set(key, handles)
      const { handle, channelId, lane } = message
      const known = handles[handle]
      const isSame = known?.channelId === channelId && known.lane === lane
      handles[handle] = isSame || !(handle in handles) ? { channelId, lane } : undefined
    }
    return { type: 'message', message }
  }

  #pay(to: string, stream: StreamName, body: Uint8Array): Said[] {
    const handles = this.#handles.get(`${stream.connection} ${to}`) ?? []
    const frame = PayFrame.decode(body)
    if (frame.type === 'voucher') {
      const of = handles[frame.handle]
      return of === undefined ? [] : [{ type: 'voucher', of, signed: frame.signed }]
    }
    return Tick.decodeAll(frame.frames).flatMap((tick): Said[] => {
      const of = handles[tick.handle]
      return of === undefined ? [] : [{ type: 'ticks', of, frame: tick }]
    })
  }

  #sale(stream: StreamName, body: Uint8Array): Said {
    const topic = this.#topics.get(stream.id) ?? { quote: undefined, open: undefined }
    this.#topics.set(stream.id, topic)
    const frame = StreamFrame.decode(body)
    if (frame.type !== 'message') return { type: frame.type, topic, position: frame.position }
    // The first counts: who says it again is a liar.
    if (frame.message.type === 'quote') topic.quote ??= frame.message.quote
    if (frame.message.type === 'open') topic.open ??= frame.message
    return { type: 'stream', topic, message: frame.message }
  }
}
