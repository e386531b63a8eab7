import type { ByteStream } from '../../src/engine/ports.js'

/** A handler that sends everything back. */
export async function echoStream(stream: ByteStream): Promise<void> {
  for await (const chunk of stream) if (!stream.send(chunk)) await stream.drained()
  await stream.close()
}
