/** Turns: order within a topic, topics beside one another, barriers between, and a bound on what is taken in. */
import { describe, expect, it } from 'vitest'
import { Turns } from '../../src/engine/turns.js'

const bytesMax = 100

/** Work that ends when it is told to. */
function work(log: string[], name: string) {
  let end: () => void = () => undefined
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const run = async (): Promise<void> => {
    log.push(`${name} begins`)
    await ended
    log.push(`${name} ends`)
  }
  return { run, end }
}

/** Everything that can settle has. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('turns', () => {
  const silent = (error: unknown): never => {
    throw error
  }

  it('keep the order of a topic, and no topic waits for another', async () => {
    const log: string[] = []
    const turns = new Turns(bytesMax, silent)
    const [a1, a2, b] = [work(log, 'a1'), work(log, 'a2'), work(log, 'b')]
    await turns.take('a', 1, a1.run)
    await turns.take('a', 1, a2.run)
    await turns.take('b', 1, b.run)
    b.end()
    await settled()
    expect(log).toEqual(['a1 begins', 'b begins', 'b ends'])
    a2.end()
    a1.end()
    await settled()
    expect(log.slice(3)).toEqual(['a1 ends', 'a2 begins', 'a2 ends'])
  })

  it('do what has no topic after all that came before it', async () => {
    const log: string[] = []
    const turns = new Turns(bytesMax, silent)
    const [a, b, all] = [work(log, 'a'), work(log, 'b'), work(log, 'all')]
    await turns.take('a', 1, a.run)
    await turns.take('b', 1, b.run)
    const taken = turns.take(undefined, 1, all.run)
    a.end()
    all.end()
    await settled()
    expect(log).not.toContain('all begins')
    b.end()
    await taken
    expect(log.slice(-3)).toEqual(['b ends', 'all begins', 'all ends'])
  })

  it('take in no more than is allowed until some of it is done', async () => {
    const turns = new Turns(bytesMax, silent)
    const [first, second] = [work([], 'first'), work([], 'second')]
    await turns.take('a', bytesMax, first.run)
    let isTaken = false
    const taken = turns.take('b', 1, second.run).then(() => {
      isTaken = true
    })
    await settled()
    expect(isTaken).toBe(false)
    second.end()
    await taken
    first.end()
  })

  it('report what fails, and go on', async () => {
    const errors: unknown[] = []
    const log: string[] = []
    const turns = new Turns(bytesMax, (error) => errors.push(error))
    const after = work(log, 'after')
    const failure = new Error('refused')
    await turns.take('a', bytesMax, () => Promise.reject(failure))
    await turns.take('a', bytesMax, async () => undefined)
    after.end()
    await turns.take(undefined, 1, after.run)
    expect(errors).toEqual([failure])
    expect(log).toEqual(['after begins', 'after ends'])
    await expect(turns.take(undefined, 1, () => Promise.reject(failure))).rejects.toBe(failure)
  })
})
