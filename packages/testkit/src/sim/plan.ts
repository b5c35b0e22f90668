/**
 * What happens in one run: who runs what, what is asked for when, and what goes wrong. All of it follows from the
 * seed, and all of it is a list, so that a failure can be made smaller by leaving parts of it out.
 */
import { type MigrationOptions, migrationOptions, type RestartPolicy } from '@godwit/protocol'
import { AIMS, type Aim } from './aims.ts'
import { POINTS } from './points.ts'
import type { ProgramShape } from './program.ts'
import { Random } from './random.ts'

export const HOSTS = ['a', 'b', 'c'] as const
/** Runs and moves when everything else is over. */
export const LAST_JOB = 'last'
export const MACHINES = ['coordinator', ...HOSTS] as const

export type JobCommand = { readonly atMs: number; readonly workload: string } & (
  | {
      readonly op: 'run'
      readonly host: string
      readonly restartPolicy: RestartPolicy
      readonly checkpointEveryMs?: number
    }
  | { readonly op: 'migrate'; readonly to: string; readonly options: MigrationOptions }
  | { readonly op: 'cancel' }
  | { readonly op: 'hold' }
  | { readonly op: 'switchover' }
  | { readonly op: 'pause' }
  | { readonly op: 'resume' }
  | { readonly op: 'checkpoint' }
  | { readonly op: 'stop' }
)
/** A host is emptied, and opened again a while later. */
export type HostCommand = { readonly atMs: number; readonly host: string } & (
  | { readonly op: 'enterMaintenance'; readonly force: boolean }
  | { readonly op: 'exitMaintenance'; readonly return: boolean }
)
export type Command = JobCommand | HostCommand

export const FAULT_KINDS = [
  'crash agent',
  'crash worker',
  'crash coordinator',
  'crash machine',
  'pause agent',
  'pause worker',
  'pause coordinator',
  'break agent',
  'break worker',
  'break control',
  'break bulk',
  'flap agent',
  'cut one way',
  'cut both ways',
  'slow network',
  'doubles',
  'slow disk',
  'full disk',
  'point',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  readonly kind: FaultKind
  readonly atMs: number
  /** The machine that it happens to, or begins at. */
  readonly at: string
  /** The other machine of a cut. */
  readonly to: string
  readonly forMs: number
  /** Which of several, in share. */
  readonly which: number
  /** `<role>/<point>`, the how manieth time it is reached after `atMs`, and what happens then. */
  readonly point?: string
  readonly nth?: number
  readonly action?: PointAction
  /** The point that ends a `hold`, a `pause` or the wait for a `double` before its time. */
  readonly until?: string
  /** Of which a person asks for something. */
  readonly workload?: string
}

/**
 * `part`: its machine reaches the coordinator, and the other hosts no more; `powerCut`: all that runs there is gone at once;
 * `hold`: nothing that it says to that process arrives any more; `double`: the coordinator hears it a second time;
 * `lose`: the two sides of each migration lose each other; `unplug`: agent and coordinator do, `unplugWorker`: agent and workers; `slowDisk`,
 * `fullDisk`: the coordinator's; `cancel`, `stop`, `pauseMove`, `resumeMove`, `enterMaintenance` of the other machine: a person asks for that.
 */
export type PointAction =
  | 'crash'
  | 'pause'
  | 'part'
  | 'powerCut'
  | 'hold'
  | 'double'
  | 'lose'
  | 'unplug'
  | 'slowDisk'
  | 'fullDisk'
  | 'cancel'
  | 'stop'
  | 'pauseMove'
  | 'resumeMove'
  | 'unplugWorker'
  | 'enterMaintenance'

export interface Plan {
  readonly seed: number
  readonly shapes: Readonly<Record<string, ProgramShape>>
  readonly network: { readonly delayMs: number; readonly bytesPerMs: number }
  /** So different are clocks at most, as a share of time. */
  readonly drift: number
  readonly faultsUntilMs: number
  readonly commands: readonly Command[]
  readonly faults: readonly Fault[]
}

/** Which faults may be drawn: those whose answer is not built yet are left out by name. */
export interface PlanFlags {
  readonly leaveOut: ReadonlySet<FaultKind>
}

/** What a seed is there to meet: a crash point, or cells. */
export function metBy(seed: number, { leaveOut }: PlanFlags): readonly string[] {
  const own = turnOf(
    seed,
    FAULT_KINDS.filter((kind) => !leaveOut.has(kind)),
  )
  return 'aim' in own ? own.aim.cells : [own.point]
}

export function planOf(seed: number, { leaveOut }: PlanFlags): Plan {
  const random = new Random(seed, 'plan')
  const kinds = FAULT_KINDS.filter((kind) => !leaveOut.has(kind))
  const own = turnOf(seed, kinds)
  const plan = 'aim' in own ? aimedPlan(random, own.aim, kinds) : drawnPlan(random, own.point, kinds)
  return { seed, ...plan, faults: plan.faults.toSorted((a, b) => a.atMs - b.atMs) }
}

type DrawnPlan = Omit<Plan, 'seed'>

function drawnPlan(random: Random, own: string, kinds: readonly FaultKind[]): DrawnPlan {
  const faultsUntilMs = random.between(12_000, 35_000)
  const names = ['job', 'other', 'third'].slice(0, 1 + random.integer(3))
  const shapes = Object.fromEntries(
    names.map((name) => [name, shapeOf(random, faultsUntilMs / names.length)]),
  )
  const level = random.pick([0, 2, 4, 8, 8, 16, 30])
  const faults = Array.from({ length: level }, () => faultOf(random, kinds, faultsUntilMs))
  if (level > 0) faults.push(...ownPoint(random, own, faultsUntilMs))
  return {
    network: {
      delayMs: random.pick([0.3, 1, 1, 5, 40]),
      bytesPerMs: random.pick([100, 400, 2_000, 20_000]),
    },
    drift: random.pick([0, 0.0001, 0.01, 0.1]),
    shapes: { ...shapes, [LAST_JOB]: lastShape(random) },
    faultsUntilMs,
    commands: [
      ...names.flatMap((name) => commandsOf(random, name, faultsUntilMs)),
      ...maintenanceOf(random, faultsUntilMs),
      ...names.flatMap((name) => holdsOf(random, name, faultsUntilMs)),
      ...names.flatMap((name) => pausesOf(random, name, faultsUntilMs)),
    ],
    faults,
  }
}

const AIMED_JOB = 'job'
const OTHER_JOB = 'other'
const BEFORE_MS = 1_500
/** By then it has trained for a while, on whatever network. */
const AIMED_MOVE_MS = 4_000
/** About then it takes its first step. */
const STARTED_MS = 550

/** One job and its move, and little else that goes wrong but what is aimed with. */
function aimedPlan(random: Random, aim: Aim, kinds: readonly FaultKind[]): DrawnPlan {
  const workload = AIMED_JOB
  const faultsUntilMs = AIMED_MOVE_MS + 30_000
  const sizes = {
    pages: 16,
    writes: random.pick([2, 8]),
    computeMs: aim.computeMs ?? random.pick([20, 60, 150]),
    applyMs: 5,
  }
  const drawn = { ...shapeOf(random, faultsUntilMs), ...sizes }
  const trainsMs =
    aim.endsAfterMs === undefined
      ? faultsUntilMs
      : AIMED_MOVE_MS - STARTED_MS + random.between(...aim.endsAfterMs)
  const shape = { ...drawn, steps: Math.ceil(trainsMs / (drawn.computeMs + drawn.applyMs)) }
  const bytesPerMs = aim.bytesPerMs ?? random.pick([400, 2_000, 20_000])
  const [host, to] = random.shuffled(HOSTS) as [string, string]
  const options = migrationOptions.parse({ downtimeLimitMs: 300, ...aim.options })
  const aimed = aim.faults.map(
    ({ at, ...fault }): Fault => ({
      ...anyFault(random, 'point', faultsUntilMs),
      nth: 1,
      forMs: 1_000,
      ...fault,
      atMs: AIMED_MOVE_MS - 1,
      point: at,
      workload,
      to,
    }),
  )
  const { waitsForAnotherMs = 0 } = aim
  const another = waitsForAnotherMs > 0 ? [OTHER_JOB] : []
  const { checkpointEveryMs, cancelAfterMs } = aim
  const checkpointed = checkpointEveryMs === undefined ? {} : { checkpointEveryMs }
  const level = random.pick([0, 0, 0, 1, 2])
  return {
    network: { delayMs: random.pick([0.3, 1, 5]), bytesPerMs },
    drift: random.pick([0, 0.0001, 0.01]),
    shapes: {
      [workload]: shape,
      ...Object.fromEntries(another.map((name) => [name, shape])),
      [LAST_JOB]: lastShape(random),
    },
    faultsUntilMs,
    commands: [
      { op: 'run', workload, host, atMs: 300, restartPolicy: 'on-failure', ...checkpointed },
      ...another.flatMap((name): Command[] => [
        { op: 'run', workload: name, host, atMs: 300, restartPolicy: 'on-failure' },
        {
          op: 'migrate',
          workload: name,
          to,
          options: { ...options, hold: true },
          atMs: AIMED_MOVE_MS - BEFORE_MS,
        },
        { op: 'switchover', workload: name, atMs: AIMED_MOVE_MS + waitsForAnotherMs },
      ]),
      { op: 'migrate', workload, to, options, atMs: AIMED_MOVE_MS },
      ...(cancelAfterMs === undefined
        ? []
        : [{ op: 'cancel', workload, atMs: AIMED_MOVE_MS + random.between(...cancelAfterMs) } as const]),
    ],
    faults: [...Array.from({ length: level }, () => faultOf(random, kinds, faultsUntilMs)), ...aimed],
  }
}

function lastShape(random: Random): ProgramShape {
  return { ...shapeOf(random, 0), pages: 16, writes: 4, computeMs: 50, applyMs: 5, steps: 150 }
}

function shapeOf(random: Random, forMs: number): ProgramShape {
  const pages = random.pick([8, 16, 48, 96])
  const computeMs = random.pick([20, 60, 150, 300])
  const applyMs = computeMs * random.pick([0.05, 0.3])
  const splits = random.chance(0.7)
  const usualSteps = forMs / (computeMs + applyMs)
  return {
    seed: random.integer(2 ** 31),
    pages,
    writes: Math.max(1, Math.floor(pages * random.pick([0.1, 0.5, 1]))),
    splits,
    deltaBytes: splits ? random.pick([8, 1_024, 65_536]) : 0,
    computeMs,
    applyMs,
    steps: Math.max(5, Math.floor(usualSteps * random.pick([0.5, 1, 4, 4, 4]))),
  }
}

function commandsOf(random: Random, workload: string, untilMs: number): JobCommand[] {
  const commands: JobCommand[] = [
    {
      op: 'run',
      workload,
      host: random.pick(HOSTS),
      atMs: random.between(200, 1_500),
      restartPolicy: random.chance(0.9) ? 'on-failure' : 'never',
      ...(random.chance(0.7) && { checkpointEveryMs: random.pick([1_000, 3_000, 10_000]) }),
    },
  ]
  const moves = 1 + random.integer(4)
  for (let move = 0; move < moves; move++) {
    const atMs = random.between(1_800, untilMs)
    commands.push({ op: 'migrate', workload, to: random.pick(HOSTS), options: optionsOf(random), atMs })
    if (random.chance(0.2)) commands.push({ op: 'cancel', workload, atMs: atMs + random.between(0, 4_000) })
  }
  if (random.chance(0.3)) commands.push({ op: 'checkpoint', workload, atMs: random.between(2_000, untilMs) })
  if (random.chance(0.08)) commands.push({ op: 'stop', workload, atMs: random.between(3_000, untilMs) })
  return commands.sort((a, b) => a.atMs - b.atMs)
}

/** A move is held, or is to be, whatever it is at; mostly it is let go later, and now and then twice. */
function holdsOf(random: Random, workload: string, untilMs: number): JobCommand[] {
  if (random.chance(0.4)) return []
  const atMs = random.between(1_800, untilMs)
  const times = Array.from({ length: random.integer(3) }, () => atMs + random.between(10, 8_000))
  return [
    { op: 'hold', workload, atMs },
    ...times.map((each): JobCommand => ({ op: 'switchover', workload, atMs: each })),
  ]
}

/** In some seeds a move is paused, whatever it is at, and goes on later; now and then both are said twice, or the second never. */
function pausesOf(random: Random, workload: string, untilMs: number): JobCommand[] {
  if (random.chance(0.5)) return []
  const atMs = random.between(1_800, untilMs)
  const times = Array.from({ length: random.integer(3) }, () => atMs + random.between(5, 6_000))
  return [
    { op: 'pause', workload, atMs },
    ...times.map(
      (each, index): JobCommand => ({ op: index === 1 ? 'pause' : 'resume', workload, atMs: each }),
    ),
  ]
}

/** In two seeds of five: now and then of two hosts, entered twice, or never ended. */
function maintenanceOf(random: Random, untilMs: number): HostCommand[] {
  if (random.chance(0.6)) return []
  const commands: HostCommand[] = []
  const times = random.pick([1, 1, 1, 2])
  for (let time = 0; time < times; time++) {
    const host = random.pick(HOSTS)
    const atMs = random.between(2_000, untilMs)
    commands.push({ op: 'enterMaintenance', host, force: random.chance(0.5), atMs })
    // Not later than anything else that is asked for: what comes then may count on the host.
    if (random.chance(0.2)) {
      const againMs = Math.min(untilMs, atMs + random.between(0, 6_000))
      commands.push({ op: 'enterMaintenance', host, force: true, atMs: againMs })
    }
    if (random.chance(0.8))
      commands.push({
        op: 'exitMaintenance',
        host,
        return: random.chance(0.6),
        atMs: atMs + random.between(100, 15_000),
      })
  }
  return commands
}

function optionsOf(random: Random): MigrationOptions {
  return migrationOptions.parse({
    downtimeLimitMs: random.pick([5, 50, 300, 300, 2_000]),
    ...(random.chance(0.2) && { maxDowntimeMs: random.pick([5, 100, 1_000]) }),
    method: random.chance(0.1) ? 'stopcopy' : 'precopy',
    parkPoint: random.pick(['auto', 'auto', 'boundary', 'preApply']),
    streams: random.pick([undefined, 1, 2, 3]),
    onStall: random.pick(['wait', 'raiseLimit', 'throttle', 'giveUp']),
    timeoutMs: random.pick([1_500, 5_000, 30_000, 600_000]),
    verify: random.chance(0.25),
    onTimeout: random.pick(['cancel', 'force']),
  })
}

/** Said only after something else has gone wrong: the source asks for its job back when its target dies between claim and first step. */
const LED_TO: readonly { readonly points: RegExp; readonly by: string }[] = [
  { points: /recover/i, by: 'worker/before-send:running' },
]

/** Mostly passed by once, by a job that may have ended by then: they are armed three times as often. */
const HARD_TO_MEET = /recover|running|toWorker.checkpoint/i

/**
 * Each seed has a point or an aim of its own, from the first to the last and again: what is drawn may leave one out for
 * thousands of seeds.
 */
function turnOf(seed: number, kinds: readonly FaultKind[]): { point: string } | { aim: Aim } {
  const points = pointsOf(kinds)
  const hard = points.filter((point) => HARD_TO_MEET.test(point))
  const turns = [
    ...[...points, ...hard, ...hard].map((point) => ({ point })),
    ...[...AIMS, ...AIMS].map((aim) => ({ aim })),
  ]
  return turns[seed % turns.length] as (typeof turns)[number]
}

function ownPoint(random: Random, point: string, untilMs: number): Fault[] {
  const own: Fault = { ...pointFault(random, point, untilMs / 2), nth: 1 }
  const first = LED_TO.find(({ points }) => points.test(point))
  return first === undefined ? [own] : [own, { ...own, point: first.by, action: 'crash' }]
}

function pointsOf(kinds: readonly FaultKind[]): readonly string[] {
  return kinds.includes('crash coordinator')
    ? POINTS
    : POINTS.filter((point) => !point.startsWith('coordinator/'))
}

const SELDOM = /recover|claim|final|failed|resume|release|ended/i

function faultOf(random: Random, kinds: readonly FaultKind[], untilMs: number): Fault {
  const usual = kinds.filter((kind) => kind !== 'point')
  if (random.chance(0.5)) {
    const points = pointsOf(kinds)
    // What is said after a switchover went wrong is said seldom, and matters most.
    const drawn = random.chance(0.4) ? points.filter((point) => SELDOM.test(point)) : points
    return pointFault(random, random.pick(drawn), untilMs)
  }
  return anyFault(random, random.pick(usual), untilMs)
}

function anyFault(random: Random, kind: FaultKind, untilMs: number): Fault {
  return {
    kind,
    atMs: random.between(300, untilMs),
    at: random.pick(MACHINES),
    to: random.pick(MACHINES),
    // Mostly short; now and then past every heartbeat.
    forMs: random.chance(0.7) ? random.between(50, 3_000) : random.between(3_000, 20_000),
    which: random.next(),
  }
}

function pointFault(random: Random, point: string, untilMs: number): Fault {
  return {
    ...anyFault(random, 'point', untilMs),
    // At a point it matters most whether those who wait for each other give up before it is over.
    forMs: random.chance(0.4) ? random.between(50, 3_000) : random.between(3_000, 25_000),
    // Points of a switchover come late by themselves.
    atMs: random.between(0, untilMs * 0.6),
    point,
    nth: random.pick([1, 1, 1, 2, 3]),
    action: random.pick(['crash', 'crash', 'crash', 'pause', 'pause', 'part', 'powerCut']),
  }
}
