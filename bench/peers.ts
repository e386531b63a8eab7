/**
 * The packages that benches compare with. They live in bench/peers with a lock file of their own and are
 * installed when first asked for, so that the product depends on none of them.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const directory = new URL('./peers/', import.meta.url)

export type Peers = {
  readonly asSha256: {
    readonly simdEnabled: boolean
    digest(message: Uint8Array): Uint8Array
    hashInto(contents: Uint8Array, hashes: Uint8Array): void
  }
  readonly hashtree: { hashInto(contents: Uint8Array, hashes: Uint8Array): void }
}

/** Loads them, installed by their lock file where they are not there yet. */
export async function load(progress: (line: string) => void): Promise<Peers> {
  if (!existsSync(new URL('node_modules', directory))) {
    progress('installing bench/peers')
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: directory, stdio: 'ignore' })
  }
  const require = createRequire(fileURLToPath(directory))
  const [asSha256, hashtree] = await Promise.all([
    import(require.resolve('@chainsafe/as-sha256')),
    import(require.resolve('@chainsafe/hashtree')),
  ])
  return { asSha256, hashtree: hashtree.default }
}
