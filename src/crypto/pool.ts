/**
 * Verifies signatures in batches on threads of their own, so that a node's one thread is left to its
 * streams. A thread that dies must never lose a verdict, nor may silence ever pass for one.
 */
import { availableParallelism } from 'node:os'
import type { Piscina } from 'piscina'
import type { Address } from '../core/bytes.js'
import { SluiceError } from '../core/errors.js'
import * as Batch from './batch.js'
import type { Secp256k1Engine } from './engine.js'
import { startThreads } from './threads.js'

/** A share any smaller is not worth its round trip. */
const shareMin = 8
/** A thread takes its core, and some 20 MB; streams want cores too. */
const threadsMaxDefault = 8
/** Most batches under way; with the largest of them, 8 MB. */
const batchesMaxDefault = 16
/** After these a share is verified here: what kills threads must not stop a node. */
const attemptsMax = 2

export type Verifier = {
  /** Whether another batch would be taken now; false means: await `drained` first. */
  ready(): boolean
  /** @throws VerifierError `VERIFIER_CLOSED`; the signal's reason */
  drained(signal?: AbortSignal): Promise<void>
  /**
   * Who signed each, in the order given; undefined where the signature is refused.
   * @throws VerifierError `VERIFIER_BUSY`, `VERIFIER_CLOSED`, `BATCH_TOO_LARGE`; the signal's reason
   */
  recoverAll(
    signed: readonly Batch.Signed[],
    signal?: AbortSignal,
  ): Promise<readonly (Address | undefined)[]>
  /** Takes nothing new, finishes what was taken, and ends the threads. May be repeated. */
  close(): Promise<void>
}

/**
 * A verifier of at most `threads` threads. They start with the first batch that is worth it, sleep
 * between batches without a timer, and keep no process alive.
 */
export function createVerifier(options: {
  /** For batches too small for a thread, and where threads fail. */
  readonly secp256k1: Secp256k1Engine
  readonly threads?: number
  readonly batchesMax?: number
}): Verifier {
  const { secp256k1, batchesMax = batchesMaxDefault } = options
  const threads = options.threads ?? Math.min(availableParallelism(), threadsMaxDefault)
  const underWay = new Set<Promise<void>>()
  let pool: Piscina | undefined
  let closing: Promise<void> | undefined

  /** One that lost a thread is replaced whole: Piscina forgets tasks that wait for a thread to start. */
  function running(): Piscina {
    if (pool !== undefined) return pool
    const started = startPool(threads)
    started.once('workerDestroy', () => {
      if (pool !== started) return
      pool = undefined
      // Not within the event: Piscina would wait for the end of the thread that has ended.
      queueMicrotask(() => void started.destroy())
    })
    pool = started
    return started
  }

  /** One thread's share of `batch`. */
  async function judge(batch: Batch.Batch): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (Batch.isStopped(batch)) return
      try {
        return await running().run(batch)
      } catch {
        // Its thread died, or met a bug of ours, which shows itself below.
        Batch.rewind(batch)
      }
    }
    Batch.judge(secp256k1, batch)
  }

  async function judgeAll(batch: Batch.Batch, count: number, signal?: AbortSignal): Promise<void> {
    const length = Math.min(threads, Math.ceil(count / shareMin))
    const shares = Array.from({ length }, () => judge(batch))
    const ended = Promise.allSettled(shares).then(() => {
      underWay.delete(ended)
    })
    underWay.add(ended)
    try {
      await unlessAborted(Promise.all(shares), signal)
    } catch (error) {
      Batch.stop(batch)
      throw error
    }
    await ended
  }

  const ready = (): boolean => closing === undefined && underWay.size < batchesMax

  return {
    ready,

    async drained(signal) {
      while (!ready()) {
        if (closing !== undefined) throw new VerifierError('VERIFIER_CLOSED')
        await unlessAborted(Promise.race(underWay), signal)
      }
    },

    async recoverAll(signed, signal) {
      signal?.throwIfAborted()
      if (closing !== undefined) throw new VerifierError('VERIFIER_CLOSED')
      if (signed.length > Batch.signaturesMax) throw new VerifierError('BATCH_TOO_LARGE')
      if (signed.length < Batch.pooledMin) return signed.map((one) => Batch.recover(secp256k1, one))
      if (!ready()) throw new VerifierError('VERIFIER_BUSY')
      const batch = Batch.from(signed)
      await judgeAll(batch, signed.length, signal)
      return Batch.answers(batch)
    },

    close() {
      closing ??= Promise.all(underWay).then(() => {
        const last = pool
        pool = undefined
        return last?.destroy()
      })
      return closing
    },
  }
}

function startPool(threads: number): Piscina {
  const pool = startThreads(import.meta.url, 'pool-worker', threads)
  // The death of a thread without work. `workerDestroy` says the same; unheard, this ends the process.
  pool.on('error', () => undefined)
  return pool
}

/** What `promise` becomes, unless `signal` aborts first: then its reason is thrown. */
async function unlessAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return promise
  signal.throwIfAborted()
  let abort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
  })
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const messages = {
  VERIFIER_BUSY: 'The verifier has all the batches it can hold; await drained() before the next.',
  VERIFIER_CLOSED: 'The verifier is closed; create a new one.',
  BATCH_TOO_LARGE: `A batch holds at most ${Batch.signaturesMax} signatures; split it.`,
} as const

/** A batch that was not taken. Nothing of it was verified. */
export class VerifierError extends SluiceError {
  constructor(code: keyof typeof messages) {
    super(code, messages[code])
    this.name = 'VerifierError'
  }
}
