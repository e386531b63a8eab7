import { createServer } from 'node:http'
import { connect as connectSocket } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex, zeroAddress, zeroes } from '../../src/core/bytes.js'
import { connect } from '../../src/ledger/embedded/client.js'
import { http } from '../../src/ledger/embedded/http.js'
import type { Layer } from '../../src/ledger/embedded/layer.js'
import { type Served, serve } from '../../src/ledger/embedded/server.js'
import '../support/fuzz.js'
import { open } from './harness.js'
import { wallet } from './wallet.js'

const refusal = (code: string) => expect.objectContaining({ code })
const never = new AbortController().signal

let closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.reverse()) await close()
  closers = []
})

async function served(layer?: Layer, port = 0): Promise<Served> {
  const server = await serve(layer ?? (await open()), { port })
  closers.push(server.close)
  return server
}

const post = (url: string, body: string, type = 'application/json') =>
  fetch(url, { method: 'POST', body, headers: { 'content-type': type } })

const join = (url: string) => {
  const { address, sign } = wallet()
  return connect(http(url), { account: address, sign })
}

describe('the server', () => {
  it('answers anything with a result or a typed error, and goes on', async () => {
    const { url } = await served()
    const params = fc.dictionary(
      fc.constantFrom(
        'account',
        'asset',
        'channelId',
        'from',
        'nonce',
        'data',
        'signature',
        'after',
        'waitMs',
        'chainId',
        'x',
      ),
      fc.oneof(
        fc.jsonValue(),
        fc.constantFrom('0', '0x', zeroAddress, toHex(zeroes(32)), toHex(zeroes(65)), 0, 1),
      ),
    )
    const methods = fc.constantFrom(
      'info',
      'time',
      'account',
      'channel',
      'submit',
      'events',
      '__proto__',
      'toString',
    )
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ method: fc.oneof(methods, fc.string()), params }).map((v) => JSON.stringify(v)),
    )
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        const response = await post(url, text)
        const answer = (await response.json()) as { error?: { code: string; message: string } }
        expect([200, 400]).toContain(response.status)
        if (response.status === 200) expect(Object.keys(answer)).toEqual(['result'])
        else
          expect(answer).toEqual({
            error: { code: expect.stringMatching(/^[A-Z_]+$/), message: expect.any(String) },
          })
      }),
    )
    expect(await (await join(url)).time()).toBeGreaterThan(0n)
  })

  it('refuses other paths, verbs and content types, and more bytes than a request can need', async () => {
    const { url } = await served()
    const good = '{"method":"time","params":{}}'
    const refused = await Promise.all([
      fetch(url),
      post(`${url}/other`, good),
      post(url, good, 'text/plain'),
      post(url, ' '.repeat(200_000) + good),
    ])
    for (const response of refused) {
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { code: 'BAD_REQUEST' } })
    }
    expect((await post(url, good)).status).toBe(200)
  })

  it('survives bytes that are no HTTP, and callers who leave', async () => {
    const { url, port } = await served()
    for (const garbage of [
      '\0\xff\r\n\r\n',
      'POST / HTTP/1.1\r\ncontent-length: 99\r\n\r\n{',
      'GET',
    ])
      await new Promise<void>((resolve) => {
        const socket = connectSocket(port, '127.0.0.1', () => {
          socket.write(garbage, 'latin1', () => socket.destroy())
        })
        socket.on('close', () => resolve())
      })
    const leaving = new AbortController()
    const waiting = http(url)('events', { after: 0, waitMs: 20_000 }, leaving.signal)
    await (await join(url)).time()
    leaving.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    expect(await (await join(url)).time()).toBeGreaterThan(0n)
  })

  it('holds one request of a connection at a time, and warns of nothing while many wait', async () => {
    const layer = await open()
    let waiting = 0
    const counted: Layer = {
      ...layer,
      happened(after, signal) {
        waiting++
        return layer.happened(after, signal)
      },
    }
    const { url, port } = await served(counted)
    const body = '{"method":"events","params":{"after":0,"waitMs":20000}}'
    const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
    const request = `POST / HTTP/1.1\r\n${head}\r\n\r\n${body}`
    const flood = connectSocket(port, '127.0.0.1', () => flood.write(request.repeat(1_000)))
    await new Promise((resolve) => flood.on('error', () => {}).on('close', resolve))
    expect(waiting).toBeLessThanOrEqual(1)

    const warnings: Error[] = []
    const warn = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warn)
    const leaving = Array.from({ length: 12 }, () => new AbortController())
    const calls = leaving.map(({ signal }) =>
      http(url)('events', { after: 0, waitMs: 20_000 }, signal).catch(() => undefined),
    )
    await expect.poll(() => waiting).toBeGreaterThanOrEqual(12)
    for (const each of leaving) each.abort()
    await Promise.all(calls)
    process.off('warning', warn)
    expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([])
  })

  it('says which port is taken', async () => {
    const { port } = await served()
    await expect(served(undefined, port)).rejects.toThrow(
      expect.objectContaining({ code: 'PORT_IN_USE', message: expect.stringContaining(`${port}`) }),
    )
  })

  it('closes at once though callers wait, and lets go of its port', async () => {
    const layer = await open()
    const first = await serve(layer, { port: 0 })
    const waiting = http(first.url)('events', { after: 0, waitMs: 20_000 }, never)
    await (await join(first.url)).time()
    await first.close()
    expect(await waiting).toEqual({ events: [] })
    const again = await served(layer, first.port)
    expect(again.url).toBe(first.url)
  })
})

describe('the client over HTTP', () => {
  it('says LEDGER_UNREACHABLE while nobody is there, and works again when somebody is', async () => {
    const layer = await open()
    const first = await serve(layer, { port: 0 })
    const mine = wallet()
    const ledger = await connect(http(first.url), { account: mine.address, sign: mine.sign })
    await ledger.faucet(mine.address, 5n)
    await first.close()
    for (const call of [
      () => ledger.time(),
      () => ledger.faucet(mine.address, 1n),
      () => join(first.url),
    ])
      await expect(call()).rejects.toThrow(refusal('LEDGER_UNREACHABLE'))
    await served(layer, first.port)
    await ledger.faucet(mine.address, 1n)
    expect(await ledger.balance(mine.address, zeroAddress)).toBe(6n)
  })

  it('says NOT_A_LEDGER to whatever else answers', async () => {
    const answers = [
      '',
      'hello',
      '[]',
      '{}',
      '{"result":{}}',
      '{"result":[]}',
      '{"error":{"code":1}}',
      '{"result":{"name":"sluice-ledger","version":2}}',
      '{"result":{"name":"sluice-ledger","version":1,"chainId":"1","adjudicator":"0x00","minChallengePeriod":"1","faucetMax":"1"}}',
      `{"result":{"name":"sluice-ledger","version":1,"chainId":"1","adjudicator":"${zeroAddress}","minChallengePeriod":"1","faucetMax":"1"}}`,
    ]
    for (const status of [200, 404])
      for (const answer of answers) {
        const server = createServer((_, response) => {
          response.writeHead(status)
          response.end(answer)
        })
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
        const address = server.address()
        const port = typeof address === 'object' ? address?.port : undefined
        await expect(join(`http://127.0.0.1:${port}`)).rejects.toThrow(refusal('NOT_A_LEDGER'))
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    for (const url of ['', '127.0.0.1:8545', 'ftp://127.0.0.1', 'not a url'])
      await expect((async () => join(url))()).rejects.toThrow(refusal('NOT_A_LEDGER'))
  })
})
