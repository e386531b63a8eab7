/** `sluice keys`: who we are, what our account holds, and play money for it. Secrets never leave the home. */
import { parse } from '../core/amount.js'
import { zeroAddress } from '../core/bytes.js'
import { SluiceError } from '../core/errors.js'
import { connectLedger, openIdentity } from '../sluice.js'
import { formatAmount, type Output } from './output.js'
import { accountKeyOf, assetOf, homeOf, ledgerOf, type Shared } from './settings.js'

export type KeysOptions = Shared & { readonly fund?: string }

export async function keys(output: Output, options: KeysOptions): Promise<void> {
  const amount = options.fund === undefined ? undefined : parse(options.fund)
  const identity = await openIdentity(homeOf(options), accountKeyOf(options))
  const { account, accountKey, signer, session, peer, home } = identity
  const asset = assetOf(options) ?? zeroAddress
  let balance: bigint | undefined
  let unknown = ''
  try {
    const ledger = await connectLedger(ledgerOf(options), accountKey)
    if (amount !== undefined) await ledger.faucet(account, amount, asset)
    balance = await ledger.balance(account, asset)
  } catch (error) {
    // Keys can be shown without a ledger; play money cannot.
    if (amount !== undefined || !(error instanceof SluiceError)) throw error
    unknown = error.code === 'LEDGER_UNREACHABLE' ? 'the ledger is not reachable' : error.message
  }
  const funds = balance === undefined ? `(${unknown})` : formatAmount(balance)
  output.event(
    'keys',
    { home, account, balance, signer, session, peer },
    [
      `home     ${home}`,
      `account  ${account}  balance ${funds}`,
      `signer   ${signer}  signs channel states`,
      `session  ${session}  signs vouchers`,
      `peer     ${peer}`,
    ].join('\n'),
  )
}
