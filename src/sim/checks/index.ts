/** All checkers by name. Each has a planted bug that it must find. */
import type { View } from '../layer.js'
import type { Make } from '../witness.js'
import { layerConserved, stateConserved } from './conserved.js'
import { creditWindow, exposureCap } from './credit.js'
import {
  bondsFair,
  claimsCollected,
  newestCounts,
  settledByFormula,
  towerDefends,
} from './disputes.js'
import { inStepFirst, noOffence, typedErrors } from './manners.js'
import { monotone } from './monotone.js'
import { oneContent } from './one-content.js'
import { persistFirst } from './persist-first.js'
import { asProposed, noOverPay, noUnderFold, paidToTheUnit } from './settled.js'

export const checkers = (view: View): Readonly<Record<string, Make>> => ({
  'one-content': oneContent,
  'persist-first': persistFirst,
  'state-conserved': stateConserved,
  'layer-conserved': layerConserved(view),
  'credit-window': creditWindow,
  'exposure-cap': exposureCap,
  monotone,
  'as-proposed': asProposed,
  'no-under-fold': noUnderFold,
  'no-over-pay': noOverPay,
  'paid-to-the-unit': paidToTheUnit(view),
  'settled-by-formula': settledByFormula(view),
  'bonds-fair': bondsFair(view),
  'newest-counts': newestCounts(view),
  'claims-collected': claimsCollected(view),
  'tower-defends': towerDefends(view),
  'typed-errors': typedErrors,
  'in-step-first': inStepFirst,
  'no-offence': noOffence,
})

/** Checkers that are no module: the world itself finds these. */
export const worldCheckers = ['delivery', 'progress'] as const
