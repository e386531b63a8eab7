/** A bench's payee: sells items over many channels at once, and folds each channel after every item. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Hex } from '../../src/core/bytes.js'
import * as Message from '../../src/core/message.js'
import type { Update } from '../../src/core/update.js'
import { noble } from '../../src/crypto/noble.js'
import * as Records from '../../src/engine/records.js'
import * as Wire from '../../src/engine/wire.js'
import { type Channel, createNode, type Node, parsePrice } from '../../src/index.js'
import { createNetwork } from '../../src/net/libp2p.js'
import { loadEngine } from '../../src/sluice.js'
import * as Journal from '../../src/store/journal.js'
import * as Lmdb from '../../src/store/lmdb.js'
import { begin, floorProtocol, type Sizes } from '../floor.js'
import { answer } from './child.js'

export type Measured = {
  readonly seconds: number
  /** Milliseconds of processor time that this process took, all of its threads. */
  readonly cpu: number
  /** Milliseconds of each update. */
  readonly latencies: readonly number[]
}

/** So many updates, spread over so many channels. */
export type Load = { readonly channels: number; readonly updates: number }

type Item = { readonly data: Uint8Array; readonly position: bigint }

let node: Node
let update: (channel: number) => Promise<void>
let home: string
/** Has the next item of a channel sold; resolves once it is durably paid. */
const sellers = new Map<Hex, () => Promise<void>>()
let channels: readonly Hex[] = []

answer({
  async start(options: { home: string; ledger: string }) {
    home = options.home
    node = await createNode({ ...options, listen: ['/ip4/127.0.0.1/tcp/0'] })
    return node.addresses[0] ?? ''
  },

  /** Offers items to be paid for over each of these channels, under the channel's id. */
  async offer(ids: readonly Hex[]) {
    channels = ids
    const paid = new Map<Hex, () => void>()
    node.events.on('payment', ({ channelId }) => paid.get(channelId)?.())
    for (const id of ids) {
      const { sell, items } = shop()
      node.serve(id, { price: parsePrice('1/item'), open: items })
      sellers.set(id, async () => {
        const done = new Promise<void>((resolve) => paid.set(id, resolve))
        sell()
        await done
      })
    }
  },

  /** The sizes of what an update says and writes. */
  async sizes() {
    const channel = node.channel(channels[0] ?? '0x')
    if (channel === undefined) throw new Error('There is no channel.')
    return sizesOf(channel)
  },

  /** Listens for nobody: dials the payer's floor. */
  async floor({ address, sizes, library }: { address: string; sizes: Sizes; library: string }) {
    const { secp256k1 } = library === 'noble' ? noble : await loadEngine()
    const network = await createNetwork({ privateKey: randomBytes(32) })
    const connection = await network.connect(address)
    const stream = await connection.open(floorProtocol)
    const place = join(home, `floor-${library}`)
    const store = await Journal.open(Lmdb.open(`${place}.mdb`), `${place}.journal`)
    update = begin({ stream, store, secp256k1, sizes })
  },

  ours: (load: Load) =>
    measure(load, async (channel) => {
      const id = channels[channel] ?? '0x'
      await sellers.get(id)?.()
      const begin = performance.now()
      await node.fold(id)
      return performance.now() - begin
    }),

  theirs: (load: Load) =>
    measure(load, async (channel) => {
      const begin = performance.now()
      await update(channel)
      return performance.now() - begin
    }),

  versions: async () =>
    channels.reduce((sum, id) => sum + Number(node.channel(id)?.complete?.version ?? 0n), 0),
})

/** Every channel makes one update after the other, all at once. */
async function measure(
  { channels, updates }: Load,
  once: (channel: number) => Promise<number>,
): Promise<Measured> {
  const latencies: number[] = []
  const begin = performance.now()
  const cpu = process.cpuUsage()
  const run = async (_: unknown, channel: number): Promise<void> => {
    for (let left = Math.floor(updates / channels); left > 0; left--)
      latencies.push(await once(channel))
  }
  await Promise.all(Array.from({ length: channels }, run))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - begin) / 1_000
  return { seconds, cpu: (user + system) / 1_000, latencies }
}

/** A source of items that yields the next one when told to. */
function shop(): { readonly sell: () => void; readonly items: () => AsyncGenerator<Item> } {
  let [wanted, wake] = [0, (): void => undefined]
  async function* items(): AsyncGenerator<Item> {
    for (let position = 1n; ; position++) {
      while (wanted === 0) await new Promise<void>((resolve) => (wake = resolve))
      wanted -= 1
      yield { data: Uint8Array.of(1), position }
    }
  }
  const sell = (): void => {
    wanted += 1
    wake()
  }
  return { sell, items }
}

function sizesOf(channel: Channel): Sizes {
  const { id: channelId, complete } = channel
  if (complete === undefined) throw new Error('The channel is not open.')
  const updates: Update[] = [{ type: 'fold', lane: 0n, claim: 1n }]
  const { version, signatures } = complete
  const draft = { channelId, version, attempt: 1, seal: new Uint8Array(32), updates }
  const bytes = (message: Message.Message): number => Wire.encode(Message.message, message).length
  return {
    propose: bytes({ type: 'propose', ...draft, latest: complete, signature: undefined }),
    agree: bytes({ type: 'agree', ...draft, signature: signatures[0] }),
    complete: bytes({ type: 'complete', channelId, version, signatures }),
    record: Wire.encode(Records.channel, channel).length,
  }
}
