/** The command line on an EVM chain: a play chain, a deployment of one's own, keys that are not the home's. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Keystore } from 'ox'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, expect, it } from 'vitest'
import { toHex, uint } from '../../src/core/bytes.js'
import { makeScratch, reap, run, sluice } from '../support/processes.js'

const scratch = makeScratch('evm')
afterEach(reap)
afterAll(scratch.remove)

it('sells a file for a token of a chain that it starts itself', async () => {
  const path = join(scratch.path, 'file.bin')
  writeFileSync(path, Buffer.alloc(300_001, 7))
  const { code, stdout, stderr } = await run([
    'demo',
    '--evm',
    '--json',
    '--price',
    '7/3000B',
    path,
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  const owed = Math.ceil((300_001 * 7) / 3_000)
  expect(result).toMatchObject({
    bytes: 300_001,
    owed: `${owed}`,
    paid: `${owed}`,
    settled: `${owed}`,
    payee: { before: '0', after: `${owed}` },
    states: 3,
  })
  expect(Object.keys(result)).toEqual([
    ...['bytes', 'sha256', 'price', 'owed', 'paid', 'settled', 'payer', 'payee'],
    ...['ticks', 'vouchers', 'states', 'seconds'],
  ])
})

it('keeps a play chain, funds accounts of it, and takes deployments and keys from elsewhere', async () => {
  const home = join(scratch.path, 'chain')
  const start = () =>
    sluice(['ledger', '--evm', '--json', '--listen', '127.0.0.1:0', '--home', home])
  const ledger = start()
  const listening = await ledger.event('listening')
  const { url, asset } = listening as unknown as { url: string; asset: string }
  const key = toHex(uint(0x5ec2e7_0001n, 32))
  const env = { SLUICE_KEY: key }
  const common = ['--home', join(scratch.path, 'me'), '--ledger', url, '--asset', asset, '--json']
  const funded = await run(['keys', ...common, '--fund', '1234'], { env })
  expect({ code: funded.code, stderr: funded.stderr }).toEqual({ code: 0, stderr: '' })
  const account = privateKeyToAccount(key).address.toLowerCase()
  expect(JSON.parse(funded.stdout)).toMatchObject({ account, balance: '1234' })
  expect(funded.stdout).not.toContain(key.slice(2))

  const rpc = url.slice('evm:'.length).split('#')[0] ?? ''
  const deployed = await run(['deploy', '--rpc', rpc, '--json'], { env })
  expect(JSON.parse(deployed.stdout)).toMatchObject({ chainId: '31337' })
  const { url: own } = JSON.parse(deployed.stdout) as { url: string }
  const doctor = await run([
    'doctor',
    '--home',
    join(scratch.path, 'me'),
    '--ledger',
    own,
    '--json',
  ])
  expect(doctor.stdout).toContain('"name":"ledger","ok":true')

  const nowhere = `${own.slice(0, -4)}ffff`
  const lost = await run(['keys', ...common.with(3, nowhere), '--fund', '1'], { env })
  expect(lost.code).toBe(1)
  expect(lost.stdout + lost.stderr).toMatch(/NOT_DEPLOYED.*sluice deploy/)
  const typed = await run(['keys', ...common.with(3, 'evm:here'), '--fund', '1'], { env })
  expect(typed.code).toBe(2)
  expect(typed.stdout + typed.stderr).toMatch(/BAD_ADDRESS.*evm:URL#0xADJUDICATOR/)
  const adrift = await run(['keys', ...common.with(3, nowhere)], { env })
  expect(adrift.stdout).toContain(`"account":"${account}"`)
  const [derived, options] = Keystore.scrypt({ password: 'hunter2', n: 1_024 })
  const keystore = join(home, 'keystore.json')
  writeFileSync(keystore, JSON.stringify(await Keystore.encrypt(key, derived, options)))
  const opened = ['keys', ...common, '--keystore', keystore]
  const unlocked = await run(opened, { env: { SLUICE_PASSWORD: 'hunter2' } })
  expect(JSON.parse(unlocked.stdout)).toMatchObject({ account, balance: '1234' })
  const mistyped = await run(opened, { env: { SLUICE_PASSWORD: 'hunter3' } })
  expect(mistyped.stdout + mistyped.stderr).toMatch(/password is wrong/)
  const keyless = await run(['keys', ...common, '--keystore', join(home, 'none.json')], { env })
  expect(keyless.stdout + keyless.stderr).toMatch(/SLUICE_PASSWORD/)

  // What the chain held is there again, and nothing of it stays behind a process that is killed.
  await ledger.kill('SIGTERM')
  const again = start()
  const { url: same, asset: token } = (await again.event('listening')) as unknown as {
    url: string
    asset: string
  }
  expect(token).toBe(asset)
  const shown = await run(['keys', ...common.with(3, same)], { env })
  expect(JSON.parse(shown.stdout)).toMatchObject({ account, balance: '1234' })
  await again.kill('SIGKILL')
  const endpoint = same.slice('evm:'.length).split('#')[0] ?? ''
  await expect
    .poll(
      () =>
        fetch(endpoint).then(
          () => 'answers',
          () => 'gone',
        ),
      { timeout: 10_000 },
    )
    .toBe('gone')
})
