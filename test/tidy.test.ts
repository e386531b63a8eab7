/** The rooms of the design, and the rules of the house, as far as a machine can see them. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')

type Module = {
  readonly path: string
  readonly text: string
  /** Room it lies in: a folder of src, or the file itself. */
  readonly room: string
  /** Rooms, files and packages it imports. */
  readonly imports: readonly string[]
}

const adapters = ['store', 'net', 'ledger', 'observe']
const node = 'node:'
const libp2p = ['libp2p', '@libp2p/', '@chainsafe/libp2p-', '@multiformats/', 'uint8-varint']

/**
 * What each room may import: other rooms, modules of them, or packages by how their name begins. The
 * arrows are the design's, `cli → sluice → market, adapters → engine → crypto → core`.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: ['@noble/hashes/'],
  crypto: ['core', '@noble/', 'ox/', 'piscina', node],
  engine: ['core', 'crypto', 'msgpackr', 'node:events'],
  // Adapters see of the engine what it asks of them, and the frames that all streams share.
  store: ['core', 'engine/ports', 'lmdb', node],
  net: ['core', 'engine/ports', 'engine/frames', ...libp2p, node],
  ledger: ['core', 'crypto/engine', 'engine/ports', 'engine/frames', 'msgpackr', 'viem', node],
  observe: ['core', 'engine/ports', node],
  market: ['core', 'engine', node],
  // A world is wired like `sluice.ts` is, from adapters of its own and the embedded layer.
  sim: ['core', 'crypto', 'engine', 'ledger', 'net', 'store', '@noble/hashes/', node],
  'sluice.ts': ['core', 'crypto', 'engine', 'market', ...adapters, '@libp2p/interface', node],
  'index.ts': ['core', 'engine', 'market', 'sluice.ts'],
  cli: [
    'core',
    'engine',
    'market',
    'sim',
    'sluice.ts',
    'commander',
    'picocolors',
    'cli-progress',
    node,
  ],
}

const importPattern =
  /\b(?:import|export)\s[\w\s{},*]*?\bfrom\s+'([^']+)'|\bimport\s+'([^']+)'|\bimport\('([^']+)'\)/g
const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')

/** `core/tree` for a module of another room, the package name for what is not ours. */
function target(path: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  const file = normalize(join(dirname(path), specifier)).replace(/\.js$/, '.ts')
  return relative('src', file)
}

function moduleOf(path: string): Module {
  const text = readFileSync(join(root, path), 'utf8')
  const found = [...withoutComments(text).matchAll(importPattern)]
  const imports = found.map(([, from, bare, dynamic]) =>
    target(path, from ?? bare ?? dynamic ?? ''),
  )
  return { path, text, room: path.split('/')[1] ?? path, imports }
}

/** All files below these folders with one of these endings. */
const files = (folders: readonly string[], ...endings: readonly string[]): string[] =>
  folders
    .flatMap((folder) => {
      const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      return names.map((name) => normalize(join(folder, name)))
    })
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .filter((path) => !path.split('/').includes('node_modules'))

const isGenerated = (path: string): boolean => path.endsWith('.generated.ts')
const modules = files(['src'], '.ts').map(moduleOf)
const core = modules.filter(({ room }) => room === 'core')

/** Whether `name` is `allowance`, lies in that room or package, or is that module. */
const isWithin = (name: string, allowance: string): boolean =>
  name === allowance ||
  name === `${allowance}.ts` ||
  name.startsWith(/[/:-]$/.test(allowance) ? allowance : `${allowance}/`)

it('there is something to look at', () => {
  expect(core.length).toBeGreaterThan(20)
  const channel = modules.find(({ path }) => path === 'src/core/channel.ts')
  expect(channel?.imports).toEqual(expect.arrayContaining(['core/errors.ts', 'core/message.ts']))
  const hash = modules.find(({ path }) => path === 'src/core/hash.ts')
  expect(hash?.imports).toContain('@noble/hashes/sha2.js')
})

describe('imports', () => {
  it.each(modules)('of $path stay within its room and those below', ({ path, room, imports }) => {
    const rooms = allowed[room]
    expect(rooms, `${path} lies in a room that the design does not know`).toBeDefined()
    const strangers = imports.filter(
      (name) => !isWithin(name, room) && !rooms?.some((allowance) => isWithin(name, allowance)),
    )
    expect(strangers).toEqual([])
  })
})

describe('the core', () => {
  const banned =
    /\b(?:async|await|Date|setTimeout|setInterval|queueMicrotask|process|performance|globalThis|console|crypto\.)\b|Math\.random|'node:/g

  it.each(core)('has no clock, chance, waiting or input in $path', ({ text }) => {
    expect(withoutComments(text).match(banned) ?? []).toEqual([])
  })
})

describe('the house', () => {
  const sources = files(['src', 'assembly'], '.ts').filter((path) => !isGenerated(path))
  const folders = ['src', 'assembly', 'test', 'bench', 'examples', 'docs']
  const written = files(folders, '.ts', '.js', '.md').filter((path) => !isGenerated(path))
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')

  it('has no file of more than 500 lines', () => {
    expect(sources.filter((path) => read(path).split('\n').length > 501)).toEqual([])
  })

  it('opens every module with what it is and what it must never do', () => {
    const bare = modules.filter(
      ({ path, text }) => !isGenerated(path) && !/^(#!.*\n)?\/\*\*/.test(text),
    )
    expect(bare.map(({ path }) => path)).toEqual([])
  })

  it('names the generator of what is generated', () => {
    const generated = modules.filter(({ path }) => isGenerated(path))
    for (const { path, text } of generated) expect(text, path).toMatch(/^\/\/ Generated by \S+/)
  })

  it('leaves nothing for later, and no test alone or aside', () => {
    // Spelt apart, so that this file does not find itself.
    const leftovers = new RegExp(
      `\\b(?:${['TO', 'FIX', 'XX'].join('|')})(?:DO|ME|X)\\b|\\.(?:only|skip|todo)\\(`,
    )
    expect(written.filter((path) => leftovers.test(read(path)))).toEqual([])
  })
})
