/** What a process asked of the kernel, in an order that a test can rely on. */
import { spawnSync } from 'node:child_process'

export const noStrace = spawnSync('strace', ['-V']).status !== 0

/** What goes before `node` to have `calls` written to the file `trace`; the traced process stays our child. */
export const strace = (trace: string, calls: string): readonly string[] => [
  ...['strace', '-D', '-f', '-s', '16', '-o', trace],
  ...['-e', `trace=${calls}`],
]

/**
 * The calls of a trace, whole, each where it ended; those that match `spoken` where they began: what others can
 * see of a call may be seen from its beginning, what it promises holds from its end.
 */
export function callsOf(trace: string, spoken: RegExp): string[] {
  const calls: string[] = []
  const begun = new Map<string, { call: string; at: number }>()
  for (const line of trace.split('\n')) {
    const [pid = '', call = ''] = line.split(/\s+(.*)/)
    const resumed = /<\.\.\. \w+ resumed>(.*)/.exec(call)
    if (call.includes('<unfinished')) {
      begun.set(pid, { call: call.replace('<unfinished ...>', ''), at: calls.push('') - 1 })
    } else if (resumed !== null) {
      const start = begun.get(pid)
      const whole = `${start?.call ?? ''}${resumed[1]}`
      if (start !== undefined && spoken.test(whole)) calls[start.at] = whole
      else calls.push(whole)
    } else calls.push(call)
  }
  return calls.filter((call) => call !== '')
}

/** The descriptor that the last call matching `pattern` returned, which is its first group. */
export const descriptor = (calls: readonly string[], pattern: RegExp): string =>
  calls.map((call) => pattern.exec(call)?.[1]).findLast((found) => found !== undefined) ?? '?'

/** LMDB writes and syncs pages through the one, and writes its meta page, synchronously, through the other. */
export const lmdbFiles = (calls: readonly string[]): { data: string; meta: string } => ({
  data: descriptor(calls, /openat\(.*\.mdb".*, O_RDWR\|O_CREAT(?!\|O_CLOEXEC), .*= (\d+)$/),
  meta: descriptor(calls, /openat\(.*\.mdb".*, O_WRONLY\|O_DSYNC.*= (\d+)$/),
})

/** Every write to a journal is its own sync. */
export const journalOf = (calls: readonly string[]): string =>
  descriptor(calls, /openat\(.*\.journal".*, O_RDWR\|O_DSYNC.*= (\d+)$/)

/** Which step of a durable commit a call is, if it is one. */
export function commitStep(
  call: string,
  { data, meta }: { data: string; meta: string },
): 'sync' | 'meta' | undefined {
  if (new RegExp(`fdatasync\\(${data}\\)? .*= 0`).test(call)) return 'sync'
  if (new RegExp(`pwrite(64|v)\\(${meta},.*= [1-9]`).test(call)) return 'meta'
  return undefined
}
