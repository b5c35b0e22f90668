/**
 * How fast a job was, over stretches of its steps: the coordinator says it of a history of which single points alone are known, and live steps are
 * added up here. The more there are, the longer each is.
 *
 * Invariants: stretches ascend and none overlaps another; there are no more than `MAX_STRETCHES`.
 */
import type { StepRange } from './curve.ts'

export interface Stretch {
  readonly fromStep: number
  readonly steps: number
  readonly stepsPerSecond: number
}

interface Timed {
  readonly fromStep: number
  readonly steps: number
  readonly ms: number
}

const LIVE_STEPS = 8
const MAX_STRETCHES = 4096

export class Speeds {
  #stretches: Timed[] = []

  clear(): void {
    this.#stretches = []
  }

  /** A step that was just taken, after all that are known. */
  add(step: number, ms: number): void {
    const last = this.#stretches.at(-1)
    const follows = last !== undefined && last.fromStep + last.steps === step && last.steps < LIVE_STEPS
    if (follows)
      this.#stretches[this.#stretches.length - 1] = { ...last, steps: last.steps + 1, ms: last.ms + ms }
    else this.#stretches.push({ fromStep: step, steps: 1, ms })
    if (this.#stretches.length > MAX_STRETCHES) this.#joinOlder()
  }

  /** Of a history, by step: in place of what is known of these steps. */
  load(history: readonly Stretch[]): void {
    const [first, last] = [history[0], history.at(-1)]
    if (first === undefined || last === undefined) return
    const end = last.fromStep + last.steps
    const before = this.#stretches.filter(({ fromStep }) => fromStep < first.fromStep)
    const after = this.#stretches.filter(({ fromStep, steps }) => fromStep >= end || fromStep + steps > end)
    this.#stretches = [
      ...before.map((stretch) => cut(stretch, stretch.fromStep, first.fromStep)),
      ...history.map(({ fromStep, steps, stepsPerSecond }) => ({
        fromStep,
        steps,
        ms: (1000 * steps) / stepsPerSecond,
      })),
      ...after.map((stretch) => cut(stretch, Math.max(end, stretch.fromStep), Number.POSITIVE_INFINITY)),
    ]
    while (this.#stretches.length > MAX_STRETCHES) this.#joinOlder()
  }

  /** In `range`, as no more than about `most` of them. */
  within({ from, to }: StepRange, most: number): Stretch[] {
    const scale = most / (to - from + 1)
    const joined = new Map<number, Timed>()
    for (const stretch of this.#stretches) {
      if (stretch.fromStep > to || stretch.fromStep + stretch.steps <= from) continue
      const middle = stretch.fromStep + stretch.steps / 2
      const bucket = Math.floor((middle - from) * scale)
      const known = joined.get(bucket)
      joined.set(bucket, known === undefined ? stretch : join(known, stretch))
    }
    return [...joined.values()].flatMap(({ fromStep, steps, ms }) =>
      ms > 0 ? [{ fromStep, steps, stepsPerSecond: (1000 * steps) / ms }] : [],
    )
  }

  /** The first three quarters become half as many. */
  #joinOlder(): void {
    const older = (3 * this.#stretches.length) >> 2
    const joined: Timed[] = []
    for (let index = 0; index < older; index += 2) {
      const [one, other] = [this.#stretches[index] as Timed, this.#stretches[index + 1]]
      joined.push(other === undefined || index + 1 >= older ? one : join(one, other))
    }
    this.#stretches = [...joined, ...this.#stretches.slice(older)]
  }
}

/** Of two that follow on each other, at some distance perhaps: steps in between took no known time. */
function join(one: Timed, other: Timed): Timed {
  return { fromStep: one.fromStep, steps: one.steps + other.steps, ms: one.ms + other.ms }
}

/** The part of a stretch from one step to before another. */
function cut({ fromStep, steps, ms }: Timed, begin: number, end: number): Timed {
  const first = Math.max(fromStep, begin)
  const left = Math.max(0, Math.min(fromStep + steps, end) - first)
  return { fromStep: first, steps: left, ms: (ms * left) / steps }
}
