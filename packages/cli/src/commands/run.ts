/** `run`: start a workload, and follow it if asked; `run --check`: look at a program before anybody depends on it. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import {
  type ClientRequestInput,
  GodwitError,
  makeWorkloadId,
  type ParameterValue,
  type PlacementRules,
  type Reply,
  type RestartPolicy,
  sayBytes,
  setupMs,
} from '@godwit/protocol'
import type { Io } from '../io.ts'
import { renderPlacement } from '../render/placement.ts'
import { renderWorkload } from '../render/views.ts'
import { builtInProgram, runRoom } from '../rooms.ts'
import { printJson, type Session } from '../session.ts'
import { bringBundle } from './bundle.ts'
import { showFetching } from './fetching.ts'
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
  /** Of a file: unless it is false. */
  bundle?: boolean
  data?: string[]
}

type RunRequest = Extract<ClientRequestInput, { op: 'run' }>

/** `program` is a name or an absolute path. */
export async function run(session: Session, program: string, options: RunOptions): Promise<number> {
  const { io, json } = session
  const { host, id, steps, tracker, restartPolicy, checkpointEvery } = options
  const request: RunRequest = {
    op: 'run',
    ...(await programOf(session, program, options)),
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
  const reply = request.bundle === undefined ? await asked(session, request) : await shown(session, request)
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

function asked({ client }: Session, request: RunRequest): Promise<Reply<'run'>> {
  return client.request(request, setupMs(request.bundle))
}

/** On a terminal one sees how far the host is that fetches the bundle: it is asked by a name, so a job that has none is given one. */
async function shown(session: Session, request: RunRequest): Promise<Reply<'run'>> {
  const { io, json } = session
  if (json || io.columns === undefined) return asked(session, request)
  const id = request.id ?? makeWorkloadId(request.program)
  io.live(`the host fetches what it lacks of ${sayBytes(request.bundle?.bytes ?? 0)}, and sets the job up`)
  return showFetching(session, id, asked(session, { ...request, id }))
}

/** A file is brought along, unless it lies on each host already. Errors: `bad-arguments`, those of `bringBundle`. */
async function programOf(
  session: Session,
  program: string,
  { bundle, data = [], param = {} }: RunOptions,
): Promise<Pick<RunRequest, 'program' | 'bundle'>> {
  const isFile = program.startsWith('/')
  if (isFile && bundle !== false)
    return {
      program: basename(program),
      bundle: await bringBundle(session, { file: program, parameters: param, data }),
    }
  if (data.length > 0 || bundle === true) {
    const why = isFile ? '--no-bundle brings nothing along' : `${program} is a name that each host knows`
    throw new GodwitError('bad-arguments', `${why}: a bundle is made of a file, beginning with . or /`)
  }
  return { program }
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
