/**
 * `npm run demo:compose`: the demo on containers. Starts docker-compose.yml, moves a job across fault domains and back while it trains, stops
 * the container that it is on, which moves it away first, and compares it bit by bit with a run that never moved. Takes everything down.
 *
 * Exit code 0 when every bit agrees; 1 with one sentence where there is no docker engine.
 */

import {
  accessTo,
  defaultSteps,
  formatMs,
  Interrupted,
  isContinuous,
  migrationSteps,
  Narrator,
  prove,
  Terminal,
  untilInterrupted,
} from '@godwit/cli/demo'
import { CoordinatorClient } from '@godwit/client'
import type { MigrationReport } from '@godwit/protocol'
import { Stack, whyNoDocker } from './stack.ts'

const PROGRAM = 'mnist-mlp'
/** In rack-1 and rack-2; the third, in rack-1, is where the run that never moves trains. */
const [HOME, ACROSS, THIRD] = ['host-a', 'host-c', 'host-b'] as const

async function demo(io: Terminal): Promise<number> {
  const narrator = new Narrator(io, false)
  const startedAtMs = performance.now()
  const stack = new Stack({ project: process.env.COMPOSE_PROJECT_NAME ?? `godwit-demo-${process.pid}` })
  /** Says what is going on, and then how long it took. */
  const timed = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    io.live(`  ${what} ...`)
    const beganAtMs = performance.now()
    await untilInterrupted(io.interrupted, work())
    narrator.say(`${what}: ${formatMs(performance.now() - beganAtMs)}`)
  }
  try {
    await timed('building the image', () => stack.compose('build'))
    const bytes = await stack.docker('image', 'inspect', '--format', '{{.Size}}', 'godwit')
    narrator.say(`the image has ${Math.round(Number(bytes) / 1e6)} MB`)
    await timed('starting a coordinator and three hosts in two fault domains', () => stack.start())
    const { url: coordinator, token } = stack
    const access = () => accessTo({ coordinator, insecure: false }, token)
    const client = await untilInterrupted(io.interrupted, CoordinatorClient.connect(coordinator, access))
    try {
      const continuous = await untilInterrupted(io.interrupted, onStack(stack, client, narrator))
      narrator.say(`the demo took ${formatMs(performance.now() - startedAtMs)}`)
      return continuous ? 0 : 1
    } finally {
      client.close()
    }
  } catch (error) {
    if (error instanceof Interrupted) narrator.say('interrupted')
    throw error
  } finally {
    io.live('  taking everything down ...')
    await stack.end()
    narrator.say('everything is taken down')
  }
}

async function onStack(stack: Stack, client: CoordinatorClient, narrator: Narrator): Promise<boolean> {
  const steps = defaultSteps(PROGRAM)
  const [first = 0, second = 0, third = 0] = migrationSteps(steps, 3)
  const plan = {
    request: {
      ...({ op: 'run', id: 'job', program: PROGRAM, parameters: {}, steps, tracker: 'auto' } as const),
      host: HOME,
    },
    migrationSteps: [first, second],
    hosts: [HOME, ACROSS] as [string, string],
    downtimeLimitMs: undefined,
  }
  let moved = 0
  let stopping: Promise<unknown> | undefined
  let away: string | undefined
  const observer = {
    stepped: ({ recorder }: { recorder: { losses: readonly number[] } }) => {
      if (stopping !== undefined || moved < 2 || recorder.losses.length < third) return
      narrator.say(`docker compose stop ${HOME}: its job leaves first`)
      stopping = stack.compose('stop', HOME)
      // Looked at when the run is over.
      stopping.catch(() => {})
    },
    migration: ({ id, status }: { id: string; status: string }) => {
      if (stopping !== undefined) away = id
      else if (status === 'completed') moved += 1
    },
  }
  const otherReports = async (): Promise<MigrationReport[]> => {
    await stopping
    if (away === undefined) throw new Error(`${HOME} was stopped, and its job did not leave`)
    const { migration } = await client.request({ op: 'migration', migration: away })
    if (migration.report === undefined) throw new Error(`the move away from ${HOME} ${migration.status}`)
    return [migration.report]
  }
  const title = 'moved to another fault domain and back, then from a host that is stopped'
  const { comparison } = await prove(client, narrator, {
    ...{ plan, title, controlHost: THIRD, observer, otherReports },
  })
  return isContinuous(comparison)
}

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interruption.abort(new Interrupted(signal)))
const io = new Terminal(process, interruption.signal)
try {
  const why = await whyNoDocker()
  if (why !== undefined) throw new Error(why)
  process.exitCode = await demo(io)
} catch (error) {
  io.endLive()
  if (error instanceof Interrupted) process.exitCode = error.exitCode
  else {
    console.error(`demo:compose: ${(error as Error).message}`)
    process.exitCode = 1
  }
}
