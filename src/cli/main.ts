#!/usr/bin/env node
/** The `sluice` command: reads arguments, runs one command, and ends with 0, 1 (it failed) or 2 (bad usage). */
import { Command, CommanderError } from 'commander'
import { SluiceError } from '../core/errors.js'
import { type BuyOptions, buy } from './buy.js'
import { channels } from './channels.js'
import { close } from './close.js'
import { type DemoOptions, demo } from './demo.js'
import { doctor } from './doctor.js'
import { type KeysOptions, keys } from './keys.js'
import { type LedgerOptions, ledger } from './ledger.js'
import { createOutput, type Output, printError } from './output.js'
import { type SellOptions, sell } from './sell.js'
import { ledgerUrlDefault, type Shared } from './settings.js'

const program = new Command('sluice')
  .description('Sells and buys bytes between two peers, paid as they arrive, settled on a ledger.')
  .version('0.1.0')
  .showHelpAfterError('(sluice COMMAND --help says more)')
  .addHelpText(
    'after',
    `
Three terminals, one file:
  sluice ledger
  sluice sell film.mkv --price 3/KiB
  sluice keys --home ./buyer --fund 10000000
  sluice buy MULTIADDR --home ./buyer --out film.mkv --budget 10000000

Or everything at once: sluice demo

Prices read AMOUNT/[COUNT]UNIT: 3/KiB, 7/3000B, 5/s, 2/item. Amounts are whole base units.
A command that was stopped or killed goes on where it was when it is given again.`,
  )

/** Options of every command, after its own. */
const shared = (command: Command): Command =>
  command
    .option('--home <dir>', 'keys, store and remembered ports (SLUICE_HOME; ~/.sluice)')
    .option('--ledger <url>', `execution layer (SLUICE_LEDGER; ${ledgerUrlDefault})`)
    .option('--json', 'one JSON object a line, for programs')

/** Runs `task`; a failure is said in the one way failures are said. */
const run =
  <A extends unknown[]>(task: (output: Output, ...args: A) => Promise<void>) =>
  async (...args: A): Promise<void> => {
    const options = args.find(
      (arg): arg is A[number] & Shared =>
        typeof arg === 'object' && arg !== null && !Array.isArray(arg),
    )
    const output = createOutput(options?.json === true)
    try {
      await task(output, ...args)
    } catch (error) {
      printError(error, output.json)
      process.exitCode = error instanceof SluiceError && usageCodes.has(error.code) ? 2 : 1
      if (error instanceof SluiceError && error.code === 'INTERRUPTED') process.exitCode = 130
    }
  }

/** Errors of an argument, not of the world. */
const usageCodes = new Set([
  'PRICE_SYNTAX',
  'PRICE_UNFIT',
  'AMOUNT_SYNTAX',
  'AMOUNT_RANGE',
  'BAD_MULTIADDR',
  'BAD_LISTEN',
])

shared(
  program
    .command('demo')
    .description('sell a file from one process to another, with a ledger in a third, and settle')
    .argument('[file]', "the file; by default Node's own executable")
    .option('--price <price>', 'price per byte', '3/KiB'),
).action(
  run((output, file: string | undefined, options: DemoOptions) => demo(output, file, options)),
)

shared(
  program
    .command('ledger')
    .description('serve an execution layer with play money')
    .option('--listen <host:port>', 'where to listen', '127.0.0.1:8411'),
).action(run((output, options: LedgerOptions) => ledger(output, options)))

shared(
  program
    .command('keys')
    .description('show who this home is; its keys are made if there are none')
    .option('--fund <amount>', "ask the ledger's faucet for play money"),
).action(run((output, options: KeysOptions) => keys(output, options)))

shared(
  program
    .command('sell')
    .description('offer a file by the byte until stopped')
    .argument('<file>')
    .requiredOption('--price <price>', 'such as 3/KiB or 7/3000B')
    .option('--listen <multiaddr...>', 'where buyers connect', ['/ip4/127.0.0.1/tcp/0']),
).action(run((output, file: string, options: SellOptions) => sell(output, file, options)))

shared(
  program
    .command('buy')
    .description('buy a file by the byte, and settle')
    .argument('<multiaddr>', 'as `sluice sell` prints it')
    .requiredOption('--out <file>', 'where the file goes')
    .requiredOption('--budget <amount>', 'the most it may cost; the rest is returned')
    .option('--resource <name>', 'which file, where the seller has several')
    .option('--keep', 'leave the channel open for the next purchase'),
).action(run((output, address: string, options: BuyOptions) => buy(output, address, options)))

shared(
  program
    .command('channels')
    .description('list channels, who waits for what, and the money in them'),
).action(run((output, options: Shared) => channels(output, options)))

shared(
  program
    .command('close')
    .description('close a channel cooperatively and be paid out')
    .argument('[channel]', 'its id; all open ones where left out'),
).action(run((output, id: string | undefined, options: Shared) => close(output, id, options)))

shared(
  program.command('doctor').description('check everything a node needs, and say what to do'),
).action(run((output, options: Shared) => doctor(output, options)))

/** Commander prints its own usage errors; for programs they come as any other error. */
const json = process.argv.includes('--json')
for (const command of [program, ...program.commands]) {
  command.exitOverride()
  if (json) command.configureOutput({ writeErr: () => undefined })
}

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  if (json && error.exitCode !== 0) printError(new SluiceError('USAGE', error.message), true)
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
