/**
 * Channel parameters: what the seats agree on before any money moves, immutable for the channel's life.
 * The channel id commits to all of them and to the one adjudicator that may judge.
 */
import * as Abi from './abi.js'
import * as Amount from './amount.js'
import { type Address, type Hex, toHex, zeroes } from './bytes.js'
import { SluiceError } from './errors.js'
import * as Hash from './hash.js'
import { limits } from './limits.js'
import type { Domain } from './typed-data.js'

/** A participant: only `signer` judges; money is paid out to `payout`, a wallet of any kind. */
export type Seat = { readonly signer: Address; readonly payout: Address }

export type Parameters = {
  /** 2–16, signers distinct; the index is the seat. */
  readonly seats: readonly Seat[]
  /** 1–8 token addresses, distinct; the zero address is the native coin. */
  readonly assets: readonly Address[]
  /** Opening deposit per seat and asset, exact. */
  readonly deposits: readonly (readonly bigint[])[]
  /** Unix seconds on the layer's clock: funded by then, or dead for ever. */
  readonly fundBy: bigint
  /** Seconds of each of the two windows of a timeout close. */
  readonly challengePeriod: bigint
  /** Hash of the contract's code; zero where there is none. */
  readonly codeHash: Uint8Array
  /** 32 random bytes, so that two channels are never the same. */
  readonly salt: Uint8Array
}

/** Parameters never change, and whoever shows a layer a channel asks which it is: a fiftieth of a simulated world. */
const ids = new WeakMap<Parameters, { readonly domain: Domain; readonly id: Hex }>()

/**
 * `keccak256(abi.encode(chainId, adjudicator, seats, assets, deposits, fundBy, challengePeriod, codeHash, salt))`,
 * with `seats` as `(address signer, address payout)[]` and `deposits` as `uint256[][]`.
 */
export function id(domain: Domain, parameters: Parameters): Hex {
  const before = ids.get(parameters)
  if (before?.domain === domain) return before.id
  const { seats, assets, deposits } = parameters
  const id = toHex(
    Hash.keccak256(
      Abi.encode(
        Abi.word(domain.chainId),
        Abi.address(domain.adjudicator),
        Abi.array(seats.map((s) => Abi.struct(Abi.address(s.signer), Abi.address(s.payout)))),
        Abi.array(assets.map((asset) => Abi.address(asset))),
        Abi.array(deposits.map((row) => Abi.array(row.map((amount) => Abi.word(amount))))),
        Abi.word(parameters.fundBy),
        Abi.word(parameters.challengePeriod),
        Abi.bytes32(parameters.codeHash),
        Abi.bytes32(parameters.salt),
      ),
    ),
  )
  ids.set(parameters, { domain, id })
  return id
}

/**
 * Parameters any adjudicator may be asked to open.
 * @throws ParametersError `BAD_PARAMETERS`, AmountError `AMOUNT_RANGE`
 */
export function check(parameters: Parameters): Parameters {
  const { seats, assets, deposits, fundBy, challengePeriod, codeHash, salt } = parameters
  refuse(seats.length < 2 || seats.length > limits.seatsMax, 'a channel has 2 to 16 seats')
  refuse(assets.length < 1 || assets.length > limits.assetsMax, 'a channel has 1 to 8 assets')
  const addresses = [...seats.flatMap(({ signer, payout }) => [signer, payout]), ...assets]
  refuse(!addresses.every(isAddress), 'an address is 0x and 40 lower-case hex digits')
  refuse(distinct(seats.map((s) => s.signer)) < seats.length, 'two seats have one signing key')
  refuse(distinct(assets) < assets.length, 'an asset is named twice')
  refuse(
    deposits.length !== seats.length || deposits.some((row) => row.length !== assets.length),
    'deposits are given per seat and asset',
  )
  for (const row of deposits) for (const amount of row) Amount.check(amount)
  for (let asset = 0; asset < assets.length; asset++)
    Amount.sum(deposits.map((row) => row[asset] ?? 0n))
  refuse(fundBy < 0n || fundBy >= 1n << 64n, 'fundBy is Unix seconds')
  refuse(challengePeriod < 0n || challengePeriod >= 1n << 32n, 'challengePeriod is seconds')
  refuse(codeHash.length !== 32 || salt.length !== 32, 'codeHash and salt are 32 bytes')
  return parameters
}

/** The code hash of a channel without a contract. */
export const noCode: Uint8Array = zeroes()

/** The seat whose signing key is `signer`, or undefined. */
export function seatOf(parameters: Parameters, signer: Address): number | undefined {
  const seat = parameters.seats.findIndex((s) => s.signer === signer)
  return seat < 0 ? undefined : seat
}

/** Addresses are compared as text, so each has one spelling. */
const isAddress = (address: Address): boolean => /^0x[0-9a-f]{40}$/.test(address)

const distinct = (items: readonly string[]): number => new Set(items).size

function refuse(condition: boolean, why: string): void {
  if (condition) throw new ParametersError(`These channel parameters are refused: ${why}.`)
}

/** Parameters no adjudicator would open. */
export class ParametersError extends SluiceError {
  constructor(message: string) {
    super('BAD_PARAMETERS', message)
    this.name = 'ParametersError'
  }
}
