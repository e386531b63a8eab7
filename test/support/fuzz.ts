/** Property tests run as often as FC_NUM_RUNS says; fast-check prints the seed of what fails. */
import fc from 'fast-check'

fc.configureGlobal({ numRuns: Number(process.env.FC_NUM_RUNS ?? 100) })
