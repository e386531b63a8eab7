/**
 * Hash chains in WebAssembly: instantiates the kernel of assembly/ and owns its memory.
 * Seeds and nodes are secrets until revealed, so none stays in that memory after a call.
 */
import * as Chain from '../core/chain.js'
import { assert } from '../core/errors.js'
import { limits } from '../core/limits.js'
import type { ChainEngine } from './engine.js'
import { wasmBase64 } from './kernel.generated.js'

/** What assembly/index.ts exports; pointers are byte offsets into `memory`. */
export type Kernel = {
  readonly memory: { readonly buffer: ArrayBuffer }
  heapBase(): number
  generate(position: number, source: number, length: number, target: number): void
  walk(position: number, index: number, source: number, steps: number, target: number): void
}

/** The little we use of an API that neither lib.es2023 nor @types/node declares. */
declare const WebAssembly: {
  instantiate(wasm: Uint8Array, imports: object): Promise<{ instance: { exports: unknown } }>
}

/** Instantiates a kernel, the embedded release build unless told. Rejects where WebAssembly does not run. */
export async function instantiate(wasm: Uint8Array = embedded()): Promise<Kernel> {
  const { instance } = await WebAssembly.instantiate(wasm, {})
  return instance.exports as Kernel
}

/** The chain engine of `kernel`. One caller at a time: every call uses the same memory. */
export function from(kernel: Kernel): ChainEngine {
  const { nodeSize } = Chain
  const position = kernel.heapBase()
  const nodes = position + 32
  // The largest chain fits the memory it starts with, so nothing here ever grows it.
  const end = nodes + (limits.chainStepsMax + 1) * nodeSize
  assert(kernel.memory.buffer.byteLength >= end, 'the kernel has too little memory for a chain')

  return {
    generate(at, length, seed) {
      const prefix = Chain.encode(at)
      Chain.checkGenerate(length, seed)
      const bytes = new Uint8Array(kernel.memory.buffer)
      const nodesEnd = nodes + (length + 1) * nodeSize
      try {
        bytes.set(prefix, position)
        bytes.set(seed, nodes)
        kernel.generate(position, nodes, length, nodes)
        return bytes.slice(nodes, nodesEnd)
      } finally {
        bytes.fill(0, nodes, nodesEnd)
      }
    },

    walk(at, index, steps, node) {
      const prefix = Chain.encode(at)
      Chain.checkWalk(index, steps, node)
      const bytes = new Uint8Array(kernel.memory.buffer)
      try {
        bytes.set(prefix, position)
        bytes.set(node, nodes)
        kernel.walk(position, index, nodes, steps, nodes)
        return bytes.slice(nodes, nodes + nodeSize)
      } finally {
        bytes.fill(0, nodes, nodes + nodeSize)
      }
    },
  }
}

const embedded = (): Uint8Array =>
  Uint8Array.from(atob(wasmBase64), (character) => character.charCodeAt(0))
