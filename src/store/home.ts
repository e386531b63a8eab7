/**
 * The home of a node: one directory with its keys, its store and the ports it listened on, used by one
 * process at a time. It must never overwrite keys that exist, nor use any that others could have read.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { SluiceError } from '../core/errors.js'
import type { Random } from '../engine/ports.js'
import * as Lock from './lock.js'
import { syncPath } from './sync-path.js'

/** 32-byte secrets, each for one use. */
export type Keys = {
  /** secp256k1: the account on the execution layer. */
  readonly account: Uint8Array
  /** secp256k1: the seat that signs states. */
  readonly signing: Uint8Array
  /** secp256k1: this device's lanes, that is vouchers and stream openings. */
  readonly session: Uint8Array
  /** ed25519 seed of the libp2p identity. */
  readonly peer: Uint8Array
}

/** What anybody may read of a home, also while a node is running on it. */
export type View = {
  /** Absolute. */
  readonly directory: string
  readonly keys: Keys
  /** Where the store is, or will be. */
  readonly storePath: string
  /** Where its journal is, or will be. */
  readonly journalPath: string
  /** The port remembered under `name`. */
  port(name: string): number | undefined
}

/** A home that is ours until `close`. */
export type Home = View & {
  /** Remembers `port` under `name`, so that the next start has the same address. */
  rememberPort(name: string, port: number): void
  close(): Promise<void>
}

const names = ['account', 'signing', 'session', 'peer'] as const

/**
 * Takes the home at `directory` for this process, making it (0700) and its keys (0600) if they are not there.
 * @throws HomeError `HOME_IN_USE`, `HOME_UNUSABLE`, `KEYS_EXPOSED`, `KEYS_CORRUPT`
 */
export async function open(
  directory: string,
  options: { readonly random?: Random } = {},
): Promise<Home> {
  const asked = resolve(directory)
  const home = unlessUnusable(asked, () => {
    makeDirectory(asked)
    // One name for one home, whatever links lead to it.
    return realpathSync(asked)
  })
  const lock = await acquire(home)
  try {
    unlessUnusable(home, () => makeKeys(home, options.random ?? randomBytes))
    return {
      ...inspect(home),
      rememberPort(name, port) {
        unlessUnusable(home, () =>
          replace(
            join(home, 'ports.json'),
            `${JSON.stringify({ ...readPorts(home), [name]: port })}\n`,
          ),
        )
      },
      close: lock.release,
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Looks at a home, making it first if it is not there. @throws HomeError */
export async function ensure(directory: string): Promise<View> {
  if (!existsSync(keysPath(resolve(directory)))) await (await open(directory)).close()
  return inspect(directory)
}

/**
 * Looks at a home that exists, without taking it.
 * @throws HomeError `HOME_UNUSABLE`, `KEYS_EXPOSED`, `KEYS_CORRUPT`
 */
export function inspect(directory: string): View {
  const home = resolve(directory)
  return {
    directory: home,
    keys: unlessUnusable(home, () => readKeys(home)),
    storePath: storePath(home),
    journalPath: journalPath(home),
    port: (name) => readPorts(home)[name],
  }
}

const storePath = (home: string): string => join(home, 'store.mdb')
const journalPath = (home: string): string => join(home, 'store.journal')
const keysPath = (home: string): string => join(home, 'keys.json')

/** Not mkdir's own `recursive`: Node 20 never comes back from it under /proc and the like. */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return
  const parent = dirname(directory)
  makeDirectory(parent)
  try {
    mkdirSync(directory, 0o700)
  } catch (error) {
    // Another process that starts on the same home was quicker.
    if (!existsSync(directory)) throw error
  }
  syncPath(parent)
}

async function acquire(home: string): Promise<Lock.Lock> {
  try {
    return await Lock.acquire(join(home, 'lock.mdb'))
  } catch (error) {
    if (error instanceof Lock.LockError)
      throw new HomeError(
        'HOME_IN_USE',
        `Process ${error.pid} is running on ${home}. Stop it first, or give another --home.`,
      )
    throw unusable(home, error)
  }
}

function makeKeys(home: string, random: Random): void {
  if (isThere(keysPath(home))) return
  if (isThere(storePath(home)) || isThere(journalPath(home)))
    throw corrupt(home, 'it is missing, though the store it belongs to is there')
  const keys = Object.fromEntries(names.map((name) => [name, secret(random)]))
  replace(keysPath(home), `${JSON.stringify({ version: 1, ...keys }, undefined, 2)}\n`)
}

/** Unlike `existsSync` it throws where a disk or a link keeps from looking: keys may be there then. */
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined

/** Order of secp256k1: a secret key is from 1 to one less. */
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const isSecret = (hex: string): boolean =>
  /^[0-9a-f]{64}$/.test(hex) && BigInt(`0x${hex}`) > 0n && BigInt(`0x${hex}`) < order

function secret(random: Random): string {
  for (;;) {
    const hex = Buffer.from(random(32)).toString('hex')
    if (isSecret(hex)) return hex
  }
}

function readKeys(home: string): Keys {
  const descriptor = openSync(keysPath(home), 'r')
  let text: string
  try {
    // Windows has no such bits; there the user's profile directory is what protects the file.
    if (process.platform !== 'win32' && (fstatSync(descriptor).mode & 0o077) !== 0)
      throw new HomeError(
        'KEYS_EXPOSED',
        `Other users can read ${keysPath(home)}. Run: chmod 600 ${keysPath(home)} (if somebody may have read it, move your money to a new home).`,
      )
    text = readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
  const { version, ...found } = parseObject(text)
  if (version !== 1) throw corrupt(home, 'it is not a version 1 keys file')
  const [account, signing, session, peer] = names.map((name) => {
    const hex = found[name]
    if (typeof hex !== 'string' || !isSecret(hex)) throw corrupt(home, `"${name}" is not a key`)
    return Uint8Array.from(Buffer.from(hex, 'hex'))
  }) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  return { account, signing, session, peer }
}

/** Ports are a convenience: a damaged file means only that the next address is a new one. */
function readPorts(home: string): Record<string, number> {
  const path = join(home, 'ports.json')
  if (!existsSync(path)) return {}
  const isPort = ([, port]: [string, unknown]) =>
    Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536
  return Object.fromEntries(
    Object.entries(parseObject(readFileSync(path, 'utf8'))).filter(isPort),
  ) as Record<string, number>
}

/** The JSON object in `text`; an empty one where there is none. */
function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Puts `text` at `path` whole or not at all, whenever the power goes: readers see the old file or the new. */
function replace(path: string, text: string): void {
  const temporary = `${path}.new`
  rmSync(temporary, { force: true })
  const descriptor = openSync(temporary, 'wx', 0o600)
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(temporary, path)
  syncPath(dirname(path))
}

function unlessUnusable<T>(home: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw error instanceof HomeError ? error : unusable(home, error)
  }
}

const unusable = (home: string, cause: unknown): HomeError =>
  new HomeError(
    'HOME_UNUSABLE',
    `The home ${home} cannot be used (${cause instanceof Error ? cause.message : cause}). Give a directory you can write to with --home.`,
    { cause },
  )

const corrupt = (home: string, why: string): HomeError =>
  new HomeError(
    'KEYS_CORRUPT',
    `The keys file ${keysPath(home)} cannot be used: ${why}. Restore it from a backup; it is never overwritten, because the money of this home is lost without it.`,
  )

/** A home that is taken, not usable, or whose keys are not safe. Never carries a key. */
export class HomeError extends SluiceError {
  constructor(
    code: 'HOME_IN_USE' | 'HOME_UNUSABLE' | 'KEYS_EXPOSED' | 'KEYS_CORRUPT',
    message: string,
    options: { cause?: unknown } = {},
  ) {
    super(code, message, options)
    this.name = 'HomeError'
  }
}
