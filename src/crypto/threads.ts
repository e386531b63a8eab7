/** Threads of our own modules: from sources, in tests and benches, they need tsx; built, they are plain JavaScript. */
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'

/**
 * All threads at once, and never fewer: so each task has its thread, and fails when that dies. They run the default
 * export of the module `name`, which lies beside the one whose `import.meta.url` is `url`.
 */
export function startThreads(url: string, name: string, threads: number): Piscina {
  const fromSource = url.endsWith('.ts')
  return new Piscina({
    filename: fileURLToPath(new URL(`./${name}.${fromSource ? 'ts' : 'js'}`, url)),
    minThreads: threads,
    maxThreads: threads,
    recordTiming: false,
    ...(fromSource && { execArgv: ['--import', 'tsx'] }),
  })
}
