/**
 * Maintenance of a host, decided: which of its jobs go where now, and what is said of each.
 *
 * The intuition: nothing is remembered of how far it has come. What is written down is that the host is in maintenance, and under which
 * id; each migration says which maintenance asked for it. From these, and from where the jobs are, everything follows anew each
 * time it is looked at: after a move, after a crash, after a host has come or gone.
 *
 *     (none, over) --enter--> evacuating --exit, return--> returning --all are back, or can't be--> over
 *                                  '--------exit----------------------------------------------------^
 *
 * Entered again while jobs return it is evacuating again, under the same id.
 *
 * How many go at once is not decided here: what begins is queued with all other moves (move-queue.ts).
 *
 * Invariants: pure; a job whose migrations ended early
 * `maintenanceTries` times is not moved again; a job follows those that it must be with only once they have arrived; nothing begins of
 * a maintenance that is over.
 */
import { LIMITS, type MaintenanceJob, type MaintenanceView, type MigrationStatus } from '@godwit/protocol'
import { type HostFacts, type JobFacts, type Placement, place, reasonsOf } from './placement.ts'

export interface MaintenanceRecord {
  readonly id: string
  readonly host: string
  readonly phase: 'evacuating' | 'returning' | 'over'
  readonly force: boolean
  /** Of one that is over: jobs that were to come back and could not. */
  readonly stayed: readonly MaintenanceJob[]
}

/** A job that is not over. */
export interface MovableJob extends JobFacts {
  readonly host: string
  /** Why it can't be moved just now. */
  readonly busy: string | undefined
  /** Of one whose move is queued: why. */
  readonly queued?: string | undefined
}

/** A migration that this maintenance asked for. */
export interface MaintenanceMove {
  readonly id: string
  readonly workload: string
  readonly from: string
  readonly to: string
  readonly status: MigrationStatus
  readonly error?: { readonly message: string; readonly phase?: string | undefined } | undefined
}

export interface MaintenanceFacts {
  readonly record: MaintenanceRecord
  readonly hosts: readonly HostFacts[]
  readonly jobs: readonly MovableJob[]
  /** In the order in which they began. */
  readonly moves: readonly MaintenanceMove[]
  /** Processes of jobs that have left may still be on their way out. */
  readonly hasWorkers: boolean
}

export interface MaintenancePlan {
  readonly begin: readonly { readonly workload: string; readonly to: string }[]
  readonly view: MaintenanceView
}

export function planMaintenance(facts: MaintenanceFacts): MaintenancePlan {
  const { record, moves } = facts
  const due = record.phase === 'over' ? [] : inOrder(jobsDue(facts))
  const ids = new Set(due.map(({ id }) => id))
  // What goes on of an earlier phase, or beside it.
  const others = facts.jobs.filter(
    ({ id, move }) => !ids.has(id) && moves.some((each) => each.id === move?.id),
  )
  const begin: { workload: string; to: string }[] = []
  const world = new Tentative(facts.jobs, due)
  const listed = due.map((job): MaintenanceJob => {
    const said = stateOf(job, facts, world)
    if (said.state !== 'waiting' || said.to === undefined || said.reason !== undefined) return said
    begin.push({ workload: job.id, to: said.to })
    return said
  })
  const away = [...listed, ...others.map(moving), ...record.stayed]
  const named = new Set(away.map(({ workload }) => workload))
  const jobs = [...away, ...movedOf(facts).filter(({ workload }) => !named.has(workload))]
  const count = (state: MaintenanceJob['state']): number => jobs.filter((job) => job.state === state).length
  const isEmpty = due.length === 0 && others.length === 0 && !facts.hasWorkers
  return {
    begin,
    view: {
      host: record.host,
      phase: record.phase === 'evacuating' && isEmpty ? 'evacuated' : record.phase,
      force: record.force,
      waiting: count('waiting'),
      moving: count('moving'),
      stuck: count('stuck'),
      moved: count('moved'),
      jobs: jobs.slice(0, LIMITS.maxListedJobs),
    },
  }
}

/** Of its migrations those that are still queued, and nobody wants any more. */
export function toWithdraw({
  record: { phase, host },
  moves,
}: Pick<MaintenanceFacts, 'record' | 'moves'>): readonly MaintenanceMove[] {
  return moves.filter(
    ({ status, from, to }) =>
      status === 'queued' &&
      (phase === 'over' ||
        (phase === 'returning' && from === host) ||
        (phase === 'evacuating' && to === host)),
  )
}

/** The record as it is to be once nothing is left to do; undefined while something is. */
export function settled(record: MaintenanceRecord, { view }: MaintenancePlan): MaintenanceRecord | undefined {
  if (record.phase !== 'returning' || view.waiting + view.moving > 0) return undefined
  return { ...record, phase: 'over', stayed: view.jobs.filter(({ state }) => state === 'stuck') }
}

const isOpen = ({ status }: MaintenanceMove): boolean =>
  status !== 'completed' && status !== 'cancelled' && status !== 'failed'

const moving = ({ id: workload, move }: JobFacts): MaintenanceJob => ({
  workload,
  state: 'moving',
  ...(move !== undefined && { to: move.to, migration: move.id }),
})

/** Those that are not where they should be. */
function jobsDue({ record: { phase, host }, jobs, moves }: MaintenanceFacts): MovableJob[] {
  if (phase === 'evacuating')
    return jobs.filter((job) => job.host === host || job.move?.from === host || job.move?.to === host)
  const left = leftBy(moves, host)
  return jobs.filter((job) => left.has(job.id) && (job.host !== host || job.move?.to === host))
}

/** The latest move that took each job away. */
function leftBy(moves: readonly MaintenanceMove[], host: string): Map<string, MaintenanceMove> {
  const left = moves.filter(({ status, from }) => status === 'completed' && from === host)
  return new Map(left.map((move) => [move.workload, move]))
}

function movedOf({ record: { phase, host }, jobs, moves }: MaintenanceFacts): MaintenanceJob[] {
  const here = new Set(jobs.filter((job) => job.host === host).map(({ id }) => id))
  const left = [...leftBy(moves, host).values()]
  const back = moves.filter(({ status, to }) => status === 'completed' && to === host)
  const done = phase === 'evacuating' || back.length === 0 ? left : back
  return done
    .filter(({ workload, to }) => here.has(workload) === (to === host))
    .map(({ workload, to, id }): MaintenanceJob => ({ workload, state: 'moved', to, migration: id }))
}

function stateOf(job: MovableJob, facts: MaintenanceFacts, world: Tentative): MaintenanceJob {
  const { record, hosts } = facts
  const { id: workload } = job
  const waiting = (reason: string): MaintenanceJob => ({ workload, state: 'waiting', reason: cut(reason) })
  if (job.move !== undefined) {
    if (record.phase === 'evacuating' && job.move.to === record.host)
      return waiting(`it was on its way here before, and leaves again`)
    if (job.queued === undefined) return moving(job)
    return { ...waiting(job.queued), to: job.move.to, migration: job.move.id }
  }
  const tries = facts.moves.filter((move) => move.workload === workload && endedEarly(move, record))
  const last = tries.at(-1)
  const { chosen, verdicts } = placed(job, facts, world, tries)
  if (last !== undefined && tries.length >= LIMITS.maintenanceTries) {
    const why = `${tries.length} moves of it ended early, the last one to ${last.to}: ${last.error?.message ?? last.status}`
    return { workload, state: 'stuck', migration: last.id, reason: cut(why) }
  }
  if (chosen === undefined) {
    const home = hosts.find(({ name }) => name === record.host)
    if (record.phase === 'returning' && home?.isConnected !== true)
      return waiting(`the agent of ${record.host} is not connected`)
    return { workload, state: 'stuck', reason: cut(reasonsOf(verdicts)) }
  }
  const ahead = world.partnerUnderWay(job)
  world.goes(job, chosen)
  if (ahead !== undefined) return { ...waiting(`it follows ${ahead}`), to: chosen }
  return { workload, state: 'waiting', to: chosen, ...(job.busy !== undefined && { reason: cut(job.busy) }) }
}

const endedEarly = (move: MaintenanceMove, { phase, host }: MaintenanceRecord): boolean =>
  !isOpen(move) &&
  move.status !== 'completed' &&
  move.error?.phase !== 'queued' &&
  (phase === 'returning' ? move.to : move.from) === host

/** Elsewhere than where it was tried, if it may go anywhere else. */
function placed(
  job: MovableJob,
  { record, hosts }: MaintenanceFacts,
  world: Tentative,
  tries: readonly MaintenanceMove[],
): Placement {
  const candidates =
    record.phase === 'returning'
      ? hosts.filter(({ name }) => name === record.host)
      : hosts.filter(({ name }) => name !== record.host)
  const freed = world.withoutThoseBehind(job)
  const tried = new Map(
    tries.map(({ to, error }) => [to, `a move there ended early: ${error?.message ?? ''}`]),
  )
  const elsewhere = place(freed, candidates, world.jobs, tried)
  return elsewhere.chosen !== undefined ? elsewhere : place(freed, candidates, world.jobs)
}

/** The jobs as they will be: those that are given a place take its room from those behind them. */
class Tentative {
  readonly #jobs: Map<string, JobFacts>
  readonly #behind: Set<string>

  constructor(jobs: readonly JobFacts[], due: readonly JobFacts[]) {
    this.#jobs = new Map(jobs.map((job) => [job.id, job]))
    this.#behind = new Set(due.filter(({ move }) => move === undefined).map(({ id }) => id))
  }

  get jobs(): JobFacts[] {
    return [...this.#jobs.values()]
  }

  goes(job: MovableJob, to: string): void {
    this.#jobs.set(job.id, { ...job, move: { id: '', from: job.host, to } })
  }

  /** Two that must be with each other could never begin: whoever is first goes where it likes. */
  withoutThoseBehind(job: JobFacts): JobFacts {
    this.#behind.delete(job.id)
    const { with: together, ...rules } = job.rules
    const bound = together?.filter((id) => !this.#behind.has(id)) ?? []
    return { ...job, rules: bound.length === 0 ? rules : { ...rules, with: bound } }
  }

  partnerUnderWay({ rules }: JobFacts): string | undefined {
    return rules.with?.find((id) => this.#jobs.get(id)?.move !== undefined)
  }
}

/** By name, and each behind those that it must be with. */
function inOrder(jobs: readonly MovableJob[]): MovableJob[] {
  const byId = new Map(jobs.map((job) => [job.id, job]))
  const seen = new Set<string>()
  const ordered: MovableJob[] = []
  const visit = (job: MovableJob): void => {
    if (seen.has(job.id)) return
    seen.add(job.id)
    for (const id of job.rules.with ?? []) {
      const partner = byId.get(id)
      if (partner !== undefined) visit(partner)
    }
    ordered.push(job)
  }
  for (const job of [...jobs].sort((a, b) => (a.id < b.id ? -1 : 1))) visit(job)
  return ordered
}

function cut(reason: string): string {
  return reason.length <= LIMITS.maxListedErrorLength
    ? reason
    : `${reason.slice(0, LIMITS.maxListedErrorLength - 1)}…`
}
