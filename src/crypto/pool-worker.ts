/**
 * One thread of the verification pool. It answers in the memory it is given, and must never keep it.
 */
import * as Batch from './batch.js'
import { loadEngine } from './load.js'

// Once a thread. Not awaited up here: Piscina tries `require` first, which refuses such a module.
const loading = loadEngine()

/** The task that Piscina runs here: a share of a batch that other threads judge as well. */
export default async (batch: Batch.Batch): Promise<void> => {
  const { secp256k1 } = await loading
  Batch.judge(secp256k1, batch)
}
