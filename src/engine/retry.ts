/** Once more after a while, however many failures ask for it until then: a disk that was full may have room. */
import { SluiceError } from '../core/errors.js'
import type { Sleep } from './ports.js'

const retryMs = 1_000

/** What passes by itself, or by the owner's making room. */
export const isTransient = (error: unknown): boolean =>
  error instanceof SluiceError &&
  (error.code === 'LEDGER_UNREACHABLE' || error.code === 'DISK_FULL')

export class Retry {
  readonly #sleep: Sleep
  readonly #task: () => void
  #isWaiting = false

  constructor(sleep: Sleep, task: () => void) {
    this.#sleep = sleep
    this.#task = task
  }

  /** The task failed; nothing is tried again after what does not pass by itself. */
  after(error: unknown): void {
    if (this.#isWaiting || !isTransient(error)) return
    this.#isWaiting = true
    void this.#sleep(retryMs).then(() => {
      this.#isWaiting = false
      this.#task()
    })
  }
}
