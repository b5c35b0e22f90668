/**
 * Does a program keep the contract? This tries what a move would rely on, rule by rule, on this machine.
 *
 * A program that breaks the contract trains well and moves badly, and nobody sees why: its loss curve just bends after
 * the move. So everything that a move does is done here: steps are repeated, pages are watched while `compute` runs,
 * small state is encoded and decoded, and a run is cut at a step and carried on by a fresh setup that has rehearsed.
 *
 * The order matters: each group of checks relies on those before (check-findings.ts says how failures are kept from
 * cascading). The second setup comes last, because a program may keep its tensors in variables of its module:
 * after another setup these belong to that one, which is no fault in a process that sets up once.
 */
import { isDeepStrictEqual } from 'node:util'
import { layoutDigest } from '@godwit/memory'
import { encodeValue, GodwitError, LIMITS, type Parameters } from '@godwit/protocol'
import {
  Bench,
  difference,
  type Fingerprint,
  listed,
  reportBits,
  type Snapshot,
  stateDifference,
} from './check-bench.ts'
import { checkCode } from './check-code.ts'
import {
  Broken,
  Checklist,
  type CheckName,
  type Finding,
  type Listener,
  type Remark,
} from './check-findings.ts'
import { blame, dissectStep, stepTwice } from './check-step.ts'
import { checkDeltaCanMove, checkSmallState } from './check-values.ts'
import type { StepReport } from './contract.ts'
import { importProgram } from './loaded-program.ts'
import { stepsAskedFor } from './notices.ts'
import { digestProgram } from './program-digest.ts'

/** Steps of each run. */
const RUN_STEPS = 5
/** A run is cut after so many. Not after `rehearsalSteps`: what a rehearsal leaves behind would look like the real thing. */
const CUT_STEP = 2
/** Steps of which compute and apply are taken apart. */
const DISSECTED_STEPS = 3
/** As a number of each dtype neither 0 nor so small that adding to it goes unnoticed. */
const GARBAGE = 0x3f

/** Said of checks that look at compute, for a program without one. */
const WHOLE: Remark = {
  status: 'skipped',
  message:
    'the program steps as a whole, so there is no compute to look at. It can park only after a step, with all that the step wrote still to be sent: split `step` into `compute` and `apply` for a shorter pause',
}

/** What the first run left, to hold the others against. */
interface Run {
  /** Loss and metrics as bits, by step. */
  readonly reports: readonly string[]
  readonly end: Fingerprint
  /** After CUT_STEP steps. */
  readonly cut: Snapshot
}

/** `programFile` is absolute. Returns the findings in order; each was told to `listener` when it was made. */
export async function checkProgram(
  programFile: string,
  parameters: Parameters,
  listener: Listener,
): Promise<readonly Finding[]> {
  const list = new Checklist(programFile, listener)
  await new ProgramCheck(list, programFile, parameters).all()
  return list.findings
}

class ProgramCheck {
  readonly #list: Checklist
  readonly #programFile: string
  readonly #parameters: Parameters
  #first: Bench | undefined
  #run: Run | undefined

  constructor(list: Checklist, programFile: string, parameters: Parameters) {
    this.#list = list
    this.#programFile = programFile
    this.#parameters = parameters
  }

  async all(): Promise<void> {
    const list = this.#list
    await list.run('module', [], async () => {
      await digestProgram(this.#programFile)
      return `loads, and is a program: ${(await importProgram(this.#programFile)).name}`
    })
    await list.run('code', ['module'], () => checkCode(this.#programFile))
    await list.run('setup', ['module'], async () => {
      this.#first = await Bench.setUp(this.#programFile, this.#parameters)
      return describeSetup(this.#first)
    })
    try {
      await list.run('init', ['setup'], () => this.#checkInit())
      await this.#checkFirstRun()
      await this.#checkDissected()
      await list.run('run-repeats', ['loss', 'apply-repeats'], () => this.#checkRunRepeats())
      await list.run('notice', ['run-repeats'], () => this.#checkNotice())
    } finally {
      this.#first?.close()
    }
    let second: Bench | undefined
    await list.run('layout', ['setup'], async () => {
      second = await Bench.setUp(this.#programFile, this.#parameters)
      return checkSameSetup(this.#bench, second)
    })
    await list.run('resume', ['run-repeats', 'layout'], () => this.#checkResume(second as Bench))
  }

  get #bench(): Bench {
    if (this.#first === undefined) throw new Error('bug: a check ran without its setup')
    return this.#first
  }

  #checkInit(): string {
    const bench = this.#bench
    bench.init()
    const first = bench.fingerprint()
    bench.init()
    const again = difference(first, bench.fingerprint())
    if (again !== undefined) {
      throw new Broken(
        'init',
        `init gave other bits when it was called again, in ${again}: derive everything from the seed, with counter-based random numbers (no Math.random, no clock, no variable that goes on counting)`,
      )
    }
    bench.fillTensors(GARBAGE)
    bench.init()
    const over = difference(first, bench.fingerprint())
    if (over !== undefined) {
      throw new Broken(
        'init',
        `init builds on what stood in memory before, in ${over}: write every element, zeros too (tensor.fill(0))`,
      )
    }
    return 'gives the same bits each time, whatever stood in memory'
  }

  /** Steps as the training thread takes them, with a look at all that leaves the program. */
  async #checkFirstRun(): Promise<void> {
    const losses: number[] = []
    let smallStateBytes = 0
    await this.#checkTogether({
      needs: ['init'],
      body: () => {
        const bench = this.#bench
        const reports: string[] = []
        let cut: Snapshot | undefined
        bench.init()
        smallStateBytes = checkSmallState(bench).length
        while (bench.step < RUN_STEPS) {
          this.#list.progress('steps', `step ${bench.step + 1} of ${RUN_STEPS}`)
          const report = this.#lookedAtStep()
          reports.push(reportBits(report))
          losses.push(report.loss)
          smallStateBytes = Math.max(smallStateBytes, checkSmallState(bench).length)
          if (bench.step === CUT_STEP) cut = bench.save()
        }
        this.#run = { reports, end: bench.fingerprint(), cut: cut as Snapshot }
      },
      checks: {
        'small-state': () =>
          `is plain data, and comes back from a move bit for bit (${smallStateBytes} bytes)`,
        steps: () => `${RUN_STEPS} steps run`,
        delta: () =>
          this.#bench.split === undefined ? WHOLE : 'is as setup declared it, and refers to nothing else',
        loss: () => `is finite: ${losses.map((loss) => loss.toPrecision(4)).join(', ')}`,
      },
    })
  }

  #lookedAtStep(): StepReport {
    const bench = this.#bench
    if (bench.split === undefined) return blame('steps', () => bench.wholeStep())
    const delta = blame('steps', () => bench.compute())
    blame('delta', () => checkDeltaCanMove(delta, bench))
    return blame('steps', () => bench.apply(delta))
  }

  /** Steps taken apart: watched, and each part done twice. */
  async #checkDissected(): Promise<void> {
    const whole = this.#first !== undefined && this.#first.split === undefined
    await this.#checkTogether({
      needs: ['loss'],
      body: () => {
        const bench = this.#bench
        bench.init()
        while (bench.step < DISSECTED_STEPS) {
          this.#list.progress('compute-writes', `taking step ${bench.step + 1} of ${DISSECTED_STEPS} apart`)
          if (whole) stepTwice(bench, () => bench.wholeStep(), 'step')
          else dissectStep(bench)
        }
      },
      checks: {
        'compute-writes': () => (whole ? WHOLE : 'compute writes no page and leaves the small state alone'),
        'compute-repeats': () => (whole ? WHOLE : 'compute gives the same delta again, bit for bit'),
        'apply-repeats': () =>
          `${whole ? 'a step' : 'the same delta'} from the same state gives the same bits`,
      },
    })
  }

  #checkRunRepeats(): string {
    const bench = this.#bench
    const run = this.#run as Run
    bench.init()
    for (const [step, expected] of run.reports.entries()) {
      this.#list.progress('run-repeats', `step ${step + 1} of ${RUN_STEPS}`)
      if (bench.takeStep() !== expected) {
        throw new Broken(
          'run-repeats',
          `from init on, step ${step} reports another loss or metric than in the first run: something outlives init (a variable of the module or of setup, a clock, a random source); keep it in small state`,
        )
      }
    }
    const differs = difference(run.end, bench.fingerprint())
    if (differs !== undefined) {
      throw new Broken(
        'run-repeats',
        `after ${RUN_STEPS} steps ${differs} ended up with other bits than in the first run: something outlives init (a variable of the module or of setup, a clock, a random source); keep it in small state`,
      )
    }
    return `${RUN_STEPS} steps from init on give the same bits again`
  }

  /** A run that is told that it moves, and then that it stays, is held against one that is told nothing. */
  #checkNotice(): string {
    const bench = this.#bench
    const { steps } = bench.program
    if (steps.onMigrating === undefined) return 'the program does not ask to be told of its moves'
    const run = this.#run as Run
    bench.init()
    while (bench.step < CUT_STEP) bench.takeStep()
    const notice = Object.freeze({ from: 'here', to: 'there', step: CUT_STEP, expectedDowntimeMs: 10 })
    tell(bench, 'onMigrating', () => stepsAskedFor(steps.onMigrating?.(notice)))
    tell(bench, 'onStaying', () => steps.onStaying?.())
    while (bench.step < RUN_STEPS) {
      const { step } = bench
      if (bench.takeStep() !== run.reports[step]) throw toldOtherwise(`step ${step} reports other bits`)
    }
    const differs = difference(run.end, bench.fingerprint())
    if (differs !== undefined) throw toldOtherwise(`${differs} ended up with other bits`)
    return 'a run that is told of a move gives the same bits'
  }

  /** What a target does: a setup of its own, init and rehearsal, then pages and small state of the job. */
  #checkResume(second: Bench): string {
    const run = this.#run as Run
    blame('resume', () => {
      second.init()
      while (second.step < LIMITS.rehearsalSteps) {
        this.#list.progress('resume', `rehearsing, step ${second.step + 1}`)
        second.takeStep()
      }
      second.restore(run.cut, CUT_STEP)
      while (second.step < RUN_STEPS) {
        const { step } = second
        this.#list.progress('resume', `step ${step + 1} of ${RUN_STEPS}`)
        if (second.takeStep() !== run.reports[step])
          throw carriedOnDifferently(`step ${step} reports other bits`)
      }
    })
    const differs = difference(run.end, second.fingerprint())
    if (differs !== undefined) throw carriedOnDifferently(`${differs} ended up with other bits`)
    return `a run cut at step ${CUT_STEP} and carried on elsewhere gives the same bits`
  }

  /** Several checks made in one go: `body` throws what is wrong with one of them; those before it then passed. */
  async #checkTogether({
    needs,
    body,
    checks,
  }: {
    needs: readonly CheckName[]
    body: () => void
    checks: Partial<Record<CheckName, () => string | Remark>>
  }): Promise<void> {
    let broken: Broken | undefined
    let before = needs
    for (const [name, passed] of Object.entries(checks) as [CheckName, () => string | Remark][]) {
      await this.#list.run(name, before, () => {
        if (before === needs) {
          try {
            body()
          } catch (error) {
            if (!(error instanceof Broken)) throw error
            broken = error
          }
        }
        if (broken?.check === name) throw broken
        return passed()
      })
      before = [name]
    }
  }
}

function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`
}

function describeSetup({ program, split }: Bench): string {
  const { tensors, byteLength } = program.layout
  const files = Object.keys(program.dataDigests).length
  return [
    `${tensors.length} ${tensors.length === 1 ? 'tensor' : 'tensors'} in ${megabytes(byteLength)} of paged memory`,
    `${files} data ${files === 1 ? 'file' : 'files'}`,
    split === undefined ? 'whole steps' : 'steps split in compute and apply',
  ].join(', ')
}

/** Everything that setup tells the runtime has to be the same on every host. */
function checkSameSetup({ program: one }: Bench, { program: other }: Bench): string {
  const advice = 'let it depend on parameters and data files only'
  if (layoutDigest(one.layout) !== layoutDigest(other.layout)) {
    const at = one.layout.tensors.findIndex(
      (tensor, index) => JSON.stringify(tensor) !== JSON.stringify(other.layout.tensors[index]),
    )
    const which = one.layout.tensors[at]?.name ?? 'the number of tensors'
    throw new Broken('layout', `a second setup laid tensors out differently, from ${which} on: ${advice}`)
  }
  if (!isDeepStrictEqual(one.deltaArrays, other.deltaArrays))
    throw new Broken('layout', `a second setup declared other delta arrays: ${advice}`)
  if (!isDeepStrictEqual(one.dataDigests, other.dataDigests))
    throw new Broken('layout', `a second setup read other data files, or other bytes in one: ${advice}`)
  return 'setup declares the same again'
}

/** Calls a hook, which may change nothing that a step reads. */
function tell(bench: Bench, hook: 'onMigrating' | 'onStaying', call: () => unknown): void {
  const before = encodeValue(bench.state)
  const written = bench.writtenBy(() => {
    try {
      call()
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error)
      const message = error instanceof GodwitError ? said : `${hook} threw: ${said}`
      throw new Broken('notice', `${message}. The job would move all the same`, { cause: error })
    }
  })
  const state = stateDifference(before, encodeValue(bench.state))
  if (written.length > 0 || state !== undefined) {
    const what = written.length > 0 ? `wrote to ${listed(written)}` : `changed ${state}`
    throw new Broken(
      'notice',
      `${hook} ${what}: a job that moves would have other bits than one that does not`,
    )
  }
}

function toldOtherwise(what: string): Broken {
  return new Broken(
    'notice',
    `a run that was told of a move went another way: ${what}. What the hooks change, steps may not read`,
  )
}

function carriedOnDifferently(what: string): Broken {
  return new Broken(
    'resume',
    `a run cut at step ${CUT_STEP} and carried on elsewhere went another way: ${what}. Something that steps depend on is in no tensor and not in small state (a variable of the module or of setup)`,
  )
}
