/**
 * The frames of a byte stream, a batch for every chunk that arrives. It never awaits between two frames
 * of one chunk, and never reads ahead of its consumer.
 */
import * as Frame from '../core/frame.js'

/**
 * Yields the frames that each chunk completes, never an empty batch; ends when the stream ends between two
 * frames. Frames before a bad one are yielded before it throws.
 * @throws FrameError `FRAME_TOO_LARGE`, `BAD_FRAME`, `FRAME_TRUNCATED`, and whatever the stream throws
 */
export const frames = (
  stream: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array[]> => batches(stream, (sink) => Frame.deframer(limit, sink))

/** The same for any deframer, and for whatever it makes of its frames. */
export async function* batches<T>(
  stream: AsyncIterable<Uint8Array>,
  create: (sink: (each: T) => void) => Frame.Deframer,
): AsyncGenerator<T[]> {
  let batch: T[] = []
  const deframer = create((each) => batch.push(each))
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
