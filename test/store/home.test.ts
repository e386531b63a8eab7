import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import * as Home from '../../src/store/home.js'
import { reap, run } from '../support/child.js'
import { noStrace, strace } from '../support/strace.js'

const base = mkdtempSync(join(tmpdir(), 'sluice-home-'))
afterEach(reap)
afterAll(() => rmSync(base, { recursive: true, force: true }))
let count = 0
const fresh = (): string => join(base, `home${++count}`)
const code = (value: string) => expect.objectContaining({ name: 'HomeError', code: value })
const made = async (): Promise<string> => {
  const directory = fresh()
  await (await Home.open(directory)).close()
  return directory
}

describe('keys', () => {
  it('are made once, for the owner alone, and are the same at every start', async () => {
    const directory = join(fresh(), 'deeper')
    const first = await Home.open(directory)
    await first.close()
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(statSync(join(directory, 'keys.json')).mode & 0o777).toBe(0o600)
    const secrets = Object.values(first.keys).map((key) => Buffer.from(key).toString('hex'))
    expect(secrets.every((secret) => /^[0-9a-f]{64}$/.test(secret))).toBe(true)
    expect(new Set(secrets).size).toBe(4)

    const second = await Home.open(directory)
    expect(second.keys).toEqual(first.keys)
    expect(Home.inspect(directory).keys).toEqual(first.keys)
    expect(readdirSync(directory).filter((name) => name.endsWith('.new'))).toEqual([])
    await second.close()
  })

  it('are never a value that is no secp256k1 key', async () => {
    const candidates = [0x00, 0xff, 0x11, 0xff, 0x22, 0x33, 0x44]
    const random = (size: number) => new Uint8Array(size).fill(candidates.shift() ?? 1)
    const home = await Home.open(fresh(), { random })
    expect(home.keys.account[0]).toBe(0x11)
    expect(home.keys.peer[0]).toBe(0x44)
    await home.close()
  })

  it('are refused when others can read them', async () => {
    const directory = await made()
    for (const mode of [0o644, 0o640, 0o604, 0o660]) {
      chmodSync(join(directory, 'keys.json'), mode)
      await expect(Home.open(directory)).rejects.toThrow(code('KEYS_EXPOSED'))
      expect(() => Home.inspect(directory)).toThrow(code('KEYS_EXPOSED'))
    }
    chmodSync(join(directory, 'keys.json'), 0o600)
    await (await Home.open(directory)).close()
  })

  it('are never overwritten when damaged, and the error says no key', async () => {
    const directory = await made()
    const file = join(directory, 'keys.json')
    const good = readFileSync(file, 'utf8')
    const secret = JSON.parse(good).account
    const damaged = [
      '',
      '{',
      '[]',
      'null',
      good.slice(0, -40),
      good.replace('"version": 1', '"version": 2'),
      good.replace('"peer"', '"per"'),
      good.replace(secret, secret.slice(2)),
      good.replace(secret, '0'.repeat(64)),
      good.replace(secret, 'f'.repeat(64)),
    ]
    for (const text of damaged) {
      writeFileSync(file, text)
      const error = await Home.open(directory).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'KEYS_CORRUPT' })
      for (const part of [...secret.matchAll(/.{8}/g)])
        expect(String(error)).not.toContain(String(part))
      expect(readFileSync(file, 'utf8')).toBe(text)
    }
  })

  it('are not made anew beside a store that has lost them', async () => {
    const directory = await made()
    const { storePath, journalPath } = Home.inspect(directory)
    rmSync(join(directory, 'keys.json'))
    for (const path of [storePath, journalPath]) {
      writeFileSync(path, '')
      await expect(Home.open(directory)).rejects.toThrow(code('KEYS_CORRUPT'))
      expect(existsSync(join(directory, 'keys.json'))).toBe(false)
      rmSync(path)
    }
  })

  it.skipIf(noStrace)(
    'are not made anew where they cannot be looked at (needs strace)',
    async () => {
      const directory = await made()
      const keys = join(directory, 'keys.json')
      const before = readFileSync(keys)
      const looks = '?access,?faccessat,?faccessat2,?stat,?lstat,?newfstatat,?statx'
      const broken = ['-P', keys, '-e', `inject=${looks}:error=EIO`]
      const child = run('test/store/children/keeper.ts', [directory], {
        under: [...strace(join(base, 'trace'), looks), ...broken],
      })
      expect(await child.line()).toMatch(/^HOME_UNUSABLE /)
      expect(readFileSync(keys).equals(before)).toBe(true)
    },
  )
})

describe('ports', () => {
  it('are remembered by name over restarts', async () => {
    const directory = fresh()
    const home = await Home.open(directory)
    expect(home.port('listen')).toBeUndefined()
    home.rememberPort('listen', 4001)
    home.rememberPort('ledger', 4002)
    home.rememberPort('listen', 4003)
    expect(home.port('listen')).toBe(4003)
    await home.close()
    const view = Home.inspect(directory)
    expect([view.port('listen'), view.port('ledger')]).toEqual([4003, 4002])
  })

  it('are forgotten, not fatal, when the file is damaged', async () => {
    const directory = await made()
    for (const text of ['{"listen":4001', '{"listen":"4001"}', '{"listen":70000}', '[1]', '']) {
      writeFileSync(join(directory, 'ports.json'), text)
      const home = await Home.open(directory)
      expect(home.port('listen')).toBeUndefined()
      await home.close()
    }
  })
})

describe('one process at a time', () => {
  it('refuses a second process by naming the first, and takes over the moment that is killed', async () => {
    const directory = fresh()
    for (let round = 0; round < 3; round++) {
      const holder = run('test/store/children/keeper.ts', [directory])
      expect(await holder.line()).toMatch(/^open /)
      const error = await Home.open(directory).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'HOME_IN_USE' })
      expect(String(error)).toContain(`Process ${holder.pid} `)
      await holder.kill()
      await (await Home.open(directory)).close()
    }
  })

  it('lets exactly one of many have it, however they race', async () => {
    const directory = fresh()
    const racers = Array.from({ length: 6 }, () =>
      run('test/store/children/keeper.ts', [directory]),
    )
    const answers = await Promise.all(racers.map((racer) => racer.line()))
    expect(answers.filter((line) => line.startsWith('open '))).toHaveLength(1)
    expect(answers.filter((line) => line.startsWith('HOME_IN_USE '))).toHaveLength(5)
  })

  it('counts itself as another, and lets go when closed', async () => {
    const directory = fresh()
    const home = await Home.open(directory)
    await expect(Home.open(directory)).rejects.toThrow(code('HOME_IN_USE'))
    symlinkSync(directory, `${directory}.link`)
    await expect(Home.open(`${directory}.link`)).rejects.toThrow(code('HOME_IN_USE'))
    await home.close()
    await home.close()
    await (await Home.open(directory)).close()
  })

  it('can be looked at while another process runs on it', async () => {
    const directory = fresh()
    const holder = run('test/store/children/keeper.ts', [directory])
    const account = (await holder.line()).split(' ')[1]
    expect(Buffer.from(Home.inspect(directory).keys.account).toString('hex')).toBe(account)
    holder.tell('enough')
    await holder.ended()
    await (await Home.open(directory)).close()
  })
})

describe('a home that cannot be', () => {
  it('is HOME_UNUSABLE, with what to do', async () => {
    const file = fresh()
    writeFileSync(file, '')
    for (const directory of [file, join(file, 'below'), '/proc/sluice']) {
      const error = await Home.open(directory).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'HOME_UNUSABLE' })
      expect(String(error)).toContain('--home')
    }
    expect(() => Home.inspect(fresh())).toThrow(code('HOME_UNUSABLE'))
  })

  it('leaves nothing locked behind', async () => {
    const directory = fresh()
    mkdirSync(directory)
    mkdirSync(join(directory, 'keys.json'), 0o700)
    await expect(Home.open(directory)).rejects.toThrow(code('HOME_UNUSABLE'))
    rmSync(join(directory, 'keys.json'), { recursive: true })
    await (await Home.open(directory)).close()
  })

  it('says so when the lock file is damaged', async () => {
    const directory = await made()
    writeFileSync(join(directory, 'lock.mdb'), new Uint8Array(8192))
    await expect(Home.open(directory)).rejects.toThrow(code('HOME_UNUSABLE'))
  })
})
