/** The end of a turn of the event loop, for all that is better done once for everything that came in it. */
let works: (() => void)[] = []

/** Does `work` once this turn has read all that it will; what it puts off in turn is done after all of these. */
export function atEndOfTurn(work: () => void): void {
  if (works.push(work) === 1) setImmediate(run)
}

function run(): void {
  while (works.length > 0) {
    const now = works
    works = []
    for (const work of now) work()
  }
}
