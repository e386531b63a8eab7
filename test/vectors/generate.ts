/**
 * Makes the JSON beside it with viem and node:crypto, never with our code: `npx tsx test/vectors/generate.ts`.
 * Bytes are 0x hex, integers decimal strings; every value is fixed, so two runs print the same.
 */
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import {
  encodeAbiParameters,
  encodePacked,
  getAddress,
  hashTypedData,
  keccak256,
  parseAbiParameters,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { claims } from './claims.js'
import {
  type Entry,
  filler,
  hex,
  join,
  laneTweak,
  tagged,
  treeMultiProof,
  treeProof,
  treeRoot,
  uint,
  unhex,
  walkBack,
} from './reference.js'

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))
const address = (label: string): `0x${string}` => hex(filler(label).slice(0, 20))
const zeroAddress = `0x${'00'.repeat(20)}` as const
const zeroes = new Uint8Array(32)

const session = privateKeyToAccount(hex(filler('session key')))
const sessionKey = session.address.toLowerCase()

const domains = [
  { chainId: 31_337n, adjudicator: address('adjudicator') },
  { chainId: 2n ** 255n + 7n, adjudicator: address('embedded adjudicator') },
]

type Domain = (typeof domains)[number]

const domainOf = ({ chainId, adjudicator }: Domain) => ({
  name: 'Sluice',
  version: '1',
  chainId,
  verifyingContract: getAddress(adjudicator),
})

/** JSON's form of a value: bytes as hex, bigint as decimal text. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return hex(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
  return value
}

const parameterSets = [
  {
    seats: [
      { signer: address('alice'), payout: address('alice wallet') },
      { signer: address('bob'), payout: address('bob') },
    ],
    assets: [zeroAddress],
    deposits: [[1_000_000n], [0n]],
    fundBy: 1_900_000_000n,
    challengePeriod: 86_400n,
    codeHash: zeroes,
    salt: filler('salt one'),
  },
  {
    seats: ['a', 'b', 'c'].map((name) => ({
      signer: address(name),
      payout: address(`${name} out`),
    })),
    assets: [zeroAddress, address('token')],
    deposits: [
      [0n, 2n ** 200n],
      [5n, 0n],
      [2n ** 128n - 1n, 7n],
    ],
    fundBy: 2n ** 64n - 1n,
    challengePeriod: 2n ** 32n - 1n,
    codeHash: filler('code'),
    salt: filler('salt two'),
  },
]

const channelIdOf = (domain: Domain, p: (typeof parameterSets)[number]) =>
  keccak256(
    encodeAbiParameters(
      parseAbiParameters(
        'uint256, address, (address signer, address payout)[], address[], uint256[][], uint256, uint256, bytes32, bytes32',
      ),
      [
        domain.chainId,
        domain.adjudicator,
        p.seats,
        p.assets,
        p.deposits,
        p.fundBy,
        p.challengePeriod,
        hex(p.codeHash),
        hex(p.salt),
      ],
    ),
  )

const channelId = filler('a channel')

const channels = () =>
  parameterSets.flatMap((parameters) =>
    domains.map((domain) => ({ domain, parameters, id: channelIdOf(domain, parameters) })),
  )

function states() {
  const lane = (id: bigint, payer: number, folded: bigint, reserved: bigint) => ({
    id,
    payer,
    payee: 1 - payer,
    asset: 0,
    folded,
    reserved,
    sessionKey,
  })
  const outcome = (balances: bigint[][], deposited: bigint[][], nextLane: bigint) => ({
    balances,
    deposited,
    withdrawn: [[0n], [0n]],
    pots: [[0n], [0n]],
    nextLane,
  })
  const bodies = [
    { kind: 0, version: 0n, outcome: outcome([[900n], [100n]], [[900n], [100n]], 0n), lanes: [] },
    {
      kind: 0,
      version: 7n,
      outcome: outcome([[500n], [150n]], [[900n], [100n]], 3n),
      lanes: [lane(0n, 0, 50n, 200n), lane(2n, 1, 0n, 150n)],
    },
    {
      kind: 1,
      version: 2n ** 64n - 1n,
      outcome: outcome([[0n], [2n ** 255n]], [[2n ** 254n], [2n ** 254n]], 2n ** 64n - 1n),
      lanes: [],
    },
  ]
  return bodies.flatMap(({ kind, version, outcome, lanes }) => {
    const cells = outcome.balances.flatMap((row, seat) =>
      row.flatMap((_, asset) =>
        [outcome.balances, outcome.deposited, outcome.withdrawn, outcome.pots].map((table) =>
          uint(table[seat]?.[asset] ?? 0n, 32),
        ),
      ),
    )
    const encoded = join(uint(2, 1), uint(1, 1), uint(outcome.nextLane, 8), ...cells)
    const outcomeHash = tagged('outcome', encoded)
    const leaves = lanes.map((each): Entry => {
      const value = unhex(
        encodePacked(
          ['uint64', 'uint8', 'uint8', 'uint8', 'uint256', 'uint256', 'address'],
          [
            each.id,
            each.payer,
            each.payee,
            each.asset,
            each.folded,
            each.reserved,
            session.address,
          ],
        ),
      )
      return [tagged('lane', channelId, uint(each.id, 8)), tagged('value', value)]
    })
    const lanesRoot = treeRoot(leaves)
    const root = tagged('root', outcomeHash, lanesRoot, zeroes, zeroes)
    return domains.map((domain) => ({
      domain,
      channelId,
      version,
      kind,
      body: { outcome, lanes },
      outcomeHash,
      lanesRoot,
      root,
      digest: hashTypedData({
        domain: domainOf(domain),
        primaryType: 'State',
        types: {
          State: [
            { name: 'channelId', type: 'bytes32' },
            { name: 'version', type: 'uint64' },
            { name: 'root', type: 'bytes32' },
            { name: 'kind', type: 'uint8' },
          ],
        },
        message: { channelId: hex(channelId), version, root: hex(root), kind },
      }),
    }))
  })
}

/** Who posts a state, from which account. */
const challenges = () =>
  domains.flatMap((domain) =>
    [0n, 41n, 2n ** 64n - 1n].map((version) => {
      const account = address('challenger')
      const digest = hashTypedData({
        domain: domainOf(domain),
        primaryType: 'Challenge',
        types: {
          Challenge: [
            { name: 'channelId', type: 'bytes32' },
            { name: 'version', type: 'uint64' },
            { name: 'account', type: 'address' },
          ],
        },
        message: { channelId: hex(channelId), version, account },
      })
      return { domain, channelId, version, account, digest }
    }),
  )

/** What a seat leaves with a watchtower, and the tower's receipt for it. */
const appointments = () =>
  domains.flatMap((domain) =>
    [0, 1, 2].map((lanes) => {
      const newest = filler(`newest root ${lanes}`)
      const pending = lanes === 0 ? undefined : filler(`pending root ${lanes}`)
      const claims = [2n, 300n].slice(0, lanes).map((lane) => ({ lane, claim: lane ** 20n }))
      const [seat, version, time] = [lanes, BigInt(41 + lanes), 1_700_000_000n]
      const amounts = claims.map(({ lane, claim }) => join(uint(lane, 8), uint(claim, 32)))
      const content = tagged('appointment', newest, pending ?? new Uint8Array(32), ...amounts)
      const message = { channelId: hex(channelId), seat, version, content: hex(content) }
      const members = [
        { name: 'channelId', type: 'bytes32' },
        { name: 'seat', type: 'uint8' },
        { name: 'version', type: 'uint64' },
        { name: 'content', type: 'bytes32' },
      ] as const
      const order = hashTypedData({
        domain: domainOf(domain),
        primaryType: 'Appointment',
        types: { Appointment: members },
        message,
      })
      const receipt = hashTypedData({
        domain: domainOf(domain),
        primaryType: 'WatchReceipt',
        types: { WatchReceipt: [...members, { name: 'time', type: 'uint64' } as const] },
        message: { ...message, time },
      })
      return { domain, channelId, seat, version, newest, pending, claims, time, order, receipt }
    }),
  )

/** Vouchers whose chains start at known ends: the anchors come out of `walkBack`. */
async function vouchers() {
  const lane = 5n
  const tweak = laneTweak(channelId, lane)
  const shapes = [
    { epoch: 1, base: 0n, unit: 0n, digits: 0, radix: 0, length: 0 },
    { epoch: 2, base: 2n ** 256n - 1n, unit: 0n, digits: 0, radix: 0, length: 0 },
    { epoch: 3, base: 1_000n, unit: 96n, digits: 1, radix: 1, length: 1_024 },
    { epoch: 2 ** 32 - 1, base: 12n, unit: 2n ** 128n - 1n, digits: 4, radix: 4, length: 256 },
  ]
  const domain = domains[0] as Domain
  return Promise.all(
    shapes.map(async (shape) => {
      const anchors = Array.from({ length: shape.digits }, (_, digit) =>
        walkBack(
          { tweak, epoch: shape.epoch, digit },
          shape.length,
          shape.length,
          filler(`chain end ${digit}`),
        ),
      )
      const context = filler('price list')
      const voucher = { channelId, lane, ...shape, anchors, context }
      const anchorsHash = tagged('anchors', ...anchors)
      const typed = {
        domain: domainOf(domain),
        primaryType: 'Voucher',
        types: {
          Voucher: [
            { name: 'channelId', type: 'bytes32' },
            { name: 'lane', type: 'uint64' },
            { name: 'epoch', type: 'uint32' },
            { name: 'base', type: 'uint256' },
            { name: 'unit', type: 'uint128' },
            { name: 'digits', type: 'uint8' },
            { name: 'radix', type: 'uint16' },
            { name: 'length', type: 'uint16' },
            { name: 'anchors', type: 'bytes32' },
            { name: 'context', type: 'bytes32' },
          ],
        },
        message: {
          channelId: hex(channelId),
          lane,
          ...shape,
          anchors: hex(anchorsHash),
          context: hex(context),
        },
      } as const
      const signature = await session.signTypedData(typed)
      const encoded = join(
        unhex(
          encodePacked(
            [
              'bytes32',
              'uint64',
              'uint32',
              'uint256',
              'uint128',
              'uint8',
              'uint16',
              'uint16',
              'bytes32',
            ],
            [
              hex(channelId),
              lane,
              shape.epoch,
              shape.base,
              shape.unit,
              shape.digits,
              shape.radix,
              shape.length,
              hex(context),
            ],
          ),
        ),
        ...anchors,
        unhex(signature),
      )
      const digest = hashTypedData(typed)
      return { domain, voucher, anchorsHash, digest, signer: sessionKey, signature, encoded }
    }),
  )
}

function streams() {
  const domain = domains[0] as Domain
  const peers = { payer: '12D3KooWPayer', payee: '12D3KooWPayee' }
  const quotes = [
    {
      resource: 'film.mkv',
      price: { amount: 3n, per: 1_024n, unit: 'byte' },
      code: 0,
      asset: zeroAddress,
      quantum: 65_536n,
      size: 1_000_000n,
      sha256: filler('content'),
    },
    {
      resource: '',
      price: { amount: 5n, per: 1n, unit: 'second' },
      code: 1,
      asset: address('token'),
      quantum: 1_000n,
    },
    {
      resource: 'Wörter',
      price: { amount: 2n, per: 1n, unit: 'item' },
      code: 2,
      asset: zeroAddress,
      quantum: 1n,
    },
  ].map(({ code, ...quote }) => {
    const optional = (bytes: Uint8Array | undefined) =>
      bytes === undefined ? uint(0, 1) : join(uint(1, 1), bytes)
    const hash = tagged(
      'quote',
      uint(quote.price.amount, 32),
      uint(quote.price.per, 32),
      uint(code, 1),
      unhex(quote.asset),
      uint(quote.quantum, 8),
      optional(quote.size === undefined ? undefined : uint(quote.size, 8)),
      optional(quote.sha256),
      text(quote.resource),
    )
    return { ...quote, hash }
  })
  const quote = quotes[0]?.hash ?? zeroes
  const opening = { channelId, lane: 5n, ...peers, quote, nonce: filler('nonce') }
  const openingDigest = hashTypedData({
    domain: domainOf(domain),
    primaryType: 'StreamOpening',
    types: {
      StreamOpening: [
        { name: 'channelId', type: 'bytes32' },
        { name: 'lane', type: 'uint64' },
        { name: 'payer', type: 'bytes32' },
        { name: 'payee', type: 'bytes32' },
        { name: 'quote', type: 'bytes32' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    message: {
      channelId: hex(channelId),
      lane: 5n,
      payer: hex(tagged('peer', text(peers.payer))),
      payee: hex(tagged('peer', text(peers.payee))),
      quote: hex(quote),
      nonce: hex(opening.nonce),
    },
  })
  const reasons = [
    'complete',
    'consumer-stopped',
    'provider-stopped',
    'budget-exhausted',
    'provider-failed',
  ]
  const receipts = reasons.map((reason, code) => {
    const receipt = {
      channelId,
      lane: 5n,
      quote,
      purchase: filler('purchase'),
      offset: 999_999n,
      owed: 2_930n,
    }
    const digest = hashTypedData({
      domain: domainOf(domain),
      primaryType: 'Receipt',
      types: {
        Receipt: [
          { name: 'channelId', type: 'bytes32' },
          { name: 'lane', type: 'uint64' },
          { name: 'quote', type: 'bytes32' },
          { name: 'purchase', type: 'bytes32' },
          { name: 'offset', type: 'uint64' },
          { name: 'owed', type: 'uint256' },
          { name: 'reason', type: 'uint8' },
        ],
      },
      message: {
        ...receipt,
        channelId: hex(channelId),
        quote: hex(quote),
        purchase: hex(receipt.purchase),
        reason: code,
      },
    })
    return { domain, receipt: { ...receipt, reason }, digest }
  })
  return { quotes, openings: [{ domain, opening, digest: openingDigest }], receipts }
}

function trees() {
  const first = filler('key 0')
  const near = first.with(2, (first[2] ?? 0) ^ 1)
  const keys = [...Array.from({ length: 9 }, (_, i) => filler(`key ${i}`)), near]
  const all = keys.map((key, i): Entry => [key, i === 4 ? zeroes : filler(`value ${i}`)])
  return [[], all.slice(0, 1), all.filter(([key]) => key === first || key === near), all].map(
    (chosen) => {
      const asked = [...chosen.map(([key]) => key), filler('absent one'), filler('absent two')]
      const proofs = asked.map((key) => {
        const { siblings, leaf } = treeProof(chosen, key)
        const value = chosen.find(([each]) => hex(each) === hex(key))?.[1]
        const present = value !== undefined && hex(value) !== hex(zeroes)
        return {
          key,
          siblings,
          leaf: leaf === undefined ? null : { key: leaf[0], value: leaf[1] },
          value: present ? value : null,
        }
      })
      const multiProofs = [[], asked.slice(0, 2), asked].map((keys) => {
        const { ends, siblings } = treeMultiProof(chosen, keys)
        const plainEnds = ends.map(({ depth, leaf }) => ({
          depth,
          leaf: leaf === undefined ? null : { key: leaf[0], value: leaf[1] },
        }))
        return { keys, ends: plainEnds, siblings }
      })
      return {
        entries: chosen.map(([key, value]) => ({ key, value })),
        root: treeRoot(chosen),
        proofs,
        multiProofs,
      }
    },
  )
}

const chains = () =>
  [
    { lane: 0n, epoch: 1, digit: 0, length: 1 },
    { lane: 5n, epoch: 3, digit: 0, length: 1_024 },
    { lane: 2n ** 64n - 1n, epoch: 2 ** 32 - 1, digit: 3, length: 256 },
  ].map(({ lane, epoch, digit, length }) => {
    const tweak = laneTweak(channelId, lane)
    const end = filler(`chain ${lane}`)
    const indices = [...new Set([0, 1, length >> 1, length - 1, length])]
    const nodes = indices.map((index) => ({
      index,
      node: walkBack({ tweak, epoch, digit }, length, length - index, end),
    }))
    return { channelId, lane, tweak, epoch, digit, length, nodes }
  })

function ticks() {
  const frames = [
    { handle: 1, epoch: 1, entries: [{ digit: 0, index: 1, node: filler('node') }] },
    {
      handle: 2 ** 32 - 1,
      epoch: 2 ** 32 - 1,
      entries: [0, 2, 3].map((digit) => ({
        digit,
        index: digit * 85 + 1,
        node: filler(`node ${digit}`),
      })),
    },
  ].map((frame) => {
    const mask = frame.entries.reduce((bits, { digit }) => bits | (1 << digit), 0)
    const body = frame.entries.flatMap(({ index, node }) => [uint(index, 2), node])
    const encoded = join(uint(frame.handle, 4), uint(frame.epoch, 4), uint(mask, 1), ...body)
    return { ...frame, encoded }
  })
  return frames
}

/** Every vector, by the name of its file. */
export const vectors = async () => ({
  channel: channels(),
  state: states(),
  challenge: challenges(),
  appointment: appointments(),
  voucher: await vouchers(),
  stream: streams(),
  tree: trees(),
  chain: chains(),
  tick: ticks(),
  claim: claims(),
})

/** The text of each file. */
export const files = async (): Promise<Map<string, string>> =>
  new Map(
    Object.entries(await vectors()).map(([name, content]) => [
      `${name}.json`,
      `${JSON.stringify(plain(content), undefined, 1)}\n`,
    ]),
  )

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  for (const [name, content] of await files())
    writeFileSync(new URL(name, import.meta.url), content)
