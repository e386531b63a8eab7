/**
 * EIP-712 typed data: the one way anything is signed in Sluice. A digest commits to the domain, so no
 * signature of one layer or chain is worth anything on another.
 *
 * Only flat structs of static members (and `bytes`, hashed) exist here; eips.ethereum.org/EIPS/eip-712.
 */
import { type Address, concat, fromHex, uint } from './bytes.js'
import { assert } from './errors.js'
import * as Hash from './hash.js'

/** EIP-712 domain: name "Sluice", version "1", and these two. */
export type Domain = { readonly chainId: bigint; readonly adjudicator: Address }

type Member =
  | 'bytes32'
  | 'bytes'
  | 'address'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'uint128'
  | 'uint256'

/** A struct: its name, and its members in order. */
export type Type = { readonly name: string; readonly members: Readonly<Record<string, Member>> }

/** The values of a struct, by member name. */
export type Values<T extends Type> = {
  readonly [K in keyof T['members']]: T['members'][K] extends 'bytes32' | 'bytes'
    ? Uint8Array
    : T['members'][K] extends 'address'
      ? Address
      : bigint | number
}

const utf8 = new TextEncoder()

const domainTypeHash = Hash.keccak256(
  utf8.encode('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'),
)
const nameHash = Hash.keccak256(utf8.encode('Sluice'))
const versionHash = Hash.keccak256(utf8.encode('1'))

/** `encodeType` of the spec: `Name(type member,…)`. */
export const describe = (type: Type): string =>
  `${type.name}(${Object.entries(type.members)
    .map(([name, member]) => `${member} ${name}`)
    .join(',')})`

const typeHashes = new WeakMap<Type, Uint8Array>()

function typeHash(type: Type): Uint8Array {
  let hash = typeHashes.get(type)
  if (hash === undefined) {
    hash = Hash.keccak256(utf8.encode(describe(type)))
    typeHashes.set(type, hash)
  }
  return hash
}

const separators = new WeakMap<Domain, Uint8Array>()

/** The domain separator, 32 bytes. A node has one domain: it is worked out once, not for each signature. */
export function separator(domain: Domain): Uint8Array {
  let hash = separators.get(domain)
  if (hash === undefined) {
    const verifyingContract = fromHex(domain.adjudicator, 20)
    const members = [uint(domain.chainId, 32), new Uint8Array(12), verifyingContract]
    hash = Hash.keccak256(concat(domainTypeHash, nameHash, versionHash, ...members))
    separators.set(domain, hash)
  }
  return hash
}

/**
 * What is signed: `keccak256(0x1901 ‖ separator ‖ hashStruct(values))`, 32 bytes.
 * @throws BytesError `OUT_OF_RANGE` when an integer does not fit its member
 */
export function digest<T extends Type>(domain: Domain, type: T, values: Values<T>): Uint8Array {
  const words = Object.entries(type.members).map(([name, member]) =>
    encodeMember(member, values[name as keyof T['members']]),
  )
  const struct = Hash.keccak256(concat(typeHash(type), ...words))
  return Hash.keccak256(concat(Uint8Array.of(0x19, 0x01), separator(domain), struct))
}

function encodeMember(member: Member, value: Uint8Array | Address | bigint | number): Uint8Array {
  if (value instanceof Uint8Array) {
    if (member === 'bytes') return Hash.keccak256(value)
    assert(value.length === 32, 'a bytes32 member holds 32 bytes')
    return value
  }
  if (typeof value === 'string') return concat(new Uint8Array(12), fromHex(value, 20))
  return concat(new Uint8Array(32 - widthOf(member)), uint(value, widthOf(member)))
}

const widthOf = (member: Member): number => Number(member.replace('uint', '')) / 8
