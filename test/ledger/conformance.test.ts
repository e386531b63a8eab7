import { ledgerSuite } from '../conformance/ledger.js'
import { harness } from './harness.js'

ledgerSuite('embedded, in process', () => harness('local'))
ledgerSuite('embedded, over HTTP', () => harness('http'))
