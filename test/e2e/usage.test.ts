/** What the commands say of themselves, and of arguments that are none. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../support/processes.js'

const commands = ['demo', 'ledger', 'deploy', 'keys', 'sell', 'buy', 'channels', 'close', 'doctor']
const peer = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQRyhHDEtnNqtUoVvoPDVTQkXmAsXPrAGLkgDLcZvyrAD'
const home = ['--home', join(tmpdir(), 'sluice-never-made')]
const [file] = process.argv.slice(1)

describe('help', () => {
  it('of sluice shows all commands, how prices read, and a whole sale', async () => {
    const { code, stdout } = await run(['--help'])
    expect(code).toBe(0)
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
    expect(stdout).toContain('sluice sell film.mkv --price 3/KiB')
    expect(stdout).toContain('7/3000B')
  })

  it.each(commands)('of sluice %s tells its options and something to go on', async (command) => {
    const { code, stdout, stderr } = await run([command, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const option of ['--home', '--json']) expect(stdout).toContain(option)
    // What a command would not heed, it does not take.
    const bringsItsOwn = command === 'demo' || command === 'ledger'
    expect(stdout.includes('--ledger <url>')).toBe(!bringsItsOwn)
    const [, more = ''] = stdout.split(/--help .*\n/)
    expect(more.trim()).not.toBe('')
  })
})

describe('bad usage ends with 2 and', () => {
  const sale = ['sell', String(file), ...home]
  const purchase = ['buy', ...home, '--out', join(tmpdir(), 'sluice-never-bought')]
  it.each([
    ['an unknown command', ['frob'], 'USAGE', /frob/],
    ['an unknown option', ['keys', '--frob'], 'USAGE', /--frob/],
    ['no file', ['sell', '--price', '3/KiB'], 'USAGE', /file/],
    ['no price', ['sell', 'x'], 'USAGE', /--price/],
    ['no budget', ['buy', peer, '--out', 'x'], 'USAGE', /--budget/],
    ['impatience', [...sale, '--price', '3/KiB', '--patience', 'x'], 'USAGE', /seconds/],
    ['a price that is none', [...sale, '--price', '3 per KiB'], 'PRICE_SYNTAX', /3\/KiB/],
    ['a free price', [...sale, '--price', '0/KiB'], 'PRICE_SYNTAX', /at least 1/],
    ['an unknown unit', ['demo', '--price', '3/KB'], 'PRICE_SYNTAX', /KiB, MiB/],
    ['a price per second', [...sale, '--price', '5/s'], 'PRICE_UNFIT', /by the byte.*3\/KiB/],
    ['a price per second', ['demo', '--price', '5/s'], 'PRICE_UNFIT', /by the byte.*3\/KiB/],
    ['a budget that is none', [...purchase, peer, '--budget', '1.5'], 'AMOUNT_SYNTAX', /1\.5/],
    ['funds that are none', ['keys', ...home, '--fund', '-1'], 'AMOUNT_SYNTAX', /-1/],
    [
      'a fee that is none',
      [...purchase, peer, '--budget', '1', '--redeem-fee', 'x'],
      'AMOUNT_SYNTAX',
      /"x"/,
    ],
    ['no multiaddr', [...purchase, 'seller', '--budget', '1'], 'BAD_MULTIADDR', /\/p2p\//],
    [
      'a multiaddr without peer',
      [...purchase, '/ip4/1.2.3.4/tcp/1', '--budget', '1'],
      'BAD_MULTIADDR',
      /which peer/,
    ],
    [
      'a bad multiaddr to listen on',
      [...sale, '--price', '3/KiB', '--listen', '127.0.0.1:1'],
      'BAD_MULTIADDR',
      /\/ip4\//,
    ],
    ['a bad host and port', ['ledger', ...home, '--listen', '8411'], 'BAD_LISTEN', /HOST:PORT/],
  ])('says what is wrong with %s: %j', async (_, args, code, message) => {
    const json = await run([...args, '--json'])
    expect(json.code).toBe(2)
    expect(json.stderr).toBe('')
    expect(JSON.parse(json.stdout)).toEqual({
      error: { code, message: expect.stringMatching(message) },
    })
  })

  it('is said to people on standard error, with a way on', async () => {
    const missing = await run(['sell', 'x'])
    expect(missing).toMatchObject({ code: 2, stdout: '' })
    expect(missing.stderr).toBe(
      "error: required option '--price <price>' not specified\n(sluice sell --help says more)\n",
    )
    const price = await run([...sale, '--price', '5/s'])
    expect(price).toMatchObject({ code: 2, stdout: '' })
    expect(price.stderr).toMatch(/^error A plain file is sold by the byte.* \[PRICE_UNFIT\]\n$/)
  })
})
