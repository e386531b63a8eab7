/** The end of a turn of the event loop, for all that is better done once for everything that came in it. */
let works: (() => void)[] = []

/** Does `work`, which must not throw, once this turn has read all that it will; what it puts off in turn is done right after it. */
export function atEndOfTurn(work: () => void): void {
  if (works.push(work) === 1) setImmediate(run)
}

function run(): void {
  for (const work of works) work()
  works = []
}
