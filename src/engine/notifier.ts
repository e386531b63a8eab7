/** A condition to wait for: whoever changes what others wait on calls `notify`, and they look again. */
export class Notifier {
  #waiting: (() => void)[] = []

  notify(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /** Resolves once `condition` is true; looks at once and after every notify. Rejects when aborted. */
  async until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!condition()) {
      signal?.throwIfAborted()
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiting.push(wake)
        signal?.addEventListener('abort', wake, { once: true })
      })
    }
    signal?.throwIfAborted()
  }
}
