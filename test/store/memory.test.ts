import * as Memory from '../../src/store/memory.js'
import { storeSuite } from '../conformance/store.js'

storeSuite('memory', { create: Memory.open })
