import { disputeSuite } from '../../conformance/disputes.js'
import { laneSuite } from '../../conformance/lanes.js'
import { ledgerSuite } from '../../conformance/ledger.js'
import { harness } from './harness.js'

for (const suite of [ledgerSuite, disputeSuite, laneSuite]) suite('evm, on anvil', harness)
