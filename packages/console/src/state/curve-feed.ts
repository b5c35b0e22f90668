/**
 * The curve of the job that is shown: its steps so far, then each as it is accepted. A connection that is lost is taken up where it was.
 */
import type { Output } from '@godwit/protocol'
import { followSteps } from '../api/steps.ts'
import { Curve } from '../parts/curve.ts'

/** Steps before the latest that are asked for where there is no history in one piece. */
const LATEST_STEPS = 20_000

/** Follows `job` into a curve. Returns it, and how to end it. */
export function feedCurve(job: string, acceptedSteps: number): { curve: Curve; end: () => void } {
  const curve = new Curve()
  const nextStep = (): number => {
    const known = curve.extent
    return known === undefined ? Math.max(0, acceptedSteps - LATEST_STEPS) : known.to + 1
  }
  const inbox = new Inbox((outputs) => curve.add(outputs))
  const unfollow = followSteps(job, nextStep, (outputs) => inbox.put(outputs))
  return {
    curve,
    end: () => {
      unfollow()
      inbox.close()
    },
  }
}

const COLLECTED_MS = 100

/** A history comes in hundreds of messages: they are put into the curve together. */
class Inbox {
  readonly #take: (outputs: readonly Output[]) => void
  #waiting: Output[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(take: (outputs: readonly Output[]) => void) {
    this.#take = take
  }

  put(outputs: readonly Output[]): void {
    this.#waiting.push(...outputs)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const waiting = this.#waiting
      this.#waiting = []
      this.#take(waiting)
    }, COLLECTED_MS)
  }

  close(): void {
    clearTimeout(this.#timer)
  }
}
