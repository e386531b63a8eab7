/** Hash chains by node:crypto, and the kernel's four builds: what chain tests compare. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ChainPosition, Generate, Walk } from '../../src/core/chain.js'

export const releases = ['kernel.wasm', 'kernel.simd.wasm'] as const
export const debugs = ['kernel.debug.wasm', 'kernel.simd.debug.wasm'] as const
export const builds = [...releases, ...debugs] as const

/** Bytes of one build of the kernel, as `npm run build:wasm` left it. */
export const wasmOf = (build: (typeof builds)[number]): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../build/${build}`, import.meta.url)))

declare const WebAssembly: {
  Module: { new (wasm: Uint8Array): object; imports(module: object): readonly object[] }
}

/** What a WebAssembly module asks of its host. */
export const importsOf = (wasm: Uint8Array): readonly object[] =>
  WebAssembly.Module.imports(new WebAssembly.Module(wasm))

/** Lane tweak, epoch and digit, laid out by Node's own writers. */
export function prefix({ tweak, epoch, digit }: ChainPosition): Buffer {
  const bytes = Buffer.alloc(21)
  bytes.set(tweak)
  bytes.writeUInt32BE(epoch, 16)
  bytes.writeUInt8(digit, 20)
  return bytes
}

export const walk: Walk = (position, index, steps, node) => {
  let reached = node
  for (let at = index; at > index - steps; at--) {
    const tail = Buffer.alloc(2)
    tail.writeUInt16BE(at)
    reached = createHash('sha256').update(prefix(position)).update(tail).update(reached).digest()
  }
  return new Uint8Array(reached)
}

export const generate: Generate = (position, length, seed) => {
  const nodes = [seed]
  for (let at = length; at > 0; at--) nodes.unshift(walk(position, at, 1, nodes[0] ?? seed))
  return new Uint8Array(Buffer.concat(nodes))
}
