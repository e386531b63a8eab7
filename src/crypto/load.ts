/**
 * Fills the crypto slot with the fastest engine that loads here, part by part.
 * It never fails: what does not load is done by noble, and the name says so and why.
 */
import type { Engine } from './engine.js'
import * as Kernel from './kernel.js'
import * as LaneTable from './lane-table.js'
import { noble } from './noble.js'
import * as Ox from './ox.js'

/** The fastest engine that loads; slower, never different. */
export async function loadEngine(): Promise<Engine> {
  const [hashing, secp256k1] = await Promise.all([
    attempt<Pick<Engine, 'chain' | 'lanes'>>('WebAssembly kernel', noble, loadKernel),
    attempt('ox WebAssembly', noble.secp256k1, Ox.load),
  ])
  const { chain, lanes } = hashing.part
  return {
    name: `hash chains and ticks: ${hashing.name}; secp256k1: ${secp256k1.name}`,
    chain,
    lanes,
    secp256k1: secp256k1.part,
  }
}

async function loadKernel() {
  const instance = await Kernel.compile()
  return { chain: Kernel.from(instance()), lanes: () => LaneTable.from(instance()) }
}

type Attempt<Part> = { readonly name: string; readonly part: Part }

async function attempt<Part>(
  name: string,
  fallback: Part,
  load: () => Promise<Part>,
): Promise<Attempt<Part>> {
  try {
    return { name, part: await load() }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { name: `noble (${name}: ${why})`, part: fallback }
  }
}
