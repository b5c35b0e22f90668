/**
 * The training thread: loads the program, steps, and looks at the control words between steps.
 *
 * It owns the small state and is the only one that writes paged memory while it runs. The pager may read pages at any time, and
 * writes them only while this thread waits.
 *
 * Invariants:
 * - a park happens between steps: `apply` has returned, the next `compute` has not begun;
 * - nothing is applied while the gate is closed;
 * - `step` messages are posted in order, each step once in this thread's life.
 */
import { createHash } from 'node:crypto'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { arenaBytes, arenaDigest } from '@godwit/memory'
import { decodeValue, encodeValue, GodwitError, LIMITS, toErrorReport } from '@godwit/protocol'
import { nowMs } from './clock.ts'
import type { SmallState } from './contract.ts'
import { checkDelta, checkReport, isSplit, type LoadedProgram, loadProgram } from './loaded-program.ts'
import { ControlWords, type FromThread, REQUEST, type TakeOver, type ThreadStart } from './thread-messages.ts'

class Stopped extends Error {}

const start = workerData as ThreadStart
const control = new ControlWords(start.control)
const port = parentPort
if (port === null) throw new Error('bug: the training thread is not a thread')

function post(message: FromThread): void {
  port?.postMessage(message)
}

class Training {
  readonly #program: LoadedProgram
  readonly #paged: Uint8Array
  #state: SmallState
  #step = 0
  #announcedPark = 0
  /** In rehearsal the gate, which is closed from the start, does not count. */
  #gated = false

  constructor(program: LoadedProgram) {
    this.#program = program
    this.#paged = arenaBytes(start.memory, program.layout)
    this.#state = inProgram('init', () => program.steps.init())
  }

  /** Steps that both hosts take from `init`, and a digest of what came out. Fresh workers report theirs as real steps. */
  firstSteps(): string {
    const losses = createHash('sha256')
    for (const last = Math.min(LIMITS.rehearsalSteps, start.steps); this.#step < last; ) {
      if (start.mode === 'fresh') this.#boundary()
      const { loss, report } = this.#takeStep()
      losses.update(new Float64Array([loss]))
      if (start.mode === 'fresh') report()
    }
    return losses.update(arenaDigest(this.#paged)).update(encodeValue(this.#state)).digest('hex')
  }

  /** Waits for the pager to have installed everything, then goes on from there. */
  takeOver(): void {
    this.#waitWhile(REQUEST.await)
    const received = receiveMessageOnPort(port as NonNullable<typeof port>)
    if (received === undefined) throw new Error('bug: woken up without a state to take over')
    const { step, smallState } = received.message as TakeOver
    this.#state = decodeValue(smallState) as SmallState
    this.#step = step
    control.step = step
    this.#gated = true
    post({ type: 'resumed', atMs: nowMs() })
  }

  run(): void {
    while (this.#step < start.steps) {
      this.#boundary()
      this.#takeStep().report()
    }
    this.#waitAtGate()
    post({ type: 'ended', steps: this.#step, stateDigest: arenaDigest(this.#paged) })
  }

  #takeStep(): { loss: number; report: () => void } {
    const beganMs = nowMs()
    const { steps, deltaArrays } = this.#program
    let gateMs = 0
    let outcome: { loss: number; metrics?: Record<string, number> }
    if (isSplit(steps)) {
      const delta = inProgram('compute', () => checkDelta(steps.compute(this.#state), deltaArrays))
      gateMs = this.#waitAtGate()
      outcome = inProgram('apply', () => checkReport(steps.apply(this.#state, delta), 'apply'))
    } else {
      gateMs = this.#waitAtGate()
      outcome = inProgram('step', () => checkReport(steps.step(this.#state), 'step'))
    }
    const step = this.#step
    const stepMs = nowMs() - beganMs - gateMs
    this.#step += 1
    control.step = this.#step
    const { loss, metrics } = outcome
    const report = (): void =>
      post({ type: 'step', step, loss, stepMs, ...(metrics === undefined ? {} : { metrics }) })
    return { loss, report }
  }

  /** Between two steps: the only place where the thread parks, holds or ends. */
  #boundary(): void {
    for (;;) {
      this.#holdWhileSpoolIsFull()
      const { bits, park, word } = control.requested
      if (bits & REQUEST.stop) throw new Stopped()
      if (bits & REQUEST.park && park !== this.#announcedPark) this.#announcePark(park)
      else if (bits & (REQUEST.park | REQUEST.hold)) control.waitForChange(word)
      else return
    }
  }

  #announcePark(park: number): void {
    this.#announcedPark = park
    const parkedMs = nowMs()
    try {
      post({ type: 'parked', park, step: this.#step, parkedMs, smallState: encodedState(this.#state) })
    } catch (error) {
      post({ type: 'parkFailed', park, error: toErrorReport(error) })
    }
  }

  /** Exact however fast steps are: no pager stands between the count and the hold. */
  #holdWhileSpoolIsFull(): void {
    const isFull = (): boolean => this.#step - control.acknowledged >= LIMITS.maxSpooledOutputs
    if (!isFull()) return
    control.request({ set: REQUEST.hold })
    // An acknowledgement may have come between the two: the pager stores it before it clears the bit.
    if (!isFull()) control.request({ clear: REQUEST.hold })
  }

  /** Returns the milliseconds that the gate was closed. */
  #waitAtGate(): number {
    if ((control.requested.bits & REQUEST.gate) === 0 || !this.#gated) return 0
    const beganMs = nowMs()
    post({ type: 'atGate', atMs: beganMs })
    this.#waitWhile(REQUEST.gate)
    return nowMs() - beganMs
  }

  #waitWhile(bit: number): void {
    for (;;) {
      const { bits, word } = control.requested
      if (bits & REQUEST.stop) throw new Stopped()
      if ((bits & bit) === 0) return
      control.waitForChange(word)
    }
  }
}

function encodedState(state: SmallState): Uint8Array {
  const bytes = encodeValue(state)
  if (bytes.length <= LIMITS.maxSmallStateBytes) return bytes
  throw new GodwitError(
    'too-large',
    `the small state has ${bytes.length} bytes, the limit is ${LIMITS.maxSmallStateBytes}: keep large things in tensors`,
  )
}

/** Runs the program's code: what it throws or returns is the program's failure, not ours, and said with its step. */
function inProgram<T>(where: 'init' | 'compute' | 'apply' | 'step', run: () => T): T {
  try {
    return run()
  } catch (error) {
    const at = control.step
    if (error instanceof GodwitError) {
      const { kind, message, cause } = error
      throw where === 'init' ? error : new GodwitError(kind, `at step ${at}: ${message}`, { cause })
    }
    throw new GodwitError(
      'program-failed',
      `${where} threw at step ${at}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
}

async function main(): Promise<void> {
  const program = await loadProgram(start.programFile, start.parameters, start.memory)
  const { layout, programDigest, parametersDigest, dataDigests, mathDigests } = program
  post({
    type: 'loaded',
    layout,
    program: program.name,
    programDigest,
    parametersDigest,
    dataDigests,
    mathDigests,
  })
  const training = new Training(program)
  post({ type: 'prepared', rehearsalDigest: training.firstSteps() })
  if (start.mode === 'incoming') training.takeOver()
  training.run()
}

try {
  await main()
} catch (error) {
  if (error instanceof Stopped) post({ type: 'stopped' })
  else {
    if (!(error instanceof GodwitError)) console.error(error)
    else if (error.cause !== undefined) console.error(error.cause)
    post({ type: 'failed', error: toErrorReport(error), step: control.step })
  }
}
