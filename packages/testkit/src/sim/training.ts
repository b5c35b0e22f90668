/**
 * The training thread of a simulated worker: steps, and looks at what is asked of it where the real one does.
 *
 * It parks between two steps, or between a step's `compute` and its `apply` where the park was asked for before that
 * `compute` began; it holds when its spool is full; behind a closed gate it applies nothing but the delta that came
 * with the state. `apply` takes time and writes half of its pages before and half after: who collects in the middle
 * sees a torn step, as with real memory.
 */
import { LIMITS, type ParkPoint } from '@godwit/protocol'
import type { Dirty } from './dirty.ts'
import type { Process } from './process.ts'
import {
  compute,
  digestOf,
  finishStep,
  type Memory,
  type ProgramShape,
  writePage,
  written,
} from './program.ts'

export interface ThreadParked {
  readonly park: number
  readonly step: number
  readonly parkedMs: number
  readonly small: number
  readonly delta: number | undefined
}

export interface ThreadTells {
  stepped(step: number, loss: number, stepMs: number): void
  parked(parked: ThreadParked): void
  /** It has the state it was given and computes. */
  resumed(atMs: number): void
  atGate(atMs: number): void
  ended(steps: number, digest: string): void
  stopped(): void
}

/** From one thread to the other. */
const POST_MS = 0.05

export class Training {
  readonly memory: Memory
  readonly shape: ProgramShape
  readonly #process: Process
  readonly #dirty: Dirty
  readonly #tells: ThreadTells
  step = 0
  acknowledged = 0
  throttlePercent = 0
  lastCompute: { computeMs: number; deltaBytes: number } | undefined
  #park: { readonly id: number; readonly point: ParkPoint } | undefined
  #parks = 0
  #announced = 0
  #stop = false
  #gate = false
  /** Where it stands still; called when something may have changed. */
  #look: (() => void) | undefined
  #isOver = false

  constructor(
    process: Process,
    { memory, shape, dirty }: { memory: Memory; shape: ProgramShape; dirty: Dirty },
    tells: ThreadTells,
  ) {
    this.#process = process
    this.memory = memory
    this.shape = shape
    this.#dirty = dirty
    this.#tells = tells
  }

  // ---- what the pager asks

  begin(): void {
    this.#boundary()
  }

  park(point: ParkPoint): number {
    this.#parks += 1
    this.#park = { id: this.#parks, point }
    this.#wake()
    return this.#parks
  }

  /** Takes back that park, if it is the one that was asked for last. */
  resume(park: number): void {
    if (this.#park?.id !== park) return
    this.#park = undefined
    this.#wake()
  }

  /** Goes on from a checkpoint. */
  restore(step: number): void {
    this.step = step
  }

  stop(): void {
    this.#stop = true
    this.#wake()
  }

  acknowledge(steps: number): void {
    this.acknowledged = Math.max(this.acknowledged, steps)
    this.#wake()
  }

  /** Goes on from a state that came from elsewhere, behind the gate. */
  takeOver(step: number, delta: number | undefined): void {
    this.step = step
    this.#gate = true
    const atMs = this.#process.nowMs()
    this.#post(() => this.#tells.resumed(atMs))
    if (delta === undefined) this.#boundary()
    else this.#apply(delta, 0)
  }

  openGate(): void {
    this.#gate = false
    this.#wake()
  }

  get isParked(): boolean {
    return this.#look !== undefined && this.#park !== undefined && this.#announced === this.#park.id
  }

  // ---- the loop

  #wake(): void {
    const look = this.#look
    this.#look = undefined
    if (look !== undefined) this.#process.after(POST_MS, look)
  }

  #post(tell: () => void): void {
    this.#process.after(POST_MS, tell)
  }

  #boundary(): void {
    if (this.#isOver) return
    if (this.#stop) return this.#stopped()
    if (this.step >= this.shape.steps) return this.#atEnd()
    const park = this.#park
    const isFull = this.step - this.acknowledged >= LIMITS.maxSpooledOutputs
    if (park?.point === 'boundary' && park.id !== this.#announced && !isFull) this.#announce(undefined)
    if (isFull || park?.point === 'boundary') {
      this.#look = () => this.#boundary()
      return
    }
    if (!this.shape.splits) return this.#atGate(() => this.#computing())
    this.#computing()
  }

  #computing(): void {
    const asked = this.#park?.id
    const { random } = this.#process
    const computeMs = this.shape.computeMs * random.between(0.9, 1.2)
    this.#process.after(computeMs, () => {
      const delta = compute(this.memory, this.step)
      if (!this.shape.splits) return this.#apply(delta, computeMs)
      this.lastCompute = { computeMs, deltaBytes: this.shape.deltaBytes }
      this.#beforeApply(asked, delta, computeMs)
    })
  }

  #beforeApply(asked: number | undefined, delta: number, computeMs: number): void {
    if (this.#isOver) return
    if (this.#stop) return this.#stopped()
    const park = this.#park
    if (park?.point === 'preApply' && park.id === asked) {
      if (park.id !== this.#announced) this.#announce(delta)
      this.#look = () => this.#beforeApply(asked, delta, computeMs)
      return
    }
    this.#atGate(() => this.#apply(delta, computeMs))
  }

  /** While the gate is closed the job is another's: nothing of it is written. */
  #atGate(then: () => void): void {
    if (!this.#gate) return then()
    const atMs = this.#process.nowMs()
    this.#post(() => this.#tells.atGate(atMs))
    const look = (): void => {
      if (this.#isOver) return
      if (this.#stop) this.#stopped()
      else if (this.#gate) this.#look = look
      else then()
    }
    look()
  }

  #apply(delta: number, computeMs: number): void {
    const pages = written(this.shape, this.step)
    const half = pages.length >> 1
    for (const page of pages.slice(0, half)) this.#write(page, delta)
    this.#process.after(this.shape.applyMs, () => {
      for (const page of pages.slice(half)) this.#write(page, delta)
      const loss = finishStep(this.memory, delta)
      const step = this.step
      this.step += 1
      const stepMs = computeMs + this.shape.applyMs
      this.#post(() => this.#tells.stepped(step, loss, stepMs))
      const idleMs = (stepMs * this.throttlePercent) / (100 - this.throttlePercent)
      if (idleMs > 0) this.#process.after(idleMs, () => this.#boundary())
      else this.#boundary()
    })
  }

  #write(page: number, delta: number): void {
    writePage(this.memory, page, delta)
    this.#dirty.write(page)
  }

  #announce(delta: number | undefined): void {
    const park = this.#park?.id as number
    this.#announced = park
    const parked = {
      park,
      step: this.step,
      parkedMs: this.#process.nowMs(),
      small: this.memory.small,
      delta,
    }
    this.#post(() => this.#tells.parked(parked))
  }

  #atEnd(): void {
    this.#atGate(() => {
      this.#isOver = true
      const digest = digestOf(this.memory)
      this.#post(() => this.#tells.ended(this.step, digest))
    })
  }

  #stopped(): void {
    this.#isOver = true
    this.#post(() => this.#tells.stopped())
  }
}
