/**
 * The loader of a process with a planted bug: edits a module's text as it is loaded. An edit that does not fit
 * exactly one place is an error: a bug that is not there cannot be caught.
 */
import type { Bug } from './planted.js'

type Loaded = { source?: string | ArrayBuffer | NodeJS.TypedArray; format: string }

let edits: Bug['edits'] = []

export function initialize(bug: Bug): void {
  edits = bug.edits
}

export async function load(
  url: string,
  context: unknown,
  next: (url: string, context: unknown) => Promise<Loaded>,
): Promise<Loaded> {
  const loaded = await next(url, context)
  const own = edits.filter(({ module }) => url.endsWith(`/dist/${module}`))
  if (own.length === 0) return loaded
  let source = new TextDecoder().decode(loaded.source as Uint8Array)
  for (const { module, find, replace } of own) {
    if (source.split(find).length !== 2)
      throw new Error(`the planted bug does not fit ${module}: ${JSON.stringify(find)}`)
    source = source.replace(find, () => replace)
  }
  return { ...loaded, source }
}
