/**
 * Network operations under the caller's signal. Nothing here leaves a timer or a listener behind, as
 * `AbortSignal.any` does on Node 20 when one of its signals lives long.
 */
import { aborted, type NetworkError } from './errors.js'

/**
 * What `run` gives, under the caller's signal and a deadline of ours.
 *
 * @param doing what the caller's abort interrupts, as the start of a sentence
 * @param late the error when `ms` have passed
 * @throws NetworkError `ABORTED`, `late`, or whatever `run` throws by itself
 */
export async function within<T>(
  { doing, ms, late, signal }: Deadline,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) throw aborted(doing, signal)
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(late()), ms)
  const onAbort = () => controller.abort(aborted(doing, signal))
  signal?.addEventListener('abort', onAbort)
  try {
    return await run(controller.signal)
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

/**
 * `promise`, which goes on by itself, as long as the caller waits for it. @throws NetworkError
 * `ABORTED`
 */
export function unlessAborted<T>(
  promise: Promise<T>,
  doing: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(doing, signal))
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort))
  })
}

type Deadline = {
  readonly doing: string
  readonly ms: number
  readonly late: () => NetworkError
  readonly signal?: AbortSignal | undefined
}
