/** The end of what several parts make up: each is closed in its turn, however the ones before it ended. */

/** @throws what failed first, once all have been closed */
export async function closeAll(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) await step().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}
