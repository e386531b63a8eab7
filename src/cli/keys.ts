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
  const identity = await openIdentity(homeOf(options))
  const { signer, session, peer, home } = identity
  const asset = assetOf(options) ?? zeroAddress
  const accountKey = accountKeyOf(options) ?? identity.accountKey
  let { account } = identity
  let balance: bigint | undefined
  try {
    const ledger = await connectLedger(ledgerOf(options), accountKey)
    account = ledger.account
    if (amount !== undefined) await ledger.faucet(account, amount, asset)
    balance = await ledger.balance(account, asset)
  } catch (error) {
    // Keys can be shown without a ledger; play money cannot.
    if (amount !== undefined || !(error instanceof SluiceError)) throw error
  }
  const funds = balance === undefined ? '(the ledger is not reachable)' : formatAmount(balance)
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
