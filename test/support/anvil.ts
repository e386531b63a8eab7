/** viem's client of an anvil that answers at once: what tests turn clocks and read balances with. */
import {
  createTestClient,
  http,
  type PublicActions,
  publicActions,
  type TestClient,
  type Transport,
} from 'viem'

export type AnvilClient = TestClient<'anvil', Transport, undefined> & PublicActions<Transport>

export const anvilClient = (url: string): AnvilClient =>
  createTestClient({
    mode: 'anvil',
    transport: http(url),
    cacheTime: 0,
    pollingInterval: 5,
  }).extend(publicActions) as AnvilClient
