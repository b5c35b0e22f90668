/** `run`: start a workload, and follow it if asked; `run --check`: look at a program before anybody depends on it. */
import { existsSync } from 'node:fs'
import {
  type ClientRequestInput,
  GodwitError,
  type PlacementRules,
  type RestartPolicy,
} from '@godwit/protocol'
import type { Io } from '../io.ts'
import type { ParameterValue } from '../options.ts'
import { renderPlacement } from '../render/placement.ts'
import { renderWorkload } from '../render/views.ts'
import { builtInProgram, runRoom } from '../rooms.ts'
import { printJson, type Session } from '../session.ts'
import { follow } from './follow.ts'

export interface RunOptions {
  host?: string
  steps: number
  param?: Record<string, ParameterValue>
  id?: string
  tracker: 'auto' | 'userfaultfd' | 'compare'
  restartPolicy: RestartPolicy
  checkpointEvery?: number
  require?: Record<string, string>
  with?: string[]
  apartFrom?: string[]
  explain?: boolean
  follow?: boolean
  check?: boolean
}

/** `program` is a name or an absolute path. */
export async function run(session: Session, program: string, options: RunOptions): Promise<number> {
  const { client, io, json } = session
  const { host, id, steps, tracker, restartPolicy, checkpointEvery } = options
  const request: Extract<ClientRequestInput, { op: 'run' }> = {
    op: 'run',
    program,
    parameters: options.param ?? {},
    steps,
    tracker,
    restartPolicy,
    ...(checkpointEvery === undefined ? {} : { checkpointEveryMs: checkpointEvery }),
    ...(host === undefined ? {} : { host }),
    ...(id === undefined ? {} : { id }),
    ...rulesOf(options),
    ...(options.explain === true && { explain: true }),
  }
  const reply = await client.request(request)
  const { workload, placement } = reply
  if (json) printJson(io, reply)
  else {
    for (const line of renderPlacement(placement ?? [])) io.out(line)
    io.out(renderWorkload(workload))
    if (workload.tracker !== undefined) {
      const why = workload.trackerReason === undefined ? '' : ` (${workload.trackerReason})`
      io.out(`dirty pages by ${workload.tracker}${why}`)
    }
  }
  if (workload.status === 'failed') return 1
  return options.follow === true ? follow(session, workload.id, { fromStep: 0 }) : 0
}

function rulesOf({ require: requires, with: together, apartFrom }: RunOptions): { rules?: PlacementRules } {
  const rules = {
    ...(requires !== undefined && { requires }),
    ...(together !== undefined && { with: together }),
    ...(apartFrom !== undefined && { apartFrom }),
  }
  return Object.keys(rules).length === 0 ? {} : { rules }
}

interface CheckOptions {
  /** A name or an absolute path. */
  readonly program: string
  readonly parameters: Record<string, ParameterValue> | undefined
  readonly json: boolean
}

/** Runs the worker's check of a program; the exit code is the check's. */
export async function check(io: Io, { program, parameters = {}, json }: CheckOptions): Promise<number> {
  const file = program.startsWith('/') ? program : builtInProgram(program)
  if (file === undefined || !existsSync(file)) {
    throw new GodwitError(
      'program-missing',
      `no program ${program} comes with Godwit: give the path of its file, beginning with . or /`,
    )
  }
  const args = [file, JSON.stringify(parameters)]
  return runRoom(io, 'worker/check', json ? [...args, '--json'] : args)
}
