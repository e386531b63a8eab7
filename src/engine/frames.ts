/**
 * The frames of a byte stream, a batch for every chunk that arrives. It never awaits between two frames
 * of one chunk, and never reads ahead of its consumer.
 */
import * as Frame from '../core/frame.js'

/**
 * Yields what each chunk completes, never an empty batch; ends when the stream ends between two frames.
 * Frames before a bad one are yielded before it throws.
 * @throws FrameError `FRAME_TOO_LARGE`, `BAD_FRAME`, `FRAME_TRUNCATED`, and whatever the stream throws
 */
export async function* frames(
  stream: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array[]> {
  let batch: Uint8Array[] = []
  const deframer = Frame.deframer(limit, (frame) => batch.push(frame))
  for await (const chunk of stream) {
    let failure: unknown
    try {
      deframer.push(chunk)
    } catch (error) {
      failure = error
    }
    if (batch.length > 0) yield batch
    if (failure) throw failure
    batch = []
  }
  deframer.end()
}
