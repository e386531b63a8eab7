import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Price from '../../src/core/price.js'

const term = fc.oneof(
  fc.bigInt({ min: 1n, max: 10_000n }),
  fc.bigInt({ min: 1n, max: Price.termMax }),
)
const price: fc.Arbitrary<Price.Price> = fc.record({
  amount: term,
  per: term,
  unit: fc.constantFrom('byte', 'second', 'item'),
})
const offset = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 20n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n }),
)

describe('text', () => {
  it.each([
    ['3/KiB', 3n, 1_024n, 'byte'],
    ['7/3000B', 7n, 3_000n, 'byte'],
    ['1/B', 1n, 1n, 'byte'],
    ['1/GiB', 1n, 1_073_741_824n, 'byte'],
    ['2/3MiB', 2n, 3_145_728n, 'byte'],
    ['2/kB', 2n, 1_000n, 'byte'],
    ['2/MB', 2n, 1_000_000n, 'byte'],
    ['2/GB', 2n, 1_000_000_000n, 'byte'],
    ['2/TiB', 2n, 1_099_511_627_776n, 'byte'],
    ['5/s', 5n, 1n, 'second'],
    ['5/min', 5n, 60n, 'second'],
    ['5/2h', 5n, 7_200n, 'second'],
    ['2/item', 2n, 1n, 'item'],
    ['3/2item', 3n, 2n, 'item'],
  ] as const)('%s is %d for every %d %s', (text, amount, per, unit) => {
    expect(Price.parse(text)).toEqual({ amount, per, unit })
  })

  it.each([
    ...[
      '',
      '3',
      '/KiB',
      '3/',
      '3/0B',
      '0/B',
      '-3/B',
      '3/-1B',
      '3.5/B',
      '3/1.5B',
      '3 / KiB',
      '3/ KiB',
    ],
    ...['3/KiB ', ' 3/KiB', '3/kib', '3/S', '3/B/s', '3/constructor', '3/__proto__', '3/toString'],
    ...[
      '3/KiBB',
      '１/B',
      `${'9'.repeat(30)}/B`,
      `1/${'9'.repeat(30)}B`,
      `${2n ** 96n}/B`,
      `1/${2n ** 96n}B`,
    ],
    ...[`1/${2n ** 90n}KiB`, '3\n/B', '3/B\n'],
  ])('"%s" is no price', (text) => {
    expect(() => Price.parse(text)).toThrow(expect.objectContaining({ code: 'PRICE_SYNTAX' }))
  })

  it('of any kind gives a price or a PriceError', () => {
    const pieces = fc.constantFrom(
      '3',
      '0',
      '/',
      'KiB',
      's',
      'item',
      'B',
      ' ',
      '-',
      '9'.repeat(40),
      'é',
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(pieces, { maxLength: 5 }).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(text, (text) => {
        try {
          Price.check(Price.parse(text))
        } catch (error) {
          expect(error).toBeInstanceOf(Price.PriceError)
        }
      }),
    )
  })

  it('is written out in full', () => {
    expect(Price.format(Price.parse('3/KiB'))).toBe('3/1024 byte')
  })
})

it('terms out of range are refused', () => {
  const fine = Price.parse('3/KiB')
  for (const bad of [
    { amount: 0n },
    { per: 0n },
    { amount: Price.termMax + 1n },
    { unit: 'toString' as Price.Unit },
  ])
    expect(() => Price.check({ ...fine, ...bad })).toThrow(Price.PriceError)
})

describe('what is owed', () => {
  it('is rounded up once, on the total', () => {
    const price = Price.parse('7/3000B')
    expect([0n, 1n, 428n, 429n, 3_000n, 3_001n].map((at) => Price.owed(price, at))).toEqual([
      0n,
      1n,
      1n,
      2n,
      7n,
      8n,
    ])
    expect(Price.owed(Price.parse('5/s'), 1_001n)).toBe(6n)
    expect(Price.owed(Price.parse('3/2item'), 3n)).toBe(5n)
  })

  it('is the least amount that is not below the exact cost', () => {
    fc.assert(
      fc.property(price, offset, (price, offset) => {
        // owed ≥ offset · amount / (per · resolution) > owed − 1, in whole numbers.
        const owed = Price.owed(price, offset)
        const per = price.per * Price.resolution[price.unit]
        expect(owed * per).toBeGreaterThanOrEqual(offset * price.amount)
        expect((owed - 1n) * per).toBeLessThan(offset * price.amount)
      }),
    )
  })

  it('buys the largest offset that costs no more', () => {
    fc.assert(
      fc.property(price, fc.bigInt({ min: 0n, max: 2n ** 80n }), (price, amount) => {
        const offset = Price.affordable(price, amount)
        expect(Price.owed(price, offset)).toBeLessThanOrEqual(amount)
        expect(Price.owed(price, offset + 1n)).toBeGreaterThan(amount)
      }),
    )
  })
})

describe('a quantum', () => {
  it.each([
    ['1/B', 65_536n],
    ['3/KiB', 65_536n],
    ['1/GiB', 1_073_741_824n],
    ['7/3000B', 65_536n],
    ['7/3MiB', 449_390n],
    ['5/s', 1_000n],
    ['1/min', 60_000n],
    ['2/item', 1n],
    ['2/3item', 2n],
  ])('of %s is %d steps', (text, steps) => {
    expect(Price.quantum(Price.parse(text))).toBe(steps)
  })

  it('costs at least one base unit', () => {
    fc.assert(
      fc.property(price, (price) => {
        expect(Price.owed(price, Price.quantum(price))).toBeGreaterThanOrEqual(1n)
      }),
    )
  })
})
