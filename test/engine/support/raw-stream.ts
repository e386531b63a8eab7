/**
 * One end of a paid stream that keeps count of what comes and says nothing by itself. Whoever holds it plays
 * the consumer or the provider.
 */
import type { Hex } from '../../../src/core/bytes.js'
import type { StreamMessage } from '../../../src/core/stream-message.js'
import { Notifier } from '../../../src/engine/notifier.js'
import type { ByteStream } from '../../../src/engine/ports.js'
import * as StreamFrame from '../../../src/engine/stream-frame.js'
import type { Asked } from './raw-lane.js'

type MessageOf<T extends StreamMessage['type']> = StreamMessage & { type: T }

export class RawStream {
  readonly stream: ByteStream
  readonly changed = new Notifier()
  /** Messages that nobody has taken yet. */
  readonly inbox: StreamMessage[] = []
  /** Offset after the last data frame. */
  position = 0n
  /** Bytes of all data frames. */
  bytes = 0
  /** Highest acknowledgement. */
  acknowledged = 0n
  purchase: Hex = '0x'
  /** Whether the other side has ended, and how. */
  over = false
  failure: unknown
  asked: Asked | undefined

  constructor(stream: ByteStream) {
    this.stream = stream
    void this.#read()
  }

  async #read(): Promise<void> {
    try {
      const reader = new StreamFrame.StreamReader(this.stream)
      for (;;) {
        const frame = await reader.next()
        if (frame === undefined) break
        if (frame.type === 'message') this.inbox.push(frame.message)
        else if (frame.type === 'acknowledgement') this.acknowledged = frame.position
        else {
          this.position = frame.position
          this.bytes += frame.data.length
        }
        this.changed.notify()
      }
    } catch (error) {
      this.failure = error
    }
    this.over = true
    this.changed.notify()
  }

  /** Data counts from here on. */
  begin(purchase: Hex, offset: bigint): void {
    this.purchase = purchase
    this.position = offset
  }

  send(message: StreamMessage): void {
    this.write(StreamFrame.encodeMessage(message))
  }

  data(position: bigint, data: Uint8Array): void {
    this.write(StreamFrame.encodeData(position, data))
  }

  acknowledge(offset: bigint): void {
    this.write(StreamFrame.encodeAcknowledgement(offset))
  }

  /** Bytes as they are; a stream that is over takes none. */
  write(bytes: Uint8Array): void {
    try {
      this.stream.send(bytes)
    } catch {}
  }

  abort(): void {
    this.stream.abort(new Error('the raw peer drops the stream'))
  }

  async until(condition: () => boolean): Promise<void> {
    await this.changed.until(() => condition() || this.over)
    if (!condition()) throw new Error(`the stream ended: ${JSON.stringify(this.inbox)}`)
  }

  async next<T extends StreamMessage['type']>(type: T): Promise<MessageOf<T>> {
    const find = (): number => this.inbox.findIndex((message) => message.type === type)
    await this.until(() => find() >= 0)
    const [message] = this.inbox.splice(find(), 1)
    return message as MessageOf<T>
  }

  async quote(): Promise<Asked> {
    const { quote, nonce } = await this.next('quote')
    this.asked = { quote, nonce }
    return this.asked
  }

  /** Code of the problem that the other side ends the stream with. */
  async problem(): Promise<string> {
    return (await this.next('problem')).code
  }
}
