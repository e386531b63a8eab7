/**
 * NIST's CAVP vectors for SHA-256, as Debian's python3-cryptography-vectors installs them: every build of the
 * kernel hashes all of them.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromHex, type Hex, toHex } from '../../src/core/bytes.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as Oracle from './oracle.js'

const debianPackage = 'python3-cryptography-vectors'

/** Where the package has its SHA-2 files; undefined where it is not installed. */
function installed(): string | undefined {
  try {
    const files = execFileSync('dpkg', ['-L', debianPackage], { encoding: 'utf8', stdio: 'pipe' })
    return files.split('\n').find((path) => path.endsWith('/hashes/SHA2'))
  } catch {
    return undefined
  }
}

const folder = installed()

/** The `name = value` lines of a file, one record for each blank-separated group. */
function records(name: string): Map<string, string>[] {
  const text = readFileSync(`${folder}/${name}`, 'latin1')
  return text
    .split(/\r?\n\r?\n/)
    .map(
      (group) =>
        new Map([...group.matchAll(/^(\w+) = (\w+)\r?$/gm)].map(([, k = '', v = '']) => [k, v])),
    )
}

const field = (record: Map<string, string>, name: string): Uint8Array =>
  fromHex(`0x${record.get(name) ?? ''}`)

describe.skipIf(folder === undefined)(`CAVP SHA-256 (needs ${debianPackage})`, () => {
  describe.each(Oracle.builds)('%s', async (build) => {
    const kernel = await Kernel.instantiate(Oracle.wasmOf(build))
    const target = kernel.heapBase()
    const source = target + 32

    function sha256(...parts: readonly Uint8Array[]): Uint8Array {
      const memory = new Uint8Array(kernel.memory.buffer)
      let size = 0
      for (const part of parts) {
        memory.set(part, source + size)
        size += part.length
      }
      kernel.sha256(source, size, target)
      return memory.slice(target, source)
    }

    it.each([
      ['SHA256ShortMsg.rsp', 65],
      ['SHA256LongMsg.rsp', 64],
    ] as const)('%s', (name, count) => {
      const vectors = records(name).filter((record) => record.has('MD'))
      expect(vectors).toHaveLength(count)
      for (const vector of vectors) {
        const message = field(vector, 'Msg').subarray(0, Number(vector.get('Len')) / 8)
        expect(toHex(sha256(message))).toBe(`0x${vector.get('MD')}`)
      }
    })

    it('SHA256Monte.rsp', () => {
      const vectors = records('SHA256Monte.rsp')
      const expected = vectors.filter((record) => record.has('MD')).map((each) => field(each, 'MD'))
      expect(expected).toHaveLength(100)
      let seed = field(vectors.find((record) => record.has('Seed')) ?? new Map(), 'Seed')
      const digests: Hex[] = []
      for (const _ of expected) {
        let last: readonly [Uint8Array, Uint8Array, Uint8Array] = [seed, seed, seed]
        for (let i = 3; i <= 1_002; i++) last = [last[1], last[2], sha256(...last)]
        seed = last[2]
        digests.push(toHex(seed))
      }
      expect(digests).toEqual(expected.map(toHex))
    })
  })
})
