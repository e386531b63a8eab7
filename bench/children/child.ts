/** The process side of a bench's children: commands come one at a time over IPC, each is answered once. */

/** What a child can be told; every command answers. */
export type Commands = Readonly<Record<string, (argument: never) => Promise<unknown>>>

/** Answers the parent's commands, and ends with it. */
export function answer(commands: Commands): void {
  process.on('message', async ({ command, argument }: { command: string; argument: never }) => {
    try {
      process.send?.({ answer: await commands[command]?.(argument) })
    } catch (error) {
      process.send?.({ error })
    }
  })
  process.on('disconnect', () => process.exit())
}

/** Samples this process's resident memory until it is asked for what it saw. */
export function residentMemory(): Commands & { readonly sample: () => Promise<void> } {
  let timer: NodeJS.Timeout | undefined
  let samples: number[] = []
  return {
    async sample() {
      samples = []
      timer = setInterval(() => samples.push(process.memoryUsage.rss()), 20)
    },
    async samples() {
      clearInterval(timer)
      return samples
    },
  }
}
