/** What the owner of a node or tower is told: its listeners cannot harm the engine. */

/**
 * Emits an event. What a listener throws is uncaught, as from the callback of a timer: the process learns of it,
 * and the step that is told of still goes on to its end.
 */
export function tell(emit: () => unknown): void {
  try {
    emit()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
