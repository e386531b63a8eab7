import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Signed } from '../../src/crypto/batch.js'
import { noble } from '../../src/crypto/noble.js'
import * as Ox from '../../src/crypto/ox.js'
import { createVerifier, type Verifier } from '../../src/crypto/pool.js'
import { reap, run } from '../support/child.js'
import { signedBy } from './signed.js'

const secp256k1 = await Ox.load()
/** Counts what is verified on this thread and not on one of the pool's. */
let here = 0
const counting = {
  ...secp256k1,
  recover(digest: Uint8Array, signature: Uint8Array) {
    here++
    return secp256k1.recover(digest, signature)
  },
}

const threads = new Set<Worker>()
const onWorker = (worker: Worker): void => {
  threads.add(worker)
  worker.once('exit', () => threads.delete(worker))
}

const many = signedBy(secp256k1, 4096)
const signers = many.map((_, index) => secp256k1.publicAddress(keyOf(index)))
const verifiers: Verifier[] = []

function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(28, index + 1)
  return key
}

function create(options: { threads?: number; batchesMax?: number } = {}): Verifier {
  const verifier = createVerifier({ secp256k1: counting, threads: 2, ...options })
  verifiers.push(verifier)
  return verifier
}

/** A verifier whose threads have started and loaded their engine. */
async function warm(options: { threads?: number; batchesMax?: number } = {}): Promise<Verifier> {
  const verifier = create(options)
  await verifier.recoverAll(many.slice(0, 64))
  return verifier
}

const code = (value: string) => expect.objectContaining({ name: 'VerifierError', code: value })

beforeAll(() => void process.on('worker', onWorker))
afterAll(() => void process.off('worker', onWorker))
afterEach(async () => {
  await Promise.all(verifiers.splice(0).map((verifier) => verifier.close()))
  await reap()
  here = 0
})

describe('verdicts', () => {
  const flaws: readonly ((signature: Uint8Array) => Uint8Array)[] = [
    (signature) => signature,
    (signature) => signature.subarray(0, 64),
    (signature) => Uint8Array.of(...signature, 0),
    () => new Uint8Array(),
    (signature) => signature.fill(0, 0, 32),
    (signature) => signature.fill(0xff, 32, 64),
    (signature) => signature.with(64, 29),
    // Another signer, or none.
    (signature) => signature.with(64, signature[64] === 27 ? 28 : 27),
    (signature) => signature.with(5, (signature[5] ?? 0) ^ 1),
  ]
  const signed = fc
    .tuple(fc.nat(many.length - 1), fc.constantFrom(...flaws))
    .map(([index, flaw]): Signed => {
      const { digest, signature } = many[index] ?? { digest: keyOf(0), signature: keyOf(0) }
      return { digest, signature: flaw(signature.slice()) }
    })

  it('are those of noble, in order, whatever the mix and the size', async () => {
    const verifier = create()
    const expected = ({ digest, signature }: Signed) => {
      try {
        return noble.secp256k1.recover(digest, signature)
      } catch {
        return undefined
      }
    }
    await fc.assert(
      fc.asyncProperty(fc.array(signed, { maxLength: 70 }), async (batch) => {
        expect(await verifier.recoverAll(batch)).toEqual(batch.map(expected))
      }),
      { numRuns: 50 },
    )
  })

  it('come from this thread below 16 signatures, from others above', async () => {
    const verifier = create()
    expect(await verifier.recoverAll(many.slice(0, 15))).toEqual(signers.slice(0, 15))
    expect([here, threads.size]).toEqual([15, 0])
    expect(await verifier.recoverAll(many.slice(0, 16))).toEqual(signers.slice(0, 16))
    expect([here, threads.size]).toEqual([15, 2])
  })

  it('of the largest batch come too, and a larger one is refused', async () => {
    const verifier = create()
    expect(await verifier.recoverAll(many)).toEqual(signers)
    const larger = [...many, ...many.slice(0, 1)]
    await expect(verifier.recoverAll(larger)).rejects.toEqual(code('BATCH_TOO_LARGE'))
  })

  it('survive what is done to the batch after it was handed over', async () => {
    const verifier = await warm()
    const batch = many.slice(0, 64).map(({ digest, signature }) => ({
      digest: digest.slice(),
      signature: signature.slice(),
    }))
    const answers = verifier.recoverAll(batch)
    for (const { digest, signature } of batch) signature.set(digest)
    expect(await answers).toEqual(signers.slice(0, 64))
  })
})

describe('back-pressure', () => {
  it('holds as many batches as it may, refuses one more, and says when it has room', async () => {
    const verifier = await warm({ batchesMax: 3 })
    const batches = Array.from({ length: 3 }, () => verifier.recoverAll(many.slice(0, 100)))
    expect(verifier.ready()).toBe(false)
    await expect(verifier.recoverAll(many.slice(0, 100))).rejects.toEqual(code('VERIFIER_BUSY'))
    await verifier.drained()
    expect(verifier.ready()).toBe(true)
    for (const answers of await Promise.all(batches)) expect(answers).toEqual(signers.slice(0, 100))
  })

  it('lets many senders take turns, each with its own answers', async () => {
    const verifier = await warm({ batchesMax: 3 })
    const sender = async (from: number): Promise<void> => {
      while (!verifier.ready()) await verifier.drained()
      const answers = await verifier.recoverAll(many.slice(from, from + 20 + from))
      expect(answers).toEqual(signers.slice(from, from + 20 + from))
    }
    await Promise.all(Array.from({ length: 60 }, (_, from) => sender(from)))
    expect(here).toBe(0)
  })

  it('ends a wait for room with its signal', async () => {
    const verifier = await warm({ batchesMax: 1 })
    const batch = verifier.recoverAll(many)
    const reason = new Error('enough')
    const controller = new AbortController()
    const waiting = verifier.drained(controller.signal)
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    expect(await batch).toEqual(signers)
  })
})

describe('a thread that dies', () => {
  it.each([
    ['one of them', 1],
    ['all of them', 2],
  ])('loses no verdict, be it %s', async (_, killed) => {
    const verifier = await warm()
    const before = [...threads]
    const batch = verifier.recoverAll(many)
    for (const thread of before.slice(0, killed)) void thread.terminate()
    expect(await batch).toEqual(signers)
    expect(here).toBe(0)
    for (const thread of before) expect(threads).not.toContain(thread)
  })

  it('loses no verdict of the batches that wait for their turn', async () => {
    const verifier = await warm()
    const batches = Array.from({ length: 16 }, () => verifier.recoverAll(many.slice(0, 300)))
    for (const thread of threads) void thread.terminate()
    for (const answers of await Promise.all(batches)) expect(answers).toEqual(signers.slice(0, 300))
  })

  it('loses no verdict while it starts', async () => {
    let killed = 0
    const kill = (worker: Worker): void => {
      if (killed++ < 2) void worker.terminate()
    }
    process.on('worker', kill)
    expect(await create().recoverAll(many.slice(0, 64))).toEqual(signers.slice(0, 64))
    process.off('worker', kill)
    expect(killed).toBeGreaterThan(2)
    expect(here).toBe(0)
  })

  it('is replaced where it died idle', async () => {
    const verifier = await warm()
    await Promise.all(Array.from(threads, (thread) => thread.terminate()))
    expect(await verifier.recoverAll(many.slice(0, 64))).toEqual(signers.slice(0, 64))
    expect(here).toBe(0)
  })

  it('is done without, where every one dies', async () => {
    const kill = (worker: Worker): void => void worker.terminate()
    process.on('worker', kill)
    const verifier = create()
    const batches = Array.from({ length: 8 }, () => verifier.recoverAll(many.slice(0, 64)))
    for (const answers of await Promise.all(batches)) expect(answers).toEqual(signers.slice(0, 64))
    expect(here).toBe(8 * 64)
    process.off('worker', kill)
  })
})

describe('an aborted batch', () => {
  it('ends with the reason of its signal, and its threads go on with the next', async () => {
    const verifier = await warm({ batchesMax: 2 })
    const before = [...threads]
    const controller = new AbortController()
    const reason = new Error('enough')
    const batch = verifier.recoverAll(many, controller.signal)
    controller.abort(reason)
    await expect(batch).rejects.toBe(reason)
    expect(await verifier.recoverAll(many.slice(0, 64))).toEqual(signers.slice(0, 64))
    expect([...threads]).toEqual(before)
    await expect(verifier.recoverAll(many, controller.signal)).rejects.toBe(reason)
  })
})

describe('close', () => {
  it('finishes what was taken, takes nothing more, and ends the threads', async () => {
    const verifier = await warm({ batchesMax: 4 })
    const batches = Array.from({ length: 4 }, () => verifier.recoverAll(many.slice(0, 300)))
    const waiting = verifier.drained()
    const exits = Array.from(threads, (thread) => once(thread, 'exit'))
    expect(exits).toHaveLength(2)
    const closed = verifier.close()
    expect(verifier.ready()).toBe(false)
    await expect(verifier.recoverAll(many.slice(0, 1))).rejects.toEqual(code('VERIFIER_CLOSED'))
    await expect(waiting).rejects.toEqual(code('VERIFIER_CLOSED'))
    await closed
    for (const answers of await Promise.all(batches)) expect(answers).toEqual(signers.slice(0, 300))
    await Promise.all(exits)
    expect(threads.size).toBe(0)
    await verifier.close()
  })

  it('starts no thread where none was needed', async () => {
    await create().close()
    expect(threads.size).toBe(0)
  })
})

describe('a process', () => {
  it.each([
    ['from sources', 'src/crypto/pool.ts'],
    ['as built', 'dist/crypto/pool.js'],
  ])('ends by itself with threads idle, %s', async (_, file) => {
    const child = run('test/crypto/children/verifier.ts', [file])
    expect(await child.line()).toBe('64 signers, 0 here')
    expect(await child.ended()).toEqual({ code: 0, stderr: '' })
  })
})
