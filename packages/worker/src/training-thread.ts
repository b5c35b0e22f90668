/**
 * The training thread: loads the program, steps, and looks at the control words between steps.
 *
 * It owns the small state and is the only one that writes paged memory while it runs. The pager may read pages at any time, and
 * writes them only while this thread waits.
 *
 * Invariants:
 * - a park happens between steps, or between a step's `compute` and its `apply`: nothing writes paged memory then;
 * - a park before `apply` is that of a `compute` which began after it was asked for, so that pages have all of it to drain;
 * - while the gate is closed nothing is applied but the delta that came with the state;
 * - `step` messages are posted in order, each step once in this thread's life.
 */
import { createHash } from 'node:crypto'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { arenaBytes, arenaDigest } from '@godwit/memory'
import {
  decodeValue,
  encodeValue,
  GodwitError,
  LIMITS,
  type SentDelta,
  toErrorReport,
} from '@godwit/protocol'
import { nowMs } from './clock.ts'
import type { Delta, SmallState, SplitSteps, StepReport, WholeSteps } from './contract.ts'
import { maxStagedBytes, sentArrays, stage, stagedBytes, stagedDelta } from './delta-staging.ts'
import { checkDelta, checkReport, isSplit, type LoadedProgram, loadProgram } from './loaded-program.ts'
import { Notices } from './notices.ts'
import { takeOverStreams } from './program-prints.ts'
import {
  ControlWords,
  type FromThread,
  REQUEST,
  type StartOver,
  type TakeOver,
  type ThreadStart,
  type ToThread,
} from './thread-messages.ts'

/** Enough for code to be compiled. */
const TAKE_OVER_REHEARSALS = 20
const PARK_REHEARSALS = 100
const PARK_REHEARSAL_MS = 2

class Stopped extends Error {}

const start = workerData as ThreadStart
const control = new ControlWords(start.control)
const prints = takeOverStreams(start.mode === 'incoming')
const port = parentPort
if (port === null) throw new Error('bug: the training thread is not a thread')

function post(message: FromThread): void {
  port?.postMessage(message)
}

/** What a `compute` found out, and how long that took. */
interface Computed {
  readonly delta: Delta
  readonly computeMs: number
}

interface StepTaken {
  readonly outcome: StepReport
  readonly stepMs: number
}

class Training {
  readonly #program: LoadedProgram
  readonly #paged: Uint8Array
  #state: SmallState
  #step = 0
  #announcedPark = 0
  /** Computed by the host that this job came from: applied next. */
  #given: Computed | undefined
  #staging: SharedArrayBuffer | undefined
  readonly #notices: Notices
  /** Of the rehearsal. */
  #lastDelta: Delta | undefined
  #stepMs = 0
  /** Of the first steps of a restored worker. */
  #keptReports: (() => void)[] = []
  /** In rehearsal the gate, which is closed from the start, does not count. */
  #gated = false

  constructor(program: LoadedProgram) {
    this.#program = program
    this.#paged = arenaBytes(start.memory, program.layout)
    this.#notices = new Notices(program.steps, post)
    this.#state = inProgram('init', () => program.steps.init())
  }

  /**
   * Steps that both hosts take from `init`, and a digest of what came out. Fresh workers report theirs as real steps; restored ones keep
   * their reports for the case that there is nothing to go on with but these steps.
   */
  firstSteps(): string {
    const losses = createHash('sha256')
    for (const last = Math.min(LIMITS.rehearsalSteps, start.steps); this.#step < last; ) {
      if (start.mode === 'fresh') this.#boundary()
      const { loss, report } = this.#takeStep()
      losses.update(new Float64Array([loss]))
      if (start.mode === 'fresh') report()
      if (start.mode === 'restored') this.#keptReports.push(report)
    }
    return losses.update(arenaDigest(this.#paged)).update(encodeValue(this.#state)).digest('hex')
  }

  /**
   * Does, while nobody waits, what is to be fast later: more steps, because compilers optimize what runs often and the first
   * step here is to be as fast as the last one there, and what a take-over does. A program that fails in it fails later or not at all.
   */
  warmUp(): void {
    const untilMs = nowMs() + LIMITS.warmUpMs
    const last = Math.min(start.steps, this.#step + LIMITS.warmUpSteps)
    try {
      while (this.#step < last && nowMs() < untilMs) this.#takeStep()
      for (let time = 0; time < TAKE_OVER_REHEARSALS; time++) this.#rehearseTakeOver()
    } catch (error) {
      console.error(error)
    }
    this.#lastDelta = undefined
  }

  #rehearseTakeOver(): void {
    decodeValue(encodedState(this.#state))
    receiveMessageOnPort(port as NonNullable<typeof port>)
    if (this.#lastDelta === undefined) return
    const { arrays, values } = this.#lastDelta
    const sent = {
      arrays: sentArrays(arrays),
      byteLength: stagedBytes(arrays),
      values: encodeValue(values),
      computeMs: 0,
    }
    stagedDelta(sent, this.#program.deltaArrays, new SharedArrayBuffer(sent.byteLength))
  }

  /** Waits for the pager to have installed everything, then goes on from there; or, restored from nothing, from the first steps. */
  takeOver(): void {
    this.#waitWhile(REQUEST.await)
    const received = this.#receive()
    if (received === undefined) throw new Error('bug: woken up without a state to take over')
    const reports = this.#keptReports
    this.#keptReports = []
    if (received.type === 'startOver') for (const report of reports) report()
    else this.#goOnFrom(received)
    post({ type: 'resumed', atMs: nowMs() })
  }

  #goOnFrom({ step, smallState, delta }: TakeOver): void {
    this.#state = decodeValue(smallState) as SmallState
    if (delta !== undefined) {
      const { sent, staging } = delta
      const given = stagedDelta(sent, this.#program.deltaArrays, staging)
      this.#given = { delta: checkDelta(given, this.#program.deltaArrays), computeMs: sent.computeMs }
    }
    this.#step = step
    control.step = step
    this.#gated = true
    prints.begin()
  }

  run(): void {
    while (this.#step < start.steps) {
      if (this.#given === undefined) this.#boundary()
      this.#takeStep().report()
      this.#throttle()
    }
    this.#waitAtGate()
    post({ type: 'ended', steps: this.#step, stateDigest: arenaDigest(this.#paged) })
  }

  #takeStep(): { loss: number; report: () => void } {
    const { steps } = this.#program
    const { outcome, stepMs } = isSplit(steps) ? this.#splitStep(steps) : this.#wholeStep(steps)
    const step = this.#step
    this.#step += 1
    control.step = this.#step
    this.#stepMs = stepMs
    const { loss, metrics } = outcome
    const report = (): void =>
      post({ type: 'step', step, loss, stepMs, ...(metrics === undefined ? {} : { metrics }) })
    return { loss, report }
  }

  #splitStep(steps: SplitSteps<SmallState>): StepTaken {
    const { delta, computeMs } = this.#given ?? this.#compute(steps)
    this.#given = undefined
    const beganMs = nowMs()
    const outcome = inProgram('apply', () => checkReport(steps.apply(this.#state, delta), 'apply'))
    return { outcome, stepMs: computeMs + nowMs() - beganMs }
  }

  #wholeStep(steps: WholeSteps<SmallState>): StepTaken {
    this.#waitAtGate()
    const beganMs = nowMs()
    const outcome = inProgram('step', () => checkReport(steps.step(this.#state), 'step'))
    return { outcome, stepMs: nowMs() - beganMs }
  }

  /** Computes, and stays as long as the job must not be written to. */
  #compute(steps: SplitSteps<SmallState>): Computed {
    const askedPark = control.requested.park
    const beganMs = nowMs()
    const delta = inProgram('compute', () =>
      checkDelta(steps.compute(this.#state), this.#program.deltaArrays),
    )
    const computed = { delta, computeMs: nowMs() - beganMs }
    if (!this.#gated && start.mode === 'incoming') this.#lastDelta = delta
    control.computed(computed.computeMs, stagedBytes(delta.arrays))
    this.#beforeApply(askedPark, computed)
    this.#waitAtGate()
    return computed
  }

  /** Between two steps: where the thread parks, holds or ends. */
  #boundary(): void {
    for (;;) {
      this.#holdWhileSpoolIsFull()
      if (control.requested.bits & REQUEST.tell) this.#hear()
      this.#notices.atBoundary(this.#step)
      const { bits, park, word } = control.requested
      if (bits & REQUEST.stop) throw new Stopped()
      const parksHere =
        bits & REQUEST.hold ? REQUEST.parkAtBoundary | REQUEST.parkQuietly : REQUEST.parkAtBoundary
      if (bits & parksHere && park !== this.#announcedPark) this.#announcePark(park)
      else if (bits & (REQUEST.parkAtBoundary | REQUEST.hold)) control.waitForChange(word)
      else return
    }
  }

  /** Between `compute` and `apply`: the other place to park. One that was asked for later than `askedPark` is another step's. */
  #beforeApply(askedPark: number, computed: Computed): void {
    for (;;) {
      const { bits, park, word } = control.requested
      if (bits & REQUEST.stop) throw new Stopped()
      if (!(bits & (REQUEST.parkBeforeApply | REQUEST.parkQuietly)) || park !== askedPark) return
      if (park !== this.#announcedPark)
        this.#announcePark(park, bits & REQUEST.parkBeforeApply ? computed : undefined)
      else control.waitForChange(word)
    }
  }

  #announcePark(park: number, computed?: Computed): void {
    this.#announcedPark = park
    const parkedMs = nowMs()
    try {
      const smallState = encodedState(this.#state)
      const delta = computed && this.#sentDelta(computed, smallState.length)
      control.stagedBytes = 0
      post({ type: 'parked', park, step: this.#step, parkedMs, smallState, delta })
    } catch (error) {
      post({ type: 'parkFailed', park, error: toErrorReport(error) })
      return
    }
    if (computed !== undefined) this.#stage(computed.delta)
  }

  /** What a park hands over is encoded once in a job's life, in the downtime: here it is done often enough to be fast by then. */
  #rehearsePark(): void {
    const untilMs = nowMs() + PARK_REHEARSAL_MS
    try {
      for (let time = 0; time < PARK_REHEARSALS && nowMs() < untilMs; time++) encodedState(this.#state)
    } catch {
      // Too large: that is said when it parks.
    }
  }

  #sentDelta({ delta, computeMs }: Computed, smallStateBytes: number): SentDelta {
    const values = encodeValue(delta.values)
    if (smallStateBytes + values.length > LIMITS.maxSmallStateBytes) {
      throw new GodwitError(
        'too-large',
        `the small state and the delta's values have ${smallStateBytes + values.length} bytes, the limit is ${LIMITS.maxSmallStateBytes}: keep large things in tensors and delta arrays`,
      )
    }
    const { arrays } = delta
    return { arrays: sentArrays(arrays), byteLength: stagedBytes(arrays), values, computeMs }
  }

  /** The pager sends before it asks: what it sends after the bit is cleared sets it again. */
  #hear(): void {
    control.request({ clear: REQUEST.tell })
    this.#receive()
  }

  /** Takes what the pager sent so far; returns what to go on with, if that came. */
  #receive(): TakeOver | StartOver | undefined {
    for (;;) {
      const received = receiveMessageOnPort(port as NonNullable<typeof port>)?.message as ToThread | undefined
      if (received === undefined) return undefined
      if (received.type === 'takeOver' || received.type === 'startOver') return received
      if (received.type === 'staging') this.#staging = received.memory
      else if (received.type === 'rehearsePark') this.#rehearsePark()
      else this.#notices.add(received)
    }
  }

  #stage({ arrays }: Delta): void {
    this.#receive()
    const memory = this.#staging
    if (memory === undefined || memory.byteLength < maxStagedBytes(this.#program.deltaArrays))
      throw new Error('bug: parked before apply without memory for the delta')
    stage(arrays, memory, (bytes) => {
      control.stagedBytes = bytes
    })
  }

  /** Idles for the share of its time that was asked for; a park or a stop ends it. */
  #throttle(): void {
    const percent = control.throttlePercent
    if (percent === 0) return
    const untilMs = nowMs() + (this.#stepMs * percent) / (100 - percent)
    for (let leftMs = untilMs - nowMs(); leftMs > 0; leftMs = untilMs - nowMs()) {
      const { bits, word } = control.requested
      if (
        bits & (REQUEST.stop | REQUEST.parkAtBoundary | REQUEST.parkBeforeApply | REQUEST.parkQuietly) ||
        control.throttlePercent === 0
      )
        return
      control.waitForChange(word, leftMs)
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

  /** While the gate is closed the job is another's: nothing of it is written. */
  #waitAtGate(): void {
    if ((control.requested.bits & REQUEST.gate) === 0 || !this.#gated) return
    post({ type: 'atGate', atMs: nowMs() })
    this.#waitWhile(REQUEST.gate)
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
  const program = await loadProgram(start.programFile, start.parameters, start.memory, start.bundle)
  const { layout, programDigest, parametersDigest, dataDigests, mathDigests } = program
  post({
    type: 'loaded',
    layout,
    program: program.name,
    programDigest,
    parametersDigest,
    dataDigests,
    mathDigests,
    deltaArrays: isSplit(program.steps) ? program.deltaArrays : undefined,
    tellsProgram: program.steps.onMigrating !== undefined,
  })
  const training = new Training(program)
  const rehearsalDigest = training.firstSteps()
  if (start.mode === 'incoming') training.warmUp()
  post({ type: 'prepared', rehearsalDigest })
  if (start.mode !== 'fresh') training.takeOver()
  training.run()
}

try {
  await main()
} catch (error) {
  if (error instanceof Stopped) post({ type: 'stopped' })
  else {
    prints.reveal()
    if (!(error instanceof GodwitError)) console.error(error)
    else if (error.cause !== undefined) console.error(error.cause)
    post({ type: 'failed', error: toErrorReport(error), step: control.step })
  }
}
