/** A condition to wait for: whoever changes what others wait on calls `notify`, and they look again. */
export class Notifier {
  #waiting = new Set<() => void>()

  notify(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  /** Resolves once `condition` is true; looks at once and after every notify. Rejects when aborted. */
  async until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!condition()) {
      signal?.throwIfAborted()
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal?.removeEventListener('abort', wake)
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal?.addEventListener('abort', wake, { once: true })
      })
    }
    signal?.throwIfAborted()
  }
}
