import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Amount from '../../src/core/amount.js'
import { type Hex, toHex } from '../../src/core/bytes.js'
import { limits } from '../../src/core/limits.js'
import * as Meter from '../../src/core/meter.js'
import * as Price from '../../src/core/price.js'
import { filler } from '../vectors/reference.js'

const idOf = (name: number | string): Hex => toHex(filler(`purchase ${name}`))
const a = idOf('a')
const b = idOf('b')

/** 10 for each of its 100-byte quanta. */
const start = (id: Hex) => ({
  id,
  quote: idOf('quote'),
  price: Price.parse('1/10B'),
  quantum: 100n,
})

const open = (meter: Meter.Meter, id = a, offset = 0n): Meter.Meter =>
  Meter.open(meter, start(id), offset)

const wide = { capacity: 10n ** 9n, peerExposure: 0n, ownerAllows: undefined }

/** Grants all there is to one purchase. */
const grantAll = (
  meter: Meter.Meter,
  accepted: bigint,
  { id = a, sharers = 1, ...bounds }: { id?: Hex; sharers?: number } & Partial<Meter.Bounds> = {},
): Meter.Meter =>
  Meter.grant(meter, id, Meter.grantable(meter, id, { ...wide, ...bounds, accepted }, sharers))

const granted = (meter: Meter.Meter, id = a): bigint | undefined => Meter.find(meter, id)?.granted
const code = (code: string) => expect.objectContaining({ code })

describe('the credit window', () => {
  it('is one quantum at first, grows by what is paid, and ends at 64', () => {
    const windows = [0n, 9n, 10n, 25n, 629n, 630n, 10n ** 12n].map((paid) =>
      Meter.credit(10n, paid),
    )
    expect(windows).toEqual([10n, 10n, 20n, 30n, 630n, 640n, 640n])
  })

  it('is what a purchase is granted', () => {
    let meter = grantAll(open(Meter.empty), 0n)
    expect(granted(meter)).toBe(100n)
    expect(granted(grantAll(meter, 0n))).toBe(100n)
    expect(granted(Meter.grant(meter, a, 99n))).toBe(100n)
    meter = Meter.acknowledge(meter, a, 100n)
    expect(granted(grantAll(meter, 0n))).toBe(100n)
    expect(granted(grantAll(meter, 10n))).toBe(300n)
  })

  it('is used up by what was sent and not acknowledged', () => {
    const meter = grantAll(open(grantAll(open(Meter.empty), 0n), b), 0n, { id: b })
    expect(granted(meter, b)).toBe(0n)
    expect(Meter.exposure(meter, 0n)).toBe(10n)
    expect(Meter.owed(meter)).toBe(0n)
  })

  it('is shared, a whole quantum to each where there is one', () => {
    let meter = open(open(Meter.empty, a), b)
    meter = grantAll(meter, 30n, { id: a, sharers: 2 })
    expect(granted(meter, a)).toBe(350n)
    meter = grantAll(meter, 30n, { id: b, sharers: 1 })
    expect(granted(meter, b)).toBe(350n)
    const small = grantAll(open(open(Meter.empty, a), b), 0n, { id: a, sharers: 2 })
    expect(granted(small, a)).toBe(100n)
  })

  it('of a lane is measured by the dearest quantum that shares it', () => {
    expect(granted(grantAll(open(Meter.empty), 0n, { quantumPrice: 25n }))).toBe(250n)
    expect(granted(grantAll(open(Meter.empty), 0n, { quantumPrice: 1n }))).toBe(100n)
  })

  it('ends at what the lane, the peer and the owner bear', () => {
    const meter = open(Meter.empty)
    expect(granted(grantAll(meter, 100n, { capacity: 104n }))).toBe(1_040n)
    expect(granted(grantAll(meter, 100n, { peerExposure: 2_555n }))).toBe(1_050n)
    expect(granted(grantAll(meter, 100n, { peerExposure: 9_999n }))).toBe(1_000n)
    expect(granted(grantAll(meter, 100n, { ownerAllows: 3n }))).toBe(1_030n)
    expect(granted(grantAll(meter, 0n, { ownerAllows: -5n }))).toBe(0n)
  })
})

it('what rounding up has paid for is granted, though nothing else can be', () => {
  const meter = Meter.acknowledge(Meter.grant(open(Meter.empty), a, 1n), a, 1n)
  expect(granted(grantAll(meter, 1n, { capacity: 1n }))).toBe(10n)
  expect(granted(grantAll(meter, 0n, { capacity: 0n }))).toBe(10n)
})

describe('what is owed', () => {
  it('is rounded up once a purchase', () => {
    let meter = open(open(Meter.empty, a), b)
    meter = Meter.grant(Meter.grant(meter, a, 100n), b, 100n)
    meter = Meter.acknowledge(Meter.acknowledge(meter, a, 11n), a, 12n)
    meter = Meter.acknowledge(meter, b, 1n)
    expect(Meter.owed(meter)).toBe(3n)
  })

  it('never falls, whatever is acknowledged again', () => {
    const meter = Meter.acknowledge(Meter.grant(open(Meter.empty), a, 100n), a, 50n)
    expect(Meter.acknowledge(meter, a, 20n)).toBe(meter)
  })

  it('is due for a purchase with every finished one', () => {
    let meter = Meter.grant(open(Meter.empty), a, 100n)
    meter = Meter.finish(Meter.acknowledge(meter, a, 100n), a)
    meter = Meter.acknowledge(Meter.grant(open(meter, b), b, 100n), b, 50n)
    meter = Meter.acknowledge(Meter.grant(open(meter, idOf('c')), idOf('c'), 100n), idOf('c'), 9n)
    expect(Meter.due(meter, b)).toBe(15n)
    expect(Meter.owed(meter)).toBe(16n)
  })

  it('counts nothing that was never sent', () => {
    const meter = Meter.grant(open(Meter.empty), a, 100n)
    expect(() => Meter.acknowledge(meter, a, 101n)).toThrow(code('OFFSET_BEYOND_CREDIT'))
    expect(() => Meter.acknowledge(meter, b, 0n)).toThrow(code('OFFSET_BEYOND_CREDIT'))
  })
})

describe('a lane', () => {
  it('is beyond its means only when what others did not acknowledge would not help', () => {
    let meter = Meter.grant(Meter.grant(open(open(Meter.empty, a), b), a, 500n), b, 500n)
    meter = Meter.acknowledge(meter, b, 200n)
    expect(Meter.isBeyond(meter, a, 300n, 50n)).toBe(false)
    expect(Meter.isBeyond(meter, a, 301n, 50n)).toBe(true)
    expect(Meter.isBeyond(meter, idOf('c'), 0n, 50n)).toBe(true)
  })
})

describe('credit that never comes', () => {
  const meter = open(Meter.empty)
  const refused = (offset: bigint, bounds: Partial<Meter.Bounds>): boolean =>
    Meter.isRefused(meter, a, { from: 0n, offset }, { ...wide, ...bounds, accepted: 0n })

  it('is what a peer waits for that left all it may unpaid for good', () => {
    const most = Meter.window.peer * 10n
    expect(refused(100n, { peerExposure: most, writtenOff: most - 10n })).toBe(false)
    expect(refused(100n, { peerExposure: most, writtenOff: most - 9n })).toBe(true)
    expect(refused(1n, { peerExposure: 2n * most, writtenOff: 2n * most })).toBe(true)
  })

  it('is a piece that costs more than the owner ever allows, not one that others hold up', () => {
    expect(refused(100n, { ownerAllows: 0n, ownerMax: 10n })).toBe(false)
    expect(refused(100n, { ownerAllows: 0n, ownerMax: 9n })).toBe(true)
  })
})

describe('a purchase', () => {
  const begun = Meter.acknowledge(Meter.grant(open(Meter.empty), a, 100n), a, 60n)

  it('begins at 0, and goes on where it was acknowledged or after', () => {
    expect(() => open(Meter.empty, a, 1n)).toThrow(code('OFFSET_BEYOND_CREDIT'))
    expect(() => open(begun, a, 59n)).toThrow(code('OFFSET_PAID'))
    expect(() => open(begun, a, 101n)).toThrow(code('OFFSET_BEYOND_CREDIT'))
    expect(Meter.find(open(begun, a, 60n), a)).toMatchObject({ acknowledged: 60n, restarts: 1 })
    expect(Meter.find(open(begun, a, 100n), a)).toMatchObject({ acknowledged: 100n, restarts: 0 })
  })

  it('keeps its quote', () => {
    expect(() => Meter.open(begun, { ...start(a), quote: idOf('other') }, 60n)).toThrow(
      code('QUOTE_CHANGED'),
    )
  })

  it('is not begun again once finished; only its end is repeated', () => {
    const finished = Meter.finish(begun, a)
    expect(() => open(finished, a, 80n)).toThrow(code('PURCHASE_FINISHED'))
    expect(open(finished, a, 60n)).toBe(finished)
    expect(Meter.grantable(finished, a, { ...wide, accepted: 100n }, 1)).toBe(0n)
  })

  it('is resumed without progress only so often', () => {
    let meter = begun
    for (let n = 0; n < limits.restartsMax; n++) meter = open(meter, a, 60n)
    expect(() => open(meter, a, 60n)).toThrow(code('RESTART_LIMIT'))
    expect(Meter.find(Meter.acknowledge(meter, a, 100n), a)?.restarts).toBe(0)
  })

  it('earns no restarts by a byte here and there: what is sent again is limited', () => {
    let meter = begun
    let again = 0n
    const resume = (): void => {
      for (let offset = 61n; ; offset += offset < 99n ? 1n : 0n) {
        meter = Meter.acknowledge(open(meter, a, offset), a, offset)
        again += 100n - offset
      }
    }
    expect(resume).toThrow(code('RESTART_LIMIT'))
    expect(again).toBeLessThan(100n * BigInt(limits.restartsMax))
  })

  it('gives back what was granted and not sent', () => {
    expect(granted(Meter.release(begun, a, 80n))).toBe(80n)
    expect(granted(Meter.release(begun, a, 0n))).toBe(60n)
    expect(granted(Meter.release(begun, a, 200n))).toBe(100n)
  })

  it('never gives back what an earlier stream of it sent', () => {
    const taken = grantAll(open(Meter.empty), 0n)
    const again = Meter.release(open(Meter.release(taken, a, 100n), a, 0n), a, 0n)
    expect(granted(again)).toBe(100n)
    const finished = Meter.finish(again, a)
    expect(granted(Meter.release(open(finished, a, 0n), a, 0n))).toBe(100n)
  })
})

describe('a meter that is full', () => {
  /** As many purchases as are remembered; each took and acknowledged `acknowledged` of 100. */
  function full(acknowledged: bigint, finished: boolean): Meter.Meter {
    const purchases = Array.from({ length: limits.purchasesPerLaneMax }, (_, at) => ({
      ...start(idOf(at)),
      acknowledged,
      granted: 100n,
      sent: 0n,
      restarts: 0,
      finished,
    }))
    return { forgotten: 0n, purchases }
  }

  it('forgets the oldest finished purchase, and keeps its cost', () => {
    const before = full(100n, true)
    const after = open(before, a)
    expect(after.purchases).toHaveLength(limits.purchasesPerLaneMax)
    expect(Meter.find(after, idOf(0))).toBeUndefined()
    expect(Meter.owed(after)).toBe(Meter.owed(before))
    expect(Meter.due(after, a)).toBe(Meter.owed(before))
    expect(Meter.exposure(after, 5n)).toBe(Meter.exposure(before, 5n))
  })

  it('refuses a purchase when none is finished, or none can be forgotten without loss', () => {
    expect(() => open(full(100n, false), a)).toThrow(code('PURCHASE_LIMIT'))
    expect(() => open(full(99n, true), a)).toThrow(code('PURCHASE_LIMIT'))
  })
})

describe('whatever a consumer does, it gets no more unpaid than the window', () => {
  const prices = ['1/10B', '7/3000B', '1/B', '3/2item', '5/s'].map(Price.parse)
  const quantumOf = (price: Price.Price): bigint =>
    price.unit === 'byte' ? 100n : Price.quantum(price)

  type Deed = {
    readonly lane: number
    readonly purchase: number
    readonly type: 'open' | 'take' | 'acknowledge' | 'leave' | 'finish' | 'pay'
    readonly part: number
  }
  const deed: fc.Arbitrary<Deed> = fc.record({
    lane: fc.nat(4),
    purchase: fc.nat(12),
    type: fc.constantFrom('open', 'open', 'take', 'take', 'leave', 'acknowledge', 'finish', 'pay'),
    part: fc.nat(4),
  })

  /** A part of `whole`: nothing, some, or all of it. */
  const share = (whole: bigint, part: number): bigint => (whole * BigInt(part)) / 4n

  class Shop {
    meter: Meter.Meter
    paid: bigint
    /** What was bought and paid before. */
    readonly history: bigint
    /** Running streams: what each of them sent up to. */
    readonly streams = new Map<Hex, bigint>()
    /** What was ever sent of each purchase: the oracle. */
    readonly taken = new Map<Hex, { readonly price: Price.Price; readonly offset: bigint }>()

    constructor(history = 0n) {
      this.history = history
      this.paid = history
      this.meter = { forgotten: history, purchases: [] }
    }

    act({ purchase, type, part }: Deed, bounds: Pick<Meter.Bounds, 'peerExposure'>): void {
      const id = idOf(purchase)
      const price = prices[purchase % prices.length] ?? Price.parse('1/B')
      const known = Meter.find(this.meter, id)
      const sent = this.streams.get(id)
      if (type === 'open' && sent === undefined) {
        const acknowledged = known?.acknowledged ?? 0n
        const offset = acknowledged + share((known?.granted ?? 0n) - acknowledged, part)
        const begin = { id, quote: idOf('quote'), price, quantum: quantumOf(price) }
        try {
          this.meter = Meter.open(this.meter, begin, offset)
          this.streams.set(id, offset)
        } catch (error) {
          expect(error).toBeInstanceOf(Meter.MeterError)
        }
      } else if (type === 'take' && sent !== undefined) {
        const running = [...this.streams.keys()].map((key) => Meter.find(this.meter, key))
        const quantumPrice = running
          .map((each) => (each === undefined ? 0n : Price.owed(each.price, each.quantum)))
          .reduce(Amount.larger, 0n)
        const all = { ...wide, ...bounds, quantumPrice, accepted: this.paid }
        const offset = Meter.grantable(this.meter, id, all, this.streams.size)
        this.meter = Meter.grant(this.meter, id, offset)
        const until = sent + share((Meter.find(this.meter, id)?.granted ?? sent) - sent, part)
        this.streams.set(id, until)
        const before = this.taken.get(id)?.offset ?? 0n
        if (until > before) this.taken.set(id, { price, offset: until })
      } else if (type === 'acknowledge' && sent !== undefined && known !== undefined) {
        const more = sent - known.acknowledged
        this.meter = Meter.acknowledge(this.meter, id, known.acknowledged + share(more, part))
      } else if (type === 'leave' && sent !== undefined) {
        // A provider that crashed has no time to give anything back.
        if (part > 0) this.meter = Meter.release(this.meter, id, sent)
        this.streams.delete(id)
      } else if (type === 'finish' && sent !== undefined) {
        if (this.paid < Meter.due(this.meter, id)) return
        this.meter = Meter.finish(Meter.release(this.meter, id, sent), id)
        this.streams.delete(id)
      } else if (type === 'pay') {
        const owed = Meter.owed(this.meter)
        if (owed > this.paid) this.paid += share(owed - this.paid, part)
      }
    }

    get unpaid(): bigint {
      let cost = this.history
      for (const { price, offset } of this.taken.values()) cost += Price.owed(price, offset)
      return cost - this.paid
    }
  }

  const quantumPrices = prices.map((price) => Price.owed(price, quantumOf(price)))
  const dearest = quantumPrices.reduce(Amount.larger)
  const windowOf = (paid: bigint): bigint =>
    quantumPrices.map((price) => Meter.credit(price, paid)).reduce(Amount.larger)

  it('on one lane, through any number of purchases, streams and resumptions', () => {
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 200, size: 'max' }), (deeds) => {
        const shop = new Shop()
        for (const deed of deeds) {
          shop.act(deed, { peerExposure: 0n })
          expect(shop.unpaid).toBeLessThanOrEqual(windowOf(shop.paid))
          expect(Meter.exposure(shop.meter, shop.paid)).toBeGreaterThanOrEqual(Number(shop.unpaid))
          // The sums that its changes have led to are those of all its purchases, added up anew.
          const anew = { ...shop.meter }
          expect(Meter.owed(shop.meter)).toBe(Meter.owed(anew))
          expect(Meter.exposure(shop.meter, 0n)).toBe(Meter.exposure(anew, 0n))
        }
      }),
    )
  })

  it('on all lanes of a peer together, no more than 256 quanta', () => {
    const lanes = Array.from({ length: 12 }, (_, lane) => lane)
    const most = { purchase: 0, part: 4 }
    const greedy = lanes.flatMap((lane): Deed[] => [
      { ...most, lane, type: 'open' },
      { ...most, lane, type: 'take' },
    ])
    const total = (amounts: readonly bigint[]): bigint => amounts.reduce((x, y) => x + y, 0n)
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 100, size: 'max' }), (deeds) => {
        const shops = lanes.map(() => new Shop(10n ** 6n))
        for (const deed of [...deeds, ...greedy]) {
          const shop = shops[deed.lane]
          const others = shops.filter((other) => other !== shop)
          const peerExposure = total(others.map(({ meter, paid }) => Meter.exposure(meter, paid)))
          shop?.act(deed, { peerExposure })
          const unpaid = total(shops.map((each) => each.unpaid))
          expect(unpaid).toBeLessThanOrEqual(Meter.window.peer * dearest)
        }
        // Twelve lanes of 64 quanta each would be more; so the limit was reached.
        const price = quantumPrices[0] ?? 0n
        const exposed = total(shops.map(({ meter, paid }) => Meter.exposure(meter, paid)))
        expect(exposed).toBeGreaterThanOrEqual(Meter.window.peer * price)
      }),
    )
  })

  it('by a thousand purchases, each taken and left, begun and left again', () => {
    const shop = new Shop()
    for (let purchase = 0; purchase < limits.purchasesPerLaneMax + 10; purchase++)
      for (const [type, part] of [
        ['open', 0],
        ['take', 4],
        ['leave', 4],
        ['open', 0],
        ['leave', 4],
      ] as const)
        shop.act({ lane: 0, purchase, type, part }, { peerExposure: 0n })
    expect(shop.unpaid).toBeLessThanOrEqual(windowOf(0n))
  })
})
