/**
 * What the chain refuses, in the codes that all layers share. A revert that we cannot name stays what it is;
 * nothing is ever taken for success.
 */
import {
  type Abi,
  type Address,
  BaseError,
  decodeErrorResult,
  ExecutionRevertedError,
  type Hex,
  InsufficientFundsError,
} from 'viem'
import { SluiceError } from '../../core/errors.js'
import { type LedgerCode, LedgerError } from '../error.js'
import { adjudicator } from './contracts.generated.js'

/** The errors of Solidity itself come with every ABI; those of tokens are told by their own words. */
const { abi } = adjudicator

const refusals: Readonly<Record<string, readonly [LedgerCode, string]>> = {
  BadParameters: ['BAD_PARAMETERS', 'A channel has 2 to 16 seats and 1 to 8 assets.'],
  SameSigner: ['BAD_PARAMETERS', 'Two seats have one signing key.'],
  SameAsset: ['BAD_PARAMETERS', 'An asset is named twice.'],
  ContractsUnsupported: [
    'BAD_PARAMETERS',
    'This layer runs no contracts: the code hash must be zero.',
  ],
  ShortChallengePeriod: [
    'BAD_PARAMETERS',
    'The challenge period is shorter than this layer allows.',
  ],
  LongChallengePeriod: ['BAD_PARAMETERS', 'The challenge period is longer than this layer allows.'],
  FundingOver: ['FUNDING_OVER', 'The time to fund the channel is already over.'],
  FundingOpen: ['FUNDING_OPEN', 'The channel is not live: deposits may still come.'],
  ChannelExists: ['CHANNEL_EXISTS', 'The channel was opened before.'],
  ChannelUnknown: ['CHANNEL_UNKNOWN', 'No such channel was ever opened here.'],
  ChannelClosed: ['CHANNEL_CLOSED', 'The channel is closed and paid out.'],
  ChannelDead: ['CHANNEL_DEAD', 'The channel was not funded in time; deposits can be refunded.'],
  AlreadyDeposited: ['ALREADY_DEPOSITED', 'That deposit is already in.'],
  NothingToRefund: ['NOTHING_TO_REFUND', 'Nothing of this seat can be refunded.'],
  NoSuchAsset: ['BAD_CALL', 'The channel has no such asset.'],
  NoSuchSeat: ['BAD_CALL', 'The channel has no such seat.'],
  AlreadyChallenged: [
    'CHANNEL_CHALLENGED',
    'A challenge is open: answer it, resume, or let it run.',
  ],
  StatesOver: ['CHANNEL_FROZEN', 'It is too late for any state: the channel is being settled.'],
  StatesOpen: ['STATES_OPEN', 'Newer states may still come.'],
  NotChallenged: ['NOT_CHALLENGED', 'There is no challenge.'],
  RedemptionOpen: ['REDEMPTION_OPEN', 'Claims may still come: it is too early to sweep.'],
  RedemptionOver: ['REDEMPTION_OVER', 'The time to redeem is over.'],
  StaleVersion: ['STALE_VERSION', 'The layer has seen a state at least as new.'],
  WrongKind: ['WRONG_KIND', 'A state of this kind does not do that.'],
  WrongRoot: ['WRONG_ROOT', 'The outcome is not that of the state.'],
  NotFinal: ['NOT_FINAL', 'Only a final state without lanes or pots closes a channel at once.'],
  NotConserved: ['NOT_CONSERVED', 'The state does not pay out exactly what is held.'],
  BadOutcome: ['NOT_CONSERVED', 'The outcome has other seats or assets than the channel.'],
  NothingToWithdraw: [
    'NOTHING_TO_WITHDRAW',
    'The state withdraws nothing that was not paid before.',
  ],
  AlreadyPaid: ['ALREADY_FROZEN', 'The balances are paid already.'],
  AlreadySwept: ['ALREADY_SWEPT', "The lane's rest went back already."],
  BadSignature: ['BAD_SIGNATURE', 'A seat did not sign this on this layer.'],
  BadProof: ['BAD_PROOF', 'The lane is not in the posted state.'],
  BadLane: ['BAD_PROOF', 'The lane is not in the posted state.'],
  BadVoucher: ['BAD_VOUCHER', "The voucher is malformed, or not signed by the lane's session key."],
  WrongValue: ['BAD_CALL', 'The native coin sent along is not what the call needs.'],
  InexactToken: [
    'BAD_TOKEN',
    'The token does not move exactly what it is told to, as those with fees or rebases do: channels cannot hold it.',
  ],
  LittleGas: ['GAS_SHORT', 'The transaction brings too little gas for its payouts. Try again.'],
}

/** The error of a call that was refused, or could not be made. */
export function refusal(error: unknown, account: Address): SluiceError {
  if (error instanceof SluiceError) return error
  if (!(error instanceof BaseError)) throw error
  const own = error.walk((cause) => cause instanceof SluiceError)
  if (own instanceof SluiceError) return own
  const data = revertData(error)
  if (data !== undefined) {
    const name = nameOf(data)
    const known = name === undefined ? undefined : refusals[name]
    if (known !== undefined) return new LedgerError(known[0], known[1], { cause: error })
    return reverted(name ?? data.slice(0, 10), error)
  }
  if (
    error.walk((cause) => cause instanceof InsufficientFundsError) ||
    /insufficient funds/i.test(error.details)
  )
    return new LedgerError(
      'INSUFFICIENT_BALANCE',
      `The account ${account} cannot pay for this: send it native coin of the chain, for gas and for what goes into the channel.`,
      { cause: error },
    )
  const executed = error.walk((cause) => cause instanceof ExecutionRevertedError)
  if (executed !== null) return reverted(error.details, error)
  return new LedgerError('LEDGER_UNREACHABLE', `The RPC endpoint failed: ${error.shortMessage}`, {
    cause: error,
  })
}

/** What the contract said when it refused, or undefined where it was not the contract that did. */
function revertData(error: BaseError): Hex | undefined {
  for (let at: unknown = error; at instanceof Error || isRecord(at); at = at.cause)
    if (isRecord(at) && typeof at.data === 'string' && /^0x([0-9a-f]{8,})?$/i.test(at.data))
      return at.data as Hex
  return undefined
}

const isRecord = (value: unknown): value is { data?: unknown; cause?: unknown } =>
  typeof value === 'object' && value !== null

/** Name of the error, or the words that a token gave. */
function nameOf(data: Hex): string | undefined {
  try {
    const { errorName, args = [] } = decodeErrorResult({ abi: abi as Abi, data })
    return errorName === 'Error' ? String(args[0]).slice(0, 200) : errorName
  } catch {
    return undefined
  }
}

export const reverted = (why: string | undefined, cause?: unknown): LedgerError =>
  new LedgerError(
    'REVERTED',
    `The chain refused the transaction${why === undefined ? '' : ` (${why})`}. If a token is involved, see that the account holds it and the token is an ordinary ERC-20.`,
    { cause },
  )
