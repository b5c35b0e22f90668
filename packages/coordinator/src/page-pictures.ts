/**
 * Who looks at the pages of a job that moves, and what they are shown.
 *
 * The source makes pictures for a few seconds after it was asked to, so it is asked again each second while somebody looks. Nobody has to be told when
 * nobody does any more, whoever of us dies meanwhile; a job that nobody looks at is asked nothing.
 *
 * Invariants: what is shown is of the move that is under way, from the worker that owns the job; a picture is whole, so that one who reads slowly is shown
 * fewer of them, and none is kept but the latest of a job that somebody looks at.
 */
import {
  type ClientEvent,
  cellsInRuns,
  GodwitError,
  LIMITS,
  type MigrationView,
  type PagePicture,
  type ToWorker,
} from '@godwit/protocol'
import type { Followed } from './client-connection.ts'
import type { Clock } from './clock.ts'
import type { Sink } from './output-feed.ts'

/** What of a job there is to look at. */
export interface MovingJob {
  readonly migration: Pick<MigrationView, 'id' | 'status'> | undefined
  /** The worker that owns it. */
  readonly source: { readonly workerId: string }
}

export interface PicturesEdge {
  readonly clock: Clock
  job(id: string): MovingJob | undefined
  tell(workerId: string, message: ToWorker): void
}

/** While rounds are sent. */
const SHOWN: readonly MigrationView['status'][] = ['active', 'preSwitchover']

export class PagePictures {
  readonly #edge: PicturesEdge
  readonly #viewers = new Map<string, Set<Sink>>()
  readonly #latest = new Map<string, Extract<ClientEvent, { kind: 'pages' }>>()
  #cancelAsking: (() => void) | undefined

  constructor(edge: PicturesEdge) {
    this.#edge = edge
  }

  watch(workload: string, sink: Sink): Followed {
    return {
      start: () => this.#begin(workload, sink),
      stop: () => this.#end(workload, sink),
    }
  }

  heard(workload: string, workerId: string, message: { migrationId: string; picture: PagePicture }): void {
    const viewers = this.#viewers.get(workload)
    const { migrationId, picture } = message
    if (viewers === undefined || this.#shown(workload, workerId) !== migrationId || !isWhole(picture)) return
    const { pageCount, pagesPerCell, round } = picture
    const runs = Buffer.from(picture.runs).toString('base64')
    const event = { kind: 'pages', migration: migrationId, pageCount, pagesPerCell, round, runs } as const
    this.#latest.set(workload, event)
    for (const sink of viewers) if (sink.bufferedBytes() <= LIMITS.maxWaitingPictureBytes) sink.send(event)
  }

  close(): void {
    this.#cancelAsking?.()
    this.#viewers.clear()
  }

  #begin(workload: string, sink: Sink): void {
    const viewers = this.#viewers.get(workload) ?? new Set()
    this.#viewers.set(workload, viewers.add(sink))
    const latest = this.#latest.get(workload)
    if (latest !== undefined && latest.migration === this.#shown(workload)) sink.send(latest)
    this.#ask(workload)
    this.#askAgain()
  }

  #end(workload: string, sink: Sink): void {
    const viewers = this.#viewers.get(workload)
    viewers?.delete(sink)
    if (viewers?.size !== 0) return
    this.#viewers.delete(workload)
    this.#latest.delete(workload)
    if (this.#viewers.size > 0) return
    this.#cancelAsking?.()
    this.#cancelAsking = undefined
  }

  #askAgain(): void {
    this.#cancelAsking ??= this.#edge.clock.after(LIMITS.askPicturesEveryMs, () => {
      this.#cancelAsking = undefined
      for (const workload of this.#viewers.keys()) this.#ask(workload)
      this.#askAgain()
    })
  }

  #ask(workload: string): void {
    const migrationId = this.#shown(workload)
    const source = this.#edge.job(workload)?.source
    if (migrationId !== undefined && source !== undefined)
      this.#edge.tell(source.workerId, { type: 'showPages', migrationId })
  }

  /** The move whose rounds are being sent; by `workerId`, if that is said. */
  #shown(workload: string, workerId?: string): string | undefined {
    const job = this.#edge.job(workload)
    if (job?.migration === undefined || !SHOWN.includes(job.migration.status)) return undefined
    return workerId === undefined || job.source.workerId === workerId ? job.migration.id : undefined
  }
}

/** Those who look need not check it. */
function isWhole(picture: PagePicture): boolean {
  try {
    cellsInRuns(picture)
    return true
  } catch (error) {
    if (error instanceof GodwitError) return false
    throw error
  }
}
