/**
 * What a co-signed, durable update costs at the least: three messages over one libp2p stream, and on each side
 * a signature made, one recovered, and a record made durable. No channel, no rules, nothing encoded.
 */
import { randomBytes } from 'node:crypto'
import * as Frame from '../src/core/frame.js'
import type { Secp256k1Engine } from '../src/crypto/engine.js'
import { frames } from '../src/engine/frames.js'
import type { ByteStream, Store } from '../src/engine/ports.js'

export const floorProtocol = '/bench/floor/1'

/** Bytes of each message, and of the record that is made durable. */
export type Sizes = {
  readonly propose: number
  readonly agree: number
  readonly complete: number
  readonly record: number
}

export type Side = {
  readonly stream: ByteStream
  readonly store: Store
  readonly secp256k1: Secp256k1Engine
  readonly sizes: Sizes
}

const kinds = { propose: 0, agree: 1, complete: 2 } as const
const frameMax = 65_536

/** Answers updates until the stream ends. */
export async function respond({ stream, store, secp256k1, sizes }: Side): Promise<void> {
  const { sign } = signer(secp256k1)
  const send = writer(stream)
  for await (const batch of frames(stream, frameMax))
    for (const message of batch)
      if (message[0] === kinds.complete) check(secp256k1, message)
      else {
        const channel = message[1] ?? 0
        const signature = sign(digestOf(message))
        void store
          .commit([{ key: `floor/${channel}`, value: new Uint8Array(sizes.record) }])
          .then(() => send(encode('agree', sizes.agree, channel, digestOf(message), signature)))
      }
}

/** Begins updates; one a channel at a time. */
export function begin({
  stream,
  store,
  secp256k1,
  sizes,
}: Side): (channel: number) => Promise<void> {
  const { sign } = signer(secp256k1)
  const send = writer(stream)
  const waiting = new Map<number, () => void>()
  const onAgree = async (message: Uint8Array): Promise<void> => {
    const channel = message[1] ?? 0
    check(secp256k1, message)
    const digest = digestOf(message)
    const signature = sign(digest)
    await store.commit([{ key: `floor/${channel}`, value: new Uint8Array(sizes.record) }])
    send(encode('complete', sizes.complete, channel, digest, signature))
    waiting.get(channel)?.()
  }
  void (async () => {
    for await (const batch of frames(stream, frameMax))
      for (const message of batch) void onAgree(message)
  })()
  return (channel) =>
    new Promise((resolve) => {
      waiting.set(channel, resolve)
      send(encode('propose', sizes.propose, channel, new Uint8Array(randomBytes(32)), undefined))
    })
}

function signer(secp256k1: Secp256k1Engine) {
  const key = new Uint8Array(randomBytes(32))
  return { sign: (digest: Uint8Array): Uint8Array => secp256k1.sign(digest, key) }
}

/** kind u8 ‖ channel u8 ‖ digest 32 ‖ signature 65, filled up to `size`. */
function encode(
  kind: keyof typeof kinds,
  size: number,
  channel: number,
  digest: Uint8Array,
  signature: Uint8Array | undefined,
): Uint8Array {
  const message = new Uint8Array(size)
  message.set([kinds[kind], channel])
  message.set(digest, 2)
  if (signature !== undefined) message.set(signature, 34)
  return Frame.encode(message)
}

const digestOf = (message: Uint8Array): Uint8Array => message.slice(2, 34)

/** Throws for what is no signature. */
const check = (secp256k1: Secp256k1Engine, message: Uint8Array): void =>
  void secp256k1.recover(digestOf(message), message.slice(34, 99))

/** What is sent in one turn leaves in one write. */
function writer(stream: ByteStream): (frame: Uint8Array) => void {
  let queue: Uint8Array[] = []
  return (frame) => {
    if (queue.push(frame) > 1) return
    queueMicrotask(() => {
      const frames = queue
      queue = []
      stream.send(Buffer.concat(frames))
    })
  }
}
