/** The file that a purchase is written to: what is on disk, what is called durable, and what is cut off. */
import { createHash } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { PartFile } from '../../src/market/part-file.js'
import { makeScratch } from '../support/processes.js'

const scratch = makeScratch('part-file')
afterAll(scratch.remove)

let files = 0
const place = (): string => join(scratch.path, `${++files}.part`)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a part file', () => {
  it('holds what it was given, hashed, and calls it durable in order', async () => {
    const path = place()
    const durable: bigint[] = []
    const file = await PartFile.open(path, 0n, (offset) => durable.push(offset))
    const chunks = Array.from({ length: 300 }, (_, at) => new Uint8Array(at * 97).fill(at))
    for (const chunk of chunks) await file.write(chunk)
    const whole = Buffer.concat(chunks)
    expect(hex(await file.finish())).toBe(sha256(whole))
    await file.close()
    expect((await readFile(path)).equals(whole)).toBe(true)
    expect(durable).toEqual([...new Set(durable)].toSorted((a, b) => Number(a - b)))
    expect(durable.at(-1)).toBe(BigInt(whole.length))
  })

  it('calls nothing durable that is not in the file yet', async () => {
    const path = place()
    const sizes: Promise<boolean>[] = []
    const file = await PartFile.open(path, 0n, (offset) =>
      sizes.push(stat(path, { bigint: true }).then(({ size }) => size >= offset)),
    )
    for (let count = 0; count < 50; count++) await file.write(new Uint8Array(65_536))
    await file.finish()
    await file.close()
    expect(new Set(await Promise.all(sizes))).toEqual(new Set([true]))
  })

  it('of no bytes is an empty file', async () => {
    const path = place()
    const file = await PartFile.open(path, 0n, () => undefined)
    expect(hex(await file.finish())).toBe(sha256(new Uint8Array()))
    await file.close()
    expect((await stat(path)).size).toBe(0)
  })

  it('goes on where it was durable: what lies beyond is cut off, what lies before is hashed', async () => {
    const path = place()
    await writeFile(path, 'what is paid, and what is not')
    const file = await PartFile.open(path, 12n, () => undefined)
    await file.write(Buffer.from(' and more'))
    expect(hex(await file.finish())).toBe(sha256(Buffer.from('what is paid and more')))
    await file.close()
    expect(await readFile(path, 'utf8')).toBe('what is paid and more')
  })

  it('that lost bytes which were paid for is damaged', async () => {
    const path = place()
    await writeFile(path, 'short')
    await expect(PartFile.open(path, 6n, () => undefined)).rejects.toMatchObject({
      code: 'FILE_DAMAGED',
    })
    expect(await readFile(path, 'utf8')).toBe('short')
  })

  it('in a directory that is not there cannot be written', async () => {
    await expect(
      PartFile.open(join(scratch.path, 'none', 'file'), 0n, () => undefined),
    ).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
  })
})
