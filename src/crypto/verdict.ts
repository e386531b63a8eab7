/**
 * What the kernel says of each tick frame: one byte, the same for TypeScript and AssemblyScript, which
 * both read this file (so: plain constants only). All above `stale` are offences of the sender.
 */

/** Applied: the frame's fresh digits rose, those not fresh were skipped. */
export const ok = 0
/** Nothing in it is new, or its epoch is over. No offence: frames may cross on their way. */
export const stale = 1
/** It ends before its mask says. What follows is unknown, so the batch ends here. */
export const truncated = 2
/** Bytes after the last frame that are too few for another. */
export const trailing = 3
/** No lane has that handle. */
export const unknownLane = 4
/** The lane's handle was given out on another connection. */
export const foreignConnection = 5
/** No voucher of its epoch came before it. */
export const earlyEpoch = 6
/** A digit beyond the voucher's. No digit, or one beyond the fourth, is no frame: the batch ends here. */
export const badDigit = 7
/** An index beyond the voucher's length. */
export const badIndex = 8
/** Its digits rise by more than `frameStepsMax` in all. */
export const tooManySteps = 9
/** It proves more than the lane holds. */
export const overLimit = 10
/** A node that is not of the lane's chain. */
export const wrongNode = 11
