/**
 * Hashing in WebAssembly: instantiates the kernel of assembly/ and owns its memory.
 * Seeds and nodes of chains are secrets until revealed, so none stays in that memory after a call.
 */
import * as Chain from '../core/chain.js'
import { assert } from '../core/errors.js'
import { limits } from '../core/limits.js'
import type * as Tree from '../core/tree.js'
import type { ChainEngine } from './engine.js'
import { wasmBase64 } from './kernel.generated.js'

/** What assembly/index.ts exports; pointers are byte offsets into `memory`. */
export type Kernel = {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  /** 1 where four messages are hashed in vectors. */
  readonly HAS_SIMD: { readonly value: number }
  heapBase(): number
  generate(position: number, source: number, length: number, target: number): void
  pebbles(position: number, source: number, length: number, spacing: number, target: number): void
  walk(position: number, index: number, source: number, steps: number, target: number): void
  walk4(positions: number, indices: number, source: number, steps: number, target: number): void
  leaves(source: number, count: number, target: number): void
  nodes(source: number, count: number, target: number): void
  sha256(source: number, size: number, target: number): void
  value(source: number, size: number, target: number): void
  chunkSize(): number
  openLane(table: number, handle: number, connection: number, tweak: number): void
  renewLane(
    table: number,
    handle: number,
    epoch: number,
    digits: number,
    length: number,
    radix: number,
    limit: bigint,
    indices: bigint,
    nodes: number,
  ): void
  closeLane(table: number, handle: number): void
  readLane(table: number, handle: number, target: number): void
  apply(
    table: number,
    capacity: number,
    connection: number,
    frames: number,
    size: number,
    verdicts: number,
  ): number
}

/** The builds of the kernel: the same exports and results, four messages at once only in `simd`. */
export type Build = keyof typeof wasmBase64

/** The little we use of an API that neither lib.es2023 nor @types/node declares. */
declare const WebAssembly: {
  validate(wasm: Uint8Array): boolean
  compile(wasm: Uint8Array): Promise<object>
  Instance: { new (module: object, imports: object): { exports: unknown } }
}

/**
 * Instantiates a kernel: a build of ours, or other bytes. Rejects where WebAssembly does not run.
 * Unless told, the build is what SLUICE_KERNEL says (`scalar` or `simd`), or the fastest that runs here.
 */
export async function instantiate(kernel: Uint8Array | Build = preferred()): Promise<Kernel> {
  return (await compile(kernel))()
}

/** Compiles a kernel; each call of what it resolves to is an instance with memory of its own. */
export async function compile(kernel: Uint8Array | Build = preferred()): Promise<() => Kernel> {
  const wasm = typeof kernel === 'string' ? embedded(kernel) : kernel
  const module = await WebAssembly.compile(wasm)
  return () => new WebAssembly.Instance(module, {}).exports as Kernel
}

function preferred(): Build {
  const forced = globalThis.process?.env.SLUICE_KERNEL
  if (forced === 'scalar' || forced === 'simd') return forced
  return WebAssembly.validate(embedded('simd')) ? 'simd' : 'scalar'
}

const embedded = (build: Build): Uint8Array =>
  Uint8Array.from(atob(wasmBase64[build]), (character) => character.charCodeAt(0))

/** `ChainEngine`, and what only the kernel does. */
export type ChainKernel = ChainEngine & {
  /**
   * Every `spacing`-th node of a chain: nodes 0, `spacing`, 2 · `spacing` and so on, 32 bytes each. Any
   * other is fewer than `spacing` steps from the pebble, or seed, next above it.
   * @throws ChainError `CHAIN_RANGE`
   */
  pebbles(
    position: Chain.ChainPosition,
    length: number,
    spacing: number,
    seed: Uint8Array,
  ): Uint8Array
  /**
   * `walk` of four chains at once, each from its own place; nodes lie end to end, 32 bytes each.
   * @throws ChainError `CHAIN_RANGE`
   */
  walk4(from: Four<ChainPlace>, steps: number, nodes: Uint8Array): Uint8Array
}

export type ChainPlace = Chain.ChainPosition & { readonly index: number }
export type Four<T> = readonly [T, T, T, T]

/** The chain engine of `kernel`. One caller at a time: every call uses the same memory. */
export function from(kernel: Kernel): ChainKernel {
  const { nodeSize } = Chain
  const position = kernel.heapBase()
  const indices = position + 4 * positionSize
  const nodes = position + 128
  // The largest chain fits the memory it starts with, so nothing here ever grows it.
  const end = nodes + (limits.chainStepsMax + 1) * nodeSize
  assert(kernel.memory.buffer.byteLength >= end, 'the kernel has too little memory for a chain')

  /** Runs `call` on `input` at `nodes`, takes its `size` bytes of result from there, leaves nothing. */
  function run(prefix: Uint8Array, input: Uint8Array, size: number, call: () => void): Uint8Array {
    const bytes = new Uint8Array(kernel.memory.buffer)
    const used = Math.max(input.length, size)
    try {
      bytes.set(prefix, position)
      bytes.set(input, nodes)
      call()
      return bytes.slice(nodes, nodes + size)
    } finally {
      bytes.fill(0, nodes, nodes + used)
    }
  }

  return {
    generate(at, length, seed) {
      const prefix = Chain.encode(at)
      Chain.checkGenerate(length, seed)
      return run(prefix, seed, (length + 1) * nodeSize, () =>
        kernel.generate(position, nodes, length, nodes),
      )
    },

    pebbles(at, length, spacing, seed) {
      const prefix = Chain.encode(at)
      Chain.checkGenerate(length, seed)
      if (!Number.isInteger(spacing) || spacing < 1 || spacing > length)
        throw new Chain.ChainError('pebbles lie 1 to `length` steps apart')
      return run(prefix, seed, (Math.floor(length / spacing) + 1) * nodeSize, () =>
        kernel.pebbles(position, nodes, length, spacing, nodes),
      )
    },

    walk(at, index, steps, node) {
      const prefix = Chain.encode(at)
      Chain.checkWalk(index, steps, node)
      return run(prefix, node, nodeSize, () => kernel.walk(position, index, nodes, steps, nodes))
    },

    walk4(from, steps, input) {
      const prefix = new Uint8Array(4 * positionSize + 4 * 4)
      const view = new DataView(prefix.buffer)
      if (input.length !== 4 * nodeSize) throw new Chain.ChainError('four nodes have 128 bytes')
      from.forEach((place, lane) => {
        Chain.checkWalk(place.index, steps, input.subarray(lane * nodeSize, (lane + 1) * nodeSize))
        prefix.set(Chain.encode(place), lane * positionSize)
        view.setUint32(4 * positionSize + 4 * lane, place.index, true)
      })
      return run(prefix, input, 4 * nodeSize, () =>
        kernel.walk4(position, indices, nodes, steps, nodes),
      )
    },
  }
}

const positionSize = 21

/** The tree hasher of `kernel`. One caller at a time: every call uses the same memory. */
export function treeHasher(kernel: Kernel): Tree.Hasher {
  const place = kernel.heapBase()
  const room = Math.floor((kernel.memory.buffer.byteLength - place) / contentSize) * contentSize
  assert(room > 0, 'the kernel has too little memory for a tree')

  /** Piece by piece, each in its own place, so that memory never grows. */
  const over =
    (hash: Kernel['nodes']) =>
    (contents: Uint8Array, hashes: Uint8Array): void => {
      assert(contents.length % contentSize === 0, 'contents of a tree have 64 bytes each')
      assert(hashes.length === contents.length / 2, 'hashes of a tree have 32 bytes each')
      const bytes = new Uint8Array(kernel.memory.buffer)
      for (let at = 0; at < contents.length; at += room) {
        const piece = contents.subarray(at, at + room)
        bytes.set(piece, place)
        hash(place, piece.length / contentSize, place)
        hashes.set(bytes.subarray(place, place + piece.length / 2), at / 2)
      }
    }

  return { leaves: over(kernel.leaves), nodes: over(kernel.nodes) }
}

const contentSize = 64
