/**
 * The one base of every error Sluice throws, and the conversions at the borders.
 * A concrete error lives in the module that throws it, with a stable `code` and a sentence that tells
 * a person what to do. Nothing here may ever carry a secret.
 */

/** Base of all Sluice errors. `code` is stable across versions; `message` is for people. */
export class SluiceError extends Error {
  readonly code: string

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'SluiceError'
    this.code = code
  }
}

/** A broken invariant of our own: a bug, never bad input. Freezes the channel it concerns. */
export class InvariantError extends SluiceError {
  constructor(message: string) {
    super(
      'INVARIANT',
      `${message}. This is a bug in Sluice; the channel is frozen, its money safe.`,
    )
    this.name = 'InvariantError'
  }
}

/** @throws InvariantError when `condition` is false. Stays on in production. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}

/** An error from another process or peer, rebuilt on this side with the code it was given there. */
export class RemoteError extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'RemoteError'
  }
}

/** What crosses a border (a wire, a JSON line): the code and the sentence, never the stack. */
export function toProblem(error: unknown): { code: string; message: string } {
  if (error instanceof SluiceError) return { code: error.code, message: error.message }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) }
}
