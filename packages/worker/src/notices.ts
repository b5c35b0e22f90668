/**
 * What the training thread tells its program of the job's moves, between two steps.
 *
 * Intuition: the hooks are guests. They run in the thread because only there nothing else of the program does, and whatever they do, short of
 * never returning, ends here: it is logged, and the job moves or trains on as if there were no hook.
 *
 * Invariant: each notice is answered once, unless another word comes before: then nobody waits for the answer any more.
 */
import { inspect } from 'node:util'
import { GodwitError, LIMITS } from '@godwit/protocol'
import type { HearsOfMoves } from './contract.ts'
import type { FromThread, ToProgram } from './thread-messages.ts'

type Answer = Extract<FromThread, { type: 'noticed' | 'hookFailed' }>

export class Notices {
  readonly #program: HearsOfMoves
  readonly #answer: (answer: Answer) => void
  readonly #said: ToProgram[] = []
  /** Answered once so many steps are applied. */
  #delayed: { readonly notice: number; readonly untilStep: number } | undefined

  constructor(program: HearsOfMoves, answer: (answer: Answer) => void) {
    this.#program = program
    this.#answer = answer
  }

  /** For the next boundary. */
  add(message: ToProgram): void {
    this.#said.push(message)
  }

  /** Between two steps, `step` of them applied. */
  atBoundary(step: number): void {
    for (let next = this.#said.shift(); next !== undefined; next = this.#said.shift()) {
      this.#delayed = undefined
      if (next.type === 'stays') this.#stays(step)
      else this.#notify(next, step)
    }
    if (this.#delayed === undefined || step < this.#delayed.untilStep) return
    const { notice } = this.#delayed
    this.#delayed = undefined
    this.#answer({ type: 'noticed', notice, failed: false })
  }

  #notify(
    { notice, from, to, expectedDowntimeMs }: Extract<ToProgram, { type: 'notice' }>,
    step: number,
  ): void {
    try {
      const told = Object.freeze({ from, to, step, expectedDowntimeMs })
      this.#delayed = { notice, untilStep: step + stepsAskedFor(this.#program.onMigrating?.(told)) }
    } catch (error) {
      this.#failed('onMigrating', step, error)
      this.#answer({ type: 'noticed', notice, failed: true })
    }
  }

  #stays(step: number): void {
    try {
      ignoreRejection(this.#program.onStaying?.())
    } catch (error) {
      this.#failed('onStaying', step, error)
    }
  }

  #failed(hook: keyof HearsOfMoves, step: number, error: unknown): void {
    const message = `${hook} failed at step ${step}, and nothing is changed by that: ${inspect(error)}`
    this.#answer({ type: 'hookFailed', message: message.slice(0, LIMITS.maxErrorLength) })
  }
}

/** What `onMigrating` returned, as a number of steps. Errors: `program-invalid`. */
export function stepsAskedFor(answer: unknown): number {
  ignoreRejection(answer)
  if (answer === undefined) return 0
  const { afterSteps } = (answer ?? {}) as { afterSteps?: unknown }
  if (typeof afterSteps === 'number' && Number.isSafeInteger(afterSteps) && afterSteps >= 0) return afterSteps
  const what = answer instanceof Promise ? 'a promise' : 'something else'
  throw new GodwitError(
    'program-invalid',
    `onMigrating returned ${what}: it returns nothing, or { afterSteps } with a whole number of steps from 0`,
  )
}

/** A promise that nobody waits for may be rejected: that is no failure of the job. */
function ignoreRejection(answer: unknown): void {
  if (answer instanceof Promise) answer.catch(() => {})
}
