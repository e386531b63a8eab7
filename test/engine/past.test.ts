/** What is kept of a channel in dispute, however often its state changes meanwhile. */
import { expect, it } from 'vitest'
import * as Past from '../../src/engine/past.js'
import * as Memory from '../../src/store/memory.js'
import * as Made from '../core/support/appointments.js'

const place = Past.place(Made.channelId)
/** States of which each has another lane. */
const [first, second, third] = [
  Made.complete(4n),
  Made.complete(5n, { id: 4n }),
  Made.complete(6n, { id: 3n }),
]

it('is each state that was the newest, and what is proven on its lanes', async () => {
  const store = Memory.open()
  const held = Made.claim(20)
  const { signed } = held
  const other = { ...held, signed: { ...signed, voucher: { ...signed.voucher, lane: 4n } } }
  expect(first.body.lanes).toMatchObject([{ id: held.signed.voucher.lane }])
  await store.commit(Past.replace(store, place, first, second, [held]))
  await store.commit(Past.replace(store, place, second, third, [other]))
  expect(Past.states(store, place).map(({ version }) => version)).toEqual([4n, 5n])
  expect(new Set(Past.claims(store, place))).toEqual(new Set([held, other]))
  await store.commit(Past.forget(store, place))
  expect([...store.entries('')]).toEqual([])
})
