/**
 * A way to the embedded layer through bad weather: requests and answers take their time or are lost, what is
 * submitted waits for a block, and a block that is not final yet may be reorganised: transactions change places,
 * or are dropped. The layer behind it is the production one.
 */
import { type Json, local, type Transport } from '../ledger/embedded/api.js'
import type { Layer } from '../ledger/embedded/layer.js'
import { LedgerError } from '../ledger/error.js'
import type { Chance } from './chance.js'
import type { Life } from './life.js'
import type { Time } from './time.js'
import type { Trace } from './trace.js'

/** How the layer can be reached; faults change it. */
export type LedgerWeather = {
  /** Milliseconds of a request or an answer, least and most. */
  latencyMs: readonly [number, number]
  /** Share of requests, and of answers, that never arrive. */
  lost: number
  /** Nobody gets through before. */
  downUntilMs: number
  /** Milliseconds between two blocks; 0: every transaction is final at once. */
  blockMs: number
  /** Share of blocks that are reorganised before they are final. */
  reorganised: number
}

export type LedgerPorts = {
  readonly time: Time
  readonly chance: Chance
  readonly trace: Trace
  readonly layer: Layer
  readonly weather: LedgerWeather
  /** Somebody is shown a channel. */
  readonly onShown: (who: string, channelId: Json[string]) => void
}

type Submission = { readonly run: () => void; readonly drop: () => void }

export class Gateway {
  readonly #ports: LedgerPorts
  readonly #direct: Transport
  /** Submitted, and in no final block yet. */
  #block: Submission[] = []

  constructor(ports: LedgerPorts) {
    this.#ports = ports
    this.#direct = local(ports.layer)
  }

  /** The way of one life. */
  transport(who: string, life: Life): Transport {
    return (method, params, signal) => {
      // Asked once, before anything is at stake: who the layer is.
      if (method === 'info') return this.#direct(method, params, signal)
      return life.answer(async () => {
        const answer = await this.#ask(who, method, params, signal)
        this.#ports.trace.input(`ledger>${who} ${method}`)
        if (method === 'channel') this.#ports.onShown(who, params.channelId)
        return answer
      })
    }
  }

  async #ask(who: string, method: string, params: Json, signal: AbortSignal): Promise<Json> {
    const { time, chance, trace, weather } = this.#ports
    await time.sleep(this.#delay(), signal)
    if (time.nowMs < weather.downUntilMs || chance.hit(weather.lost)) {
      trace.fault('ledger-down', `${who} ${method}`)
      throw unreachable
    }
    const answer = await (method === 'events'
      ? this.#events(params, signal)
      : method === 'submit' && weather.blockMs > 0
        ? this.#submit(who, params, signal)
        : this.#direct(method, params, signal))
    await time.sleep(this.#delay(), signal)
    if (time.nowMs < weather.downUntilMs || chance.hit(weather.lost)) {
      trace.fault('ledger-answer-lost', `${who} ${method}`)
      throw unreachable
    }
    return answer
  }

  #delay(): number {
    const { chance, weather } = this.#ports
    return chance.between(...weather.latencyMs)
  }

  /** The long poll, on virtual time. */
  async #events(params: Json, signal: AbortSignal): Promise<Json> {
    const { time, layer } = this.#ports
    const waiting = { ...params, waitMs: 0 }
    const answer = await this.#direct('events', waiting, signal)
    const { events } = answer
    if (!Array.isArray(events) || events.length > 0) return answer
    const over = new AbortController()
    const end = (): void => over.abort()
    const cancel = time.after(Number(params.waitMs), end)
    signal.addEventListener('abort', end, { once: true })
    await layer.happened(Number(params.after), over.signal)
    signal.removeEventListener('abort', end)
    cancel()
    return this.#direct('events', waiting, signal)
  }

  #submit(who: string, params: Json, signal: AbortSignal): Promise<Json> {
    return new Promise((resolve, reject) => {
      if (this.#block.length === 0)
        this.#ports.time.after(this.#ports.weather.blockMs, () => this.#seal())
      this.#block.push({
        run: () => void this.#direct('submit', params, signal).then(resolve, reject),
        drop: () => {
          this.#ports.trace.fault('reorganised', `${who}'s transaction dropped`)
          reject(unreachable)
        },
      })
    })
  }

  /** The block becomes final, or another one in its place. */
  #seal(): void {
    const { chance, weather, trace } = this.#ports
    const block = this.#block
    this.#block = []
    const reorganised = chance.hit(weather.reorganised)
    if (reorganised && block.length > 1) {
      trace.fault('reorganised', `${block.length} transactions change places`)
      block.reverse()
    }
    for (const { run, drop } of block) {
      if (reorganised && chance.hit(0.5)) drop()
      else run()
    }
  }
}

const unreachable = new LedgerError(
  'LEDGER_UNREACHABLE',
  'The simulated layer does not answer; the call may have been done.',
)
