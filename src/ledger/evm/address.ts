/** Where an EVM layer is, as people write it: `evm:URL[,URL…]#0xADJUDICATOR`. */
import { parseAddress } from '../../core/address.js'
import { type Address, zeroAddress } from '../../core/bytes.js'
import { LedgerError } from '../error.js'

export type LayerAddress = { readonly urls: readonly string[]; readonly adjudicator: Address }

const prefix = 'evm:'

const isHex = (text: string): boolean => /^0x[0-9a-fA-F]{40}$/.test(text)

export const isLayerAddress = (text: string): boolean => text.startsWith(prefix)

/** @throws LedgerError or AddressError `BAD_ADDRESS` */
export function parseLayerAddress(text: string): LayerAddress {
  const [list = '', adjudicator = '', ...more] = text.slice(prefix.length).split('#')
  if (!isLayerAddress(text) || more.length > 0 || !isHex(adjudicator))
    throw new LedgerError(
      'BAD_ADDRESS',
      'An EVM ledger is given as evm:URL#0xADJUDICATOR, such as evm:http://127.0.0.1:8545#0x5fbdb2315678afecb367f032d93f642f64180aa3.',
    )
  return { urls: parseUrls(list), adjudicator: parseAddress(adjudicator) }
}

/** RPC endpoints, separated by commas. @throws LedgerError `BAD_ADDRESS` */
export function parseUrls(list: string): readonly string[] {
  const urls = list.split(',')
  for (const url of urls)
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new LedgerError(
        'BAD_ADDRESS',
        'An RPC endpoint is an http:// or https:// URL; several are separated by commas.',
      )
  return urls
}

/** `native` or a token's address. @throws LedgerError or AddressError `BAD_ADDRESS` */
export function parseAsset(text: string): Address {
  if (text === 'native') return zeroAddress
  if (!isHex(text))
    throw new LedgerError('BAD_ADDRESS', 'An asset is `native`, or the 0x address of a token.')
  return parseAddress(text)
}
