import { memoryHub } from '../../src/net/memory.js'
import { addressOf, networkSuite } from '../conformance/network.js'

const hub = memoryHub()

networkSuite('memory network', {
  create: hub.createNetwork,
  anyPort: '/memory/0',
  nowhere: (peer) => `/memory/999999/p2p/${peer}`,
  breakable: async (network) => ({
    address: addressOf(network),
    cut: () => hub.cut(network.peer),
  }),
  aheadMax: 1_048_576,
  ownsNode: true,
  release: async () => {},
})
