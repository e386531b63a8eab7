/**
 * The one place that wires adapters to the engine: a node on a home directory, libp2p and an execution layer;
 * and the embedded layer itself. Everything above asks here; nothing below knows who implements its ports.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout as after, setImmediate as turn } from 'node:timers/promises'
import type { Libp2p } from '@libp2p/interface'
import * as Amount from './core/amount.js'
import { type Address, equals, zeroAddress } from './core/bytes.js'
import type { Channel } from './core/channel.js'
import * as Claim from './core/claim.js'
import * as Codec from './core/codec.js'
import { SluiceError } from './core/errors.js'
import type { Lane } from './core/lane.js'
import * as Meter from './core/meter.js'
import type { Engine } from './crypto/engine.js'
import { loadEngine } from './crypto/load.js'
import { createVerifier } from './crypto/pool.js'
import type { TowerLimits } from './engine/appointments.js'
import type { Offer } from './engine/channels.js'
import { closeAll } from './engine/close-all.js'
import { Node, type NodePorts } from './engine/node.js'
import type { Clock, Ledger, Network, Sleep, Store } from './engine/ports.js'
import * as Records from './engine/records.js'
import { Tower, type TowerPorts } from './engine/tower.js'
import * as Wire from './engine/wire.js'
import { local, type Transport } from './ledger/embedded/api.js'
import { connect, type EmbeddedLedger } from './ledger/embedded/client.js'
import { http } from './ledger/embedded/http.js'
import * as Layer from './ledger/embedded/layer.js'
import { serve } from './ledger/embedded/server.js'
import { isLayerAddress, parseLayerAddress, parseUrls } from './ledger/evm/address.js'
import * as Evm from './ledger/evm/client.js'
import { deployAdjudicator, type Terms } from './ledger/evm/deploy.js'
import * as Play from './ledger/evm/play.js'
import { peerFrom } from './net/identity.js'
import { createNetwork, fromLibp2p } from './net/libp2p.js'
import * as Home from './store/home.js'
import * as Journal from './store/journal.js'
import * as Lmdb from './store/lmdb.js'
import * as Memory from './store/memory.js'

export type CreateNodeOptions = {
  /** Directory of the node's keys, store and remembered ports; made if it is not there. */
  readonly home: string
  /** The execution layer: the URL of a served one, `evm:URL#0xADJUDICATOR`, or one in this process. */
  readonly ledger: string | EmbeddedLayer
  /** What channels hold: a token's address; the native coin where left out. */
  readonly asset?: Address | undefined
  /**
   * About what redeeming a lane of that asset costs, in its base units: lanes that are not worth a few of it are refused,
   * and smaller gains left. The layer's own estimate where left out, which for tokens is 0.
   */
  readonly redeemFee?: bigint
  /** The account's key where it is not the home's own. */
  readonly accountKey?: Uint8Array | undefined
  /** Multiaddrs to listen on; none to buy only. Port 0 takes the port of the last time, or a free one. */
  readonly listen?: readonly string[]
  /** Your own libp2p node, started: its connections are upgraded, and it stays yours. */
  readonly libp2p?: Libp2p
  /** The most that all peers together may owe us, in base units. */
  readonly exposureMax?: bigint
  /**
   * Which channels of peers are welcome, for instance those that we are to fund; by default the ones in which
   * we deposit nothing, in our asset.
   */
  readonly accept?: (offer: Offer) => boolean | Promise<boolean>
  /** Multiaddr of a watchtower, with its /p2p part: nothing is signed before it has been consulted. */
  readonly tower?: string
  /** Seconds of each challenge window of channels that we propose. */
  readonly challengePeriod?: bigint
}

/**
 * A node that is started: it answers peers, follows the layer and takes up what it left unfinished.
 * @throws HomeError, StoreError, LedgerError, NetworkError, SluiceError `WRONG_LEDGER`
 */
export async function createNode(options: CreateNodeOptions): Promise<Node> {
  return open(options, async (ports) => {
    const { tower, exposureMax, challengePeriod, accept, asset, redeemFee } = options
    const rules = { exposureMax, tower, challengePeriod, accept, asset, redeemFee }
    const node = new Node({ ...ports, ...rules })
    await node.start()
    return node
  })
}

export type CreateTowerOptions = Pick<
  CreateNodeOptions,
  'home' | 'ledger' | 'accountKey' | 'listen' | 'libp2p'
> & {
  readonly limits?: Partial<TowerLimits>
}

/**
 * A watchtower that is started: it takes appointments, and acts for its clients on the layer. Its account pays
 * what that costs. @throws as `createNode`
 */
export async function createTower(options: CreateTowerOptions): Promise<Tower> {
  return open(options, async ({ keys, ...ports }) => {
    const tower = new Tower({ ...ports, signing: keys.signing, limits: options.limits })
    await tower.start()
    return tower
  })
}

type HomePorts = Omit<TowerPorts, 'signing'> & Pick<NodePorts, 'keys' | 'random' | 'verifier'>

/** Whatever lives on a home, over libp2p and a layer; all is closed again when `start` fails. */
async function open<T>(
  options: Pick<CreateNodeOptions, 'home' | 'ledger' | 'accountKey' | 'listen' | 'libp2p'>,
  start: (ports: HomePorts) => Promise<T>,
): Promise<T> {
  const home = await Home.open(options.home)
  const undo: (() => Promise<void>)[] = [() => home.close()]
  try {
    const crypto = await loadEngine()
    const { accountKey = home.keys.account } = options
    const ledger = await connectLedger(options.ledger, accountKey, crypto)
    const lmdb = Lmdb.open(home.storePath)
    undo.unshift(() => lmdb.close())
    const journal = await Journal.open(lmdb, home.journalPath)
    undo[0] = () => journal.close()
    await checkDomain(journal, ledger)
    const network = await openNetwork(options, home)
    undo.unshift(() => network.close())
    const verifier = createVerifier({ secp256k1: crypto.secp256k1 })
    undo.unshift(() => verifier.close())
    const store = {
      ...journal,
      close: () => closeAll([verifier.close, journal.close, home.close]),
    }
    const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size))
    return await start({ network, store, ledger, crypto, verifier, random, sleep, keys: home.keys })
  } catch (error) {
    await closeAll(undo).catch(() => undefined)
    throw error
  }
}

async function openNetwork(
  options: Pick<CreateNodeOptions, 'listen' | 'libp2p'>,
  home: Home.Home,
): Promise<Network> {
  if (options.libp2p !== undefined) return fromLibp2p(options.libp2p)
  const port = home.port('libp2p')
  const listen = (options.listen ?? []).map((address) =>
    port === undefined ? address : address.replace(/\/tcp\/0$/, `/tcp/${port}`),
  )
  const network = await createNetwork({ privateKey: home.keys.peer, listen })
  const bound = /\/tcp\/(\d+)/.exec(network.addresses()[0] ?? '')?.[1]
  if (bound !== undefined && Number(bound) !== port) home.rememberPort('libp2p', Number(bound))
  return network
}

/** Who a home is: addresses and ids for anyone; the account's key for signing transactions, never to be shown. */
export type Identity = {
  readonly home: string
  readonly account: Address
  readonly signer: Address
  readonly session: Address
  readonly peer: string
  readonly accountKey: Uint8Array
}

/**
 * The identity of a home, made if it is not there; a node may be running on it. The account may have another key
 * than the home's own. @throws HomeError
 */
export async function openIdentity(directory: string, key?: Uint8Array): Promise<Identity> {
  const { publicAddress } = (await loadEngine()).secp256k1
  const { directory: home, keys } = await Home.ensure(directory)
  const accountKey = key ?? keys.account
  return {
    home,
    account: publicAddress(accountKey),
    signer: publicAddress(keys.signing),
    session: publicAddress(keys.session),
    peer: await peerFrom(keys.peer),
    accountKey,
  }
}

/** A channel of a home, with our end of each of its lanes. */
export type ChannelView = {
  readonly channel: Channel
  readonly lanes: readonly {
    readonly lane: Lane
    readonly role: 'payer' | 'payee'
    readonly claim: bigint
    readonly owed: bigint
    /** As payee: what we lose if the payer never comes back. */
    readonly exposure: bigint
    /** As payee: what our watchtower does not know yet; undefined where we never had one. */
    readonly unpushed: bigint | undefined
  }[]
}

/** The channels of a home as its disk has them; a node may be running on it. @throws StoreError */
export function readChannels(directory: string): ChannelView[] {
  if (!existsSync(directory)) return []
  const { storePath, journalPath } = Home.inspect(directory)
  if (!existsSync(storePath)) return []
  const store = Journal.view(Lmdb.open(storePath, { readOnly: true }), journalPath)
  try {
    return [...store.entries(Records.channelPrefix)].map(([, bytes]) => {
      const channel = Wire.decode(Records.channel, bytes)
      const { complete, seat } = channel
      const ours = (complete?.body.lanes ?? []).filter(
        ({ payer, payee }) => payer === seat || payee === seat,
      )
      const lanes = ours.map((lane) => ({
        lane,
        role: lane.payer === seat ? ('payer' as const) : ('payee' as const),
        ...laneAmounts(store, channel, lane),
      }))
      return { channel, lanes }
    })
  } finally {
    void store.close()
  }
}

function laneAmounts(
  store: Store,
  channel: Channel,
  lane: Lane,
): { claim: bigint; owed: bigint; exposure: bigint; unpushed: bigint | undefined } {
  const record = Records.read(store, Records.laneKey(channel.id, lane.id), Records.lane)
  const { claim, meter } = record ?? { claim: undefined, meter: Meter.empty }
  const amount = Claim.amount(claim)
  const receipt = Records.read(store, Records.watchKey(channel.id), Records.watch)
  return {
    claim: amount,
    owed: Meter.owed(meter),
    exposure: Meter.exposure(meter, amount),
    unpushed: receipt && Amount.larger(0n, amount - Records.covered(receipt, channel, lane)),
  }
}

const chain = Codec.record({ chainId: Codec.amount })
const chainKey = 'ledger/chain'
const adjudicatorKey = 'ledger/adjudicator'

/** A home belongs to the layer its channels are on: a signature for another one would be worthless there. */
async function checkDomain(store: Store, { domain }: Ledger): Promise<void> {
  const known = store.get(chainKey)
  const { chainId, adjudicator } = domain
  const address = new TextEncoder().encode(adjudicator)
  if (known === undefined)
    return store.commit([
      { key: chainKey, value: Wire.encode(chain, { chainId }) },
      { key: adjudicatorKey, value: address },
    ])
  // Homes of an earlier version have no address; an embedded layer's follows from its chain id.
  if (
    Wire.decode(chain, known).chainId !== chainId ||
    !equals(store.get(adjudicatorKey) ?? address, address)
  )
    throw new SluiceError(
      'WRONG_LEDGER',
      'This home belongs to another ledger than the one given. Give its own --ledger, or another --home.',
    )
}

/** An embedded execution layer, open in this process. */
export type EmbeddedLayer = {
  readonly layer: Layer.Layer
  /** Where other processes reach it; undefined unless `port` was given. */
  readonly url: string | undefined
  /** Mints play money. @throws LedgerError `FAUCET_LIMIT` */
  faucet(account: Address, amount: bigint): Promise<void>
  /** What an account holds; of the play asset unless told. */
  balance(account: Address, asset?: Address): Promise<bigint>
  close(): Promise<void>
}

export type CreateLedgerOptions = {
  /** Directory of the layer; without one it is gone with the process. */
  readonly home?: string
  /** Serves it on this port: 0 takes the port of the last time, or a free one. */
  readonly port?: number
  readonly host?: string
  /** Seconds; the least that channels may agree on. For a layer that is created now; one that exists keeps its own. */
  readonly minChallengePeriod?: bigint
  /** Milliseconds; the machine's own unless told. */
  readonly clock?: Clock
}

/** Opens an embedded execution layer. @throws HomeError, StoreError, LedgerError */
export async function createLedger(options: CreateLedgerOptions = {}): Promise<EmbeddedLayer> {
  const { port, host, minChallengePeriod, clock } = options
  const home = options.home === undefined ? undefined : await Home.open(options.home)
  const undo: (() => Promise<void>)[] = home === undefined ? [] : [() => home.close()]
  try {
    const store = home === undefined ? Memory.open() : Lmdb.open(home.storePath)
    undo.unshift(() => store.close())
    const { secp256k1 } = await loadEngine()
    const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size))
    const layer = await Layer.open({
      store,
      recover: secp256k1.recover,
      random,
      ...(clock === undefined ? {} : { clock }),
      ...(minChallengePeriod === undefined ? {} : { minChallengePeriod }),
    })
    undo.unshift(() => layer.close())
    const remembered = port === 0 ? (home?.port('ledger') ?? 0) : port
    const served =
      remembered === undefined
        ? undefined
        : await serve(layer, { port: remembered, ...(host === undefined ? {} : { host }) })
    if (served !== undefined) {
      undo.unshift(() => served.close())
      home?.rememberPort('ledger', served.port)
    }
    const { faucet, balance } = await viewOf(local(layer), random(32), secp256k1)
    return {
      layer,
      url: served?.url,
      faucet,
      balance: (account, asset = zeroAddress) => balance(account, asset),
      close: () => closeAll(undo),
    }
  } catch (error) {
    await closeAll(undo).catch(() => undefined)
    throw error
  }
}

/** A layer, and its play money where it has any. */
export type ConnectedLedger = Ledger & {
  /** Most the faucet gives at once. */
  readonly faucetMax: bigint
  /** Gives `amount` of an asset, the native coin unless told. @throws LedgerError `FAUCET_LIMIT`, `NO_FAUCET` */
  faucet(account: Address, amount: bigint, asset?: Address): Promise<void>
}

/** An execution layer as the account of `key` sees it. @throws LedgerError */
export async function connectLedger(
  ledger: string | EmbeddedLayer,
  key: Uint8Array,
  engine?: Engine,
): Promise<ConnectedLedger> {
  const { secp256k1 } = engine ?? (await loadEngine())
  if (typeof ledger !== 'string') return viewOf(local(ledger.layer), key, secp256k1)
  if (!isLayerAddress(ledger)) return viewOf(http(ledger), key, secp256k1)
  const { urls, adjudicator } = parseLayerAddress(ledger)
  const options = { ...accountOf(key, secp256k1), urls }
  const layer = await Evm.connect(adjudicator, options)
  return {
    ...layer,
    faucetMax: Amount.max,
    faucet: async (to, amount, asset = zeroAddress) =>
      Play.faucet(await Evm.openChain(options), layer.account, to, asset, amount),
  }
}

const accountOf = (key: Uint8Array, { publicAddress, sign }: Engine['secp256k1']): Evm.Account => ({
  account: publicAddress(key),
  sign: (digest) => sign(digest, key),
})

/** Deploys an adjudicator through these RPC endpoints, and returns its address as `--ledger` takes it. */
export async function deployLedger(
  rpc: string,
  key: Uint8Array,
  terms: Terms,
): Promise<{ readonly url: string; readonly chainId: bigint; readonly adjudicator: Address }> {
  const { secp256k1 } = await loadEngine()
  const { sender, chainId } = await Evm.openChain({
    ...accountOf(key, secp256k1),
    urls: parseUrls(rpc),
  })
  const adjudicator = await deployAdjudicator(sender, terms)
  return { url: `evm:${rpc}#${adjudicator}`, chainId, adjudicator }
}

/** An EVM chain of play money in a process of its own, kept in `home`. @throws HomeError, LedgerError */
export async function createPlayLedger(
  home: string,
  options: Pick<Play.Options, 'port' | 'minChallengePeriod'> = {},
): Promise<Play.PlayLedger> {
  const { secp256k1 } = await loadEngine()
  const { directory, keys } = await Home.ensure(home)
  const deployer = accountOf(keys.account, secp256k1)
  return Play.openPlayLedger({ ...options, deployer, directory })
}

const viewOf = (
  transport: Transport,
  key: Uint8Array,
  secp256k1: Engine['secp256k1'],
): Promise<EmbeddedLedger> => connect(transport, accountOf(key, secp256k1))

const sleep: Sleep = (ms, signal) => {
  const options = signal === undefined ? {} : { signal }
  const over = ms === 0 ? turn(undefined, options) : after(ms, undefined, options)
  return over.catch(() => undefined)
}

export { parseAsset } from './ledger/evm/address.js'
export { checkListen, parseTarget as checkAddress } from './net/address.js'
export { readKeystore } from './store/keystore.js'
export { loadEngine }
