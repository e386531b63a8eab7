#!/usr/bin/env node
/** The `sluice` command: reads arguments, runs one command, and ends with 0, 1 (it failed) or 2 (bad usage). */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { SluiceError } from '../core/errors.js'
import { type BuyOptions, buy } from './buy.js'
import { channels } from './channels.js'
import { type CloseOptions, close } from './close.js'
import { type DemoOptions, demo } from './demo.js'
import { type DeployOptions, deploy } from './deploy.js'
import { doctor } from './doctor.js'
import { type KeysOptions, keys } from './keys.js'
import { type LedgerOptions, ledger } from './ledger.js'
import { createOutput, type Output, printError } from './output.js'
import { type SellOptions, sell } from './sell.js'
import { interruptedExit, ledgerUrlDefault, patienceDefault, type Shared } from './settings.js'
import { type SimOptions, sim, wholeNumber } from './sim.js'
import { type WatchOptions, watch } from './watch.js'

const program = new Command('sluice')
  .description('Sells and buys bytes between two peers, paid as they arrive, settled on a ledger.')
  .version('0.1.0')
  .addHelpText(
    'after',
    `
Three terminals, one file:
  sluice ledger
  sluice sell film.mkv --price 3/KiB
  sluice keys --home ./buyer --fund 10000000
  sluice buy MULTIADDR --home ./buyer --out copy.mkv --budget 10000000

Or everything at once: sluice demo

Prices read AMOUNT/[COUNT]UNIT: 3/KiB, 7/3000B, 5/s, 2/item. Amounts are whole base units.
A command that was stopped or killed goes on where it was when it is given again.`,
  )

/** A command with the options of every command after its own, and what there is to know about it. */
const finish = (command: Command, more: string): Command =>
  finishAlone(
    command
      .option(
        '--ledger <url>',
        `execution layer: a URL, or evm:URL#0xADJUDICATOR (SLUICE_LEDGER; ${ledgerUrlDefault})`,
      )
      .option('--asset <asset>', 'what channels hold: native, or the 0x address of a token')
      .option(
        '--keystore <file>',
        'encrypted key of the account (SLUICE_KEYSTORE, SLUICE_PASSWORD)',
      ),
    more,
  )

/** As `finish`, for a command that brings its own ledger and accounts. */
function finishAlone(command: Command, more: string): Command {
  return command
    .option('--home <dir>', 'keys, store and remembered ports (SLUICE_HOME; ~/.sluice)')
    .option('--json', 'one JSON object a line, for programs')
    .addHelpText('after', `\n${more}`)
    .showHelpAfterError(`(sluice ${command.name()} --help says more)`)
}

/** As `finish`, for a command that waits for others. */
const finishWaiting = (command: Command, more: string): Command =>
  finish(
    command.option(
      '--patience <seconds>',
      'how long to wait for a ledger or peer that is away',
      seconds,
      patienceDefault,
    ),
    more,
  )

/** As `finishWaiting`, for a command that runs a node. */
const finishNode = (command: Command, more: string): Command =>
  finishWaiting(
    command
      .option('--tower <multiaddr>', 'a watchtower, as `sluice watch` prints it (SLUICE_TOWER)')
      .option(
        '--redeem-fee <amount>',
        "what redeeming a lane costs, in what channels hold: smaller ones are refused (the ledger's estimate; for tokens 0)",
      ),
    more,
  )

function seconds(text: string): number {
  if (!/^[0-9]{1,7}$/.test(text)) throw new InvalidArgumentError('Give whole seconds, such as 60.')
  return Number(text)
}

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
      process.exitCode = error instanceof SluiceError ? exitCode(error.code) : 1
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
  'BAD_ADDRESS',
])

const exitCode = (code: string): number =>
  code === 'INTERRUPTED' ? interruptedExit : usageCodes.has(code) ? 2 : 1

finishAlone(
  program
    .command('demo')
    .description('sell a file from one process to another, with a ledger in a third, and settle')
    .argument('[file]', "the file; by default Node's own executable")
    .option('--price <price>', 'price per byte', '3/KiB')
    .option('--evm', 'settle in a play ERC-20 on an EVM chain of its own, by anvil'),
  `Everything lies in a fresh directory and is gone at the end, unless --home keeps it. Then the same
command goes on where it was killed.

  sluice demo film.mkv --price 7/3000B
  sluice demo --json                       its last line is the result`,
).action(
  run((output, file: string | undefined, options: DemoOptions) => demo(output, file, options)),
)

finishAlone(
  program
    .command('ledger')
    .description('serve an execution layer with play money')
    .option('--listen <host:port>', 'where to listen; port 0 is any', '127.0.0.1:8411')
    .option(
      '--challenge-period <seconds>',
      'the least that channels may agree on, for a new ledger (60)',
      seconds,
    )
    .option('--evm', 'an EVM chain of play money, by anvil, on this machine alone'),
  `It holds accounts, deposits and channels, and lies in HOME/ledger. It asks nobody who they are: listen
on an address that only those can reach who may.`,
).action(run((output, options: LedgerOptions) => ledger(output, options)))

finish(
  program
    .command('deploy')
    .description('put an adjudicator on an EVM chain')
    .requiredOption('--rpc <url>', 'RPC endpoint; several are separated by commas')
    .option('--bond <amount>', 'what a challenge puts at stake, in wei', '10000000000000000')
    .option('--period <seconds>', 'least challenge period a channel may have', seconds, 86_400),
  `Nobody owns what it deploys, and nothing can change it. The account pays for it: its key is the home's, or that
of --keystore, or SLUICE_KEY.

  sluice deploy --rpc https://rpc.example.org --keystore ./key.json`,
).action(run((output, options: DeployOptions) => deploy(output, options)))

finish(
  program
    .command('keys')
    .description('show who this home is; its keys are made if there are none')
    .option('--fund <amount>', "ask the ledger's faucet for play money"),
  `The account holds the money on the ledger; deposits come from it and what is earned goes to it. The
secrets lie in HOME/keys.json: whoever has that file has the money.

  sluice keys --fund 1000000`,
).action(run((output, options: KeysOptions) => keys(output, options)))

finishNode(
  program
    .command('sell')
    .description('offer a file by the byte until stopped')
    .argument('<file>', 'what to sell')
    .requiredOption('--price <price>', 'such as 3/KiB or 7/3000B')
    .option('--listen <multiaddr...>', 'where buyers connect', ['/ip4/127.0.0.1/tcp/0']),
  `Port 0 is any free one, and the same one the next time. Whoever has the multiaddr it prints can buy. A
buyer is sent no more than a small window ahead of what it has paid.

  sluice sell film.mkv --price 3/KiB --listen /ip4/0.0.0.0/tcp/4001`,
).action(run((output, file: string, options: SellOptions) => sell(output, file, options)))

finishNode(
  program
    .command('buy')
    .description('buy a file by the byte, and settle')
    .argument('<multiaddr>', 'as `sluice sell` prints it')
    .requiredOption('--out <file>', 'where the file goes')
    .requiredOption('--budget <amount>', 'the most it may cost; the rest is returned')
    .option('--resource <name>', 'which file, where the seller has several')
    .option('--keep', 'leave the channel open for the next purchase')
    .option(
      '--challenge-period <seconds>',
      'each of the two windows of a forced close, for a new channel (a day)',
      seconds,
    ),
  `The budget is deposited in a channel with the seller; each 64 KiB or so is paid once it is on the disk.
What has come lies in OUT.part, and what was bought of it in OUT.sluice.json: with both, the same command
goes on after Ctrl-C, a crash or a full disk, and pays for nothing twice.

  sluice buy MULTIADDR --out film.mkv --budget 1000000`,
).action(run((output, address: string, options: BuyOptions) => buy(output, address, options)))

finish(
  program
    .command('channels')
    .description('list channels, who waits for what, and the money in them'),
  `Reads the disk alone: a node may be running on this home, and no ledger is asked. "At risk" is what was
sent ahead of its payment.`,
).action(run((output, options: Shared) => channels(output, options)))

finishNode(
  program
    .command('close')
    .description('close a channel cooperatively and be paid out')
    .argument('[channel]', 'its id; all open ones where left out')
    .option(
      '--force',
      'without the peer, if it is gone or refuses: posts the newest state, and waits',
    ),
  `Pays what is owed, has both sides sign the final state, and waits for the ledger to pay out; the peer has
to be running. A purchase under way cannot go on afterwards.

With --force the newest state that both signed is posted on the ledger, with a bond that comes back. For one
challenge period anyone may show a newer state, for another the claims on each lane are collected; then all
is paid. Ctrl-C is safe: the same command goes on, and so does any node or watchtower of this home.`,
).action(run((output, id: string | undefined, options: CloseOptions) => close(output, id, options)))

finishWaiting(
  program
    .command('watch')
    .description('watch over the channels of others while they are away')
    .option('--listen <multiaddr...>', 'where clients connect', ['/ip4/127.0.0.1/tcp/0'])
    .option('--clients <number>', 'how many different clients it takes (10000)', wholeNumber),
  `A watchtower: nodes that are given its multiaddr by --tower leave their newest states and claims here. It
answers what is posted in bad faith and collects before deadlines, from its own account where that costs.

  sluice watch --listen /ip4/0.0.0.0/tcp/4002`,
).action(run((output, options: WatchOptions) => watch(output, options)))

finish(
  program.command('doctor').description('check everything a node needs, and say what to do'),
  'Ends with 1 when something is wrong.',
).action(run((output, options: Shared) => doctor(output, options)))

program
  .command('sim')
  .description('run simulated worlds with faults, crashes and liars, and check every promise')
  .option('--seeds <number>', 'how many worlds', wholeNumber, 100)
  .option(
    '--seed <number>',
    'the first seed; the same seed is the same world, to the letter',
    wholeNumber,
    1,
  )
  .option('--trace', 'write every event to standard error')
  .option('--bugs <file>', 'planted bugs to find; in a checkout, those of test/sim/bugs.json')
  .option('--no-bugs', 'plant none')
  .option('--json', 'one JSON object a line, for programs')
  .addHelpText(
    'after',
    `
The engine is the one that runs everywhere else; time, network, disks and the way to the ledger are simulated.
Ctrl-C ends after the world under way and says what was done. Ends with 1 when a promise was broken or a
planted bug got away.

  sluice sim --seeds 10000 --json
  sluice sim --seeds 1 --seed 4711 --no-bugs --trace`,
  )
  .showHelpAfterError('(sluice sim --help says more)')
  .action(run((output, options: SimOptions) => sim(output, options)))

/** Whoever reads us may stop reading: `sluice channels | head -1` is no failure. */
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })

/** Commander prints its own usage errors; for programs they come as any other error. */
const json = process.argv.includes('--json')
program.showHelpAfterError('(sluice --help says more)')
for (const command of [program, ...program.commands]) {
  command.exitOverride()
  if (json) command.configureOutput({ writeErr: () => undefined })
}

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  const message = error.message.replace(/^error: /, '')
  if (json && error.exitCode !== 0) printError(new SluiceError('USAGE', message), true)
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
