/** `sluice demo`: one file from one process to another, to the unit, whatever its size and price. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { seeded } from '../support/child.js'
import { makeScratch, type Running, reap, run, seedOf, sluice } from '../support/processes.js'
import { content, sha256 } from './market.js'

const scratch = makeScratch('demo')
const random = seeded(seedOf('demo'))
afterEach(reap)
afterAll(scratch.remove)

/** A file of `bytes` bytes. */
function file(bytes: number): string {
  const path = join(scratch.path, `${bytes}.bin`)
  writeFileSync(path, '')
  for (let left = bytes; left > 0; left -= 2 ** 26)
    appendFileSync(path, content(Math.min(left, 2 ** 26), random))
  return path
}

/** The most memory that each child of a demo has held, in bytes, as far as the system tells. */
async function peaksOf(demo: Running): Promise<Map<string, number>> {
  const peaks = new Map<string, number>()
  const look = (): void => {
    const children = readFileSync(`/proc/${demo.pid}/task/${demo.pid}/children`, 'utf8')
    for (const pid of children.split(' ').filter((each) => each !== '')) {
      const [, kibibytes] =
        /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      peaks.set(pid, Number(kibibytes) * 1_024)
    }
  }
  try {
    for (let seen = 0; ; seen = demo.lines.length) {
      await demo.event('progress', seen)
      look()
    }
  } catch {
    // It has ended, or this system has no /proc.
    return peaks
  }
}

/** The last line of `sluice demo --json`, as the issue lays it down. */
type Result = {
  bytes: number
  sha256: string
  price: { amount: string; per: string; unit: string }
  owed: string
  paid: string
  settled: string
  payer: { before: string; after: string }
  payee: { before: string; after: string }
  ticks: number
  vouchers: number
  states: number
  seconds: number
}

const amount = expect.stringMatching(/^(0|[1-9][0-9]*)$/)

async function checkResult(stdout: string, path: string, price: Result['price']): Promise<void> {
  const result: Result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  const { size } = await stat(path, { bigint: true })
  const per = BigInt(price.per)
  const owed = (size * BigInt(price.amount) + per - 1n) / per
  expect(result).toEqual({
    bytes: Number(size),
    sha256: await sha256(path),
    price,
    owed: String(owed),
    paid: String(owed),
    settled: String(owed),
    payer: { before: amount, after: amount },
    payee: { before: amount, after: amount },
    ticks: expect.any(Number),
    vouchers: expect.any(Number),
    states: 3,
    seconds: expect.any(Number),
  })
  expect(Object.keys(result)).toEqual([
    ...['bytes', 'sha256', 'price', 'owed', 'paid', 'settled', 'payer', 'payee'],
    ...['ticks', 'vouchers', 'states', 'seconds'],
  ])
  const change = ({ before, after }: Result['payer']): bigint => BigInt(after) - BigInt(before)
  expect([change(result.payer), change(result.payee)]).toEqual([-owed, owed])
}

const perByte = { amount: '1', per: '1', unit: 'byte' }
const perGiB = { amount: '1', per: String(2 ** 30), unit: 'byte' }
const perKiB = { amount: '3', per: '1024', unit: 'byte' }
const odd = { amount: '7', per: '3000', unit: 'byte' }
const node = process.execPath
const nobody = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQRyhHDEtnNqtUoVvoPDVTQkXmAsXPrAGLkgDLcZvyrAD'

describe('sluice demo --json', () => {
  it.each([
    ['0 bytes', () => file(0), '3/KiB', perKiB],
    ['1 byte', () => file(1), '1/B', perByte],
    ['1 byte', () => file(1), '1/GiB', perGiB],
    ['1 MiB and a byte', () => file((1 << 20) + 1), '7/3000B', odd],
    ['1 MiB and a byte', () => file((1 << 20) + 1), '1/B', perByte],
    ["Node's executable", () => node, '1/GiB', perGiB],
    ["Node's executable", () => node, '7/3000B', odd],
  ])('sells %s (%#) at %3$s to the unit', async (_, make, price, normal) => {
    const path = make()
    const { code, stdout, stderr } = await run(['demo', '--json', '--price', price, path])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    await checkResult(stdout, path, normal)
  })

  it('sells a GiB, and none of its processes ever holds half of it', {
    timeout: 300_000,
  }, async () => {
    const path = file(2 ** 30)
    const demo = sluice(['demo', '--json', '--price', '7/3000B', path])
    const watched = peaksOf(demo)
    const { code, stdout, stderr } = await demo.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    await checkResult(stdout, path, odd)
    const peaks = await watched
    if (process.platform === 'linux') expect(peaks.size).toBe(3)
    for (const peak of peaks.values()) expect(peak).toBeLessThan(2 ** 29)
    rmSync(path)
  })

  it('ends with its three processes when it is killed, and goes on in the home it was given', async () => {
    const command = [
      'demo',
      '--json',
      '--home',
      join(scratch.path, 'home'),
      '--price',
      '3/KiB',
      node,
    ]
    const demo = sluice(command)
    await demo.event('progress')
    await demo.kill()
    const { code, stdout } = await run(command)
    expect(code).toBe(0)
    await checkResult(stdout, node, perKiB)
  })

  it('asks its own ledger for its own accounts, whatever the environment says of others', async () => {
    const env = {
      SLUICE_LEDGER: 'http://127.0.0.1:1',
      SLUICE_ASSET: `0x${'11'.repeat(20)}`,
      SLUICE_KEY: `0x${'11'.repeat(32)}`,
      SLUICE_TOWER: nobody,
    }
    const path = file(1)
    const { code, stdout, stderr } = await run(['demo', '--json', '--price', '1/B', path], { env })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    await checkResult(stdout, path, perByte)
  })

  it.skipIf(process.platform !== 'linux')('says that a home cannot be made', async () => {
    const { code, error } = await run(['demo', '--json', '--home', '/proc/sluice', file(1)])
    expect({ code, error }).toMatchObject({ code: 1, error: { code: 'HOME_UNUSABLE' } })
  })
})
