/**
 * Turns: what a peer says is handled in order within a topic, and topics beside one another, so that steps of
 * many channels share one sync. It never takes in more than so many bytes ahead of what is done.
 */
import { Notifier } from './notifier.js'

export class Turns {
  readonly #bytesMax: number
  readonly #onFailure: (error: unknown) => void
  /** The last of each topic that is under way. */
  readonly #last = new Map<string, Promise<void>>()
  readonly #changed = new Notifier()
  #bytes = 0

  /** `onFailure` hears of what throws while nobody waits for it. */
  constructor(bytesMax: number, onFailure: (error: unknown) => void) {
    this.#bytesMax = bytesMax
    this.#onFailure = onFailure
  }

  /**
   * Runs `work` after what came before on its topic; without a topic after everything, and before all that
   * comes later. Resolves when more can be taken in.
   */
  async take(topic: string | undefined, bytes: number, work: () => Promise<void>): Promise<void> {
    if (topic === undefined) {
      await this.#changed.until(() => this.#last.size === 0)
      return work()
    }
    this.#bytes += bytes
    const before = this.#last.get(topic)
    const turn = (before === undefined ? work() : before.then(work))
      .catch(this.#onFailure)
      .then(() => {
        this.#bytes -= bytes
        if (this.#last.get(topic) === turn) this.#last.delete(topic)
        this.#changed.notify()
      })
    this.#last.set(topic, turn)
    if (this.#bytes > this.#bytesMax) await this.#changed.until(() => this.#bytes <= this.#bytesMax)
  }
}
