/**
 * The curve of the job that is shown: its history as points that make the picture, then each step as it is accepted. What is zoomed at is asked for in
 * finer points. A connection that is lost is taken up where it was.
 */
import type { Output } from '@godwit/protocol'
import { type ErrorKind, LIMITS } from '@godwit/protocol/light'
import { ask, Refusal } from '../api/ask.ts'
import { followSteps } from '../api/steps.ts'
import { Curve, type StepRange } from '../parts/curve.ts'
import { sayRefusal } from '../ui/notices.tsx'

export interface CurveFeed {
  readonly curve: Curve
  /** Finer points of these steps are wanted; undefined: of all of them again. */
  refine(range: StepRange | undefined): void
  end(): void
}

/** So long after the last change: who zooms presses again. */
const REFINED_MS = 300

/** The coordinator may be back soon: what it would have said is asked for again. */
const AWAY: ReadonlySet<string> = new Set<ErrorKind>(['unreachable', 'peer-stalled'])

export function feedCurve(job: string): CurveFeed {
  const curve = new Curve()
  const inbox = new Inbox((outputs) => curve.add(outputs))
  let unfollow = (): void => {}
  let isOver = false
  let wanted: ReturnType<typeof setTimeout> | undefined
  /** Returns the step from which one follows on. */
  const load = async (range?: StepRange): Promise<number> => {
    const { curve: history } = await ask({
      op: 'curve',
      workload: job,
      ...range,
      points: LIMITS.maxCurvePoints,
    })
    if (!isOver) curve.load(history.points, history.speeds)
    return history.nextStep
  }
  const begin = async (): Promise<void> => {
    const nextStep = await load()
    if (isOver) return
    unfollow = followSteps(
      job,
      () => Math.max(nextStep, (curve.extent?.to ?? -1) + 1),
      (outputs) => inbox.put(outputs),
    )
  }
  const told = (error: unknown): void => {
    if (!(error instanceof Refusal)) throw error
    if (!isOver) sayRefusal(`The curve of ${job} could not be read`, error)
  }
  const beginInTime = (): void => {
    begin().catch((error: unknown) => {
      if (!(error instanceof Refusal) || !AWAY.has(error.kind)) return told(error)
      if (!isOver) wanted = setTimeout(beginInTime, LIMITS.maxReconnectDelayMs)
    })
  }
  beginInTime()
  return {
    curve,
    refine: (range) => {
      clearTimeout(wanted)
      if (range !== undefined) wanted = setTimeout(() => load(range).catch(told), REFINED_MS)
    },
    end: () => {
      isOver = true
      clearTimeout(wanted)
      unfollow()
      inbox.close()
    },
  }
}

const COLLECTED_MS = 100

/** Steps that come in many messages are put into the curve together. */
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
