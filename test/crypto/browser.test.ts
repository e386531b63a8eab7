/**
 * The engine slot in a browser: what `npm run build` left is served as plain ES modules, and Chromium runs it
 * against the vectors of docs/PROTOCOL.md.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { noble } from '../../src/crypto/noble.js'
import { vectors } from '../vectors/generate.js'
import { hex } from '../vectors/reference.js'

const executablePath = '/usr/bin/chromium'
const root = join(import.meta.dirname, '../..')

/** Headless, with a profile of its own, and quiet: it talks to this test and to nobody else. */
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** What a bundler would find: our dependencies, and what those of them that we load name in turn. */
const imports = {
  '@noble/': '/node_modules/@noble/',
  '@scure/base': '/node_modules/@scure/base/index.js',
  '@scure/bip32': '/node_modules/@scure/bip32/index.js',
  '@scure/bip39': '/node_modules/@scure/bip39/index.js',
  '@scure/': '/node_modules/@scure/',
  '@adraffy/ens-normalize': '/node_modules/@adraffy/ens-normalize/dist/index.mjs',
  eventemitter3: '/node_modules/eventemitter3/index.mjs',
  'ox/wasm/Secp256k1': '/node_modules/ox/dist/wasm/Secp256k1.js',
}
const page = `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>`
const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
}

const served = createServer((request, response) => {
  const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
  if (path === '/') return response.setHeader('content-type', 'text/html').end(page)
  const type = types[extname(path)]
  if (type === undefined || !/^\/(dist|node_modules)\//.test(path) || !existsSync(root + path))
    return response.writeHead(404).end()
  return response.setHeader('content-type', type).end(readFileSync(root + path))
})

const listen = (server: Server): Promise<string> =>
  new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
    ),
  )

/** What the page needs to hash and sign like us: bytes as hex, so that it crosses as JSON. */
async function questions() {
  const { chain, tree } = await vectors()
  const digest = hex(new Uint8Array(32).fill(7))
  const secretKey = hex(new Uint8Array(32).fill(9))
  const chains = chain.map(({ tweak, epoch, digit, length, nodes }) => ({
    ...{ tweak: hex(tweak), epoch, digit, length },
    nodes: nodes.map(({ index, node }) => ({ index, node: hex(node) })),
  }))
  const trees = tree.map(({ entries, root }) => ({
    entries: entries.map(({ key, value }) => ({ key: hex(key), value: hex(value) })),
    root: hex(root),
  }))
  return { digest, secretKey, chains, trees }
}

type Questions = Awaited<ReturnType<typeof questions>>

/** Runs in the page, where these are modules of the build. */
const script = `async ({ digest, secretKey, chains, trees }) => {
  const [{ loadEngine }, Kernel, Bytes, Tree] = await Promise.all(
    ['crypto/load', 'crypto/kernel', 'core/bytes', 'core/tree'].map((name) => import('/dist/' + name + '.js')))
  const { fromHex, toHex } = Bytes
  const engine = await loadEngine()
  const signature = engine.secp256k1.sign(fromHex(digest), fromHex(secretKey))
  const answers = {
    name: engine.name,
    address: engine.secp256k1.publicAddress(fromHex(secretKey)),
    signature: toHex(signature),
    recovered: engine.secp256k1.recover(fromHex(digest), signature),
    builds: {},
  }
  for (const build of ['scalar', 'simd']) {
    const kernel = await Kernel.instantiate(build)
    const { generate, walk } = Kernel.from(kernel)
    const hasher = Kernel.treeHasher(kernel)
    answers.builds[build] = {
      hasSimd: kernel.HAS_SIMD.value,
      chains: chains.map(({ tweak, epoch, digit, length, nodes }) => {
        const position = { tweak: fromHex(tweak), epoch, digit }
        const last = nodes.at(-1)
        const all = generate(position, length, fromHex(last.node))
        const anchor = walk(position, length, length, fromHex(last.node))
        return {
          anchor: toHex(anchor),
          nodes: nodes.map(({ index }) => toHex(all.slice(index * 32, index * 32 + 32))),
        }
      }),
      roots: trees.map(({ entries }) => {
        const changes = entries.map(({ key, value }) => ({ key: fromHex(key), value: fromHex(value) }))
        return toHex(Tree.root(Tree.setAll(undefined, changes, hasher)))
      }),
    }
  }
  return answers
}`

type Answers = {
  readonly name: string
  readonly address: string
  readonly signature: string
  readonly recovered: string
  readonly builds: Readonly<
    Record<
      string,
      {
        readonly hasSimd: number
        readonly chains: readonly { readonly anchor: string; readonly nodes: readonly string[] }[]
        readonly roots: readonly string[]
      }
    >
  >
}

describe.skipIf(!existsSync(executablePath))(`in a browser (needs ${executablePath})`, () => {
  const profile = mkdtempSync(join(tmpdir(), 'sluice-chromium-'))
  let browser: BrowserContext | undefined
  let asked: Questions
  let answers: Answers

  beforeAll(async () => {
    asked = await questions()
    const url = await listen(served)
    browser = await chromium.launchPersistentContext(profile, { executablePath, args })
    const tab: Page = await browser.newPage()
    await tab.goto(url)
    answers = await tab.evaluate(`(${script})(${JSON.stringify(asked)})`)
  })

  afterAll(async () => {
    await browser?.close()
    served.close()
    rmSync(profile, { recursive: true, force: true })
  })

  it('loads the fast engines', () => {
    expect(answers.name).toBe(
      'hash chains and ticks: WebAssembly kernel; secp256k1: ox WebAssembly',
    )
  })

  it('signs and recovers as noble does', () => {
    const { secp256k1 } = noble
    const [digest, secretKey] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(9)]
    const address = secp256k1.publicAddress(secretKey)
    expect(answers).toMatchObject({ address, recovered: address })
    expect(answers.signature).toBe(hex(secp256k1.sign(digest, secretKey)))
  })

  it.each([
    ['scalar', 0],
    ['simd', 1],
  ] as const)('hashes chains and trees by the vectors, %s', (build, hasSimd) => {
    const found = answers.builds[build]
    expect(found?.hasSimd).toBe(hasSimd)
    expect(asked.chains.length).toBeGreaterThan(2)
    expect(found?.chains).toEqual(
      asked.chains.map(({ nodes }) => ({
        anchor: nodes[0]?.node,
        nodes: nodes.map(({ node }) => node),
      })),
    )
    expect(found?.roots).toEqual(asked.trees.map(({ root }) => root))
  })
})
