/** The production layer of a simulated world, on its time, and what can be seen of it from outside of the world. */
import { type Address, type Hex, toBigInt } from '../core/bytes.js'
import type { Engine } from '../crypto/engine.js'
import type { LedgerChannel, LedgerEvent, LedgerLane, Store, Write } from '../engine/ports.js'
import * as Escrow from '../ledger/embedded/escrow.js'
import * as Layer from '../ledger/embedded/layer.js'
import * as Records from '../ledger/embedded/records.js'
import * as Memory from '../store/memory.js'
import * as Chance from './chance.js'
import { Time } from './time.js'

/** Per asset: what was minted, what accounts have, and what lies in channels. */
export type Books = ReadonlyMap<
  Address,
  { readonly minted: bigint; readonly accounts: bigint; readonly held: bigint }
>

export type Seen = {
  readonly id: Hex
  readonly escrow: Escrow.Escrow
  readonly view: LedgerChannel
}

/** The layer's own records. */
export type View = {
  /** Its clock, Unix seconds. */
  readonly time: () => bigint
  /** What a challenge puts at stake. */
  readonly bond: bigint
  readonly books: () => Books
  readonly channels: () => readonly Seen[]
  readonly channel: (id: Hex) => Seen | undefined
  readonly lane: (id: Hex, lane: bigint) => LedgerLane
  readonly balance: (account: Address, asset: Address) => bigint
}

export type Ground = {
  readonly time: Time
  readonly layer: Layer.Layer
  readonly view: View
  readonly hooks: {
    /** Milliseconds by which its clock runs ahead. */
    skewMs: () => number
    /** It has made something durable, and let this happen. */
    onCommit: (events: readonly LedgerEvent[]) => void
  }
}

export async function create({
  seed,
  crypto,
}: {
  readonly seed: string
  readonly crypto: Engine
}): Promise<Ground> {
  const time = new Time()
  const hooks: Ground['hooks'] = { skewMs: () => 0, onCommit: () => undefined }
  const memory = Memory.open()
  const chance = Chance.from(`layer ${seed}`)
  const clock = (): number => time.nowMs + hooks.skewMs()
  const ledger: Ledgers = { escrows: new Map(), balances: new Map() }
  const store: Store = {
    ...memory,
    commit: async (writes) => {
      await memory.commit(writes)
      // Time passes often, and moves no money.
      if (writes.every(({ key }) => key === Records.timeKey)) return
      note(ledger, writes)
      const sequences = writes.flatMap(({ key }) => Records.sequenceOf(key) ?? [])
      hooks.onCommit(sequences.map((sequence) => Records.readEvent(memory.get, sequence)))
    },
  }
  const layer = await Layer.open({
    store,
    recover: crypto.secp256k1.recover,
    random: (size) => chance.bytes(size),
    clock,
    sleep: time.sleep,
  })
  return { time, layer, view: viewOf(memory, ledger, clock, layer.rules.challengeBond), hooks }
}

/** The records that are asked for again and again, read once each time they are written. */
type Ledgers = {
  readonly escrows: Map<Hex, Escrow.Escrow>
  /** By account and asset, as their key has them. */
  readonly balances: Map<string, bigint>
}

function note({ escrows, balances }: Ledgers, writes: readonly Write[]): void {
  for (const { key, value = new Uint8Array() } of writes) {
    if (key.startsWith(Records.channelPrefix))
      escrows.set(Records.lastPart(key), Records.readEscrow(value))
    if (key.startsWith(Records.balancePrefix)) balances.set(key, toBigInt(value))
  }
}

function viewOf(
  memory: Store,
  { escrows, balances }: Ledgers,
  clock: () => number,
  bond: bigint,
): View {
  const records = Records.over(memory.get)
  const time = (): bigint => BigInt(Math.floor(clock() / 1000))
  const see = (id: Hex, escrow: Escrow.Escrow): Seen => ({
    id,
    escrow,
    view: Escrow.view(escrow, time()),
  })
  const channels = (): Seen[] => [...escrows].map(([id, escrow]) => see(id, escrow))
  return {
    time,
    bond,
    channels,
    channel(id) {
      const escrow = escrows.get(id)
      return escrow && see(id, escrow)
    },
    lane: records.lane,
    balance: records.balance,
    books() {
      const books = new Map<Address, { minted: bigint; accounts: bigint; held: bigint }>()
      const book = (asset: Address) => {
        const { minted } = records.supply(asset)
        const known = books.get(asset) ?? { minted, accounts: 0n, held: 0n }
        books.set(asset, known)
        return known
      }
      for (const [key, amount] of balances) book(Records.lastPart(key)).accounts += amount
      for (const escrow of escrows.values())
        for (const [asset, amount] of Escrow.money(escrow)) book(asset).held += amount
      return books
    },
  }
}
