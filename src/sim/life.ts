/**
 * One life of a node, from a start to a crash. Every effect crosses a border on its way out and every answer on
 * its way in; a life may be told to end at any of them, and from then on nothing more comes of it.
 */
export class Life {
  #crossings = 0
  #endsAt = Number.POSITIVE_INFINITY
  #alive = true
  readonly #onEnd: () => void

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  get alive(): boolean {
    return this.#alive
  }

  /** The life ends at the border that is crossed `crossings` from now. */
  endIn(crossings: number): void {
    this.#endsAt = this.#crossings + crossings
  }

  /** Crosses a border; false when the life is over, before or right here. */
  cross(): boolean {
    this.#crossings += 1
    if (this.#alive && this.#crossings >= this.#endsAt) this.end()
    return this.#alive
  }

  end(): void {
    if (!this.#alive) return
    this.#alive = false
    this.#onEnd()
  }

  /** What a port's call gives to the living; the dead are never answered. */
  answer<T>(call: () => Promise<T>): Promise<T> {
    if (!this.cross()) return never()
    return call().then(
      (value) => (this.cross() ? value : never()),
      (error) => {
        if (this.cross()) throw error
        return never()
      },
    )
  }
}

/** A promise of its own each time: whoever waits for it is forgotten with it. */
export const never = (): Promise<never> => new Promise(() => undefined)
