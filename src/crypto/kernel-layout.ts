/**
 * Sizes and limits that the kernel and TypeScript share: AssemblyScript reads this file too (so: plain
 * constants only). A test holds them against the protocol's own.
 */

/** A tick frame: handle u32, epoch u32, mask u8, then for each set bit index u16 and node. */
export const frameEpochAt = 4
export const frameMaskAt = 8
export const frameHeadSize = 9
export const frameEntrySize = 34

export const digitsMax = 4
export const chainStepsMax = 1_024
export const frameStepsMax = 256

/** Lanes that the table grows by, and may grow to. */
export const chunkLanes = 4_096
export const lanesMax = 1_048_576

/** What `readLane` writes: steps u64, four indices u16, four nodes; all little-endian. */
export const laneIndicesAt = 8
export const laneNodesAt = 16
export const laneSize = 144
