/** A job as it is typed before it is started, and what the coordinator is told of it. Each field that makes no sense has a sentence that says what would. */
import type { PlacementRules, WorkloadView } from '@godwit/protocol'
import { LIMITS, parseParameter, sayParameter } from '@godwit/protocol/light'
import type { RequestOf } from '../api/ask.ts'
import { formatDuration } from '../format/units.ts'
import { checkRules, type RulesForm, rulesFormOf } from './rules-form.ts'

/** What every agent has: the programs that come with Godwit. */
export const BUILT_IN = ['mnist-mlp', 'char-transformer', 'word-embeddings'] as const

export interface Program {
  /** By which it is chosen. */
  readonly key: string
  readonly words: string
  readonly program: string
  /** The coordinator has it, and brings it to whichever host. */
  readonly bundle?: NonNullable<WorkloadView['bundle']>
}

/** To be written: its name or path on the hosts. */
export const OTHER = 'other'

export interface RunForm {
  /** Of a `Program`, or `OTHER`. */
  readonly program: string
  readonly other: string
  /** Empty: the coordinator chooses. */
  readonly host: string
  /** Why it chose as it did. */
  readonly explain: boolean
  readonly steps: string
  /** `key=value`, one a line. */
  readonly parameters: string
  /** Empty: made of the program's. */
  readonly id: string
  readonly restartPolicy: WorkloadView['restartPolicy']
  /** Empty: only those that are asked for. */
  readonly checkpointSeconds: string
  readonly rules: RulesForm
}

export type RunField = 'other' | 'steps' | 'parameters' | 'id' | 'checkpointSeconds' | 'requires'
export type RunProblems = { readonly [Field in RunField]?: string }

type Job = Pick<WorkloadView, 'id' | 'program' | 'bundle' | 'startedAtMs'>

/** Those that come with Godwit, and what jobs run or ran, the latest first. */
export function programsOf(jobs: readonly Job[]): { builtIn: Program[]; ofJobs: Program[] } {
  const builtIn = BUILT_IN.map((program) => ({ key: keyOf({ program }), words: program, program }))
  const seen = new Set(builtIn.map(({ key }) => key))
  const ofJobs: Program[] = []
  for (const job of [...jobs].sort((a, b) => (b.startedAtMs ?? 0) - (a.startedAtMs ?? 0))) {
    const key = keyOf(job)
    if (seen.has(key)) continue
    seen.add(key)
    const { id, program, bundle } = job
    ofJobs.push({ key, program, words: `${program}, as in ${id}`, ...(bundle !== undefined && { bundle }) })
  }
  return { builtIn, ofJobs }
}

function keyOf({ program, bundle }: Pick<Job, 'program' | 'bundle'>): string {
  return `${program} ${bundle?.digest ?? ''}`
}

/** `like`: a job to be run again, from its beginning and under another name. */
export function firstForm(like: WorkloadView | undefined, host = ''): RunForm {
  const { parameters = {}, steps = 1000, restartPolicy = 'on-failure', rules } = like ?? {}
  return {
    program: keyOf(like ?? { program: BUILT_IN[0] }),
    other: '',
    host,
    explain: false,
    steps: String(steps),
    parameters: Object.entries(parameters)
      .map(([name, value]) => sayParameter(name, value))
      .join('\n'),
    id: '',
    restartPolicy,
    checkpointSeconds: '',
    rules: rulesFormOf(rules),
  }
}

export type CheckedRun =
  | { readonly request: RequestOf<'run'>; readonly problems: undefined }
  | { readonly request: undefined; readonly problems: RunProblems }

export function checkRun(form: RunForm, programs: readonly Program[]): CheckedRun {
  const problems: { [Field in RunField]?: string } = {}
  const { id, host, explain, restartPolicy } = form
  const { program, bundle } = programs.find(({ key }) => key === form.program) ?? {
    program: form.other.trim(),
  }
  if (program === '' || program.length > LIMITS.maxPathLength)
    problems.other =
      'Write the name of a program, or the path of its file on the hosts: mnist-mlp, /srv/train.ts.'
  const steps = wholeIn(form.steps)
  if (!(steps >= 1)) problems.steps = 'Write a whole number of at least 1: 1000 is a short run.'
  const parameters = parametersIn(form.parameters)
  if (typeof parameters === 'string') problems.parameters = parameters
  if (
    id.trim() !== '' &&
    !(id.trim().length <= MAX_ID_LENGTH && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(id.trim()))
  )
    problems.id = `Write letters, digits, dots, dashes and underscores, ${MAX_ID_LENGTH} at most, beginning with a letter or digit; or nothing.`
  const checkpointEveryMs = everyMs(form.checkpointSeconds)
  if (Number.isNaN(checkpointEveryMs))
    problems.checkpointSeconds = `Write seconds, from ${LIMITS.minCheckpointEveryMs / 1000} to ${formatDuration(LIMITS.maxMigrationMs)}, or nothing.`
  const { rules, problem } = checkRules(form.rules)
  if (problem !== undefined) problems.requires = problem
  if (typeof parameters === 'string' || rules === undefined || Object.keys(problems).length > 0)
    return { request: undefined, problems }
  return {
    problems: undefined,
    request: {
      ...{ op: 'run', program, parameters, steps, tracker: 'auto', restartPolicy },
      ...(bundle !== undefined && { bundle }),
      ...(host === '' ? explain && { explain } : { host }),
      ...(id.trim() !== '' && { id: id.trim() }),
      ...(checkpointEveryMs !== undefined && { checkpointEveryMs }),
      ...(hasRules(rules) && { rules }),
    },
  }
}

/** The coordinator's limit: names of workers are made of it. */
const MAX_ID_LENGTH = 150

function hasRules(rules: PlacementRules): boolean {
  return Object.keys(rules).length > 0
}

/** NaN where it is none. */
function wholeIn(text: string): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : Number.NaN
}

/** Undefined where nothing is written, NaN where it makes no sense. */
function everyMs(text: string): number | undefined {
  if (text.trim() === '') return undefined
  const ms = /^\d+(\.\d+)?$/.test(text.trim()) ? 1000 * Number(text) : Number.NaN
  return ms >= LIMITS.minCheckpointEveryMs && ms <= LIMITS.maxMigrationMs ? ms : Number.NaN
}

/** Otherwise what is wrong with which line. */
function parametersIn(text: string): Record<string, string | number | boolean> | string {
  const all: Record<string, string | number | boolean> = {}
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    try {
      const [name, value] = parseParameter(line.trim())
      if (Object.hasOwn(all, name)) return `Line ${index + 1}: ${name} stands there twice, leave one out.`
      all[name] = value
    } catch (error) {
      return `Line ${index + 1}: ${(error as Error).message}.`
    }
  }
  const count = Object.keys(all).length
  return count > LIMITS.maxParameters
    ? `Write ${LIMITS.maxParameters} parameters at most: these are ${count}.`
    : all
}
