/**
 * Serves a layer to other processes: JSON over HTTP, `POST / {"method", "params"}` → `{"result"}` or
 * `{"error": {"code", "message"}}`. It must never end, or hold more than a bounded request, because of what
 * somebody sends.
 */
import { once, setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { toProblem } from '../../core/errors.js'
import { LedgerError } from '../error.js'
import { bad, type Json, local, object, parse, type Transport } from './api.js'
import type { Layer } from './layer.js'

export type Served = {
  /** `http://host:port`. */
  readonly url: string
  readonly port: number
  /** Answers what was asked, ends waiting requests, and lets go of the port. The layer stays open. */
  close(): Promise<void>
}

/** Twice the hex of the largest transaction, in bytes. */
const bodyBytesMax = 131_072
const connectionsMax = 1_024
/** A request has to be here in this time, in milliseconds. */
const requestMs = 10_000

/**
 * Listens on loopback; `port` 0 takes any free one.
 * @throws LedgerError `PORT_IN_USE`, `PORT_UNUSABLE`
 */
export async function serve(
  layer: Layer,
  options: { readonly port: number; readonly host?: string },
): Promise<Served> {
  const { port, host = '127.0.0.1' } = options
  const call = local(layer)
  const ending = new AbortController()
  // Each request under way listens to it.
  setMaxListeners(0, ending.signal)
  /** The request that each connection waits for: one, or a single caller could have us hold any number. */
  const answering = new Map<Socket, Promise<void>>()
  const server = createServer({ requestTimeout: requestMs }, (request, response) => {
    const { socket } = request
    if (answering.has(socket)) return void socket.destroy()
    const answer = handle(call, request, response, ending.signal).finally(() =>
      answering.delete(socket),
    )
    answering.set(socket, answer)
  })
  server.maxConnections = connectionsMax
  await listen(server, port, host)
  // A connection that cannot be accepted (no descriptors left) is its sender's trouble, not the process's.
  server.on('error', () => {})
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${host}:${bound}`,
    port: bound,
    async close() {
      const closed = once(server, 'close')
      server.close()
      ending.abort()
      await Promise.all(answering.values())
      server.closeAllConnections()
      await closed
    },
  }
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    throw code === 'EADDRINUSE'
      ? new LedgerError(
          'PORT_IN_USE',
          `Port ${port} of ${host} is taken. Stop what uses it, or give another port.`,
          { cause: error },
        )
      : new LedgerError(
          'PORT_UNUSABLE',
          `Cannot listen on ${host}:${port} (${error instanceof Error ? error.message : error}). Give another host and port.`,
          { cause: error },
        )
  }
}

/** Never rejects: whatever happens becomes an answer, or a connection that is gone. */
async function handle(
  call: Transport,
  request: IncomingMessage,
  response: ServerResponse,
  ending: AbortSignal,
): Promise<void> {
  const gone = new AbortController()
  const leave = (): void => gone.abort()
  response.on('error', leave).on('close', leave)
  ending.addEventListener('abort', leave)
  try {
    const { method, params } = await read(request)
    send(response, 200, { result: await call(method, params, gone.signal) })
  } catch (error) {
    const problem = toProblem(error)
    if (!request.complete) response.setHeader('connection', 'close')
    send(response, problem.code === 'INTERNAL' ? 500 : 400, { error: problem })
  } finally {
    ending.removeEventListener('abort', leave)
  }
}

function send(response: ServerResponse, status: number, body: Json): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** @throws LedgerError `BAD_REQUEST` */
async function read(request: IncomingMessage): Promise<{ method: string; params: Json }> {
  if (request.method !== 'POST' || request.url !== '/')
    throw bad('this ledger answers POST requests to / only')
  // A web page cannot send this type to another origin without asking, and nobody answers if it may.
  if (!request.headers['content-type']?.startsWith('application/json'))
    throw bad('the content type is application/json')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length
    if (size > bodyBytesMax) throw bad(`a request has at most ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  const body = parse(Buffer.concat(chunks).toString('utf8'))
  const params = object(body?.params)
  if (typeof body?.method !== 'string' || params === undefined)
    throw bad('the body is a JSON object with "method", a text, and "params", an object')
  return { method: body.method, params }
}
