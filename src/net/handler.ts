/**
 * Runs the engine's stream handlers. Whatever one throws, now or later, ends its stream and nothing else.
 */
import type { ByteStream, Connection } from '../engine/ports.js'

export type Handler = (stream: ByteStream, connection: Connection) => unknown

export async function serve(handler: Handler, stream: ByteStream, connection: Connection) {
  try {
    await handler(stream, connection)
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
  }
}
