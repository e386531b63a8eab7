/**
 * The books of the embedded layer. Money only moves: every move debits one purse and credits another, so per
 * asset `accounts + held in channels = minted` holds by construction, and is checked again at every step.
 */
import * as Amount from '../../core/amount.js'
import type { Address } from '../../core/bytes.js'
import { assert } from '../../core/errors.js'
import { LedgerError } from '../error.js'

/** Per asset: what was ever minted, and what lies in channels. */
export type Supply = { readonly minted: bigint; readonly held: bigint }

/** The entries as they are; absent ones read as zero. */
export type Books = {
  balance(account: Address, asset: Address): bigint
  supply(asset: Address): Supply
}

/** One entry's new value. */
export type Entry =
  | {
      readonly record: 'balance'
      readonly account: Address
      readonly asset: Address
      readonly balance: bigint
    }
  | { readonly record: 'supply'; readonly asset: Address; readonly supply: Supply }

/** Where money can be: with an account, in channels together, or not minted yet. */
export type Purse = Address | 'mint' | 'escrow'

export type Move = {
  readonly asset: Address
  readonly amount: bigint
  readonly from: Purse
  readonly to: Purse
}

/**
 * The entries that `moves` change, each at most once.
 * @throws LedgerError `INSUFFICIENT_BALANCE`
 */
export function settle(books: Books, moves: readonly Move[]): readonly Entry[] {
  const nets = new Map<Address, Map<Purse, bigint>>()
  for (const { asset, amount, from, to } of moves) {
    const net = nets.get(asset) ?? new Map<Purse, bigint>()
    nets.set(asset, net)
    net.set(from, (net.get(from) ?? 0n) - amount)
    net.set(to, (net.get(to) ?? 0n) + amount)
  }
  return [...nets].flatMap(([asset, net]) => settleAsset(books, asset, net))
}

function settleAsset(
  books: Books,
  asset: Address,
  net: ReadonlyMap<Purse, bigint>,
): readonly Entry[] {
  const { mint = 0n, escrow = 0n, ...accounts } = Object.fromEntries(net) as Record<Purse, bigint>
  const before = books.supply(asset)
  const supply = {
    minted: Amount.subtract(before.minted, mint),
    held: Amount.add(before.held, escrow),
  }
  const changes: Entry[] = [{ record: 'supply', asset, supply }]
  let accountsChange = 0n
  for (const [account, change] of Object.entries(accounts) as [Address, bigint][]) {
    const balance = books.balance(account, asset) + change
    if (balance < 0n)
      throw new LedgerError(
        'INSUFFICIENT_BALANCE',
        `Account ${account} is ${-balance} short of what this takes.`,
      )
    accountsChange += change
    changes.push({ record: 'balance', account, asset, balance })
  }
  assert(
    accountsChange + supply.held - before.held === supply.minted - before.minted,
    'a transaction made or lost money',
  )
  return changes
}
