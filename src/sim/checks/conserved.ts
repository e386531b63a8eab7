/** Money is conserved, per asset: in every state, and on the layer (promise 4). */
import type { View } from '../layer.js'
import { type Make, short } from '../witness.js'

const sum = (table: readonly (readonly bigint[])[], asset: number): bigint =>
  table.reduce((total, row) => total + (row[asset] ?? 0n), 0n)

export const stateConserved: Make = (_witness, fail) => ({
  onChannel(person, { id, complete }, before) {
    if (complete === undefined || complete.version === before?.complete?.version) return
    const { outcome, lanes } = complete.body
    for (const asset of outcome.balances[0]?.keys() ?? []) {
      const reserved = lanes.reduce((all, l) => all + (l.asset === asset ? l.reserved : 0n), 0n)
      const held = sum(outcome.balances, asset) + reserved + sum(outcome.pots, asset)
      const put = sum(outcome.deposited, asset) - sum(outcome.withdrawn, asset)
      if (held !== put)
        fail(`version ${complete.version} of ${short(id)} holds ${held} of ${put} (${person.name})`)
    }
    if (outcome.balances.some((row) => row.some((amount) => amount < 0n)))
      fail(`version ${complete.version} of ${short(id)} has a balance below zero`)
  },
})

export const layerConserved =
  ({ books }: View): Make =>
  (_witness, fail) => ({
    onLayer() {
      for (const [asset, { minted, accounts, held }] of books())
        if (minted !== accounts + held)
          fail(
            `the layer minted ${minted} of ${short(asset)}; accounts have ${accounts}, channels ${held}`,
          )
    },
  })
