/** `sluice doctor`: looks at everything a node needs, and says of each what is wrong and what to do. */
import { accessSync, constants, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import pc from 'picocolors'
import { zeroAddress } from '../core/bytes.js'
import { SluiceError, toProblem } from '../core/errors.js'
import { waitingFor } from '../core/waiting.js'
import { connectLedger, loadEngine, openIdentity, readChannels } from '../sluice.js'
import { explain } from './explain.js'
import { formatAmount, formatBytes, type Output, short } from './output.js'
import { accountKeyOf, assetOf, homeOf, ledgerOf, type Shared } from './settings.js'

type Finding = { readonly ok: boolean; readonly text: string }

/** Waiting channels that are named one by one. */
const namedMax = 16

/** Bytes below which a store is about to fail. */
const diskSpare = 256n << 20n

export async function doctor(output: Output, options: Shared): Promise<void> {
  const home = resolve(homeOf(options))
  const ledger = ledgerOf(options)
  const checks: readonly [string, () => Finding | Promise<Finding>][] = [
    [
      'node',
      () => ({ ok: true, text: `${process.version} on ${process.platform} ${process.arch}` }),
    ],
    ['engine', async () => ({ ok: true, text: (await loadEngine()).name })],
    ['home', () => checkHome(home)],
    [
      'keys',
      async () => {
        const { account } = await openIdentity(home, accountKeyOf(options))
        return { ok: true, text: `account ${account}` }
      },
    ],
    ['channels', () => checkChannels(home)],
    ['ledger', () => checkLedger(home, ledger, options)],
  ]
  let healthy = true
  for (const [name, check] of checks) {
    let finding: Finding
    try {
      finding = await check()
    } catch (error) {
      const { code, message } = toProblem(error)
      finding = { ok: false, text: `${message} [${code}]` }
    }
    healthy &&= finding.ok
    const mark = finding.ok ? pc.green('ok ') : pc.red('bad')
    output.event('check', { name, ...finding }, `${mark}  ${name.padEnd(9)} ${finding.text}`)
  }
  if (!healthy) throw new SluiceError('UNHEALTHY', 'Something needs your attention; see above.')
}

function checkHome(home: string): Finding {
  const folder = nearest(home)
  const { bavail, bsize } = statfsSync(folder, { bigint: true })
  const free = bavail * bsize
  return { ok: free > diskSpare, text: `${home}, ${formatBytes(free)} free` }
}

/** The first directory above a path that is there, and that we may write. */
function nearest(path: string): string {
  try {
    accessSync(path, constants.W_OK)
    return path
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error
    return nearest(dirname(path))
  }
}

function checkChannels(home: string): Finding {
  const found = readChannels(home)
  const count = (wanted: readonly string[]): number =>
    found.filter(({ channel }) => wanted.includes(channel.phase)).length
  const waiting = count(['opening', 'funding', 'closing'])
  const disputed = count(['challenged', 'frozen'])
  const numbers = `${count(['live'])} live, ${waiting} waiting, ${count(['closed', 'dead'])} settled`
  const open = found.filter(({ channel }) => waitingFor(channel).what !== 'nothing')
  const waits = open
    .slice(0, namedMax)
    .map(({ channel }) => `\n     ${short(channel.id)} ${channel.phase}: ${explain(channel)}`)
  const more = open.length > namedMax ? `\n     and ${open.length - namedMax} more` : ''
  return {
    ok: disputed === 0,
    text: `${numbers}${disputed > 0 ? `, ${disputed} in dispute` : ''}${waits.join('')}${more}`,
  }
}

async function checkLedger(home: string, url: string, options: Shared): Promise<Finding> {
  const { accountKey } = await openIdentity(home, accountKeyOf(options))
  const ledger = await connectLedger(url, accountKey)
  const balance = await ledger.balance(ledger.account, assetOf(options) ?? zeroAddress)
  return {
    ok: true,
    text: `${url}, chain ${ledger.domain.chainId}, our balance ${formatAmount(balance)}`,
  }
}
