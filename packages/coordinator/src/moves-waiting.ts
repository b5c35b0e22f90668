/**
 * The queue of moves, carried out: move-queue.ts decides, this looks when something has changed, and says to whom it applies.
 *
 * It is looked at whenever a move begins or ends and a host comes or goes, and every `queueLookMs` while somebody waits. What is told to
 * begin counts as under way until it has, or has said that it can't.
 *
 * Invariant: a move begins at once only if it would begin as the last of the queue, so nobody overtakes one that waits for the same.
 */
import { LIMITS } from '@godwit/protocol'
import type { Clock } from './clock.ts'
import type { MigrationPlan } from './migration-state.ts'
import { type MoveLimits, type MovePath, planQueue, type QueuedMove } from './move-queue.ts'

/** A job with a move that is queued, or under way. */
export interface MovingJob {
  readonly queued: QueuedMove | undefined
  readonly underWay: { readonly from: string; readonly to: string } | undefined
  waits(at: { readonly place: number; readonly reason: string }): void
  /** Settles when it has begun, or said that it can't. */
  admit(migration: string): Promise<void>
}

export interface MoveQueueEdge {
  readonly clock: Clock
  readonly limits: MoveLimits
  jobs(): readonly MovingJob[]
  /** What two hosts' zones are joined by; undefined as well where one of them is not known any more. */
  linkOf(from: string, to: string): string | undefined
  /** The move that switches over on one of these hosts, or between them. */
  occupant(from: string, to: string): string | undefined
  /** Where the move goes as things are now. Errors: why it can go nowhere. */
  destination(plan: MigrationPlan): string
}

export class MoveQueue {
  readonly #edge: MoveQueueEdge
  #cancelTimer: () => void = () => {}
  /** Told to begin, and has not yet: they count as under way. */
  readonly #beginning = new Set<string>()
  /** Since when they are kept for the sake of switchovers alone. */
  #kept = new Map<string, number>()
  #isPoked = false
  #isClosed = false

  constructor(edge: MoveQueueEdge) {
    this.#edge = edge
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTimer()
  }

  /** Something has happened that may let one begin. */
  poke(): void {
    if (this.#isPoked || this.#isClosed) return
    this.#isPoked = true
    void Promise.resolve().then(() => this.#look())
  }

  /** Of one that is asked for now: nobody is in its way, under way or in the queue. */
  mayBegin(move: QueuedMove): boolean {
    return this.wouldWait(move) === undefined
  }

  /** Of one that is asked for now: where it would be in the queue, and why. */
  wouldWait(move: QueuedMove): { readonly place: number; readonly reason: string } | undefined {
    const { queued, underWay } = this.#now(move.id)
    const { waiting } = planQueue([...queued, this.#asNow(move)], underWay, this.#edge.limits)
    return waiting.find(({ id }) => id === move.id)
  }

  destination(plan: MigrationPlan): string {
    return this.#edge.destination(plan)
  }

  #look(): void {
    this.#isPoked = false
    this.#cancelTimer()
    if (this.#isClosed) return
    const { jobs, queued, underWay } = this.#now()
    if (queued.length === 0) return
    const { begin, kept, waiting } = planQueue(queued, underWay, this.#edge.limits)
    const nowMs = this.#edge.clock.nowMs()
    this.#kept = new Map(kept.map((id) => [id, this.#kept.get(id) ?? nowMs]))
    const beginning = new Set(begin)
    const places = new Map(waiting.map((each) => [each.id, each]))
    for (const job of jobs) {
      const { id } = job.queued ?? {}
      if (id === undefined) continue
      const at = places.get(id)
      if (beginning.has(id)) this.#begin(job, id)
      else if (at !== undefined) job.waits(at)
    }
    this.#cancelTimer = this.#edge.clock.after(LIMITS.queueLookMs, () => this.poke())
  }

  #begin(job: MovingJob, id: string): void {
    this.#beginning.add(id)
    void job.admit(id).then(() => {
      this.#beginning.delete(id)
    })
  }

  #now(except?: string): { jobs: readonly MovingJob[]; queued: QueuedMove[]; underWay: MovePath[] } {
    const jobs = this.#edge.jobs()
    const queued: QueuedMove[] = []
    const underWay: MovePath[] = []
    for (const job of jobs) {
      if (job.underWay !== undefined) underWay.push(this.#onLink(job.underWay))
      if (job.queued === undefined || job.queued.id === except) continue
      if (this.#beginning.has(job.queued.id)) underWay.push(this.#onLink(job.queued))
      else queued.push(this.#asNow(job.queued))
    }
    return { jobs, queued, underWay }
  }

  #asNow(move: QueuedMove): QueuedMove {
    const keptSinceMs = this.#kept.get(move.id)
    return {
      ...this.#onLink(move),
      occupant: this.#edge.occupant(move.from, move.to),
      keptMs: keptSinceMs === undefined ? 0 : this.#edge.clock.nowMs() - keptSinceMs,
    }
  }

  #onLink<Path extends { readonly from: string; readonly to: string }>(path: Path): Path & MovePath {
    return { ...path, link: this.#edge.linkOf(path.from, path.to) }
  }
}
