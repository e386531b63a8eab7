/**
 * What has arrived on a stream and has not been read. It keeps count so that its owner can stop the
 * sender; it never refuses or drops a byte itself, except on `discard`.
 */
export type Inbox = {
  /** Bytes waiting, with something added for each chunk: many tiny ones are no free memory. */
  weight(): number
  push(chunk: Uint8Array): void
  /** No more will come: readers get what is left, then the end, or `error`. */
  finish(error?: Error): void
  /** Readers get `error` at once. */
  discard(error: Error): void
  /** One reader at a time. After a `break`, another loop goes on where the last one stopped. */
  read(): AsyncGenerator<Uint8Array, undefined>
}

/** What a waiting chunk costs beside its bytes: the objects around it. */
export const chunkWeight = 128

/** `taken` is called after each chunk that a reader took, and may push more. */
export function inbox(taken: () => void): Inbox {
  let chunks: Uint8Array[] = []
  let weight = 0
  let finished = false
  let failure: Error | undefined
  let wake: (() => void) | undefined

  const finish = (error?: Error) => {
    if (finished) return
    finished = true
    failure = error
    wake?.()
  }

  return {
    weight: () => weight,
    push(chunk) {
      if (finished) return
      chunks.push(chunk)
      weight += chunk.length + chunkWeight
      wake?.()
    },
    finish,
    discard(error) {
      finish()
      failure = error
      chunks = []
      weight = 0
    },
    async *read() {
      for (;;) {
        const chunk = chunks.shift()
        if (chunk) {
          weight -= chunk.length + chunkWeight
          taken()
          yield chunk
        } else if (finished) {
          if (failure) throw failure
          return undefined
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          wake = undefined
        }
      }
    },
  }
}
