/** Both implementations of secp256k1, for tests that hold for either. */
import { noble } from '../../src/crypto/noble.js'
import * as Ox from '../../src/crypto/ox.js'

export const engines = [
  { name: 'noble', secp256k1: noble.secp256k1 },
  { name: 'ox', secp256k1: await Ox.load() },
] as const
