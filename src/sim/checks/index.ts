/** All checkers by name. Each has a planted bug that it must find. */
import type { Make } from '../witness.js'
import { type LayerBooks, layerConserved, stateConserved } from './conserved.js'
import { creditWindow, exposureCap } from './credit.js'
import { inStepFirst, typedErrors } from './manners.js'
import { monotone } from './monotone.js'
import { oneContent } from './one-content.js'
import { persistFirst } from './persist-first.js'
import { asProposed, noOverPay, noUnderFold, type Payouts, paidToTheUnit } from './settled.js'

/** What checkers see of the layer. */
export type LayerView = { readonly books: LayerBooks; readonly payouts: Payouts }

export const checkers = ({ books, payouts }: LayerView): Readonly<Record<string, Make>> => ({
  'one-content': oneContent,
  'persist-first': persistFirst,
  'state-conserved': stateConserved,
  'layer-conserved': layerConserved(books),
  'credit-window': creditWindow,
  'exposure-cap': exposureCap,
  monotone,
  'as-proposed': asProposed,
  'no-under-fold': noUnderFold,
  'no-over-pay': noOverPay,
  'paid-to-the-unit': paidToTheUnit(payouts),
  'typed-errors': typedErrors,
  'in-step-first': inStepFirst,
})

/** Checkers that are no module: the world itself finds these. */
export const worldCheckers = ['delivery', 'progress'] as const
