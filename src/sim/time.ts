/**
 * Virtual time: a queue of what happens when. Between two events every promise that can settle does, so what a
 * world does depends on its seed alone; nothing here waits for a real clock.
 */
import { setMaxListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { SluiceError } from '../core/errors.js'
import type { Sleep } from '../engine/ports.js'

type Event = { readonly atMs: number; readonly order: number; action: (() => void) | undefined }

/** Unix milliseconds at which every world begins: 2026-01-01. */
export const beginningMs = Date.UTC(2026, 0, 1)

export class Time {
  #nowMs = beginningMs
  #order = 0
  /** A binary heap, earliest first; equal times in the order they were asked for. */
  readonly #heap: Event[] = []
  readonly #deadlines = new Set<AbortController>()
  /** Events so far. */
  events = 0

  get nowMs(): number {
    return this.#nowMs
  }

  /** Runs `action` in `ms` milliseconds, unless the returned function is called before. */
  after(ms: number, action: () => void): () => void {
    const event: Event = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, action }
    this.#push(event)
    return () => {
      event.action = undefined
    }
  }

  readonly sleep: Sleep = (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = (): void => {
        cancel()
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.after(ms, end)
      signal?.addEventListener('abort', end, { once: true })
    })

  /** Aborts after `ms`. */
  deadline(ms: number): AbortSignal {
    const controller = new AbortController()
    setMaxListeners(0, controller.signal)
    this.#deadlines.add(controller)
    this.after(ms, () => {
      this.#deadlines.delete(controller)
      controller.abort(givenUp)
    })
    return controller.signal
  }

  /** Whoever still waits for a deadline has waited enough: a signal that may abort keeps all that hear it. */
  end(): void {
    for (const controller of this.#deadlines) controller.abort(givenUp)
    this.#heap.length = 0
  }

  /** Lets events happen until `done`, none is left, or `untilMs` has come; says whether it was `done`. */
  async run(done: () => boolean, untilMs: number): Promise<boolean> {
    await turn()
    while (!done()) {
      const event = this.#pop(untilMs)
      if (event === undefined) return done()
      this.#nowMs = event.atMs
      if (event.action === undefined) continue
      this.events += 1
      event.action()
      // A turn of the real loop comes only once no promise is left to settle.
      await turn()
    }
    return true
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (before(heap[parent], event)) break
      heap[at] = heap[parent] as Event
      at = parent
    }
    heap[at] = event
  }

  #pop(untilMs: number): Event | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.atMs > untilMs) return undefined
    const last = heap.pop() as Event
    if (heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1], heap[child] as Event)) child += 1
      if (before(last, heap[child] as Event)) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
    return first
  }
}

const givenUp = new SluiceError('GIVEN_UP', 'The owner gave the command up.')

const before = (a: Event | undefined, b: Event): boolean =>
  a !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order))
