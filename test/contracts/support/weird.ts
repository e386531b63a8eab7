/** Contracts that only tests deploy: contracts/test, compiled into build/contracts.json. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Abi, Hex } from 'viem'

type Compiled = { readonly abi: Abi; readonly bytecode: Hex }

const path = join(import.meta.dirname, '../../../build/contracts.json')

export function weird(name: string): Compiled {
  const found = (JSON.parse(readFileSync(path, 'utf8')) as Record<string, Compiled>)[name]
  if (found === undefined) throw new Error(`contracts/test has no ${name}`)
  return found
}
