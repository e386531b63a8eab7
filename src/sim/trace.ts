/**
 * The trace of a world: every input, effect and fault in order, as one hash, and as lines where somebody wants
 * to read them. Two runs of one seed that differ anywhere have different hashes.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Time } from './time.js'

export class Trace {
  readonly #time: Time
  readonly #hash = sha256.create()
  readonly #encoder = new TextEncoder()
  readonly #onLine: ((line: string) => void) | undefined
  /** What entered a node: chunks, the layer's answers, commands of owners. */
  inputs = 0
  /** Faults that happened, by kind. */
  readonly faults = new Map<string, number>()
  #ended = false

  constructor(time: Time, onLine: ((line: string) => void) | undefined) {
    this.#time = time
    this.#onLine = onLine
  }

  note(line: string): void {
    if (this.#ended) return
    const dated = `${this.#time.nowMs} ${line}\n`
    this.#hash.update(this.#encoder.encode(dated))
    this.#onLine?.(dated.slice(0, -1))
  }

  /** What only a reader wants to know; no part of the hash. */
  aside(line: () => string): void {
    if (this.#ended) return
    this.#onLine?.(`${this.#time.nowMs}   ${line()}`)
  }

  input(line: string): void {
    this.inputs += 1
    this.note(line)
  }

  fault(kind: string, detail: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1)
    this.note(`FAULT ${kind} ${detail}`)
  }

  /** Ends the trace: how a world is taken down afterwards depends on when signals are collected. */
  digest(): string {
    this.#ended = true
    return bytesToHex(this.#hash.digest())
  }
}

/** Short name of some bytes in a trace: FNV-1a, 32 bits. */
export function nameOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193)
  return `${bytes.length}:${(hash >>> 0).toString(16)}`
}
