/** Who is away: a ledger that does not answer, and peers that give one another up over it. */
import { expect } from 'vitest'
import type { Hex } from '../../../src/core/bytes.js'
import { LedgerError } from '../../../src/ledger/error.js'
import type { Person, World } from '../../support/world.js'

/** Takes somebody's ledger away, or what it says of one channel; what is returned brings it back. */
export function takeLedger({ ledger }: Pick<Person, 'ledger'>, only?: Hex): () => void {
  const { channel } = ledger
  ledger.channel = async (id) => {
    if (id === (only ?? id)) throw new LedgerError('LEDGER_UNREACHABLE', 'Away.')
    return channel(id)
  }
  return () => {
    ledger.channel = channel
  }
}

/** `node` gives up the peer at `address` once the time for introductions is over, and says why. */
export async function expectGivesUp(
  world: World,
  { node }: Pick<Person, 'node'>,
  { address }: { readonly address: string },
  code: string,
  message: RegExp,
): Promise<void> {
  const refused = expect(node.quote(address, 'file')).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  })
  await world.advance(16)
  await refused
}
