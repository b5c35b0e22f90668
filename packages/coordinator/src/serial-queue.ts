/**
 * One thing after another, although each of them waits for the store in between.
 *
 * What happens to one workload is decided by a state that must not change under a decision's feet. Two workloads
 * have a queue each and don't wait for one another.
 *
 * Invariants: tasks run in the order in which they were given, never two at a time; one that fails fails its
 * caller and not those behind it.
 */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve()

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task)
    this.#tail = result.catch(() => {})
    return result
  }
}
